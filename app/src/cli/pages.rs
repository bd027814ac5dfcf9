//! Pages over HTTP: one answer a connection, each on a thread of its own. Who connects
//! and neither sends nor reads holds up nobody else, and is let go in time.

use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// From a connection's beginning to the end of its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections at a time; one more is closed.
const MOST: usize = 32;
/// Bytes of a request's head, at most.
const HEAD: usize = 16 << 10;

/// A status and a text, for a path.
pub trait Pages: Send + Sync {
    fn page(&self, path: &str) -> (u16, String);
}

/// Answers until the process ends.
///
/// # Errors
/// The system gives no thread.
pub fn serve(listener: TcpListener, pages: Arc<dyn Pages>) -> Result<()> {
    let open = Arc::new(());
    let accept = move || {
        for stream in listener.incoming() {
            let stream = match stream {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::debug!("metrics: {error}");
                    // There may be no file left for it: not asked again at once.
                    std::thread::sleep(Duration::from_millis(100));
                    continue;
                }
            };
            if Arc::strong_count(&open) > MOST {
                continue;
            }
            let (pages, held) = (Arc::clone(&pages), Arc::clone(&open));
            let talk = move || {
                if let Err(error) = converse(stream, &*pages, Instant::now() + PATIENCE) {
                    tracing::debug!("metrics: {error}");
                }
                drop(held);
            };
            let named = std::thread::Builder::new().name("joinscope-page".to_owned());
            if let Err(error) = named.spawn(talk) {
                tracing::debug!("metrics: {error}");
            }
        }
    };
    std::thread::Builder::new().name("joinscope-metrics".to_owned()).spawn(accept).map(drop)
}

/// What is left of a connection's time.
fn left(until: Instant) -> Result<Option<Duration>> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
}

fn converse(mut stream: TcpStream, pages: &dyn Pages, until: Instant) -> Result<()> {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > HEAD {
            return say(&mut stream, 431, "a shorter request\n", true, until);
        }
        stream.set_read_timeout(left(until)?)?;
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(&piece[..read]);
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    match method {
        "GET" | "HEAD" => {
            let (code, text) = pages.page(path);
            say(&mut stream, code, &text, method == "GET", until)
        }
        _ => say(&mut stream, 405, "GET\n", true, until),
    }
}

fn say(
    stream: &mut TcpStream,
    code: u16,
    text: &str,
    with_text: bool,
    until: Instant,
) -> Result<()> {
    let why = match code {
        200 => "OK",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "",
    };
    let mut answer = format!(
        "HTTP/1.1 {code} {why}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    if with_text {
        answer.push_str(text);
    }
    let mut rest = answer.as_bytes();
    while !rest.is_empty() {
        stream.set_write_timeout(left(until)?)?;
        let written = stream.write(rest)?;
        if written == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        rest = &rest[written..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than the buffers of a connection hold.
    const LARGE: usize = 32 << 20;

    struct Two;

    impl Pages for Two {
        fn page(&self, path: &str) -> (u16, String) {
            match path {
                "/small" => (200, "small\n".to_owned()),
                "/large" => (200, "x".repeat(LARGE)),
                _ => (404, "none\n".to_owned()),
            }
        }
    }

    fn served() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        serve(listener, Arc::new(Two)).unwrap();
        address
    }

    fn ask(address: &str, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn answer(address: &str, request: &str) -> String {
        let mut text = String::new();
        ask(address, request).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_path_has_its_page() {
        let address = served();
        let page = answer(&address, "GET /small?x=1 HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.ends_with("\r\n\r\nsmall\n"));
        assert!(page.contains("Content-Length: 6\r\n"), "{page}");
        let page = answer(&address, "HEAD /small HTTP/1.1\r\n\r\n");
        assert!(page.contains("Content-Length: 6\r\n") && page.ends_with("\r\n\r\n"), "{page}");
        assert!(answer(&address, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        assert!(answer(&address, "PUT /small HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
        assert!(answer(&address, "\r\n\r\n").starts_with("HTTP/1.1 405 "));
    }

    /// Found by reading: one thread answered, and whoever did not read its answer, or sent
    /// half of a request, held it up for ever.
    #[test]
    fn who_does_not_send_or_read_holds_up_nobody() {
        let address = served();
        let _silent = TcpStream::connect(&address).unwrap();
        let _half = ask(&address, "GET /small HTT");
        let mut deaf = ask(&address, "GET /large HTTP/1.1\r\n\r\n");
        // Its answer has begun.
        deaf.read_exact(&mut [0; 12]).unwrap();
        let page = answer(&address, "GET /small HTTP/1.1\r\n\r\n");
        assert!(page.ends_with("small\n"), "{page}");
    }

    #[test]
    fn who_takes_too_long_is_let_go() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        for request in ["GET /small HTT", "GET /large HTTP/1.1\r\n\r\n"] {
            let _held = ask(&address, request);
            let (stream, _) = listener.accept().unwrap();
            let until = Instant::now() + Duration::from_millis(50);
            let error = converse(stream, &Two, until).unwrap_err();
            let late = [ErrorKind::TimedOut, ErrorKind::WouldBlock];
            assert!(late.contains(&error.kind()), "{request}: {error}");
        }
    }

    #[test]
    fn a_request_without_an_end_is_refused() {
        let address = served();
        let request = format!("GET /{} ", "x".repeat(HEAD));
        assert!(answer(&address, &request).starts_with("HTTP/1.1 431 "));
    }
}
