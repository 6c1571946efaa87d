//! The digest: every statement adjusts it, and a start compares it.

use std::fs;
use std::path::Path;

use super::*;

/// The tables that the digest covers, with `cut`, which it covers too.
const COVERED: [&str; 7] = ["lists", "gone", "history", "receipts", "timers", "quarantine", "cut"];

/// The files with statements that change covered tables: those that adjust the digest, the tables themselves, and the
/// conversion of an earlier format and the repair, before the digest is made.
const WITH_STATEMENTS: [&str; 5] = ["covered_rows.rs", "schema.rs", "receipt_rows.rs", "copy.rs", "settle.rs"];

/// The source of the store, without its tests.
fn sources(dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = fs::read_to_string(&path).expect("it is text");
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
            found.push((name, code));
        }
    }
}

#[test]
fn statements_that_change_covered_tables_are_in_one_file() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("host/store/embedded"), &mut found);
    assert!(found.len() > 30, "the source is there");
    for (file, code) in found.iter().filter(|(file, _)| !WITH_STATEMENTS.contains(&file.as_str())) {
        for table in COVERED {
            for statement in ["INTO", "UPDATE", "DELETE FROM"] {
                let statement = format!("{statement} {table} ");
                assert!(!code.contains(&statement), "{file} has {statement:?}, which does not adjust the digest");
            }
        }
    }
}

#[test]
fn the_digest_follows_each_way_in_which_rows_change() {
    let mut embedded = Embedded::default();
    embedded.options.history.revisions = 2;
    three_lists(&embedded, Ending::Drop);
    flip(&embedded, "log", "commits", "seq = 5");
    let store = embedded.try_open().expect("bob is isolated");
    embedded.check_digest();
    let ann = block_on(store.load(&name("ann"))).expect("it is readable").list;
    block_on(store.commit(Sample::at("ann", ann).erase().wake_at(Some(9)).commit())).expect("it continues");
    embedded.check_digest();
    end(store, Ending::Close);
    embedded.check_digest();
    let store = embedded.try_open().expect("it opens");
    assert_eq!(block_on(store.discard(&name("bob"))), Ok(()));
    embedded.check_digest();
    let ann = block_on(store.load(&name("ann"))).expect("it is absent").list;
    block_on(store.commit(Sample::at("ann", ann).create().commit())).expect("the name is free");
    end(store, Ending::Close);
    embedded.check_digest();
    for table in ["lists", "gone", "history", "receipts", "quarantine"] {
        assert!(embedded.count(table) > 0, "{table}");
    }
}

#[test]
fn a_damaged_or_missing_digest_is_said_and_the_store_works() {
    for damage in ["UPDATE digest SET record = x'04'", "DELETE FROM digest"] {
        let mut embedded = Embedded::default();
        three_lists(&embedded, Ending::Close);
        embedded.sql().execute(damage, []).expect("it is damaged");
        let store = embedded.try_open().expect("it opens");
        assert_eq!(store.damage_count(), 1);
        block_on(store.commit(Sample::new("dan").create().wake_at(Some(7)).commit())).expect("it is new");
        end(store, Ending::Close);
        drop(embedded.try_open().expect("it opens"));
        embedded.options.accept_loss = true;
        assert_eq!(embedded.try_open().expect("it opens").damage_count(), 0);
        embedded.check_digest();
        embedded.options.accept_loss = false;
        assert_eq!(embedded.try_open().expect("it opens").damage_count(), 0);
    }
}

#[test]
fn a_damaged_page_with_the_digest_ends_no_writes() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Close);
    assert_eq!(damage::damage_root(&embedded, "digest"), 1);
    let store = embedded.try_open().expect("it opens");
    for (list, at) in [("dan", None), ("eve", Some(7))] {
        block_on(store.commit(Sample::new(list).create().wake_at(at).commit())).expect("it is new");
    }
    assert_eq!((store.health(), store.damage_count()), (Health::Healthy, 1));
    end(store, Ending::Close);
}

