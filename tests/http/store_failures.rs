//! A store that takes no writes: what clients learn, what the log says, and what goes on.

use std::sync::atomic::Ordering;

use hotlist::list::name::{ListName, LogicName};
use hotlist::store::StoreError;
use serde_json::json;

use crate::log::CapturedLog;
use crate::support::{RequestExt, Server};

/// Has the store fail a write, after which it takes no more.
async fn poison(server: &Server) {
    let (what, why) = ("write /secret/path".to_owned(), "disk on fire".to_owned());
    server.store.fail_next_commit(StoreError::Unknown { what, why });
    server.post("/lists/poisoned/entries", r#"{"title":"a"}"#).await.problem(500, "outcome-unknown");
}

#[tokio::test]
async fn a_write_to_a_store_that_takes_none_is_refused_before_a_logic_decides_it() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    poison(&server).await;
    // Of each command, a decision would be another problem, or a success.
    for title in ["trap", "", "no room", "b"] {
        let answer = server.post("/lists/bob/entries", &json!({ "title": title }).to_string()).await;
        assert_eq!(answer.problem(503, "store-unavailable")["carried_out"], "no");
        assert_eq!(answer.headers.get("retry-after"), None, "only a restart helps");
    }
    let todo = server.services.registry.live(&LogicName::new("todo").expect("a name")).expect("it is live");
    let counters = &todo.counters;
    let decided = [&counters.accepted, &counters.rejected, &counters.faults].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(decided, [2, 0, 0], "the first entry, and the one whose commit failed");
}

