//! A TCP proxy between the program and a broker: it delays, loses or cuts what passes, at
//! once or at a request of a kind.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Kinds of requests, as Kafka numbers them (`ApiKeys`).
pub const PRODUCE: i16 = 0;
pub const FETCH: i16 = 1;
pub const OFFSET_COMMIT: i16 = 8;
pub const ADD_PARTITIONS_TO_TXN: i16 = 24;
pub const END_TXN: i16 = 26;
pub const TXN_OFFSET_COMMIT: i16 = 28;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Requests,
    Answers,
}

/// What is done at a request.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// As [`Proxy::lose`]: of requests this one is the first, of answers its own.
    Lose(Way),
    /// As [`Proxy::cut`], before it has passed.
    Cut,
    /// As [`Proxy::cut`], in the middle of what comes back on its connection, once so many
    /// bytes come at a time.
    CutAnswer(usize),
}

#[derive(Debug)]
struct Armed {
    kind: i16,
    act: Act,
    /// The connection that such a request came on last.
    on: Option<u32>,
}

#[derive(Default)]
struct State {
    delays: [Duration; 2],
    loses: [bool; 2],
    refuses: bool,
    over: bool,
    armed: Option<Armed>,
    /// The connection of the last act.
    met: Option<u32>,
    /// The program's end and the broker's.
    open: BTreeMap<u32, [TcpStream; 2]>,
    taken: u32,
    refused: u32,
}

/// What becomes of some bytes.
enum Fate {
    Pass(Duration),
    Lost,
    Half,
}

fn close(ends: &[TcpStream; 2]) {
    for end in ends {
        // Who is there may be gone already.
        let _ = end.shutdown(Shutdown::Both);
    }
}

impl State {
    fn cut(&mut self) {
        self.refuses = true;
        std::mem::take(&mut self.open).values().for_each(close);
    }

    fn done(&mut self, on: u32) {
        self.armed = None;
        self.met = Some(on);
    }

    /// Of `n` bytes that go this way on a connection, in which requests of these kinds
    /// begin.
    fn fate(&mut self, on: u32, way: Way, n: usize, kinds: &[i16]) -> Fate {
        if let Some(armed) = &mut self.armed {
            let (act, asked) = (armed.act, kinds.contains(&armed.kind));
            let answered = way == Way::Answers && armed.on == Some(on);
            match act {
                Act::Lose(lost) if asked => {
                    self.loses[lost as usize] = true;
                    self.done(on);
                }
                Act::Cut if asked => {
                    self.cut();
                    self.done(on);
                    return Fate::Lost;
                }
                Act::CutAnswer(_) if asked => armed.on = Some(on),
                Act::CutAnswer(least) if answered && n >= least => return Fate::Half,
                _ => {}
            }
        }
        if self.loses[way as usize] { Fate::Lost } else { Fate::Pass(self.delays[way as usize]) }
    }
}

/// Finds the requests in what a client sends: a length of four bytes, behind which the
/// kind is the first thing.
#[derive(Default)]
struct Requests {
    head: Vec<u8>,
    /// Bytes until the next one.
    left: usize,
}

