//! Trials of damage: one flipped bit, a page of zeros, or a page of an earlier state, at a seeded place of the database.
//!
//! A directory is damaged, opened, read as a whole, scrubbed and verified. Either everything reads as before, or the store
//! says that something is damaged: it refuses to open, a read fails, a list is unreadable, or a finding is there. A difference
//! that nothing says fails the test.
//!
//! `FLIPS=4000 cargo test --locked --lib a_flipped_bit -- --nocapture` makes 4,000 trials and prints their outcomes.

mod image;
mod places;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::store::fixtures::RECEIVED;
use image::Image;
use places::{Damage, Places};

/// The trials of a run without `FLIPS`.
const TRIALS: usize = 150;

/// Repeats a run.
const SEED: u64 = 0x51_7e_ad;

/// The outcome of a trial. Later ones count only if the earlier ones did not occur.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Outcome {
    /// The start refuses the directory.
    Refused,
    /// A read fails that did not fail before.
    Read,
    /// The scrub names a list or counts damage.
    Scrub,
    /// The store takes no writes.
    Writes,
    /// `verify` alone has a finding.
    Verify,
    /// Everything reads as before, and nothing is said.
    Same,
    /// Something reads otherwise, and nothing is said.
    Silent,
}

const OUTCOMES: [(Outcome, &str); 7] = [
    (Outcome::Refused, "start"),
    (Outcome::Read, "read"),
    (Outcome::Scrub, "scrub"),
    (Outcome::Writes, "writes"),
    (Outcome::Verify, "verify"),
    (Outcome::Same, "same"),
    (Outcome::Silent, "SILENT"),
];

/// A list and its history. A failed read is `None`.
#[derive(PartialEq, Debug)]
struct ReadList {
    stored: Option<Stored>,
    history: Option<Vec<Arc<Revision>>>,
}

/// Everything that can be read from a store. A failed read is `None`.
#[derive(PartialEq, Debug)]
struct Everything {
    lists: Vec<ReadList>,
    page: Option<Vec<Summary>>,
    due: Option<Vec<WakeUp>>,
    unreadable: usize,
    receipt_bytes: usize,
}

/// The history of a list, if it can be read.
fn whole_history(reader: &Reader, name: &ListName) -> Option<Vec<Arc<Revision>>> {
    let page = reader.history_page(name, 0, PageLimit::items(MAX_PAGE)).ok()?;
    page.revisions.iter().map(|revision| revision.whole().cloned()).collect()
}

impl Everything {
    fn read(store: &EmbeddedStore, lists: &[ListName]) -> Self {
        let lists = lists.to_vec();
        // All at once on the thread of the reader, because thousands of messages would take longer than the reads.
        let read = block_on(store.read(move |reader| {
            let list = |name: ListName| {
                let (stored, history) = (reader.load(&name).ok(), whole_history(reader, &name));
                ReadList { stored, history }
            };
            let lists = lists.into_iter().map(list).collect();
            Ok((lists, reader.page(None, MAX_PAGE).ok(), reader.due(u64::MAX, None, MAX_PAGE).ok()))
        }));
        let (lists, page, due) = read.expect("the reader lives");
        let receipt_bytes = usize::try_from(store.receipt_room().used()).expect("they are small");
        Self { lists, page, due, unreadable: store.unreadable_count(), receipt_bytes }
    }

    /// Whether a read failed that did not fail before.
    fn has_failed(&self, before: &Self) -> bool {
        let failed = |(now, before): (&ReadList, &ReadList)| {
            now.stored.is_none() && before.stored.is_some() || now.history.is_none() && before.history.is_some()
        };
        self.page.is_none()
            || self.due.is_none()
            || self.unreadable > before.unreadable
            || self.lists.iter().zip(&before.lists).any(failed)
    }
}

/// What is known of the sound directory.
struct Sound {
    everything: Everything,
    verification: Verification,
}

fn write(dir: &Path, image: &Image, damage: Option<&Damage>) {
    let (mut database, mut log) = (image.database.clone(), image.log.clone());
    damage.iter().for_each(|damage| damage.apply(&mut database, &mut log));
    for (file, bytes) in [(schema::FILE, &database), (schema::WAL_FILE, &log), (last_commit::FILE, &image.last_commit)]
    {
        if !bytes.is_empty() {
            std::fs::write(dir.join(file), bytes).expect("it is written");
        }
    }
}

