//! Text for people: counts, elided names, and values made safe to lay out.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

/// No string longer than this reaches layout.
pub const LONGEST: usize = 512;

pub use joinscope_operator::figures::{plural, thousands};
use joinscope_operator::time::format_duration;

/// A count in few signs: `1,204`, `116 k`, `1.2 M`.
#[must_use]
pub fn short_count(n: u64) -> String {
    let scaled = |n: u64, unit: u64, name: &str| {
        let x = n as f64 / unit as f64;
        if x < 9.95 { format!("{x:.1} {name}") } else { format!("{x:.0} {name}") }
    };
    match n {
        0..10_000 => thousands(n),
        10_000..999_500 => scaled(n, 1_000, "k"),
        999_500..999_500_000 => scaled(n, 1_000_000, "M"),
        _ => scaled(n, 1_000_000_000, "G"),
    }
}

/// A sentence about a record that ends with an output, its number as tables have it.
#[must_use]
pub fn counted(sentence: &str) -> Cow<'_, str> {
    let number = |last: &str| last.strip_suffix('.')?.parse::<u64>().ok();
    match sentence.rsplit_once(" output ").map(|(before, last)| (before, number(last))) {
        Some((before, Some(n))) => Cow::Owned(format!("{before} output {}.", thousands(n))),
        _ => Cow::Borrowed(sentence),
    }
}

/// Bytes as `412 MB`, `2.7 MB`, `1.3 GB` (powers of 1000, as disks are sold).
#[must_use]
pub fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..999_500 => format!("{:.0} kB", n as f64 / 1e3),
        // Below ten a whole number would be up to a third off.
        999_500..9_950_000 => {
            let text = format!("{:.1}", n as f64 / 1e6);
            format!("{} MB", text.strip_suffix(".0").unwrap_or(&text))
        }
        9_950_000..999_500_000 => format!("{:.0} MB", n as f64 / 1e6),
        _ => format!("{:.1} GB", n as f64 / 1e9),
    }
}

/// How long something still takes, to the second: `8 s left`, `1h 30m left`.
#[must_use]
pub fn left(seconds: f64) -> String {
    let ms = (seconds.round() as i64).saturating_mul(1_000);
    format!("{} left", format_duration(ms))
}

/// Control characters and what no font has escaped, one line, at most
/// [`LONGEST`] characters.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    let missing = MISSING.read().unwrap_or_else(PoisonError::into_inner);
    let plain = |c: char| !c.is_control() && !is_unseen(c) && !missing.contains(&c);
    if text.len() <= LONGEST && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len().min(LONGEST + 8));
    for (n, c) in text.chars().enumerate() {
        if n >= LONGEST {
            out.push('…');
            break;
        }
        if plain(c) { out.push(c) } else { out.extend(c.escape_default()) }
    }
    Cow::Owned(out)
}

