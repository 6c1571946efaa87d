//! Tests of `hotlist upgrade` and `hotlist verify --repair` from outside.

mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::process::{Process, program, send};

const ENCODING_1: &str = include_str!("../host/store/embedded/schema/encoding_1.sql");
const ENCODING_2: &str = include_str!("../host/store/embedded/schema/encoding_2.sql");
const ENCODING_3: &str = include_str!("../host/store/embedded/schema/encoding_3.sql");

/// A directory that an earlier program wrote.
fn directory(sql: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    change(dir.path(), sql);
    dir
}

fn change(dir: &Path, sql: &str) {
    let db = rusqlite::Connection::open(dir.join("hotlist.db")).expect("it opens");
    db.execute_batch(sql).expect("it is changed");
}

/// The exit code of a command, its JSON and its error output.
fn run(dir: &Path, arguments: &[&str]) -> (i32, Value, String) {
    let output = program().args(arguments).arg("--data").arg(dir).arg("--json").output().expect("it runs");
    let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().expect("it ends by itself"), json, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_check_says_what_an_upgrade_would_do_and_writes_nothing() {
    for (sql, encoding, converted) in [(ENCODING_3, "3", 0), (ENCODING_2, "2", 4)] {
        let dir = directory(sql);
        let before = fs::read(dir.path().join("hotlist.db")).expect("it is there");
        let (code, check, errors) = run(dir.path(), &["upgrade", "--check"]);
        assert_eq!((code, errors.as_str()), (0, ""), "{check}");
        assert_eq!(
            (&check["format"], &check["is_due"], &check["is_possible"]),
            (&json!(1), &json!(true), &json!(true))
        );
        assert_eq!((&check["lists"], &check["is_done"]), (&json!(2), &json!(false)));
        let rows: &[(&str, u64)] = &[("lists", 2), ("gone", 1), ("history", 3), ("receipts", 2), ("log", 2)];
        for (table, count) in rows {
            assert_eq!(check["rows"][table], json!({ encoding: count }), "{table}");
        }
        assert_eq!((&check["converted_lists"], &check["moved_receipts"]), (&json!(converted), &json!(2)));
        let number = |key: &str| check[key].as_u64().expect("a number");
        assert!(number("needed_bytes") > 0 && number("free_bytes") > number("needed_bytes"), "{check}");
        assert_eq!(fs::read(dir.path().join("hotlist.db")).expect("it is there"), before);
        assert!(!dir.path().join("lock").exists() && !dir.path().join("last-commit").exists());

        let (code, check, errors) = run(dir.path(), &["upgrade"]);
        assert_eq!((code, &check["is_done"]), (0, &json!(true)), "{errors}");
        let (code, check, _) = run(dir.path(), &["upgrade", "--check"]);
        assert_eq!((code, &check["is_due"], &check["rows"]["log"]), (0, &json!(false), &json!({})), "{check}");
        let (code, _, errors) = run(dir.path(), &["verify"]);
        assert_eq!(code, 0, "{errors}");
    }
}

#[test]
fn a_check_names_what_cannot_be_upgraded_and_the_upgrade_then_changes_nothing() {
    let dir = directory(ENCODING_1);
    let (code, _, errors) = run(dir.path(), &["upgrade", "--check"]);
    assert_eq!(code, 1);
    assert!(errors.contains("has format 1 with encoding 1"), "{errors}");
    let dir = directory(ENCODING_2);
    change(dir.path(), "UPDATE lists SET snapshot = x'02ff' WHERE name = 'bob'");
    for arguments in [&["upgrade", "--check"][..], &["upgrade"]] {
        let (code, check, _) = run(dir.path(), arguments);
        assert_eq!((code, &check["is_possible"], &check["is_done"]), (1, &json!(false), &json!(false)));
        assert_eq!(check["unreadable"][0]["list"], "bob", "{check}");
        assert_eq!(check["format"], 1);
    }
}

#[test]
fn a_repair_says_what_it_does_and_a_server_starts_with_the_rest() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Process::start(dir.path(), &[]);
    for list in ["ann", "bob", "cid"] {
        let (status, answer) = send(server.address, "POST", &format!("/lists/{list}/entries"), r#"{"title":"Milk"}"#);
        assert_eq!(status, 201, "{answer}");
    }
    let (code, _, errors) = run(dir.path(), &["verify", "--repair"]);
    assert_eq!(code, 1);
    assert!(errors.contains("is in use by another process"), "{errors}");
    assert!(server.terminate().success());
    let (code, answer, errors) = run(dir.path(), &["verify", "--repair"]);
    assert_eq!((code, &answer["repaired"], errors.as_str()), (0, &Value::Null, ""));
    change(dir.path(), "INSERT INTO timers VALUES (7, 'ann')");
    let unproven = "UPDATE lists SET snapshot = x'04' WHERE name > 'b'; DELETE FROM history WHERE name = 'bob'";
    change(dir.path(), unproven);
    let (code, answer, errors) = run(dir.path(), &["verify", "--repair"]);
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("list \"bob\"") && errors.contains("repairing: "), "{errors}");
    assert_eq!(answer["repaired"]["removed_lists"][0]["list"], "bob");
    assert_eq!(answer["repaired"]["restored_lists"][0]["list"], "cid");
    assert_eq!((&answer["damage"], &answer["repaired"]["removed_timers"]), (&json!([]), &json!(1)));
    let server = Process::start(dir.path(), &[]);
    assert_eq!(["ann", "cid"].map(|list| send(server.address, "GET", &format!("/lists/{list}"), "").0), [200, 200]);
    assert_eq!(send(server.address, "GET", "/lists/bob", "").0, 404);
    let (status, answer) = send(server.address, "POST", "/lists/bob/entries", r#"{"title":"Milk"}"#);
    assert_eq!(status, 201, "{answer}");
    assert!(server.terminate().success());
}