fn embedded() -> Embedded {
    // Memory is faster than a disk, and each trial makes its directory durable.
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    // Queues have their memory from the beginning.
    let (queue, read_queue) = (64, 64);
    let history = HistoryLimits { revisions: 20, ..HistoryLimits::default() };
    let options = Options { now: || RECEIVED + 1, readers: 1, history, queue, read_queue, ..Options::default() };
    Embedded { dir: dir.expect("a directory"), options }
}

impl Sound {
    fn of(image: &Image) -> Self {
        let embedded = embedded();
        write(embedded.dir.path(), image, None);
        let store = embedded.try_open().expect("it is sound");
        let everything = Everything::read(&store, &image.lists);
        scrub_all(&store);
        assert_eq!((store.damage_count(), store.unreadable_count()), (0, everything.unreadable));
        drop(store);
        let verification = verify(embedded.dir.path(), &mut |_, _| ()).expect("it is read");
        Self { everything, verification }
    }

    fn trial(&self, image: &Image, damage: &Damage) -> Outcome {
        let embedded = embedded();
        write(embedded.dir.path(), image, Some(damage));
        let Ok(store) = embedded.try_open() else { return Outcome::Refused };
        let everything = Everything::read(&store, &image.lists);
        if everything.has_failed(&self.everything) {
            return Outcome::Read;
        }
        scrub_all(&store);
        let is_said = store.damage_count() > 0 || store.unreadable_count() > self.everything.unreadable;
        let health = store.health();
        assert!(!matches!(health, Health::ThreadFailed { .. }), "{damage:?}: {health}");
        drop(store);
        if !health.is_healthy() {
            return Outcome::Writes;
        }
        if is_said {
            return Outcome::Scrub;
        }
        match verify(embedded.dir.path(), &mut |_, _| ()) {
            Ok(found) if found == self.verification => {}
            _ => return Outcome::Verify,
        }
        if everything == self.everything { Outcome::Same } else { Outcome::Silent }
    }
}

/// The trials of one kind of damage, by outcome.
type Counts = BTreeMap<&'static str, BTreeMap<Outcome, usize>>;

fn run(trials: usize) -> (Counts, Vec<String>) {
    let (compacted, killed) = image::images();
    let (places, sound, sound_killed) = (Places::of(&compacted, &killed), Sound::of(&compacted), Sound::of(&killed));
    let (next, results) = (AtomicUsize::new(0), Mutex::new((Counts::new(), Vec::new())));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= trials {
                        break;
                    }
                    let mut random = fastrand::Rng::with_seed(SEED + number as u64);
                    let damage = places.choose(number, &mut random);
                    let outcome = match damage.is_in_log() {
                        true => sound_killed.trial(&killed, &damage),
                        false => sound.trial(&compacted, &damage),
                    };
                    let (counts, silent) = &mut *results.lock();
                    *counts.entry(damage.class()).or_default().entry(outcome).or_default() += 1;
                    if outcome == Outcome::Silent {
                        silent.push(format!("trial {number}: {damage:?}"));
                    }
                }
            });
        }
    });
    results.into_inner()
}

#[expect(clippy::print_stdout, reason = "the outcomes are for the people who run it")]
fn print(counts: &Counts) {
    let line = |class: &str, cells: Vec<String>| println!("| {class} | {} |", cells.join(" | "));
    line("damage", OUTCOMES.iter().map(|(_, name)| (*name).to_owned()).collect());
    for (class, of) in counts {
        line(class, OUTCOMES.iter().map(|(outcome, _)| of.get(outcome).unwrap_or(&0).to_string()).collect());
    }
    let total = |outcome| counts.values().filter_map(|of| of.get(outcome)).sum::<usize>().to_string();
    line("all", OUTCOMES.iter().map(|(outcome, _)| total(outcome)).collect());
}

#[test]
fn a_flipped_bit_or_a_lost_page_is_said_or_changes_nothing() {
    let trials = std::env::var("FLIPS").map_or(TRIALS, |trials| trials.parse().expect("FLIPS is a number"));
    let (counts, silent) = run(trials);
    print(&counts);
    assert!(silent.is_empty(), "{} of {trials} trials are silent:\n{}", silent.len(), silent.join("\n"));
}
