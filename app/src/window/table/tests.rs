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
    // A key that is cut is whole as soon as others have room to give: a name that is
    // short, and the last column above what its cells take.
    let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(1_060.0, 9.0));
    let long = |why: f32| -> Vec<f32> {
        let needs = [50.0, 100.0, 320.0, 166.0, 70.0, why];
        place(&columns, &needs, rect).into_iter().map(|(_, at)| at.width()).collect()
    };
    let (brief, wordy) = (long(90.0), long(300.0));
    assert!(brief[2] >= 320.0 && brief[1] >= 100.0 && brief[5] >= 90.0, "{brief:?}");
    assert!(wordy[2] < 320.0 && wordy[5] > brief[5], "{wordy:?}");
    // Where nothing helps all are there still.
    assert!(widths(&columns, 300.0).iter().all(|w| *w > 0.0));
}

#[test]
fn where_names_can_still_give_way_the_rest_keeps_room_to_say_why() {
    // As records of two inputs over days, in a window of 1280.
    let columns = [
        Column::figure("Arrival", 76.0),
        Column::soft("Record", 190.0, 110.0),
        Column::soft("Input", 92.0, 60.0),
        Column::soft("Key", 110.0, 64.0),
        Column::firm("Event time", 141.0),
        Column::figure("Late by", 65.0),
        Column::firm("Verdict", VERDICT),
        Column::rest("Why"),
    ];
    let needs = [49.0, 150.0, 49.0, 160.0, 166.0, 80.0, 82.0, 300.0];
    let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(700.0, 9.0));
    let got: Vec<f32> =
        place(&columns, &needs, rect).into_iter().map(|(_, at)| at.width()).collect();
    assert!(got[7] > REST - 0.01 && got[1] > 50.0 && got[3] > 50.0, "{got:?}");
    assert!((got[4] - 141.0).abs() < 0.01 && (got[2] - 49.0).abs() < 0.01, "{got:?}");
}

#[test]
fn of_a_time_with_its_date_the_milliseconds_give_way() {
    use super::paint::without_millis;
    use crate::window::times::{Times, Zone};

    let exact = "2019-02-20 13:16:14.000";
    assert_eq!(without_millis(exact, 23), exact);
    assert_eq!(without_millis(exact, 22), "2019-02-20 13:16:14");
    assert_eq!(without_millis("9223372036854775807 ms", 5), "9223372036854775807 ms");
    // At 7.2 points a sign such a time has room in a narrow table, and the whole elsewhere.
    let days = Times::new(&Zone::Utc, 0, 86_400_000);
    let room = |table: f32, chars: f32| TIME + date_room(&days, table) >= chars * 7.2;
    assert!(room(1_200.0, 23.0) && room(700.0, 19.0) && !room(700.0, 23.0));
    let day = Times::new(&Zone::Utc, 0, 1_000);
    assert!([700.0, 1_200.0].iter().all(|table| date_room(&day, *table) == 0.0));
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

/// Columns that are laid out over rows not read yet know only their titles.
#[test]
fn nothing_is_cut_that_has_room_once_rows_are_read() {
    struct State {
        themed: bool,
        table: Table,
        read: bool,
        widths: Vec<f32>,
    }
    let columns = [
        Column::figure("Arrival", 76.0),
        Column::soft("Record", 190.0, 90.0),
        Column::soft("Key", 110.0, 60.0),
        Column::firm("Event time", TIME),
        Column::figure("Late by", 90.0),
        Column::firm("Verdict", VERDICT),
        Column::rest("Why"),
    ];
    let cells = || RowCells {
        cells: vec![
            Cell::Mono("7".to_owned()),
            Cell::Name("views[3]@0".to_owned()),
            Cell::Mono("1000018".to_owned()),
            Cell::Mono("08:00:00.020".to_owned()),
            Cell::Empty,
            Cell::Verdict(joinscope_operator::verdict::Verdict::Unmatched),
            Cell::Words("no candidate with this key".to_owned()),
        ],
        name: "views[3]@0".to_owned(),
        selected: false,
        hovered: false,
        dimmed: false,
    };
    let state = State { themed: false, table: Table::default(), read: false, widths: Vec::new() };
    let mut h = egui_kittest::Harness::builder().with_size(vec2(680.0, 200.0)).build_ui_state(
        |ui, s: &mut State| {
            if !std::mem::replace(&mut s.themed, true) {
                // Its fonts are there from the next frame on.
                crate::window::theme::apply(ui.ctx());
                return;
            }
            let laid = s.table.lay_out(ui, "records", &columns, 3);
            s.widths = laid.columns.iter().map(|(_, at)| at.width()).collect();
            s.table.paint(ui, &laid, |_| s.read.then(cells));
        },
        state,
    );
    h.run_steps(3);
    h.state_mut().read = true;
    // As many frames as are asked for.
    h.run();
    let sign = h.ctx.fonts_mut(|f| f.glyph_width(&fonts::mono(SMALL), '0'));
    let widths = &h.state().widths;
    assert!(widths[3] >= 12.0 * sign, "{widths:?}: {sign}");
    assert!(widths[2] >= 7.0 * sign, "{widths:?}: {sign}");
    assert!(widths[5] >= 16.0 + 50.0, "{widths:?}");
}

#[test]
fn names_leave_to_the_rest_what_they_do_not_need() {
    let columns = [
        Column::figure("Arrival", 76.0),
        Column::soft("Record", 190.0, 90.0),
        Column::soft("Key", 110.0, 60.0),
        Column::firm("Event time", TIME),
        Column::firm("Verdict", VERDICT),
        Column::rest("Why"),
    ];
    let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(800.0, 100.0));
    let needs = [50.0, 120.0, 62.0, 70.0, 66.0, 0.0];
    let got = |needs: &[f32]| -> Vec<f32> {
        place(&columns, needs, rect).into_iter().map(|(_, at)| at.width()).collect()
    };
    let (before, after) = (got(&[]), got(&needs));
    // What must not move while rows scroll by stays as it was.
    for n in [0, 3, 4] {
        assert!((before[n] - after[n]).abs() < 0.01, "{before:?} {after:?}");
    }
    assert!(after[1] >= 120.0 && after[2] >= 62.0, "{after:?}");
    assert!(after[5] > before[5] + 80.0, "{before:?} {after:?}");
}

