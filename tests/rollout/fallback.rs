//! Quarantine of a version that fails, and the fallback to the last good one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use super::{add, patch, set_logic, try_upload, upload};
use crate::support::rules::{marked, version};
use crate::support::{RequestExt, Server, component};

const LISTS: u64 = 15;
const CLIENTS: u64 = 8;
const COMMANDS: u64 = 700;

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_traps_on_every_7th_command_is_rolled_back_under_load_and_no_client_gets_an_error() {
    let server = Arc::new(Server::start().await);
    let good = upload(&server, "rules", component("todo"), "").await;
    for list in 0..LISTS {
        assert_eq!(set_logic(&server, &format!("list-{list}"), "rules").await.status, 201);
    }
    let sent = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (server, sent) = (server.clone(), sent.clone());
            tokio::spawn(async move {
                loop {
                    let n = sent.fetch_add(1, Ordering::SeqCst);
                    if n >= COMMANDS {
                        return;
                    }
                    // The lists of this server hold 20 entries, so each entry is deleted again.
                    let list = format!("list-{}", n % LISTS);
                    let added = add(&server, &list, if n % 7 == 6 { "trap" } else { "fine" }).await;
                    assert_eq!(added.status, 201, "{added:?}");
                    let entry = format!("/lists/{list}/entries/{}", added.json()["id"]);
                    assert_eq!(server.request("DELETE", &entry).response().await.status, 204);
                }
            })
        })
        .collect();
    while sent.load(Ordering::SeqCst) < COMMANDS / 7 {
        tokio::task::yield_now().await;
    }
    let bad = upload(&server, "rules", component("hostile"), "?force=true").await;
    for client in clients {
        client.await.expect("no request failed");
    }
    let logic = server.get("/logic/rules").await.json();
    assert_eq!(logic["live"]["digest"], good, "{logic}");
    let fallen = version(&logic, &bad);
    assert_eq!(fallen["state"], "quarantined");
    let why = fallen["why"].as_str().expect("a reason");
    assert!(why.starts_with("it failed") && why.contains("it trapped"), "{why}");
    let events = logic["events"].as_array().expect("events");
    let last = events.last().expect("an event");
    assert_eq!((&last["event"], &last["digest"]), (&json!("quarantined"), &json!(bad)));
    let metrics = server.get("/metrics").await.body;
    assert!(metrics.contains(r#"hotlist_logic_quarantined_versions{logic="rules"} 1"#), "{metrics}");

    // The same bytes are refused, other bytes are accepted, and the same bytes are accepted with `force`.
    let again = try_upload(&server, "rules", component("hostile"), "").await;
    assert!(again.problem(409, "quarantined")["detail"].as_str().expect("a text").contains("insist with force"));
    let body = json!({"live": bad}).to_string();
    server.request("PATCH", "/logic/rules").json_text(&body).response().await.problem(409, "quarantined");
    upload(&server, "rules", marked("hostile", 1), "?force=true").await;
    patch(&server, "rules", &json!({"live": bad, "force": true})).await;
    let logic = server.get("/logic/rules").await.json();
    assert_eq!((&logic["live"]["digest"], &version(&logic, &bad)["state"]), (&json!(bad), &json!("live")));
}

#[tokio::test]
async fn three_failures_in_a_row_on_one_list_quarantine_a_version_and_each_command_is_decided() {
    let server = Server::start().await;
    let good = upload(&server, "rules", component("todo"), "").await;
    assert_eq!(set_logic(&server, "bob", "rules").await.status, 201);
    upload(&server, "rules", component("hostile"), "?force=true").await;
    for _ in 0..3 {
        let added = add(&server, "bob", "trap").await;
        assert_eq!(added.status, 201, "{added:?}");
        assert!(added.header("hotlist-logic").ends_with(&good["sha256:".len()..][..8]), "{added:?}");
    }
    let logic = server.get("/logic/rules").await.json();
    assert_eq!(logic["live"]["digest"], good, "three in a row on one list");
}

#[tokio::test]
async fn a_component_that_fails_a_gate_is_refused_with_the_gate_that_failed() {
    let server = Server::start().await;
    let good = upload(&server, "rules", component("todo"), "").await;
    let refused = try_upload(&server, "rules", component("hostile"), "").await.problem(422, "component");
    let detail = refused["detail"].as_str().expect("a text");
    assert!(detail.contains("fails its gates") && detail.contains("view = { name = \"trap\""), "{detail}");
    let logic = server.get("/logic/rules").await.json();
    assert_eq!(logic["live"]["digest"], good);
    assert_eq!(logic["failure"], detail);
    let gates = &version(&logic, &good)["gates"];
    assert!(gates["probes"].as_u64() > Some(20) && gates["worst_fuel"].as_u64() > Some(1_000), "{gates}");
    assert!(gates["worst_memory"].as_u64() > Some(0), "{gates}");
}