#[test]
fn isolated_commits_that_are_missing_make_no_list_older() {
    let mut embedded = Embedded::default();
    three_lists(&embedded, Ending::Drop);
    flip(&embedded, "log", "commits", "seq = 5");
    end(embedded.try_open().expect("bob is isolated"), Ending::Close);
    embedded.sql().execute("DELETE FROM quarantine WHERE seq = 5", []).expect("it is deleted");
    let refused = embedded.try_open().expect_err("it lacks an isolated commit");
    let StoreError::Incomplete { why, .. } = &refused else { panic!("{refused:?}") };
    assert!(why.contains("the table quarantine lacks rows that its digest counts: 1"), "{why}");
    embedded.options.accept_loss = true;
    drop(embedded.try_open().expect("the loss is accepted"));
    embedded.options.accept_loss = false;
    assert!(embedded.try_open().is_ok(), "what was given up is not refused again");
}

#[test]
fn a_log_that_is_truncated_further_than_the_digest_says_is_refused() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Close);
    embedded.sql().execute("UPDATE cut SET seq = seq + 64", []).expect("a bit flips");
    let refused = embedded.try_open().expect_err("the digest says another number");
    assert!(matches!(&refused, StoreError::Incomplete { why, .. } if why.contains("commit 73, and to 9")), "{refused}");
}

#[test]
fn a_flipped_bit_in_the_definition_of_a_table_is_refused() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Close);
    let sql = embedded.sql();
    sql.execute_batch("PRAGMA writable_schema = on").expect("it is allowed");
    // A name of digits would then be a number, and not be found.
    let update = "UPDATE sqlite_schema SET sql = replace(sql, 'name TEXT', 'name TEXU') WHERE name = 'lists'";
    sql.execute(update, []).expect("it is damaged");
    drop(sql);
    let refused = embedded.try_open().expect_err("the definition is damaged");
    assert!(refused.to_string().contains("that of lists is damaged"), "{refused}");
}

#[test]
fn a_flipped_bit_in_the_header_that_makes_sqlite_move_pages_is_refused() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Close);
    let file = embedded.dir.path().join(schema::FILE);
    let mut bytes = fs::read(&file).expect("it is readable");
    bytes[53] ^= 2;
    fs::write(&file, bytes).expect("it is written");
    let refused = embedded.try_open().expect_err("the header is damaged");
    assert!(refused.to_string().contains("that of the header of the file is damaged"), "{refused}");
}

#[test]
fn rows_of_the_log_that_were_truncated_and_return_are_refused() {
    let mut embedded = Embedded::default();
    three_lists(&embedded, Ending::Close);
    let insert = "INSERT INTO log (seq, first, directory, commits) VALUES (9, 9, x'', x'')";
    embedded.sql().execute(insert, []).expect("it returns");
    let refused = embedded.try_open().expect_err("its page is older");
    assert!(refused.to_string().contains("row 9 of its log was truncated and is there again"), "{refused}");
    embedded.options.accept_loss = true;
    let store = embedded.try_open().expect("the loss is accepted");
    assert_eq!(block_on(store.load(&name("bob"))).map(|stored| stored.list.revision()), Ok(3));
}

/// A trigger that makes each write of a table fail as a damaged page does.
fn fail_writes(embedded: &Embedded, what: &str) {
    let fails = format!("CREATE TRIGGER fault BEFORE {what} BEGIN SELECT RAISE(ABORT, 'a test asks for it'); END");
    embedded.sql().execute_batch(&fails).expect("it is created");
}

fn write_again(embedded: &Embedded) {
    embedded.sql().execute_batch("DROP TRIGGER fault").expect("it is dropped");
}

