//! Tests that acknowledged commits survive stops, kills and damage, with the real program on real files. `tests/kills.rs`
//! kills under load.

#[path = "../examples/load/mod.rs"]
mod load;
mod support;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use load::{Load, Mode};
use support::process::{Process, program, send};

/// How many commits a server makes before it is told to stop: enough that some are in flight.
const BEFORE_STOP: u64 = 400;

/// How often a server is asked for its number of commits at most.
const MAX_POLLS: usize = 100_000;

/// Waits until the server has made enough commits. Fails when the load ends first, or when it makes no progress.
async fn wait_for_commits<T>(server: &Process, load: &tokio::task::JoinHandle<T>) {
    for _ in 0..MAX_POLLS {
        if accepted(server) >= BEFORE_STOP {
            return;
        }
        assert!(!load.is_finished(), "the load ended before the server was stopped");
        tokio::task::yield_now().await;
    }
    panic!("the server made no {BEFORE_STOP} commits while it was asked {MAX_POLLS} times");
}

fn accepted(server: &Process) -> u64 {
    let (status, logic) = server.get("/logic/todo");
    assert_eq!(status, 200);
    logic["live"]["accepted"].as_u64().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_acknowledged_before_it_was_told_to_stop_is_kept() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Process::start(data.path(), &[]);
    let load = Load { address: server.address, connections: 8, lists: 5, mode: Mode::Post, requests: u64::MAX };
    let stop = Arc::new(AtomicBool::new(false));
    let running = tokio::spawn(async move { load::run(&load, stop).await });
    wait_for_commits(&server, &running).await;
    // In the middle of it: each connection gets the response it waits for, and then its end.
    assert!(server.terminate().success());
    let report = running.await.expect("the load does not panic");
    assert!(report.acknowledged.len() as u64 >= BEFORE_STOP / 2, "{report:?}");
    let server = Process::start(data.path(), &[]);
    let missing = load::missing(server.address, &report.acknowledged).await.expect("every list is readable");
    assert_eq!(missing, []);
}

