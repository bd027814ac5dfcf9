//! Pieces beside the records: nothing of the recording changes, damage is said,
//! and a file is there whole or not at all.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::tests::{all, folder, records, small_chunks, write};
use super::*;

fn piece(name: &str, data: &str) -> Piece {
    Piece { name: name.to_owned(), media_type: "application/json", data: data.into() }
}

fn put(recording: &Recording, pieces: &[Piece], path: &Path) -> Result<u64, RecordingError> {
    unattended(|job| write_with(recording, pieces, path, false, job))
}

fn found(recording: &Recording) -> Vec<(String, String)> {
    let read = |(name, data): (String, Result<Vec<u8>, String>)| {
        (name, String::from_utf8(data.unwrap()).unwrap())
    };
    recording.pieces().into_iter().map(read).collect()
}

/// Where the data section ends.
fn data_end(path: &Path) -> usize {
    let bytes = std::fs::read(path).unwrap();
    let footer = wire::Footer::read(&bytes[bytes.len() - wire::FOOTER..]).unwrap();
    footer.summary_start as usize - wire::HEAD - 4
}

#[test]
fn every_byte_of_the_recording_stays_and_the_pieces_come_back() {
    for compression in [Compression::Lz4, Compression::Zstd(3), Compression::None] {
        let (folder, path) = folder();
        write(&path, &records(3, 3_000), small_chunks(compression));
        let plain = Recording::open(&path).unwrap();
        assert!(plain.pieces().is_empty());
        let first = folder.path().join("first.mcap");
        let length = put(&plain, &[piece("a.json", "{}"), piece("b", "two\n")], &first).unwrap();
        assert_eq!(length, first.metadata().unwrap().len());
        let end = data_end(&path);
        let (was, is) = (std::fs::read(&path).unwrap(), std::fs::read(&first).unwrap());
        assert!(was[..end] == is[..end], "the data section is the recording's, byte for byte");
        let with = Recording::open(&first).unwrap();
        assert_eq!((with.digest(), all(&with).unwrap()), (plain.digest(), all(&plain).unwrap()));
        assert_eq!(with.schemas(), plain.schemas());
        let two = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(found(&with), [two("a.json", "{}"), two("b", "two\n")]);
        let verified = unattended(|job| verify(&first, job)).unwrap();
        assert!(verified.sound(), "{:?}", verified.problems);

        // Saved again, the new pieces stand in place of the old ones.
        let second = folder.path().join("second.mcap");
        put(&with, &[piece("c", "3")], &second).unwrap();
        let again = Recording::open(&second).unwrap();
        assert_eq!(found(&again), [two("c", "3")]);
        assert!(unattended(|job| verify(&second, job)).unwrap().sound());
        let none = folder.path().join("none.mcap");
        put(&again, &[], &none).unwrap();
        assert!(std::fs::read(&none).unwrap() == was, "without pieces it is the recording again");
    }
}

#[test]
fn a_cut_recording_is_kept_up_to_the_cut_with_its_digest() {
    let (folder, path) = folder();
    write(&path, &records(5, 3_000), small_chunks(Compression::Lz4));
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let cut = Recording::open(&path).unwrap();
    assert!(cut.info().cut.is_some() && cut.len() > 100);
    let kept = folder.path().join("kept.mcap");
    put(&cut, &[piece("a", "1")], &kept).unwrap();
    let whole = Recording::open(&kept).unwrap();
    assert_eq!((whole.digest(), whole.len()), (cut.digest(), cut.len()));
    assert!(whole.info().cut.is_none());
    assert_eq!(all(&whole).unwrap(), all(&cut).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
}

#[test]
fn damage_to_a_piece_takes_nothing_from_the_rest() {
    let (folder, path) = folder();
    write(&path, &records(7, 400), small_chunks(Compression::Lz4));
    let plain = Recording::open(&path).unwrap();
    let with = folder.path().join("with.mcap");
    put(&plain, &[piece("a", "one"), piece("b", "two")], &with).unwrap();
    let bytes = std::fs::read(&with).unwrap();
    let (from, to) = (data_end(&path), data_end(&with));
    for at in from..to {
        let mut bent = bytes.clone();
        bent[at] ^= 0x10;
        std::fs::write(&with, &bent).unwrap();
        assert!(!unattended(|job| verify(&with, job)).unwrap().sound(), "byte {at}");
        let opened = Recording::open(&with).unwrap();
        assert_eq!(opened.digest(), plain.digest());
        let bad = opened.pieces().iter().filter(|(_, read)| read.is_err()).count();
        assert_eq!(bad, 1, "byte {at}: one of the two is said to be damaged");
    }
    // Damage to the recording itself is found when pieces are added.
    let mut bent = std::fs::read(&path).unwrap();
    let at = from / 2;
    bent[at] ^= 0x10;
    std::fs::write(&path, &bent).unwrap();
    if let Ok(opened) = Recording::open(&path)
        && opened.info().cut.is_none()
    {
        let refused = folder.path().join("refused.mcap");
        let error = put(&opened, &[], &refused).unwrap_err();
        assert!(matches!(error, RecordingError::Damaged { .. }), "{error}");
        assert!(!refused.exists());
    }
}

#[test]
fn what_is_not_whole_has_no_name_and_nothing_is_overwritten_unasked() {
    let (folder, path) = folder();
    write(&path, &records(9, 400), small_chunks(Compression::Lz4));
    let recording = Recording::open(&path).unwrap();
    let out = folder.path().join("out.mcap");
    let cancel = AtomicBool::new(true);
    let job = &mut Job { cancel: &cancel, progress: &mut |_, _| {} };
    let cancelled = write_with(&recording, &[], &out, false, job);
    assert!(matches!(cancelled, Err(RecordingError::Cancelled)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    std::fs::write(&out, "mine").unwrap();
    assert!(matches!(put(&recording, &[], &out), Err(RecordingError::Exists { .. })));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "mine");
    unattended(|job| write_with(&recording, &[], &out, true, job)).unwrap();
    assert_eq!(Recording::open(&out).unwrap().digest(), recording.digest());
    let absent = folder.path().join("no/such/out.mcap");
    assert!(put(&recording, &[], &absent).unwrap_err().to_string().contains("cannot create"));

    // Over the very file that is open: what is open can still be read.
    unattended(|job| write_with(&recording, &[piece("a", "1")], &path, true, job)).unwrap();
    assert_eq!(all(&recording).unwrap().len(), 400);
    assert_eq!(found(&Recording::open(&path).unwrap()).len(), 1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}
