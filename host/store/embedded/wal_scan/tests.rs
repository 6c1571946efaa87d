use super::*;

/// The page of the sample, in bytes.
const PAGE: usize = 4_096;

/// A write-ahead log that SQLite wrote, with the number of frames after each transaction.
struct Sample {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// Writes transactions of several frames. An earlier and longer use of the file leaves frames behind the end.
fn sample(transactions: usize, has_earlier_frames: bool) -> Sample {
    let dir = tempfile::tempdir().unwrap();
    let (path, log) = (dir.path().join("sample"), dir.path().join("sample-wal"));
    let db = rusqlite::Connection::open(&path).unwrap();
    let setup = "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (bytes BLOB)";
    db.execute_batch(setup).unwrap();
    let write = || db.execute("INSERT INTO t VALUES (randomblob(9000))", []).unwrap();
    let frames = || db.query_row("PRAGMA wal_checkpoint(noop)", [], |row| row.get::<_, usize>(1)).unwrap();
    let mode = if has_earlier_frames { "passive" } else { "truncate" };
    (0..2 * transactions).for_each(|_| {
        write();
    });
    db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(())).unwrap();
    let count = |_| {
        write();
        frames()
    };
    let ends = (0..transactions).map(count).collect();
    Sample { bytes: std::fs::read(log).unwrap(), ends }
}

/// The place of a frame, counted from 0.
fn place(frame: usize) -> usize {
    HEADER_BYTES + frame * (FRAME_HEADER_BYTES + PAGE)
}

fn scan_bytes(bytes: &[u8]) -> Option<WalDamage> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    std::fs::write(&path, bytes).unwrap();
    scan(&path).unwrap()
}

/// The bytes of a frame that stand for all of them: each field of its header, and its page.
const CLASSES: [usize; 9] = [3, 7, 8, 15, 16, 23, 24, 24 + PAGE / 2, 24 + PAGE - 1];

#[test]
fn a_sound_log_an_empty_one_and_none_have_no_damage() {
    for has_earlier_frames in [false, true] {
        let Sample { bytes, ends } = sample(4, has_earlier_frames);
        assert_eq!(bytes.len() > place(ends[3]), has_earlier_frames);
        assert_eq!(scan_bytes(&bytes), None);
    }
    assert_eq!(scan_bytes(&[]), None);
    assert_eq!(scan_bytes(&[7; 31]), None);
    assert_eq!(scan_bytes(&[0; 100_000]), None, "a power failure leaves zeros");
    assert_eq!(scan(Path::new("/nowhere/log")).unwrap(), None);
}

#[test]
fn a_torn_last_transaction_is_no_damage() {
    for has_earlier_frames in [false, true] {
        let Sample { bytes, ends } = sample(4, has_earlier_frames);
        for frame in ends[2]..ends[3] {
            for class in CLASSES {
                let cut = place(frame) + class;
                assert_eq!(scan_bytes(&bytes[..cut]), None, "frame {frame} is cut at {class}");
            }
            let mut torn = bytes.clone();
            torn[place(frame)..place(frame + 1)].fill(0);
            assert_eq!(scan_bytes(&torn), None, "frame {frame} did not reach the disk, the others did");
        }
    }
}

#[test]
fn damage_before_the_last_transaction_is_found_at_its_place() {
    for has_earlier_frames in [false, true] {
        let Sample { bytes, ends } = sample(4, has_earlier_frames);
        for frame in 0..ends[2] {
            for class in CLASSES {
                let mut damaged = bytes.clone();
                damaged[place(frame) + class] ^= 0xff;
                let damage = scan_bytes(&damaged).unwrap_or_else(|| panic!("frame {frame}, byte {class}"));
                let lost = ends.iter().filter(|end| **end > frame).count() as u64;
                assert_eq!((damage.offset, damage.part), (place(frame) as u64, format!("frame {}", frame + 1)));
                let transactions = damage.transactions.unwrap();
                // A damaged mark may make one more end of a transaction.
                assert!((lost..=lost + 1).contains(&transactions), "{transactions} of {lost}, byte {class}");
            }
        }
        for frame in 0..ends[1] {
            let mut damaged = bytes.clone();
            damaged[place(frame)..place(frame + 1)].fill(0);
            assert!(scan_bytes(&damaged).is_some(), "frame {frame} is lost");
        }
    }
}

#[test]
fn a_damaged_header_with_frames_behind_it_is_damage() {
    let Sample { bytes, .. } = sample(4, false);
    for at in 0..HEADER_BYTES {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let damage = scan_bytes(&damaged).unwrap_or_else(|| panic!("byte {at}"));
        assert_eq!((damage.offset, damage.transactions), (0, None));
    }
    let mut zeros = bytes.clone();
    zeros[..HEADER_BYTES].fill(0);
    assert_eq!(scan_bytes(&zeros).map(|damage| damage.part), Some("the header".to_owned()));
}
