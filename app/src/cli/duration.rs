//! Durations among the arguments.

use joinscope_operator::time::parse_duration;

/// Any, in ms.
pub fn any(text: &str) -> Result<i64, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// One that is more than nothing, in ms.
pub fn above_zero(text: &str) -> Result<i64, String> {
    match any(text)? {
        ms @ 1.. => Ok(ms),
        _ => Err("it must be more than 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_duration_and_what_is_none_at_all_is_said() {
        assert_eq!(any("-1h30m"), Ok(-5_400_000));
        assert_eq!(above_zero("500ms"), Ok(500));
        for nothing in ["0", "0s", "-5s"] {
            assert!(any(nothing).is_ok(), "{nothing}");
            assert_eq!(above_zero(nothing), Err("it must be more than 0".to_owned()), "{nothing}");
        }
        for read in [any, above_zero] {
            let why = read("5").unwrap_err();
            assert!(why.contains("\"5\" is not a duration (a unit is missing)"), "{why}");
        }
    }
}
