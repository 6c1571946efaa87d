//! Quarantine of a version that fails, and the fallback to the last good one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use super::{add, add_by, patch, set_logic, try_upload, upload};
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
        .map(|n| {
            let (server, sent) = (server.clone(), sent.clone());
            let client = server.client_at(if n % 2 == 0 { "127.0.0.1" } else { "127.0.0.2" });
            tokio::spawn(async move {
                loop {
                    let n = sent.fetch_add(1, Ordering::SeqCst);
                    if n >= COMMANDS {
                        return;
                    }
                    // The lists of this server hold 20 entries, so each entry is deleted again.
                    let list = format!("list-{}", n % LISTS);
                    let added = add_by(&client, &server, &list, if n % 7 == 6 { "trap" } else { "fine" }).await;
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
async fn neither_one_list_nor_one_client_quarantines_a_version_and_each_command_is_decided() {
    let server = Server::start().await;
    let good = upload(&server, "rules", component("todo"), "").await;
    let lists = ["bob", "ann", "eve"];
    for list in lists {
        assert_eq!(set_logic(&server, list, "rules").await.status, 201);
    }
    let bad = upload(&server, "rules", component("hostile"), "?force=true").await;
    let other = server.client_at("127.0.0.2");
    let live = async || server.get("/logic/rules").await.json()["live"]["digest"].clone();
    let fails = async |client: &reqwest::Client, list: &str| {
        let added = add_by(client, &server, list, "trap").await;
        assert_eq!(added.status, 201, "{added:?}");
        assert!(added.header("hotlist-logic").ends_with(&good["sha256:".len()..][..8]), "{added:?}");
    };
    for n in 0..4 {
        fails(&server.client, "bob").await;
        fails(&other, "bob").await;
        assert_eq!(live().await, bad, "{} failures on one list", 2 * n + 2);
    }
    for list in lists.into_iter().cycle().take(9) {
        fails(&other, list).await;
    }
    // The other client's failures on bob's list came before, so this is a version that fails on three lists of two clients.
    assert_eq!(live().await, good);
}

#[tokio::test]
async fn a_client_that_fails_alone_on_many_lists_quarantines_no_version() {
    let server = Server::start().await;
    upload(&server, "rules", component("todo"), "").await;
    let lists: Vec<_> = (0..6).map(|n| format!("list-{n}")).collect();
    for list in &lists {
        assert_eq!(set_logic(&server, list, "rules").await.status, 201);
    }
    let bad = upload(&server, "rules", component("hostile"), "?force=true").await;
    for list in lists.iter().cycle().take(30) {
        assert_eq!(add(&server, list, "trap").await.status, 201);
    }
    let logic = server.get("/logic/rules").await.json();
    assert_eq!(logic["live"]["digest"], bad);
    assert_eq!(logic["live"]["fell_back"], 30);
    let other = server.client_at("127.0.0.2");
    assert_eq!(add_by(&other, &server, "list-0", "loop").await.status, 201, "out of fuel");
    assert_eq!(server.get("/logic/rules").await.json()["live"]["digest"], bad);
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

#[tokio::test]
async fn rules_that_guard_something_refuse_what_they_fail_at_until_an_operator_acts() {
    let server = Server::start().await;
    upload(&server, "rules", component("todo"), "").await;
    let lists = ["bob", "ann", "eve"];
    for list in lists {
        assert_eq!(set_logic(&server, list, "rules").await.status, 201);
    }
    let live = upload(&server, "rules", component("hostile"), "?force=true").await;
    let logic = patch(&server, "rules", &json!({"on_fault": "refuse"})).await;
    assert_eq!(
        (&logic["on_fault"], &logic["events"].as_array().expect("events").last().expect("one")["event"]),
        (&json!("refuse"), &json!("on-fault"))
    );
    let wrong = server.request("PATCH", "/logic/rules").json_text(r#"{"on_fault":"ignore"}"#).response().await;
    assert_eq!(wrong.problem(422, "invalid")["field"], "on_fault");

    let problem = add(&server, "bob", "loop").await.problem(500, "logic-failed");
    assert_eq!((&problem["code"], &problem["carried_out"]), (&json!("fuel"), &json!("no")));
    let other = server.client_at("127.0.0.2");
    add(&server, "bob", "trap").await.problem(500, "logic-failed");
    add(&server, "bob", "trap").await.problem(500, "logic-failed");
    add_by(&other, &server, "ann", "trap").await.problem(500, "logic-failed");
    add_by(&other, &server, "ann", "trap").await.problem(500, "logic-failed");
    // The fifth failure, on the third list, quarantines the version. No other one takes its place.
    add(&server, "eve", "trap").await.problem(409, "quarantined");
    for list in lists {
        let problem = add(&server, list, "milk").await.problem(409, "quarantined");
        assert_eq!(problem["carried_out"], "no");
        assert_eq!(server.get(&format!("/lists/{list}")).await.status, 200);
    }
    let logic = server.get("/logic/rules").await.json();
    assert_eq!((&logic["state"], &logic["live"]["digest"]), (&json!("quarantined"), &json!(live)));

    let logic = patch(&server, "rules", &json!({"live": live, "force": true})).await;
    assert_eq!((&logic["state"], &logic["on_fault"]), (&json!("live"), &json!("refuse")));
    assert_eq!(add(&server, "bob", "milk").await.status, 201);
}