#[test]
fn a_list_that_cannot_be_read_is_listed_deleted_and_made_anew() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Process::start(data.path(), &[]);
    let add = |server: &Process, list: &str| {
        send(server.address, "POST", &format!("/lists/{list}/entries"), r#"{"title":"milk"}"#).0
    };
    assert_eq!((add(&server, "ann"), add(&server, "bob")), (201, 201));
    assert!(server.terminate().success());
    let database = rusqlite::Connection::open(data.path().join("hotlist.db")).expect("a database");
    database.execute("UPDATE lists SET brief = x'00' WHERE name = 'bob'", []).expect("it is damaged");
    drop(database);

    let server = Process::start(data.path(), &[]);
    let (status, lists) = server.get("/lists");
    assert_eq!((status, &lists[0]["name"], &lists[1]["name"]), (200, &"ann".into(), &"bob".into()));
    assert!(lists[1]["unreadable"]["why"].is_string() && lists[1]["unreadable"]["since"].is_string(), "{lists}");
    assert_eq!((server.get("/lists/bob").0, add(&server, "bob")), (500, 500));
    assert_eq!(send(server.address, "DELETE", "/lists/bob", "").0, 204);
    assert_eq!((server.get("/lists/bob").0, server.get("/lists").1.as_array().map(Vec::len)), (404, Some(1)));
    assert_eq!(add(&server, "bob"), 201);
    let revision = server.get("/lists/bob").1["revision"].as_u64();
    assert!(revision > Some(2), "{revision:?}");
    assert!(server.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_before_the_server_was_killed_is_taken_back_after_it_and_so_is_that() {
    let data = tempfile::tempdir().expect("a directory");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let ask = async |server: &Process, method: &str, path: &str, body: &'static str| {
        let url = format!("http://{}{path}", server.address);
        let request = client.request(method.parse().expect("a method"), url);
        let response = request.header("content-type", "application/json").body(body).send().await.expect("a response");
        assert!(response.status().is_success(), "{method} {path}: {}", response.status());
    };
    let server = Process::start(data.path(), &[]);
    for body in [r#"{"title":"milk"}"#, r#"{"title":"tea","fields":{}}"#] {
        ask(&server, "POST", "/lists/bob/entries", body).await;
    }
    let (_, before) = server.get("/lists/bob");
    let entries = |server: &Process| {
        let entries = server.get("/lists/bob/entries").1;
        let plain = |entry: &serde_json::Value| (entry["id"].clone(), entry["title"].clone());
        entries.as_array().expect("an array").iter().map(plain).collect::<Vec<_>>()
    };
    let both = entries(&server);
    ask(&server, "DELETE", "/lists/bob/entries", "").await;
    server.kill();
    let server = Process::start(data.path(), &[]);
    assert_eq!(entries(&server), []);
    ask(&server, "POST", "/lists/bob/undo", r#"{"revision":3}"#).await;
    server.kill();
    let server = Process::start(data.path(), &[]);
    assert_eq!((entries(&server), &server.get("/lists/bob").1["entries"]), (both.clone(), &before["entries"]));
    assert_eq!(server.get("/lists/bob/history?after=3").1[0]["undone"], 3);
    ask(&server, "POST", "/lists/bob/undo", "{}").await;
    assert!(server.terminate().success());
    let server = Process::start(data.path(), &[]);
    assert_eq!(entries(&server), []);
    ask(&server, "POST", "/lists/bob/undo", "{}").await;
    assert_eq!(entries(&server), both);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_known_after_200_others_and_after_the_server_was_killed_and_stopped() {
    let data = tempfile::tempdir().expect("a directory");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let add = async |server: &Process, key: &str| {
        let request =
            client.post(format!("http://{}/lists/bob/entries", server.address)).header("idempotency-key", key);
        let request = request.header("content-type", "application/json").body(r#"{"title":"milk"}"#);
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json::<serde_json::Value>().await.expect("JSON")["id"].clone())
    };
    let mut server = Process::start(data.path(), &[]);
    let first = add(&server, "first").await;
    assert_eq!(first, (201, 1.into()));
    for count in 0..200 {
        assert_eq!(add(&server, &format!("key-{count}")).await, (201, (count + 2).into()));
    }
    assert_eq!(add(&server, "first").await, first);
    server.kill();
    server = Process::start(data.path(), &[]);
    assert_eq!(add(&server, "first").await, first);
    assert!(server.terminate().success());
    server = Process::start(data.path(), &[]);
    assert_eq!(add(&server, "first").await, first);
    assert_eq!(add(&server, "key-100").await, (201, 102.into()));
    assert_eq!(server.get("/lists/bob").1["entries"], 201);
}

#[test]
fn a_server_whose_log_is_removed_is_not_ready_within_seconds_and_ends_with_a_failure() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Process::start(data.path(), &[]);
    assert_eq!(send(server.address, "POST", "/lists/bob/entries", r#"{"title":"milk"}"#).0, 201);
    std::fs::remove_file(data.path().join("hotlist.db-wal")).expect("it is removed");
    let (status, problem) = (0..MAX_POLLS)
        .map(|_| server.get("/readyz"))
        .find(|(status, _)| *status != 200)
        .expect("the loss of the file is noticed");
    assert_eq!(status, 503);
    assert!(problem["detail"].as_str().expect("a text").contains("store"), "{problem}");
    assert_eq!(send(server.address, "POST", "/lists/bob/entries", r#"{"title":"tea"}"#).0, 503);
    assert!(!server.terminate().success(), "the exit code reports the loss");
    // The end copied the log into the database.
    let server = Process::start(data.path(), &[]);
    assert_eq!(server.get("/lists/bob").1["revision"], 1);
}

#[test]
fn a_server_that_lacks_acknowledged_changes_starts_only_with_accept_loss() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Process::start(data.path(), &[]);
    assert_eq!(send(server.address, "POST", "/lists/bob/entries", r#"{"title":"milk"}"#).0, 201);
    server.kill();
    // A database that is gone beside a log that is whole.
    std::fs::remove_file(data.path().join("hotlist.db")).expect("it is removed");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data"];
    let refused = program().args(arguments).arg(data.path()).output().expect("the program runs");
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    for says in ["hotlist.db is missing or empty", "hotlist.db-wal has content", "--accept-loss"] {
        assert!(error.contains(says), "{says} is not in {error}");
    }
    let server = Process::start(data.path(), &["--accept-loss".as_ref()]);
    assert_eq!(server.get("/lists/bob").0, 404);
    assert!(server.terminate().success());
    assert!(data.path().join("hotlist.db-wal.damaged-1").exists(), "nothing is deleted");
    Process::start(data.path(), &[]);
}
