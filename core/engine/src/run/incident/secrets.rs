//! An incident file is sent to others: what looks like a secret in free text
//! does not go with it. A pipeline's settings hold none (unknown keys are
//! errors, and credentials are none of its keys); its comments may.

use crate::operator::pipeline::Pipeline;

/// Before a value that is nobody's business.
const WORDS: [&str; 8] =
    ["password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "credential"];
const BLANK: &str = "***";

/// A pipeline's text without secrets in its comments.
pub fn without(pipeline: &str) -> String {
    let mut lines = Vec::new();
    for line in pipeline.split('\n') {
        match comment_of(line) {
            Some(at) => lines.push(format!("{}{}", &line[..at], blanked(&line[at..]))),
            None => lines.push(line.to_owned()),
        }
    }
    let clean = lines.join("\n");
    // A "#" within a longer string is no comment: what is run stays what it was.
    let digest = |text| Pipeline::parse(text, "").ok().map(|p| p.digest());
    if clean == pipeline || digest(&clean) == digest(pipeline) {
        clean
    } else {
        pipeline.to_owned()
    }
}

/// Where a line's comment begins.
fn comment_of(line: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(q), c) if c == q && !escaped => quote = None,
            _ => {}
        }
        escaped = false;
    }
    None
}

/// Free text with the values blanked that follow a telling word (`password =
/// …`), the user and password of addresses (`://user:pass@host`), and private
/// keys.
#[must_use]
pub fn blanked(text: &str) -> String {
    let mut within_key = false;
    let lines = text.split('\n').map(|line| {
        if line.contains("PRIVATE KEY-----") {
            within_key = line.contains("-----BEGIN");
            return BLANK.to_owned();
        }
        if within_key { BLANK.to_owned() } else { value(&address(line)) }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn address(line: &str) -> String {
    let mut clean = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => {
                clean.push_str(BLANK);
                &after[at..]
            }
            None => after,
        };
    }
    clean + rest
}

fn value(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    // A word may stand there more than once: "the token bucket; token = …".
    let ends = |word: &&str| {
        let len = word.len();
        lower.match_indices(*word).map(move |(at, _)| at + len).collect::<Vec<_>>()
    };
    let found = WORDS.iter().flat_map(ends).filter_map(|after| {
        // The rest of the name, then the sign: `sasl.password_file = …`.
        let sign = after + lower[after..].find(['=', ':'])?;
        let name = lower[after..sign].trim_end();
        let is_name = name.chars().all(|c| c.is_alphanumeric() || "._-\"'".contains(c));
        (is_name && !lower[sign + 1..].trim().is_empty()).then_some(sign)
    });
    match found.min() {
        Some(sign) => format!("{} {BLANK}", &line[..=sign]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_after_telling_words_are_blanked() {
        for (text, clean) in [
            ("sasl.password = hunter2", "sasl.password = ***"),
            ("API_KEY: abc", "API_KEY: ***"),
            ("the token bucket, token = abc", "the token bucket, token = ***"),
            ("see https://me:hunter2@reg.example/x and", "see https://***@reg.example/x and"),
            (
                "a\n-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nb",
                "a\n***\n***\n***\nb",
            ),
        ] {
            assert_eq!(blanked(text), clean);
        }
        for harmless in [
            "the token bucket was empty at 08:13",
            "partition 2 stalls: since the deploy",
            "https://docs.example/a@b",
            "password:",
        ] {
            assert_eq!(blanked(harmless), harmless);
        }
    }

    #[test]
    fn a_pipeline_keeps_all_but_its_comments() {
        let text = "name = \"a # token = x\"\n# sasl.password = hunter2\n[inputs.a]\ntopic = \"a\" # secret: y\nformat = \"json\"\n\
             key = \"token\"\nevent_time = \"$timestamp\"\n[inputs.b]\ntopic = \"b\"\nformat = \"json\"\nkey = \"id\"\n\
             event_time = \"$timestamp\"\n[join]\nprimary = \"a\"\nwith.b = { until = \"1m\" }\n";
        let clean = without(text);
        assert!(!clean.contains("hunter2") && !clean.contains("secret: y"), "{clean}");
        assert!(
            clean.contains("\"a # token = x\"") && clean.contains("key = \"token\""),
            "{clean}"
        );
        let digest = |t: &str| Pipeline::parse(t, "").unwrap().digest();
        assert_eq!(digest(&clean), digest(text));
    }
}
