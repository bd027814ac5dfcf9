//! The conditions of `where` and of labels: equality on fields, no language of
//! our own.

use super::model::{FieldPath, Scalar};

/// Names below which a field may lie.
const MAX_DEPTH: usize = 32;

/// `a.b.c` as a path.
///
/// # Errors
/// Why it is none.
pub(super) fn field_path(text: &str) -> Result<FieldPath, &'static str> {
    let names: Vec<String> = text.split('.').map(str::to_owned).collect();
    if text.trim().is_empty() {
        Err("is empty")
    } else if names.iter().any(|n| n.trim().is_empty()) {
        Err("has an empty part")
    } else if names.len() > MAX_DEPTH {
        Err("is deeper than 32 names")
    } else {
        Ok(names)
    }
}

/// A label's condition, `engagements.kind = like`: input, path of the field,
/// value. The value is an integer, a number, true, false or null where it reads
/// as one, else a text; quotes make it a text.
///
/// # Errors
/// What is wrong with it.
pub(super) fn label(text: &str) -> Result<(&str, FieldPath, Scalar), String> {
    let (left, right) = text.split_once('=').ok_or("it has no \"=\"")?;
    // The name of a field that ends so needs a space behind it.
    if let Some(sign) = left.chars().next_back().filter(|c| matches!(c, '!' | '<' | '>' | '~')) {
        return Err(format!("it has \"{sign}=\", and only \"=\" is taken"));
    }
    let (left, right) = (left.trim(), right.trim());
    if right.starts_with('=') {
        return Err("it has \"==\" where one \"=\" is meant".to_owned());
    }
    if right.is_empty() {
        return Err("nothing stands after \"=\"".to_owned());
    }
    let (input, path) = left.split_once('.').ok_or("no field of an input stands before \"=\"")?;
    let path = field_path(path).map_err(|why| format!("its field {why}"))?;
    Ok((input.trim(), path, scalar(right)?))
}

fn scalar(text: &str) -> Result<Scalar, String> {
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            return rest
                .strip_suffix(quote)
                .map(|inner| Scalar::String(inner.to_owned()))
                .ok_or_else(|| "a quote is not closed".to_owned());
        }
    }
    Ok(match text {
        "true" => Scalar::Bool(true),
        "false" => Scalar::Bool(false),
        "null" => Scalar::Null,
        _ => {
            let numeric =
                text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
            match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(n), _) if numeric => Scalar::Int(n),
                (_, Ok(n)) if numeric && n.is_finite() => Scalar::Float(n),
                _ => Scalar::String(text.to_owned()),
            }
        }
    })
}

/// A scalar as a label writes it; [`label`] reads it back.
pub(super) fn write_scalar(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Int(n) => n.to_string(),
        Scalar::Float(n) => format!("{n:?}"),
        Scalar::Bool(b) => b.to_string(),
        Scalar::Null => "null".to_owned(),
        Scalar::String(s) if plain(s) => s.clone(),
        Scalar::String(s) if s.ends_with('"') || s.contains('"') => format!("'{s}'"),
        Scalar::String(s) => format!("\"{s}\""),
    }
}

/// Whether a text reads back as itself without quotes.
fn plain(text: &str) -> bool {
    text.trim() == text
        && !text.is_empty()
        && !text.starts_with(['"', '\'', '='])
        && matches!(scalar(text), Ok(Scalar::String(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read() {
        let (input, path, value) = label("engagements.kind = like").unwrap();
        assert_eq!((input, path), ("engagements", vec!["kind".to_owned()]));
        assert_eq!(value, Scalar::String("like".into()));
        assert_eq!(label("e.a.b=5").unwrap().2, Scalar::Int(5));
        assert_eq!(label("e.a=\"5\"").unwrap().2, Scalar::String("5".into()));
        assert_eq!(label("e.a = 5.5").unwrap().2, Scalar::Float(5.5));
        assert_eq!(label("e.a = true").unwrap().2, Scalar::Bool(true));
        assert_eq!(label("e.a = null").unwrap().2, Scalar::Null);
        assert_eq!(label("e.a = inf").unwrap().2, Scalar::String("inf".into()));
        for text in ["", "kind = like", "e.kind", "e. = x", "e.kind =", "e.kind == x", "e.k = \"x"]
        {
            assert!(label(text).is_err(), "{text}");
        }
        for text in ["e.kind != like", "e.n >= 5", "e.n<=5", "e.kind ~= x"] {
            let why = label(text).unwrap_err();
            assert!(why.ends_with("=\", and only \"=\" is taken"), "{text}: {why}");
        }
        assert_eq!(label("e.wow! = x").unwrap().1, ["wow!"]);
    }

    #[test]
    fn scalars_read_back() {
        for s in ["like", "5", "a b", "\"", "'", "a'b", " x", "", "null", "=x", "it's \"so\""] {
            let value = Scalar::String(s.to_owned());
            let text = format!("e.f = {}", write_scalar(&value));
            assert_eq!(label(&text).unwrap().2, value, "{text}");
        }
        for n in [0.1, -1e300, 5.0] {
            let text = format!("e.f = {}", write_scalar(&Scalar::Float(n)));
            assert_eq!(label(&text).unwrap().2, Scalar::Float(n), "{text}");
        }
    }
}