#[test]
fn a_digest_that_could_not_be_written_for_a_time_refuses_no_start() {
    let mut embedded = Embedded::default();
    three_lists(&embedded, Ending::Close);
    let store = embedded.try_open().expect("it opens");
    fail_writes(&embedded, "INSERT ON digest");
    block_on(store.commit(Sample::new("dan").create().wake_at(Some(7)).commit())).expect("it is new");
    assert_eq!((store.health(), store.damage_count()), (Health::Healthy, 1));
    end(store, Ending::Close);
    write_again(&embedded);
    // The row of the digest is sound, and it is that of earlier rows.
    for _ in 0..2 {
        let store = embedded.try_open().expect("nothing is missing");
        scrub_all(&store);
        assert_eq!((store.damage_count(), store.unreadable_count()), (1, 0));
        let dan = block_on(store.load(&name("dan"))).expect("it is readable").list;
        block_on(store.commit(Sample::at("dan", dan).add("Milk").wake_at(Some(7)).commit())).expect("it continues");
        end(store, Ending::Close);
    }
    let found = verify(embedded.dir.path(), &mut |_, _| ()).expect("it is read").findings;
    assert!(matches!(&found[..], [one] if one.what.starts_with("the digest cannot be read")), "{found:?}");
    embedded.options.accept_loss = true;
    assert_eq!(embedded.try_open().expect("it opens").damage_count(), 0);
    embedded.check_digest();
    embedded.options.accept_loss = false;
    assert_eq!(embedded.try_open().expect("it opens").damage_count(), 0);
    assert!(verify(embedded.dir.path(), &mut |_, _| ()).expect("it is read").is_sound());
}

#[test]
fn a_digest_that_cannot_be_written_keeps_no_list_from_being_isolated_or_deleted() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Close);
    embedded.sql().execute("DELETE FROM lists WHERE name = 'bob'", []).expect("it is deleted");
    let store = embedded.try_open().expect("it opens");
    fail_writes(&embedded, "INSERT ON digest");
    scrub_all(&store);
    assert_eq!(store.health(), Health::Healthy);
    assert!(matches!(block_on(store.load(&name("bob"))), Err(StoreError::Unreadable { .. })));
    write_again(&embedded);
    end(store, Ending::Close);

    flip(&embedded, "lists", "snapshot", "name = 'ann'");
    let store = embedded.try_open().expect("it opens");
    assert!(block_on(store.load(&name("ann"))).is_err());
    fail_writes(&embedded, "INSERT ON digest");
    assert_eq!(block_on(store.discard(&name("ann"))), Ok(()));
    assert_eq!(block_on(store.discard(&name("bob"))), Ok(()));
    assert_eq!(store.health(), Health::Healthy);
    write_again(&embedded);
}

#[test]
fn a_digest_that_cannot_be_written_at_a_start_keeps_no_list_from_being_isolated() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Drop);
    flip(&embedded, "log", "commits", "seq = 5");
    fail_writes(&embedded, "INSERT ON digest");
    let store = embedded.try_open().expect("bob is isolated");
    assert!(matches!(block_on(store.load(&name("bob"))), Err(StoreError::Unreadable { .. })));
    assert_eq!((store.health(), store.damage_count()), (Health::Healthy, 1));
    write_again(&embedded);
    end(store, Ending::Close);
    assert!(embedded.try_open().is_ok(), "the row of the digest is that of earlier rows");
}

#[test]
fn a_lost_digest_that_cannot_be_noted_ends_no_writes() {
    let embedded = Embedded::default();
    three_lists(&embedded, Ending::Close);
    let store = embedded.try_open().expect("it opens");
    fail_writes(&embedded, "INSERT ON digest");
    embedded
        .sql()
        .execute_batch("CREATE TRIGGER more BEFORE INSERT ON quarantine BEGIN SELECT RAISE(ABORT, ''); END")
        .expect("it is created");
    for list in ["dan", "eve"] {
        block_on(store.commit(Sample::new(list).create().wake_at(Some(7)).commit())).expect("it is new");
    }
    assert_eq!(store.health(), Health::Healthy);
    end(store, Ending::Close);
}
