//! What operators name, change and read: versions by number and digest, quarantines that force ends, and dry runs.

use serde_json::{Value, json};

use super::{add_by, patch, set_logic, try_upload, upload};
use crate::support::rules::{marked, version};
use crate::support::{RequestExt, Response, Server, component};

/// Changes which versions decide. Returns any response.
async fn try_patch(server: &Server, body: &Value) -> Response {
    server.request("PATCH", "/logic/rules").json_text(&body.to_string()).response().await
}

async fn logic(server: &Server) -> Value {
    server.get("/logic/rules").await.json()
}

fn last_event(logic: &Value) -> &Value {
    logic["events"].as_array().and_then(|events| events.last()).expect("an event")
}

/// The first digits of a digest, as a person writes them.
fn short(digest: &str) -> &str {
    &digest["sha256:".len()..][..10]
}

#[tokio::test]
async fn a_version_is_named_by_a_number_that_only_it_has_by_digits_of_its_digest_or_by_its_role() {
    let server = Server::start().await;
    let first = upload(&server, "rules", component("todo"), "").await;
    let second = upload(&server, "rules", marked("todo", 1), "?publish=false").await;
    let detail =
        try_patch(&server, &json!({"live": "1.0.0"})).await.problem(409, "version-ambiguous")["detail"].clone();
    let detail = detail.as_str().expect("a text");
    for named in [&first, &second] {
        assert!(detail.contains(&named[..15]), "{named} is not in {detail}");
    }
    assert_eq!(logic(&server).await["live"]["digest"], first, "nothing was changed");

    let logic = patch(&server, "rules", &json!({"candidate": short(&second), "percent": 10})).await;
    assert_eq!(logic["candidate"]["digest"], second);
    let client = "127.0.0.1";
    let event = last_event(&logic);
    assert_eq!((&event["source"], &event["client"]), (&json!("request"), &json!(client)));
    let text = format!("1.0.0 ({}) became the candidate by {client}: canary for 10 % of the lists", &second[..15]);
    assert_eq!(event["text"], text);
    // The lists of a version are those that it decided about last.
    assert_eq!(set_logic(&server, "bob", "rules").await.status, 201);
    let counted = format!(r#"hotlist_logic_lists{{logic="rules",version="1.0.0",digest="{}"}} 1"#, &short(&first)[..8]);
    let metrics = server.get("/metrics").await.body;
    assert!(metrics.contains(&counted), "{counted} is not in {metrics}");
    let logic = patch(&server, "rules", &json!({"live": "candidate"})).await;
    assert_eq!((&logic["live"]["digest"], &logic["last_good"]["digest"]), (&json!(second), &json!(first)));
    assert_eq!(patch(&server, "rules", &json!({"live": "last-good"})).await["live"]["digest"], first);
    for (named, status, kind) in
        [("last-good", 404, "logic-not-found"), ("candidate", 404, "logic-not-found"), ("latest", 422, "invalid")]
    {
        try_patch(&server, &json!({ "live": named })).await.problem(status, kind);
    }
}

#[tokio::test]
async fn a_quarantine_that_force_ends_is_named_in_the_answer_and_the_event_and_stays_on_record() {
    let server = Server::start().await;
    upload(&server, "rules", component("todo"), "").await;
    for list in ["bob", "ann", "eve"] {
        assert_eq!(set_logic(&server, list, "rules").await.status, 201);
    }
    let bad = upload(&server, "rules", component("hostile"), "?force=true").await;
    let other = server.client_at("127.0.0.2");
    let quarantine = async || {
        for (client, list) in [(&server.client, "bob"), (&other, "ann"), (&other, "eve")].repeat(3) {
            assert_eq!(add_by(client, &server, list, "trap").await.status, 201);
        }
        version(&logic(&server).await, &bad)["why"].as_str().expect("it is quarantined").to_owned()
    };
    let why = quarantine().await;
    let quarantined = logic(&server).await;
    let failures = version(&quarantined, &bad)["failures"].as_array().expect("failures").clone();
    let mut lists: Vec<_> = failures.iter().map(|failure| failure["list"].as_str().expect("a list")).collect();
    lists.sort_unstable();
    assert_eq!(lists, ["ann", "bob", "eve"], "one a list");
    let of_bob = failures.iter().find(|failure| failure["list"] == "bob").expect("it is there");
    assert_eq!(of_bob["client"], "127.0.0.1");
    assert!(of_bob["question"].as_str().is_some_and(|asked| asked.contains("title = \"trap\"")), "{of_bob}");
    assert!(of_bob["revision"].as_u64() >= Some(1), "{of_bob}");
    assert!(of_bob["fault"].as_str().is_some_and(|fault| fault.starts_with("it trapped")), "{of_bob}");
    let after = patch(&server, "rules", &json!({"live": bad, "force": true})).await;
    let record = version(&after, &bad);
    assert_eq!(record["state"], "live");
    let released = &record["released"][0];
    assert_eq!(released["failures"], json!(failures), "the record keeps them");
    assert_eq!((&released["why"], &released["client"]), (&json!(why), &json!("127.0.0.1")));
    let events = after["events"].as_array().expect("events").iter();
    let event = events.rev().find(|event| event["event"] == "released").expect("an event");
    let text = event["text"].as_str().expect("a text");
    assert!(text.contains("may decide again by 127.0.0.1; it was quarantined, because it failed"), "{text}");

    // An upload by force says so, too.
    let why = quarantine().await;
    let uploaded = try_upload(&server, "rules", component("hostile"), "?force=true").await;
    assert_eq!((uploaded.status.as_u16(), &uploaded.json()["released"]["why"]), (201, &json!(why)));
    let record = logic(&server).await;
    assert_eq!(version(&record, &bad)["released"].as_array().map(Vec::len), Some(2), "both are on record");
}

#[tokio::test]
async fn a_dry_run_checks_a_component_as_an_upload_would_and_changes_nothing() {
    let server = Server::start().await;
    upload(&server, "rules", component("todo"), "").await;
    let before = logic(&server).await;
    let checked = try_upload(&server, "rules", component("kanban"), "?dry-run=true").await;
    assert_eq!(checked.status, 200, "{checked:?}");
    let checked = checked.json();
    assert_eq!((&checked["version"], &checked["dry_run"]), (&json!("1.0.0"), &json!(true)));
    assert!(checked["gates"]["probes"].as_u64() > Some(20), "{checked}");
    assert!(checked["gates"]["differs"].as_array().is_some_and(|differs| !differs.is_empty()), "{checked}");
    let refused = try_upload(&server, "rules", component("hostile"), "?dry-run=true").await.problem(422, "component");
    assert!(refused["detail"].as_str().expect("a text").contains("fails its gates"), "{refused}");
    assert_eq!(try_upload(&server, "rules", component("todo"), "?dry-run=true").await.json()["dry_run"], true);
    assert_eq!(logic(&server).await, before);
    let components = std::fs::read_dir(server.data.path().join("logic/rules")).expect("a directory").count();
    assert_eq!(components, 1, "nothing was stored");
}

#[tokio::test]
async fn a_canary_with_an_end_shows_it_and_is_refused_where_the_end_says_too_little() {
    let server = Server::start().await;
    upload(&server, "rules", component("todo"), "").await;
    let next = upload(&server, "rules", marked("todo", 1), "?publish=false").await;
    let body = json!({"candidate": next, "percent": 10, "until": "5m", "then": "live"});
    let candidate = patch(&server, "rules", &body).await["candidate"].clone();
    assert_eq!((&candidate["until"], &candidate["then"]), (&json!("2026-11-23T12:05:00Z"), &json!("live")));
    for (body, field) in [
        (json!({"until": "5m"}), "then"),
        (json!({"then": "live"}), "until"),
        (json!({"until": "5", "then": "live"}), "until"),
        (json!({"until": "900h", "then": "live"}), "until"),
        (json!({"until": "5m", "then": "vanish"}), "then"),
        (json!({"percent": 0, "until": "5m", "then": "live"}), "until"),
    ] {
        assert_eq!(try_patch(&server, &body).await.problem(422, "invalid")["field"], field, "{body}");
    }
    assert_eq!(patch(&server, "rules", &json!({"until": null})).await["candidate"].get("until"), None);
}

#[tokio::test]
async fn a_version_is_deleted_if_nothing_uses_it() {
    let server = Server::start().await;
    let [first, second, third, pinned] = [0, 1, 2, 3].map(|mark| marked("todo", mark));
    let first = upload(&server, "rules", first, "").await;
    let second = upload(&server, "rules", second, "").await;
    let third = upload(&server, "rules", third, "?publish=false").await;
    let pinned = upload(&server, "rules", pinned, "?publish=false").await;
    patch(&server, "rules", &json!({"candidate": third, "shadow": true})).await;
    assert_eq!(set_logic(&server, "bob", &format!("rules@{pinned}")).await.status, 201);
    let delete = async |digest: &str, query: &str| {
        server.request("DELETE", &format!("/logic/rules/versions/{digest}{query}")).response().await
    };
    for (digest, why) in
        [(&first, "last good version"), (&second, "it is live"), (&third, "the candidate"), (&pinned, "pinned to it")]
    {
        let detail = delete(digest, "").await.problem(409, "version-in-use")["detail"].clone();
        assert!(detail.as_str().is_some_and(|detail| detail.contains(why)), "{detail}");
    }
    let built_in = server.get("/logic/kanban").await.json()["live"]["digest"].clone();
    let path = format!("/logic/kanban/versions/{}", built_in.as_str().expect("a digest"));
    server.request("DELETE", &path).response().await.problem(409, "version-in-use");
    delete(&first, "?force=true").await.problem(409, "version-in-use");
    patch(&server, "rules", &json!({"candidate": null})).await;
    assert_eq!(delete(&third, "").await.status, 204);
    delete(&third, "").await.problem(404, "logic-not-found");
    let logic = logic(&server).await;
    let text = format!("1.0.0 ({}) was deleted by 127.0.0.1", &third[..15]);
    assert_eq!((&last_event(&logic)["event"], &last_event(&logic)["text"]), (&json!("deleted"), &json!(text)));
    // Another change, and its component is gone, too.
    patch(&server, "rules", &json!({"live": first})).await;
    let file = format!("logic/rules/{}.wasm", &third["sha256:".len()..]);
    assert!(!server.data.path().join(file).exists());
}