/// As at 1,280 points over several days, where two inputs read one topic.
#[test]
fn of_a_full_table_the_reason_keeps_some_words_and_names_their_partition() {
    let columns = [
        Column::figure("Arrival", 76.0),
        Column::soft("Record", 190.0, 110.0),
        Column::soft("Input", 92.0, 60.0),
        Column::soft("Key", 110.0, 64.0),
        Column::firm("Event time", TIME + 50.0),
        Column::figure("Late by", 94.0),
        Column::firm("Verdict", VERDICT),
        Column::rest("Why"),
    ];
    let needs = [49.0, 145.0, 49.0, 290.0, 138.0, 52.0, 83.0, 300.0];
    let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(700.0, 100.0));
    let got: Vec<f32> =
        place(&columns, &needs, rect).into_iter().map(|(_, at)| at.width()).collect();
    assert!(got[7] > REST + 35.0, "{got:?}");
    // `co…[0]@10436` takes twelve signs of 7.2 points.
    assert!(got[1] >= 12.0 * 7.2, "{got:?}");
    for n in [0, 2, 4, 5, 6] {
        assert!((got[n] - needs[n]).abs() < 0.1, "{got:?}");
    }
}

#[test]
fn what_is_cut_takes_the_room_that_there_is() {
    let columns = [Column::soft("Key", 110.0, 60.0), Column::rest("Why")];
    let widths = |need: f32, room: f32| -> [f32; 2] {
        let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(room, 100.0));
        let placed = place(&columns, &[need, 0.0], rect);
        [placed[0].1.width(), placed[1].1.width()]
    };
    let [key, why] = widths(280.0, 2_000.0);
    assert!(key >= 280.0 && why > 260.0, "{key} {why}");
    // A key of a megabyte does not take all of it.
    let [key, why] = widths(50_000.0, 2_000.0);
    assert!(key < 700.0 && why > 1_000.0, "{key} {why}");
    // Where there is none the rest keeps what it has.
    let [key, why] = widths(280.0, 420.0);
    assert!(key < 150.0 && why > 200.0, "{key} {why}");
}