impl Requests {
    fn kinds(&mut self, mut bytes: &[u8]) -> Vec<i16> {
        let mut kinds = Vec::new();
        while !bytes.is_empty() {
            let wanted = if self.left > 0 { self.left } else { 6 - self.head.len() };
            let (these, rest) = bytes.split_at(wanted.min(bytes.len()));
            bytes = rest;
            if self.left > 0 {
                self.left -= these.len();
                continue;
            }
            self.head.extend_from_slice(these);
            if let &[a, b, c, d, e, f] = self.head.as_slice() {
                self.left = u32::from_be_bytes([a, b, c, d]) as usize - 2;
                kinds.push(i16::from_be_bytes([e, f]));
                self.head.clear();
            }
        }
        kinds
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries what goes one way on a connection.
fn carry(state: &Mutex<State>, on: u32, way: Way, [mut from, mut to]: [TcpStream; 2]) {
    let (mut buffer, mut requests, mut lost) = (vec![0; 64 << 10], Requests::default(), false);
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        let bytes = &buffer[..n];
        let kinds = if way == Way::Requests { requests.kinds(bytes) } else { Vec::new() };
        let fate = lock(state).fate(on, way, n, &kinds);
        match fate {
            // What comes behind a hole means nothing: nobody gets it.
            Fate::Lost => lost = true,
            Fate::Pass(_) if lost => {}
            Fate::Pass(delay) => {
                std::thread::sleep(delay);
                if to.write_all(bytes).is_err() {
                    break;
                }
            }
            Fate::Half => {
                let _ = to.write_all(&bytes[..n / 2]);
                let mut state = lock(state);
                state.cut();
                state.done(on);
            }
        }
    }
    if let Some(ends) = lock(state).open.remove(&on) {
        close(&ends);
    }
}

fn serve(shared: &Arc<Mutex<State>>, listener: &TcpListener, leads_to: &str) {
    while let Ok((client, _)) = listener.accept() {
        if lock(shared).over {
            return;
        }
        let Ok(broker) = TcpStream::connect(leads_to) else { continue };
        let mut state = lock(shared);
        if state.refuses {
            state.refused += 1;
            continue;
        }
        state.taken += 1;
        let on = state.taken;
        for (way, ends) in [(Way::Requests, [&client, &broker]), (Way::Answers, [&broker, &client])]
        {
            let ends = ends.map(|end| end.try_clone().unwrap());
            let shared = Arc::clone(shared);
            std::thread::spawn(move || carry(&shared, on, way, ends));
        }
        for end in [&client, &broker] {
            end.set_nodelay(true).unwrap();
        }
        state.open.insert(on, [client, broker]);
    }
}

pub struct Proxy {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// From this listener to the broker's.
    pub fn start(listener: TcpListener, broker: String) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || serve(&shared, &listener, &broker));
        Self { address, state }
    }

    /// Whatever passes does so that much later.
    pub fn delay(&self, requests: Duration, answers: Duration) {
        lock(&self.state).delays = [requests, answers];
    }

    /// Takes what comes and lets nothing of it through, also on new connections. One that
    /// lost something is of no use any more, which only its client's patience tells.
    pub fn lose(&self, ways: &[Way]) {
        let mut state = lock(&self.state);
        for way in ways {
            state.loses[*way as usize] = true;
        }
    }

    /// Ends all connections at once, and new ones as they come.
    pub fn cut(&self) {
        lock(&self.state).cut();
    }

    /// Once, at the next request of this kind.
    pub fn at(&self, kind: i16, act: Act) {
        lock(&self.state).armed = Some(Armed { kind, act, on: None });
    }

    /// Whether what was to be done at a request is done.
    pub fn happened(&self) -> bool {
        lock(&self.state).armed.is_none()
    }

    /// Whether the connection on which it happened is gone.
    pub fn let_go(&self) -> bool {
        let state = lock(&self.state);
        state.met.is_some_and(|on| !state.open.contains_key(&on))
    }

    /// Everything passes again, on connections that lost nothing.
    pub fn pass(&self) {
        let mut state = lock(&self.state);
        state.delays = [Duration::ZERO; 2];
        state.loses = [false; 2];
        state.refuses = false;
    }

    /// Connections that were not taken.
    pub fn refused(&self) -> u32 {
        lock(&self.state).refused
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.over = true;
        state.cut();
        drop(state);
        // The thread that accepts looks up.
        let _ = TcpStream::connect(&self.address);
    }
}

#[test]
fn requests_are_found_however_their_bytes_come() {
    let request = |kind: i16, more: usize| -> Vec<u8> {
        let length = (more as u32 + 2).to_be_bytes();
        length.into_iter().chain(kind.to_be_bytes()).chain(vec![0xff; more]).collect()
    };
    let bytes = [request(END_TXN, 40), request(PRODUCE, 100_000), request(FETCH, 6)].concat();
    for size in [1, 3, 5, 6, 47, 64 << 10, bytes.len()] {
        let mut requests = Requests::default();
        let kinds: Vec<i16> = bytes.chunks(size).flat_map(|part| requests.kinds(part)).collect();
        assert_eq!(kinds, [END_TXN, PRODUCE, FETCH], "{size} at a time");
    }
}
