//! Swaps of a component under load, by saving files, with the real program.

#[path = "../examples/load/mod.rs"]
mod load;
mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hyper::Method;
use load::{Load, Mode};
use serde_json::Value;
use support::process::{Process, get};
use support::{WAIT_TIMEOUT, component};

/// The number of swaps.
const SWAPS: usize = 50;

/// Replaces a component atomically.
fn save(directory: &Path, name: &str, bytes: &[u8]) {
    let unfinished = directory.join("unfinished");
    fs::write(&unfinished, bytes).expect("it is written");
    fs::rename(unfinished, directory.join(format!("{name}.wasm"))).expect("it is renamed");
}

/// Waits until the description of a logic has a property.
fn wait_for(server: &Process, logic: &str, what: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let (_, standing) = get(server.address, &format!("/logic/{logic}"));
        if what(&standing) {
            return standing;
        }
        assert!(begun.elapsed() < WAIT_TIMEOUT, "it never came: {standing}");
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hotlist::list::digest::hex(&hotlist::list::digest::digest_of(bytes)))
}

fn start(data: &Path, rules: &Path) -> Process {
    Process::start(data, &[OsStr::new("--plugins"), rules.as_os_str()])
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_swaps_under_load_fail_no_request_and_lose_no_entry() {
    let (data, rules) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let versions = [component("todo"), component("strict")];
    save(rules.path(), "todo", &versions[0]);
    let server = start(data.path(), rules.path());
    let address = server.address;
    let load = Load { address, connections: 64, lists: 1_000, mode: Mode::Mixed, requests: u64::MAX };
    let stop = Arc::new(AtomicBool::new(false));
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { load::run(&load, stop).await }
    });
    let (server, rules) = tokio::task::spawn(async move {
        for swap in 1..=SWAPS {
            let next = &versions[swap % 2];
            save(rules.path(), "todo", next);
            let wanted = digest(next);
            tokio::task::block_in_place(|| {
                // A swap is over when the new version has decided something.
                wait_for(&server, "todo", |logic| {
                    let decided = logic["live"]["accepted"].as_u64().unwrap_or(0)
                        + logic["live"]["rejected"].as_u64().unwrap_or(0);
                    logic["live"]["digest"] == *wanted && decided > 0
                })
            });
        }
        (server, rules)
    })
    .await
    .expect("the swaps work");
    stop.store(true, Ordering::Relaxed);
    let report = running.await.expect("the load does not panic");
    assert_eq!(report.failed, 0, "{:?}", report.failures);
    let deciders: Vec<_> = report.versions.keys().filter(|name| !name.is_empty()).collect();
    assert_eq!(deciders.len(), 2, "{deciders:?}");
    assert!(report.acknowledged.len() > SWAPS, "{report:?}");
    assert!(server.terminate().success());

    let server = start(data.path(), rules.path());
    assert_eq!(load::missing(server.address, &report.acknowledged).await.expect("every list is readable"), []);
    one_version_decided_each(&server, &report.acknowledged).await;
}

/// Checks that the history names, for each entry, the version that the reply named.
async fn one_version_decided_each(server: &Process, acknowledged: &[load::Acknowledged]) {
    let connection = load::connect(server.address).expect("a client");
    let mut named: BTreeMap<(&str, u64), &str> = BTreeMap::new();
    for one in acknowledged {
        assert_eq!(named.insert((&one.list, one.id), &one.logic), None, "an id was given twice: {one:?}");
    }
    let mut lists: Vec<_> = acknowledged.iter().map(|one| one.list.as_str()).collect();
    lists.sort_unstable();
    lists.dedup();
    for list in lists {
        let path = format!("/lists/{list}/history?limit=1000");
        let (_, _, history) = load::send(&connection, Method::GET, &path, String::new()).await.expect("a history");
        for revision in history.as_array().expect("revisions") {
            let changes = revision["changes"].as_array().expect("changes").iter();
            for id in changes.filter_map(|change| change["entry"]["id"].as_u64()) {
                if let Some(reply) = named.remove(&(list, id)) {
                    assert_eq!(revision["logic"], *reply, "list {list}, entry {id}");
                }
            }
        }
    }
    assert!(named.is_empty(), "not in the history: {:?}", named.first_key_value());
}

