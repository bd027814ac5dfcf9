//! The pipeline parser as a fuzz target.

use super::Pipeline;

/// Any bytes are a pipeline or are refused with problems that have a place; what
/// is taken is written back as itself. A first line `#set PATH=VALUE` is an
/// override.
///
/// # Panics
/// A finding.
pub fn one(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let first = text.lines().next().unwrap_or_default();
    let sets: Vec<(String, String)> = first
        .strip_prefix("#set ")
        .and_then(|set| super::parse_set(set).ok())
        .into_iter()
        .collect();
    match Pipeline::parse_with(text, "fuzz.toml", &sets) {
        Ok(pipeline) => {
            let written = pipeline.to_toml();
            let again = Pipeline::parse(&written, "again.toml");
            assert!(
                again.as_ref().is_ok_and(|again| *again == pipeline),
                "it does not read back: {again:?}\n{written}"
            );
        }
        Err(error) => {
            assert!(!error.problems.is_empty(), "an error without a problem");
            assert!(error.problems.iter().all(|p| !p.what.is_empty() && !p.help.is_empty()));
            assert!(error.to_string().len() < 1 << 20, "a message of its own making");
        }
    }
}
