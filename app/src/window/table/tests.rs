//! Where columns have their places.

use super::column::{DATE, REST};
use super::*;

const MANY: u64 = 100_000_000;

#[test]
fn the_last_of_a_hundred_million_rows_is_reached_exactly() {
    let last = Position::last(MANY, 300.0);
    // 12.5 rows fit.
    assert_eq!(last, Position { row: MANY - 13, pixels: 12.0 });
    let mut at = last;
    at.scroll(-ROW, last);
    assert_eq!(at, Position { row: MANY - 14, pixels: 12.0 });
    at.scroll(ROW, last);
    assert_eq!(at, last);
    at.scroll(1e9, last);
    assert_eq!(at, last);
}

#[test]
fn scrolling_stops_at_both_ends() {
    let last = Position::last(MANY, 240.0);
    let mut at = Position::default();
    at.scroll(-5.0, last);
    assert_eq!(at, Position::default());
    at.scroll(5.0, last);
    at.scroll(-2.0, last);
    assert_eq!(at, Position { row: 0, pixels: 3.0 });
    assert_eq!(Position::last(3, 240.0), Position::default());
    assert_eq!(Position::last(0, 240.0), Position::default());
}

/// Widths of columns in so much room.
fn widths(columns: &[Column], room: f32) -> Vec<f32> {
    let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(room, 100.0));
    place(columns, &[], rect).into_iter().map(|(_, at)| at.width()).collect()
}

#[test]
fn times_are_whole_while_names_give_way() {
    let columns = [
        Column::figure("Arrival", 76.0),
        Column::soft("Record", 190.0, 90.0),
        Column::soft("Key", 110.0, 60.0),
        Column::firm("Event time", TIME + DATE),
        Column::firm("Verdict", VERDICT),
        Column::rest("Why"),
    ];
    for room in [640.0, 720.0, 800.0, 1_000.0, 3_000.0] {
        let got = widths(&columns, room);
        for (n, firm) in [(0, 76.0), (3, TIME + DATE), (4, VERDICT)] {
            assert!((got[n] - firm).abs() < 0.01, "{room}: {got:?}");
        }
        if room > 700.0 {
            assert!(got.iter().zip(columns).all(|(w, c)| *w >= c.least), "{room}: {got:?}");
        }
        let edge = place(&columns, &[], Rect::from_min_size(pos2(0.0, 0.0), vec2(room, 9.0)));
        assert!(edge.last().unwrap().1.right() <= room, "{room}");
    }
    // With much room names take some of it, the rest the last.
    let wide = widths(&columns, 3_000.0);
    assert!(wide[1] > 190.0 && wide[2] > 110.0 && wide[5] > 1_000.0, "{wide:?}");
    // What is empty in a column goes to the rest before a name is cut.
    let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(720.0, 9.0));
    let needs = [50.0, 150.0, 52.0, 166.0, 70.0, 300.0];
    let got: Vec<f32> =
        place(&columns, &needs, rect).into_iter().map(|(_, at)| at.width()).collect();
    assert!((got[1] - 150.0).abs() < 0.01 && got[5] > REST, "{got:?}");
    // Where nothing helps all are there still.
    assert!(widths(&columns, 300.0).iter().all(|w| *w > 0.0));
}

#[test]
fn a_revealed_row_is_in_sight() {
    let mut table = Table::default();
    for row in [0, 5, MANY / 2, MANY - 1] {
        let last = Position::last(MANY, 240.0);
        table.show_row(row, MANY, 240.0, last);
        let first = table.position.row;
        assert!(first <= row && row < first + 10, "{row} from {first}");
    }
}