#[tokio::test]
async fn while_the_disk_is_full_writes_may_be_repeated_later_and_the_server_is_not_ready() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    server.store.fill_disk("no room in /secret/path");
    let refused = server.post("/lists/bob/entries", r#"{"title":"b"}"#).await;
    assert!(refused.headers.contains_key("retry-after"), "it goes on without a restart");
    let problem = refused.problem(503, "store-unavailable");
    assert_eq!(problem["carried_out"], "no");
    assert!(!problem.to_string().contains("secret"), "{problem}");
    let ready = server.get("/readyz").await;
    assert!(ready.headers.contains_key("retry-after"));
    let problem = ready.problem(503, "not-ready");
    assert!(!problem.to_string().contains("restart") && !problem.to_string().contains("secret"), "{problem}");
    let up = |up: u8| format!("hotlist_component_up{{component=\"store\"}} {up}");
    assert!(server.get("/metrics").await.body.contains(&up(0)));
    assert_eq!(server.get("/lists/bob/entries").await.json().as_array().map(Vec::len), Some(1), "reads go on");

    server.store.make_room();
    assert_eq!(server.get("/readyz").await.status, 200);
    assert!(server.get("/metrics").await.body.contains(&up(1)));
    server.add("bob", "b").await;
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_listed_with_why_and_since_when() {
    let server = Server::start().await;
    for list in ["ann", "bob", "cid"] {
        server.add(list, "a").await;
    }
    server.store.make_unreadable(ListName::new("bob").expect("a name"), "a bit flipped");
    let lists = server.get("/lists").await.json();
    assert_eq!([&lists[0]["name"], &lists[1]["name"], &lists[2]["name"]], ["ann", "bob", "cid"]);
    let why = "a bit flipped; `hotlist export -- 'bob'` saves what can be read of it";
    let bob = json!({ "why": why, "since": "1970-01-01T00:00:00Z" });
    assert_eq!((&lists[1]["unreadable"], lists[1].get("revision")), (&bob, None));
    assert_eq!(lists[0].get("unreadable"), None);
    assert!(server.get("/metrics").await.body.contains("hotlist_unreadable_lists 1"));
    let second = server.get("/lists?limit=2").await;
    assert!(second.headers["link"].to_str().expect("text").contains("after=bob"), "{second:?}");
}

#[tokio::test]
async fn lists_can_be_read_while_the_store_takes_no_writes() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    server.add("ann", "b").await;
    let mut events = server.request("GET", "/lists/bob/events").events().await;
    events.expect("ready", 1).await;
    poison(&server).await;
    server.post("/lists/bob/entries", r#"{"title":"c"}"#).await.problem(503, "store-unavailable");
    for list in ["bob", "ann"] {
        assert_eq!(server.get(&format!("/lists/{list}/entries")).await.json().as_array().map(Vec::len), Some(1));
    }
    assert_eq!(server.get("/lists/bob/history").await.json().as_array().map(Vec::len), Some(1));
    server.store.mend();
    server.add("bob", "d").await;
    events.expect("revision", 2).await;
}

#[tokio::test]
async fn a_repeated_write_gets_its_first_reply_also_while_the_store_takes_no_writes() {
    let server = Server::start().await;
    let add = || {
        let request = server.request("POST", "/lists/bob/entries").header("idempotency-key", "\"once\"");
        request.json_text(r#"{"title":"a"}"#).response()
    };
    assert_eq!(add().await.status, 201);
    poison(&server).await;
    assert_eq!(add().await.status, 201);
}

#[tokio::test]
async fn requests_that_a_failed_store_refuses_add_no_line_to_the_log() {
    let server = Server::start().await;
    for list in ["bob", "ann"] {
        server.add(list, "a").await;
    }
    let log = CapturedLog::begin();
    poison(&server).await;
    for list in ["bob", "ann", "eve", "bob"] {
        server.post(&format!("/lists/{list}/entries"), r#"{"title":"b"}"#).await.problem(503, "store-unavailable");
    }
    let lines = log.end();
    assert_eq!(lines, "", "the store itself logs the one line");
}

#[tokio::test]
async fn a_problem_says_of_a_write_whether_it_was_carried_out_and_of_a_read_nothing() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    for (method, path, body) in [
        ("POST", "/lists/bob/entries", "{"),
        ("POST", "/lists/bob/entries", r#"{"title":""}"#),
        ("POST", "/lists/bob/entries", r#"{"title":"trap"}"#),
        ("PATCH", "/lists/bob/entries/7", "{}"),
        ("DELETE", "/lists/none", ""),
        ("PUT", "/lists/bob/entries", ""),
        ("PUT", "/nowhere", ""),
        ("PATCH", "/logic/none", r#"{"live":"1.0.0"}"#),
    ] {
        let problem = server.request(method, path).json_text(body).response().await.json();
        assert_eq!(problem["carried_out"], "no", "{method} {path} {body}: {problem}");
    }
    server.store.fail_next_commit(StoreError::Unknown { what: "write".into(), why: "disk on fire".into() });
    let problem = server.post("/lists/bob/entries", r#"{"title":"b"}"#).await.problem(500, "outcome-unknown");
    assert_eq!(problem["carried_out"], "unknown");
    for path in ["/lists/none", "/nowhere", "/lists?limit=0", "/readyz"] {
        let answer = server.get(path).await;
        assert!(!answer.status.is_success());
        assert_eq!(answer.json().get("carried_out"), None, "{path}");
        let head = server.request("HEAD", path).response().await;
        assert_eq!(
            (head.status, head.header("content-length")),
            (answer.status, answer.body.len().to_string().as_str())
        );
    }
}

#[tokio::test]
async fn the_contract_describes_what_a_problem_says_about_a_write() {
    let server = Server::start().await;
    let schemas = &server.get("/openapi.json").await.json()["components"]["schemas"];
    let reference = schemas["Problem"]["properties"]["carried_out"].to_string();
    assert!(reference.contains("#/components/schemas/CarriedOut"), "{reference}");
    assert_eq!(schemas["CarriedOut"]["enum"], json!(["no", "unknown"]));
    let required = schemas["Problem"]["required"].as_array().expect("an array");
    assert!(!required.contains(&json!("carried_out")), "a read has none");
}
