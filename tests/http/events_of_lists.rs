//! Server-sent events of several lists.

use hotlist::list::name::ListName;
use hotlist::rollout::Cause;
use hotlist::web::Options;
use serde_json::{Value, json};

use crate::support::logic::TestLogic;
use crate::support::{EventStream, NOON, RequestExt, Server, metrics};

async fn follow(server: &Server, query: &str) -> EventStream {
    server.request("GET", &format!("/events?{query}")).events().await
}

/// The id and the data of the next event of that name. Other events are skipped, because changes of lists have a pace of
/// their own.
async fn next(events: &mut EventStream, wanted: &str) -> (String, Value) {
    loop {
        let (name, id, data) = events.next_of_any().await.expect("an event");
        if name == wanted {
            return (id, data);
        }
    }
}

#[tokio::test]
async fn one_stream_follows_several_lists_and_names_the_list_of_each_event() {
    let server = Server::start().await;
    server.add("a", "one").await;
    let mut events = follow(&server, "list=a&list=b,%20c").await;
    assert_eq!(next(&mut events, "ready").await, ("a:1,b%2C%20c:0".into(), json!({"list": "a", "revision": 1})));
    assert_eq!(next(&mut events, "ready").await.1, json!({"list": "b, c", "revision": 0}));
    server.add("b, c", "two").await;
    server.add("a", "three").await;
    let (id, revision) = next(&mut events, "revision").await;
    assert_eq!((id.as_str(), &revision["list"]), ("a:1,b%2C%20c:1", &json!("b, c")));
    let (id, mut revision) = next(&mut events, "revision").await;
    assert_eq!((id.as_str(), &revision["list"]), ("a:2,b%2C%20c:1", &json!("a")));
    revision.as_object_mut().expect("an object").remove("list");
    assert_eq!(revision, server.get("/lists/a/history?after=1").await.json()[0]);
    assert_eq!(metrics(&server).event_streams.get(), 1);
}

#[tokio::test]
async fn a_stream_goes_on_from_the_revisions_of_the_query_or_of_the_last_event() {
    let server = Server::start().await;
    for title in ["1", "2", "3"] {
        server.add("a", title).await;
        server.add("b:7", title).await;
    }
    let mut events = follow(&server, "list=a:1&list=b:7:").await;
    let numbers = async |events: &mut EventStream, count| {
        let mut numbers = Vec::new();
        for _ in 0..count {
            let data = next(events, "revision").await.1;
            numbers.push((data["list"].clone(), data["revision"].clone()));
        }
        numbers
    };
    assert_eq!(next(&mut events, "ready").await.1, json!({"list": "b:7", "revision": 3}));
    assert_eq!(numbers(&mut events, 2).await, [(json!("a"), json!(2)), (json!("a"), json!(3))]);
    let again = server.request("GET", "/events?list=a:1&list=b:7:").header("last-event-id", "a:2,b%3A7:2,c:9");
    let mut events = again.events().await;
    let mut found = numbers(&mut events, 2).await;
    found.sort_by_key(|pair| format!("{pair:?}"));
    assert_eq!(found, [(json!("a"), json!(3)), (json!("b:7"), json!(3))]);
}

#[tokio::test]
async fn a_list_that_missed_too_much_is_reset_and_the_others_go_on() {
    let server = Server::with_history(Options::default(), 1).await;
    for title in ["1", "2", "3"] {
        server.add("a", title).await;
        server.add("b", title).await;
    }
    let mut events = follow(&server, "list=a:1&list=b:2").await;
    assert_eq!(next(&mut events, "reset").await, ("a:3,b:2".into(), json!({"list": "a", "revision": 3})));
    let (id, revision) = next(&mut events, "revision").await;
    assert_eq!((id.as_str(), &revision["list"]), ("a:3,b:3", &json!("b")));
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_a_problem_and_the_others_go_on() {
    let server = Server::start().await;
    server.add("a", "1").await;
    server.add("b", "1").await;
    server.store.make_unreadable(ListName::new("a").expect("a name"), "a checksum does not match");
    let mut events = follow(&server, "list=a:0&list=b:0").await;
    let (_, problem) = next(&mut events, "problem").await;
    assert_eq!((&problem["list"], &problem["type"]), (&json!("a"), &json!("urn:hotlist:problem:unreadable")));
    assert_eq!(next(&mut events, "revision").await.1["list"], "b");
    server.add("b", "2").await;
    assert_eq!(next(&mut events, "revision").await.1["revision"], 2);
}

#[tokio::test]
async fn changes_of_lists_are_told_of_followed_lists_or_of_all() {
    let server = Server::start().await;
    let (mut of_a, mut of_all) = (follow(&server, "list=a").await, follow(&server, "overview=true").await);
    next(&mut of_a, "ready").await;
    server.add("b", "1").await;
    let (id, b) = next(&mut of_all, "list").await;
    assert_eq!((id.as_str(), &b), ("", &server.get("/lists").await.json()[0]));
    server.add("a", "1").await;
    server.request("PATCH", "/lists/a/entries/1").json_text(r#"{"completed":true}"#).response().await;
    let a = loop {
        let list = next(&mut of_a, "list").await.1;
        assert_eq!(list["name"], "a", "the stream follows no other list");
        if list["open"] == 0 {
            break list;
        }
    };
    assert_eq!(a, server.get("/lists").await.json()[0]);
    server.request("DELETE", "/lists/a").response().await;
    let deleted = json!({"name": "a", "deleted": true});
    while next(&mut of_all, "list").await.1 != deleted {}
    while next(&mut of_a, "list").await.1 != deleted {}
}

#[tokio::test]
async fn changes_of_logics_are_told_at_once() {
    let server = Server::start().await;
    let mut events = follow(&server, "").await;
    // Such as a version that is in memory for a pinned list: nothing that a client sees.
    let todo = hotlist::list::name::LogicName::new("todo").expect("a name");
    let live = server.services.registry.live(&todo).expect("a live version");
    server.services.registry.add_spare(&live);
    server.services.registry.publish(
        Box::new(TestLogic::new("todo", "1.1.0").with_digest(1)),
        "for the test",
        NOON + 1,
    );
    let (_, logic) = next(&mut events, "logic").await;
    assert_eq!((&logic["name"], &logic["live"]["version"]), (&json!("todo"), &json!("1.1.0")));
    let logics = server.get("/logic").await.json();
    assert!(logics.as_array().expect("an array").contains(&logic), "{logic}");
    server.services.registry.refuse(&todo, Cause::new("for the test", NOON + 2), None, "it is broken".into());
    assert_eq!(next(&mut events, "logic").await.1["failure"], "it is broken");
}

#[tokio::test]
async fn a_stream_follows_each_list_once_and_a_limited_number() {
    let server = Server::start().await;
    let many: Vec<_> = (0..33).map(|number| format!("list={number}")).collect();
    for (query, at_fault) in [
        (many.join("&"), "there are more than 32 lists"),
        ("list=a&list=a:3".into(), "a is there twice"),
        ("list=".into(), "the name is empty"),
        ("list=a:99999999999999999999".into(), "the revision of a is larger than 18446744073709551615"),
    ] {
        let problem = server.get(&format!("/events?{query}")).await.problem(400, "query");
        assert_eq!(problem["detail"], format!("list: {at_fault}"), "{query}");
        assert_eq!(problem["field"], "list");
    }
    let wrong = server.request("GET", "/events?list=a").header("last-event-id", "a").response().await;
    assert_eq!(wrong.problem(400, "header")["field"], "Last-Event-ID");
}
