//! Directories that lack acknowledged changes: damaged, cut and missing files at the start.

use std::fs;
use std::path::Path;

use super::*;

/// Acknowledged commits of a sample.
const COMMITS: u64 = 5;

/// A directory as a killed server leaves it: bob has [`COMMITS`] commits in the write-ahead log.
fn killed() -> Embedded {
    let running = Embedded::default();
    let store = running.try_open().expect("it opens");
    let mut bob = Sample::new("bob").create();
    for _ in 0..COMMITS {
        block_on(store.commit(bob.take())).expect("it continues");
        bob = bob.add(&"Milk".repeat(300));
    }
    let image = Embedded::default();
    copy(&running, &image);
    last_commit::write(image.dir.path(), COMMITS).expect("it is remembered");
    image
}

fn copy(from: &Embedded, to: &Embedded) {
    for file in [schema::FILE, schema::WAL_FILE, last_commit::FILE] {
        let _ = fs::copy(from.dir.path().join(file), to.dir.path().join(file));
    }
}

fn log(embedded: &Embedded) -> std::path::PathBuf {
    embedded.dir.path().join(schema::WAL_FILE)
}

fn refused(embedded: &Embedded) -> String {
    match embedded.try_open() {
        Err(StoreError::Incomplete { path, why }) => {
            assert_eq!(path, embedded.dir.path().display().to_string());
            why
        }
        other => panic!("it opened: {other:?}"),
    }
}

fn revision(store: &EmbeddedStore) -> u64 {
    block_on(store.load(&name("bob"))).expect("it is readable").list.revision()
}

/// Opens a copy of the directory with another log. Returns the revision, or `None` if it was refused.
fn opened_with(image: &Embedded, log_bytes: &[u8]) -> Option<u64> {
    let other = Embedded::default();
    copy(image, &other);
    fs::write(log(&other), log_bytes).expect("it is written");
    match other.try_open() {
        Ok(store) => Some(revision(&store)),
        Err(StoreError::Incomplete { .. }) => {
            assert_eq!(fs::read(log(&other)).expect("it is kept"), log_bytes, "a refused start changes nothing");
            None
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_damaged_or_cut_log_never_makes_a_list_silently_older() {
    let image = killed();
    let sound = fs::read(log(&image)).expect("a log");
    let frames = (sound.len() - 32) / 4_120;
    assert_eq!(opened_with(&image, &sound), Some(COMMITS));
    let mut flips: Vec<usize> = (0..32).step_by(4).collect();
    for frame in 0..frames {
        let place = 32 + frame * 4_120;
        let cut = opened_with(&image, &sound[..place]);
        assert_eq!(cut, None, "the log is cut before frame {frame} of {frames}");
        flips.extend([3, 7, 11, 15, 19, 23, 24, 2_000, 4_119].map(|byte| place + byte));
    }
    for at in flips {
        let mut damaged = sound.clone();
        damaged[at] ^= 0xff;
        assert_eq!(opened_with(&image, &damaged), None, "byte {at}");
    }
}

#[test]
fn damage_in_the_log_is_named_with_its_place_and_accepted_only_on_request() {
    let mut image = killed();
    let mut bytes = fs::read(log(&image)).expect("a log");
    bytes[32 + 4_120 + 100] ^= 1;
    fs::write(log(&image), &bytes).expect("it is written");
    // The scan alone finds it.
    fs::remove_file(image.dir.path().join(last_commit::FILE)).expect("it is removed");
    let why = refused(&image);
    assert!(why.contains("frame 2") && why.contains("byte 4152") && why.contains("hotlist.db-wal"), "{why}");
    image.options.accept_loss = true;
    let store = image.try_open().expect("the loss is accepted");
    assert!(revision(&store) < COMMITS);
    assert_eq!(fs::read(image.dir.path().join("hotlist.db-wal.damaged-1")).expect("a copy"), bytes);
    drop(store);
    image.options.accept_loss = false;
    assert!(image.try_open().is_ok(), "what was given up is not refused again");
}

#[test]
fn a_log_that_is_missing_is_noticed_by_the_number_of_the_last_commit() {
    let mut image = killed();
    fs::remove_file(log(&image)).expect("it is removed");
    let why = refused(&image);
    assert!(why.contains(&format!("at least {COMMITS} acknowledged commits are missing")), "{why}");
    image.options.accept_loss = true;
    drop(image.try_open().expect("the loss is accepted"));
    image.options.accept_loss = false;
    assert!(image.try_open().is_ok(), "what was given up is not refused again");
}

#[test]
fn the_last_commit_is_remembered_on_closing_and_dropping() {
    for ending in [Ending::Close, Ending::Drop] {
        let embedded = Embedded::default();
        three_lists(&embedded, ending);
        assert_eq!(last_commit::read(embedded.dir.path()).expect("it is readable"), Ok(Some(9)));
        assert!(embedded.try_open().is_ok());
    }
}

#[test]
fn a_damaged_number_of_the_last_commit_is_not_taken_for_an_absent_one() {
    let mut image = killed();
    fs::write(image.dir.path().join(last_commit::FILE), "5 00000000\n").expect("it is written");
    assert!(refused(&image).contains("last-commit is damaged"));
    image.options.accept_loss = true;
    assert_eq!(revision(&image.try_open().expect("the loss is accepted")), COMMITS);
    image.options.accept_loss = false;
    assert!(image.try_open().is_ok(), "the number is written anew");
}

#[test]
fn an_empty_or_missing_database_is_new_only_where_nothing_else_is() {
    let spoil: [fn(&Path); 2] = [
        |database| fs::remove_file(database).expect("it is removed"),
        |database| fs::write(database, []).expect("it is emptied"),
    ];
    for spoil in spoil {
        let mut image = killed();
        let bytes = fs::read(log(&image)).expect("a log");
        fs::remove_file(image.dir.path().join(last_commit::FILE)).expect("it is removed");
        spoil(&image.dir.path().join(schema::FILE));
        let why = refused(&image);
        assert!(why.contains("hotlist.db is missing or empty") && why.contains("hotlist.db-wal has content"), "{why}");
        assert_eq!(fs::read(log(&image)).expect("it is kept"), bytes);
        image.options.accept_loss = true;
        assert_eq!(revision(&image.try_open().expect("the loss is accepted")), 0);
        assert_eq!(fs::read(image.dir.path().join("hotlist.db-wal.damaged-1")).expect("it is kept"), bytes);
    }
    let components = Embedded::default();
    fs::create_dir_all(components.dir.path().join("logic/todo")).expect("it is made");
    assert!(refused(&components).contains("logic has components"));
    let remembered = Embedded::default();
    last_commit::write(remembered.dir.path(), 3).expect("it is written");
    assert!(refused(&remembered).contains("last-commit is there"));
    let new = Embedded::default();
    fs::create_dir(new.dir.path().join("logic")).expect("it is made");
    fs::create_dir_all(new.dir.path().join("compiled/code")).expect("it is made");
    fs::write(new.dir.path().join(schema::FILE), []).expect("it is made");
    fs::write(log(&new), []).expect("it is made");
    assert!(new.try_open().is_ok(), "nothing was acknowledged here");
}
