//! A candidate in the shadow of live traffic.

use serde_json::{Value, json};

use super::{add, patch, set_logic, upload};
use crate::support::{RequestExt, Server, component};

/// Waits until the shadow has caught up.
async fn caught_up(server: &Server) -> Value {
    loop {
        let logic = server.get("/logic/rules").await.json();
        if logic["candidate"]["shadow"]["waiting"] == 0 {
            return logic;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_finds_exactly_the_commands_at_which_the_candidate_differs() {
    let server = Server::start().await;
    upload(&server, "rules", component("todo"), "").await;
    // Strict says no to a title that is there already; of all that follows, to one command in a hundred.
    let strict = upload(&server, "rules", component("strict"), "?publish=false").await;
    let lists: Vec<_> = (0..50).map(|n| format!("list-{n}")).collect();
    for list in &lists {
        assert_eq!(set_logic(&server, list, "rules").await.status, 201);
    }
    patch(&server, "rules", &json!({"candidate": strict, "shadow": true})).await;
    let mut expected = Vec::new();
    for wave in 0..10 {
        let sent = lists.iter().enumerate().map(|(n, list)| {
            let twice = wave == 9 && n % 10 == 3;
            let title = if twice { "title 0".to_owned() } else { format!("title {wave}") };
            if twice {
                expected.push(list.clone());
            }
            let server = &server;
            // Completed, because strict counts the open ones.
            let body = json!({"title": title, "completed": true}).to_string();
            async move { assert_eq!(server.post(&format!("/lists/{list}/entries"), &body).await.status, 201) }
        });
        futures_util::future::join_all(sent.collect::<Vec<_>>()).await;
    }
    let logic = caught_up(&server).await;
    let shadow = &logic["candidate"]["shadow"];
    // On a busy machine it may skip some, which it says; it finds what it did not skip.
    let count = |name: &str| shadow[name].as_u64().expect("a number");
    assert_eq!(count("compared") + count("skipped"), 500, "{shadow}");
    assert!(count("skipped") < 100, "{shadow}");
    assert_eq!(shadow["differences"], json!({"changes": 0, "rejection": 5, "view": 0, "fault": 0}));
    let last = shadow["last"].as_array().expect("differences");
    let mut found: Vec<_> = last.iter().map(|difference| difference["list"].as_str().expect("a list")).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!((&last[0]["kind"], &last[0]["revision"]), (&json!("rejection"), &json!(10)));
    assert_eq!(last[0]["command"], r#"add = { title = "title 0", completed = true }"#);
    let answer_of = |who: &str| last[0][who]["answer"].as_str().expect("an answer").to_owned();
    assert!(answer_of("live").starts_with("changes [put = { id = 10,"), "{}", answer_of("live"));
    assert!(answer_of("candidate").contains("title-twice"), "{}", answer_of("candidate"));
    assert!(["live", "candidate"].iter().all(|who| last[0][who]["fuel"].as_u64() > Some(0)), "{}", last[0]);
    // The list of all logics has the numbers only.
    let all = server.get("/logic").await.json();
    let rules = all.as_array().expect("logics").iter().find(|logic| logic["name"] == "rules").expect("rules");
    assert!(rules["candidate"]["shadow"].get("last").is_none(), "{rules}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_that_fails_disturbs_no_request_and_its_version_stays_the_candidate() {
    let server = Server::start().await;
    upload(&server, "rules", component("todo"), "").await;
    let hostile = upload(&server, "rules", component("hostile"), "?publish=false&force=true").await;
    assert_eq!(set_logic(&server, "bob", "rules").await.status, 201);
    patch(&server, "rules", &json!({"candidate": hostile, "shadow": true})).await;
    for title in ["trap", "loop", "memory", "fine", "trap", "trap", "trap", "trap"] {
        assert_eq!(add(&server, "bob", title).await.status, 201);
    }
    let logic = caught_up(&server).await;
    let differences = &logic["candidate"]["shadow"]["differences"];
    assert!(differences["fault"].as_u64() >= Some(5), "{differences}");
    assert_eq!(logic["candidate"]["digest"], hostile, "it may go on for as long as a client wants to look at it");
    let metrics = server.get("/metrics").await.body;
    assert!(metrics.contains(r#"hotlist_logic_shadow_total{logic="rules",outcome="compared"} 8"#), "{metrics}");
    patch(&server, "rules", &json!({"shadow": false})).await;
    let logic = server.get("/logic/rules").await.json();
    assert!(logic["candidate"].get("shadow").is_none(), "{logic}");
    let logic = patch(&server, "rules", &json!({"candidate": null})).await;
    assert!(logic.get("candidate").is_none(), "{logic}");
    let events: Vec<_> = logic["events"].as_array().expect("events").iter().map(|e| e["event"].clone()).collect();
    assert_eq!(events, ["published", "stored", "candidate", "candidate", "withdrawn"]);
}

#[tokio::test]
async fn a_wish_that_makes_no_sense_is_refused_by_name() {
    let server = Server::start().await;
    let live = upload(&server, "rules", component("todo"), "").await;
    let refused = async |body: Value, status, kind: &str| {
        let response = server.request("PATCH", "/logic/rules").json_text(&body.to_string()).response().await;
        response.problem(status, kind)
    };
    refused(json!({"percent": 10}), 422, "invalid").await;
    refused(json!({"shadow": true}), 422, "invalid").await;
    refused(json!({"candidate": live, "shadow": true}), 422, "invalid").await;
    refused(json!({"candidate": "9.9.9"}), 404, "logic-not-found").await;
    refused(json!({"candidate": "sha256:xy"}), 422, "invalid").await;
    refused(json!({"live": "latest"}), 422, "invalid").await;
    for percent in [json!(101), json!(-1), json!(0.5), json!("10"), json!(null)] {
        assert_eq!(refused(json!({"candidate": live, "percent": percent}), 422, "invalid").await["field"], "percent");
    }
    assert_eq!(refused(json!({"canary": 1}), 422, "invalid").await["field"], "canary");
    let unknown = server.request("PATCH", "/logic/none").json_text("{}").response().await;
    unknown.problem(404, "logic-not-found");
}