/// A line of any length in pieces that may reach layout, cut between words where it
/// has any.
#[must_use]
pub fn pieces(text: &str) -> Vec<&str> {
    let (mut rest, mut pieces) = (text, Vec::new());
    while let Some((end, _)) = rest.char_indices().nth(LONGEST) {
        let word = rest.char_indices().take_while(|(at, _)| *at < end).filter(|(_, c)| *c == ' ');
        let (piece, after) = rest.split_at(word.last().map_or(end, |(at, _)| at + 1));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// The first lines of a text that somebody else wrote, each as [`line`] gives it.
#[must_use]
pub fn lines(text: &str, most: usize) -> String {
    let mut lines = text.trim().lines();
    let mut shown: Vec<_> = lines.by_ref().take(most).map(line).collect();
    if lines.next().is_some() {
        shown.push("…".into());
    }
    shown.join("\n")
}

/// A path as a safe line; where it is longer than any line its middle goes, not its
/// name.
#[must_use]
pub fn path_line(path: &Path) -> String {
    line(&elide(&path.to_string_lossy(), LONGEST)).into_owned()
}

/// Signs that no font has.
static MISSING: RwLock<BTreeSet<char>> = RwLock::new(BTreeSet::new());

/// Says which signs no font has: they are escaped from now on.
pub fn without_font(signs: BTreeSet<char>) {
    MISSING.write().unwrap_or_else(PoisonError::into_inner).extend(signs);
}

/// Signs that would turn or hide the text around them.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Bytes as text where they are UTF-8, invalid ones escaped as `\xff`.
#[must_use]
pub fn from_bytes(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for b in chunk.invalid() {
            // Writing into a text cannot fail.
            let _ = write!(out, "\\x{b:02x}");
        }
    }
    out
}

/// Elides in the middle to at most `chars` characters, keeping `head` of the
/// kept ones before the `…`.
fn middle(text: &str, chars: usize, head: usize) -> String {
    let n = text.chars().count();
    if n <= chars {
        return text.to_owned();
    }
    let kept = chars.saturating_sub(1);
    let head = head.min(kept);
    let mut out: String = text.chars().take(head).collect();
    out.push('…');
    out.extend(text.chars().skip(n - (kept - head)));
    out
}

/// Elides a name in the middle: `5301442097718812` as `5301…8812`.
#[must_use]
pub fn elide(text: &str, chars: usize) -> String {
    middle(text, chars, chars / 2)
}

/// Elides each of some names in the middle, so that all of them together fit; those that
/// are short leave their room to the long ones. Where that would leave too little of each
/// the first stands for all, with how many more there are, ` + 2 more` or ` +2`; without
/// room for that the whole is elided. `unnamed`: so many more there are than names.
#[must_use]
pub fn elide_each(names: &[String], unnamed: u64, between: &str, chars: usize) -> String {
    /// Less of a name says nothing.
    const LEAST: usize = 12;
    let rest = and_more(unnamed, between);
    let whole = names.join(between) + &rest;
    if whole.chars().count() <= chars || names.is_empty() {
        return whole;
    }
    let around = between.chars().count() * (names.len() - 1) + rest.chars().count();
    let mut room = chars.saturating_sub(around);
    let mut long: Vec<usize> = names.iter().map(|n| n.chars().count()).collect();
    long.sort_unstable();
    let mut share = room / long.len();
    for (i, n) in long.iter().enumerate() {
        share = room / (long.len() - i);
        if *n > share {
            break;
        }
        room -= n;
    }
    if share < LEAST {
        // The first one whole says more than parts of all. Cut as a whole they would
        // look like one name, which nothing has.
        let others = names.len() as u64 - 1 + unnamed;
        for more in [and_more(others, between), format!(" +{}", thousands(others))] {
            let room = chars.saturating_sub(more.chars().count());
            if others > 0 && room >= LEAST {
                return elide_records(&names[..1], room).swap_remove(0) + &more;
            }
        }
        return elide(&whole, chars);
    }
    let each: Vec<String> =
        names.iter().map(|n| elide_records(&[n], share).swap_remove(0)).collect();
    each.join(between) + &rest
}

/// Behind names: that there are more, where there are.
#[must_use]
pub fn and_more(more: u64, between: &str) -> String {
    if more == 0 { String::new() } else { format!("{between}{} more", thousands(more)) }
}

/// Elides names in the middle so that those which differ still do, where a cut
/// at one place can tell them apart.
#[must_use]
pub fn elide_apart<S: AsRef<str>>(names: &[S], chars: usize) -> Vec<String> {
    let different: HashSet<&str> = names.iter().map(AsRef::as_ref).collect();
    let kept = chars.saturating_sub(1);
    let half = kept / 2;
    // From the middle outwards: heads of half, half - 1, half + 1, …
    let heads = (0..=kept)
        .map(|i| if i % 2 == 0 { half + i / 2 } else { half.wrapping_sub(i.div_ceil(2)) });
    let apart = |head: usize| {
        let cut: HashSet<String> = different.iter().map(|n| middle(n, chars, head)).collect();
        cut.len() == different.len()
    };
    let head = heads.filter(|h| *h <= kept).find(|h| apart(*h)).unwrap_or(half);
    names.iter().map(|n| middle(n.as_ref(), chars, head)).collect()
}

/// Elides the topics of records' names, `topic[partition]@offset`, so that those which
/// differ still do; where that leaves nothing of a topic, the whole name. One that
/// has room stays as it is: longer ones may stand out of sight.
#[must_use]
pub fn elide_records<S: AsRef<str>>(names: &[S], chars: usize) -> Vec<String> {
    /// Of a topic.
    const LEAST: usize = 3;
    let parts = || names.iter().map(|n| n.as_ref().split_at(n.as_ref().rfind('[').unwrap_or(0)));
    let tail = parts().map(|(_, tail)| tail.chars().count()).max().unwrap_or(0);
    match chars.checked_sub(tail) {
        Some(room) if room >= LEAST => {
            let topics: Vec<&str> = parts().map(|(topic, _)| topic).collect();
            let topics = elide_apart(&topics, room);
            let elided =
                topics.iter().zip(parts()).map(|(topic, (_, tail))| format!("{topic}{tail}"));
            let fits = |name: &str| name.chars().count() <= chars;
            let whole = names.iter().map(AsRef::as_ref);
            whole.zip(elided).map(|(n, cut)| if fits(n) { n.to_owned() } else { cut }).collect()
        }
        _ => elide_apart(names, chars),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_well() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_204_118), "1,204,118");
        assert_eq!(short_count(9_999), "9,999");
        assert_eq!(short_count(115_715), "116 k");
        assert_eq!(short_count(1_204_118), "1.2 M");
        assert_eq!(short_count(999_999), "1.0 M");
        assert_eq!(bytes(412_000_000), "412 MB");
        assert_eq!([2_660_000, 4_000_000, 9_960_000].map(bytes), ["2.7 MB", "4 MB", "10 MB"]);
        assert_eq!([999_499, 999_500, 999_700_000].map(bytes), ["999 kB", "1 MB", "1.0 GB"]);
        assert_eq!(bytes(1_340_000_000), "1.3 GB");
        let times = [0.4, 8.2, 60.0, 5_400.0, f64::INFINITY].map(left);
        assert_eq!(times[..4], ["0 s left", "8 s left", "1 m left", "1h 30m left"]);
    }

    #[test]
    fn an_output_in_a_sentence_is_counted_as_in_tables() {
        let said = "Matched views[2]@3183, 7m 46.035s earlier. It is folded into output";
        assert_eq!(counted(&format!("{said} 13046.")), format!("{said} 13,046."));
        let other = "The late side output took it.";
        assert_eq!(counted(other), other);
    }

    #[test]
    fn lines_are_short_and_safe() {
        assert_eq!(line("plain"), "plain");
        assert_eq!(line("a\nb\u{202e}"), "a\\nb\\u{202e}");
        assert_eq!(line("\u{61c}a\u{2028}b\u{e0041}"), "\\u{61c}a\\u{2028}b\\u{e0041}");
        assert!(line(&"x".repeat(10_000)).chars().count() <= LONGEST + 1);
        assert_eq!(from_bytes(b"ok\xff"), "ok\\xff");
    }

    #[test]
    fn a_long_line_is_cut_into_pieces_between_words() {
        assert_eq!(pieces("short"), ["short"]);
        assert_eq!(pieces(""), [""]);
        let words = "wört ".repeat(300);
        let cut = pieces(&words);
        assert!(cut.iter().all(|piece| piece.chars().count() <= LONGEST));
        assert!(cut[..2].iter().all(|piece| piece.ends_with("wört ")), "{cut:?}");
        assert_eq!(cut.concat(), words);
        let one = "ü".repeat(2 * LONGEST + 1);
        assert_eq!(
            pieces(&one).iter().map(|p| p.chars().count()).collect::<Vec<_>>(),
            [LONGEST, LONGEST, 1]
        );
    }

    #[test]
    fn of_many_lines_the_first_are_shown_each_of_them_safe() {
        assert_eq!(lines(" one\r\ntwo\u{202e}\n", 2), "one\ntwo\\u{202e}");
        assert_eq!(lines("1\n2\n3\n4", 2), "1\n2\n…");
        assert_eq!(lines("", 2), "");
    }

    #[test]
    fn a_path_of_any_length_keeps_its_name() {
        assert_eq!(path_line(Path::new("/a/b\nc\u{202e}")), "/a/b\\nc\\u{202e}");
        let long = path_line(&Path::new(&"folder/".repeat(400)).join("run"));
        assert!(long.ends_with("/run") && long.chars().count() == LONGEST, "{long}");
    }

    #[test]
    fn names_are_elided_in_the_middle() {
        assert_eq!(elide("5301442097718812", 9), "5301…8812");
        assert_eq!(elide("short", 9), "short");
        assert_eq!(elide("päthäth", 3), "p…h");
    }

    #[test]
    fn of_several_names_each_keeps_its_ends() {
        let names = |n: &[&str]| n.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let two = names(&["production.views.v17[10]@60", "production.engagements.v4[2]@86"]);
        assert_eq!(
            elide_each(&two, 0, " + ", 80),
            "production.views.v17[10]@60 + production.engagements.v4[2]@86"
        );
        assert_eq!(elide_each(&two, 0, " + ", 35), "prod….v17[10]@60 + prod…ts.v4[2]@86");
        let uneven = names(&["views[1]@2", "production.engagements.v4[2]@86"]);
        assert_eq!(elide_each(&uneven, 0, " + ", 33), "views[1]@2 + produc…ents.v4[2]@86");
        assert_eq!(elide_each(&two, 0, " + ", 20), "prod…s.v17[10]@60 +1");
        assert!(elide_each(&two, 0, " + ", 8).chars().count() <= 8);
        let three = names(&["code-changes[2]@1451", "code-changes[2]@1452", "code-changes[2]@60"]);
        assert_eq!(elide_each(&three, 0, " + ", 31), "code-changes[2]@1451 + 2 more");
        assert_eq!(elide_each(&three, 0, " + ", 24), "cod…ges[2]@1451 + 2 more");
        assert_eq!(elide_each(&[], 0, " + ", 5), "");
        // Those that have no name here are counted with the others.
        assert_eq!(elide_each(&three, 37, " + ", 31), "code-changes[2]@1451 + 39 more");
        assert_eq!(elide_each(&three[..1], 1_200, " + ", 40), "code-changes[2]@1451 + 1,200 more");
    }

    #[test]
    fn of_a_record_partition_and_offset_stay() {
        let names = ["code-changes[3]@891", "code-changes[11]@7"];
        assert_eq!(elide_records(&names, 12), ["co…es[3]@891", "co…es[11]@7"]);
        assert_eq!(elide_records(&names, 40), names);
        assert_eq!(elide_records(&names[..1], 8), elide_apart(&names[..1], 8));
        assert_eq!(elide_records(&["no name"], 5), ["no…me"]);
    }

    #[test]
    fn elided_names_stay_apart() {
        let names =
            ["service/a/aaaaaaaaaaaaaaaaaaaa/handler", "service/b/aaaaaaaaaaaaaaaaaaaa/handler"];
        let cut = elide_apart(&names, 12);
        assert_ne!(cut[0], cut[1]);
        assert!(cut.iter().all(|c| c.chars().count() <= 12));
        let tails = ["aaaaaaaaaaaaaaaaaaaaaa-1", "aaaaaaaaaaaaaaaaaaaaaa-2"];
        let cut = elide_apart(&tails, 8);
        assert_ne!(cut[0], cut[1]);
    }
}
