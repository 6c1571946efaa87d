//! The directories that are damaged.

use super::super::*;
use super::embedded;
use crate::store::fixtures::RECEIVED;

/// The files of a directory.
pub(super) struct Image {
    pub(super) database: Vec<u8>,
    /// The database some changes before.
    pub(super) earlier: Vec<u8>,
    pub(super) log: Vec<u8>,
    pub(super) last_commit: Vec<u8>,
    pub(super) lists: Vec<ListName>,
}

/// The lists. Some of them are added later.
const LISTS: usize = 240;

fn list(number: usize) -> String {
    format!("list {:03} {}", number * 7 % 1_000, "of names that fill pages ".repeat(number % 3))
}

/// Makes a commit to each list, one after the other, so that each run has the same image.
fn commit(store: &EmbeddedStore, numbers: impl Iterator<Item = usize>, revise: impl Fn(usize, Sample) -> Sample) {
    for number in numbers {
        let stored = block_on(store.load(&name(&list(number)))).expect("it is readable");
        let sample = Sample::at(&list(number), stored.list).wake_at(stored.wake_up);
        block_on(store.commit(revise(number, sample).commit())).expect("it continues");
    }
}

fn create(number: usize, sample: Sample) -> Sample {
    let long = if number % 40 == 3 { 9_000 } else { number % 50 };
    let sample = sample.create().add("Milk").add(&"x".repeat(long + 1));
    let sample =
        if number.is_multiple_of(3) { sample.with_receipt(&format!("caller {}\nkey", number % 5)) } else { sample };
    if number.is_multiple_of(2) { sample.wake_at(Some(1_800_000_000_000 + number as u64 * 1_000)) } else { sample }
}

fn continue_list(number: usize, sample: Sample) -> Sample {
    let sample = sample.add("Bread").with_receipt_at("ann\nlater", RECEIVED + number as u64);
    if number.is_multiple_of(4) { sample.wake_at(Some(1_900_000_000_000 + number as u64)) } else { sample }
}

/// A directory whose log has some commits that are not compacted, and the same directory of a killed server, whose
/// write-ahead log has them.
pub(super) fn images() -> (Image, Image) {
    let embedded = embedded();
    let file = |name: &str| std::fs::read(embedded.dir.path().join(name)).unwrap_or_default();
    let store = embedded.try_open().expect("it opens");
    commit(&store, 0..LISTS - 20, create);
    end(store, Ending::Close);
    let store = embedded.try_open().expect("it opens");
    commit(&store, (0..LISTS - 20).step_by(2), continue_list);
    commit(&store, (5..LISTS - 20).step_by(30), |_, sample| sample.erase().wake_at(None));
    end(store, Ending::Close);
    let earlier = file(schema::FILE);
    let store = embedded.try_open().expect("it opens");
    commit(&store, LISTS - 20..LISTS, create);
    commit(&store, (0..LISTS).filter(|number| number % 30 != 5 && number % 3 < 2), continue_list);
    commit(&store, (10..LISTS).step_by(30), |_, sample| sample.erase().wake_at(None));
    end(store, Ending::Close);
    // One list is isolated.
    let store = embedded.try_open().expect("it opens");
    commit(&store, 1..2, continue_list);
    end(store, Ending::Drop);
    flip(&embedded, "log", "commits", "1");
    end(embedded.try_open().expect("a list is isolated"), Ending::Close);

    let store = embedded.try_open().expect("it opens");
    let compacted = file(schema::FILE);
    commit(&store, (2..LISTS).filter(|number| number % 8 == 2 && number % 30 != 5 && number % 30 != 10), continue_list);
    let (log, last) = (file(schema::WAL_FILE), store.lifecycle.last_acknowledged());
    assert!(!log.is_empty() && file(schema::FILE) == compacted, "the commits are in the write-ahead log");
    end(store, Ending::Drop);
    last_commit::write(embedded.dir.path(), last).expect("it is written");
    let mut lists: Vec<_> = (0..LISTS).map(|number| name(&list(number))).collect();
    lists.push(name("no list"));
    let last_commit = file(last_commit::FILE);
    let dropped = Image {
        database: file(schema::FILE),
        earlier,
        log: Vec::new(),
        last_commit: last_commit.clone(),
        lists: lists.clone(),
    };
    (dropped, Image { database: compacted, earlier: Vec::new(), log, last_commit, lists })
}