#[test]
fn a_component_written_in_place_and_in_pieces_is_loaded_once_it_is_whole_and_never_reported_as_broken() {
    let (data, rules) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (todo, strict) = (component("todo"), component("strict"));
    fs::write(rules.path().join("mine.wasm"), &todo).expect("it is written");
    let server = start(data.path(), rules.path());
    let mut file = fs::File::create(rules.path().join("mine.wasm")).expect("it is opened");
    let (half, rest) = strict.split_at(strict.len() / 2);
    file.write_all(half).expect("it is written");
    // The watcher reads files in the order of their names. Once this one is live, it has seen parts of the first one, which
    // grows meanwhile, as a file does that is being written.
    save(rules.path(), "zebra", &todo);
    let begun = Instant::now();
    let mut pieces = rest.iter();
    while !server.get("/logic/zebra").1["live"].is_object() {
        assert!(begun.elapsed() < WAIT_TIMEOUT, "it is not loaded");
        file.write_all(&[*pieces.next().expect("it is loaded before so many looks")]).expect("it is written");
    }
    file.write_all(pieces.as_slice()).expect("it is written");
    let standing = wait_for(&server, "mine", |logic| logic["live"]["digest"] == *digest(&strict));
    assert_eq!(standing["failure"], Value::Null);
    let events = standing["events"].as_array().expect("events");
    assert!(events.iter().all(|event| event["version"].is_string()), "{standing}");
}

#[test]
fn a_broken_file_is_reported_once_and_leaves_the_live_version() {
    let (data, rules) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let todo = component("todo");
    save(rules.path(), "mine", &todo);
    let server = start(data.path(), rules.path());
    let clock = r#"(component (import "wasi:http/types@0.2.0" (instance)))"#;
    save(rules.path(), "mine", &wat::parse_str(clock).expect("it parses"));
    let standing = wait_for(&server, "mine", |logic| logic["failure"].is_string());
    let why = standing["failure"].as_str().unwrap_or_default();
    assert!(why.contains("wasi:http/types@0.2.0") && why.contains("0.1.0"), "{why}");
    assert_eq!(standing["live"]["digest"], *digest(&todo));
    // The file is saved again unchanged, which is not reported. The watcher reads files in the order of their names, so
    // it has read this one when the next one is live. Saving the live component again ends the failure.
    save(rules.path(), "mine", &wat::parse_str(clock).expect("it parses"));
    save(rules.path(), "zebra", &todo);
    wait_for(&server, "zebra", |logic| logic["live"].is_object());
    save(rules.path(), "mine", &todo);
    wait_for(&server, "mine", |logic| logic["failure"].is_null());
    let strict = component("strict");
    save(rules.path(), "mine", &strict);
    let standing = wait_for(&server, "mine", |logic| logic["live"]["digest"] == *digest(&strict));
    assert_eq!(standing["failure"], Value::Null, "{standing}");
    let events = standing["events"].as_array().expect("events");
    let refused = events.iter().filter(|event| event["version"].is_null()).count();
    assert_eq!((events.len(), refused), (4, 1), "{standing}");
}

#[test]
fn a_new_file_is_a_new_logic_and_a_file_without_a_valid_name_is_ignored() {
    let (data, rules) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let server = start(data.path(), rules.path());
    save(rules.path(), "Not A Name", &component("todo"));
    save(rules.path(), "new", &component("todo"));
    wait_for(&server, "new", |logic| logic["live"]["source"] == "file new.wasm");
    let (_, all) = server.get("/logic");
    let mut names: Vec<_> =
        all.as_array().expect("an array").iter().filter_map(|logic| logic["name"].as_str()).collect();
    names.retain(|name| !hotlist::plugins::builtin::BUILTIN.iter().any(|(builtin, _)| builtin == name));
    assert_eq!(names, ["new"]);
}
