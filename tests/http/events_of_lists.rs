//! Server-sent events of several lists.

use hotlist::actor::Request;
use hotlist::list::command::Command;
use hotlist::list::entry::Draft;
use hotlist::list::name::{ListName, LogicName};
use hotlist::rollout::Cause;
use hotlist::store::StoreError;
use hotlist::web::Options;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

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
async fn a_list_that_could_not_be_read_is_followed_from_then_on_when_a_client_connects_again() {
    let server = Server::start().await;
    for list in ["a", "b", "c"] {
        server.add(list, "1").await;
        server.add(list, "2").await;
    }
    server.clock.advance(600_000);
    assert_eq!(server.services.cache.sweep(), 3, "no list is in memory");
    let unreadable = ["a", "c"].map(|list| ListName::new(list).expect("a name"));
    unreadable.iter().for_each(|list| server.store.make_unreadable(list.clone(), "a checksum does not match"));
    let query = "list=a&list=b&list=c:1";
    let (id, problem) = next(&mut follow(&server, query).await, "problem").await;
    assert_eq!((id.as_str(), &problem["list"]), ("b:2,c:1", &json!("a")), "no revision of a is known");
    unreadable.iter().for_each(|list| server.store.make_readable(list));
    let mut events = server.request("GET", &format!("/events?{query}")).header("last-event-id", id).events().await;
    assert_eq!(next(&mut events, "ready").await, ("a:2,b:2,c:1".into(), json!({"list": "a", "revision": 2})));
    let revision = next(&mut events, "revision").await.1;
    assert_eq!((&revision["list"], &revision["revision"]), (&json!("c"), &json!(2)));
}

/// Ends the actor of a list by a commit whose outcome is unknown.
async fn end_actor(server: &Server, list: &str) {
    let error = StoreError::Unknown { what: "write a commit".into(), why: "for the test".into() };
    server.store.fail_next_commit(error);
    let failed = server.post(&format!("/lists/{list}/entries"), r#"{"title":"lost"}"#).await;
    failed.problem(500, "outcome-unknown");
    server.store.mend();
}

#[tokio::test]
async fn a_list_whose_actor_ends_goes_on_after_a_pause_or_with_a_problem_and_the_others_go_on_at_once() {
    let server = Server::start().await;
    for list in ["a", "b", "c"] {
        server.add(list, "1").await;
    }
    let mut events = follow(&server, "list=a&list=b&list=c").await;
    for _ in 0..3 {
        next(&mut events, "ready").await;
    }
    let revision = async |events: &mut EventStream| {
        let data = next(events, "revision").await.1;
        format!("{} {}", data["list"].as_str().expect("a name"), data["revision"])
    };
    end_actor(&server, "a").await;
    server.add("a", "2").await;
    assert_eq!(revision(&mut events).await, "a 2");
    server.add("a", "3").await;
    server.add("b", "2").await;
    assert_eq!([revision(&mut events).await, revision(&mut events).await], ["a 3", "b 2"]);
    // The next subscription has to wait.
    end_actor(&server, "a").await;
    server.add("a", "4").await;
    server.get("/lists/a").await;
    server.add("b", "3").await;
    assert_eq!(revision(&mut events).await, "b 3");
    end_actor(&server, "c").await;
    server.store.make_unreadable(ListName::new("c").expect("a name"), "a checksum does not match");
    server.get("/lists/c").await.problem(500, "unreadable");
    assert_eq!(next(&mut events, "problem").await.1["list"], "c");
    server.add("b", "4").await;
    assert_eq!(revision(&mut events).await, "b 4");
}

#[tokio::test]
async fn revisions_go_on_while_news_wait_for_room_and_the_news_follow() {
    // The room of one request that writes, and of a few revisions.
    let server = Server::with(Options { max_answer_bytes: 100 << 10, ..Options::default() }).await;
    let mut unfinished = TcpStream::connect(server.address).await.expect("a connection");
    let head = "POST /lists/z/entries HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    unfinished.write_all(head.as_bytes()).await.expect("the bytes are sent");
    while server.post("/lists/b/entries", r#"{"title":"1"}"#).await.status != 503 {}
    let mut events = follow(&server, "list=a").await;
    next(&mut events, "ready").await;
    let version = TestLogic::new("todo", "1.1.0").with_digest(1);
    server.services.registry.publish(Box::new(version), "for the test", NOON + 1);
    let add = Command::Add(Draft { title: "1".into(), ..Draft::default() });
    let added = server.services.cache.call(&ListName::new("a").expect("a name"), Request::new(add, "anonymous")).await;
    assert_eq!(added.expect("a reply").revision, 1);
    let (name, _, revision) = events.next_of_any().await.expect("an event");
    assert_eq!((name.as_str(), &revision["list"]), ("revision", &json!("a")));
    drop(unfinished);
    assert_eq!(next(&mut events, "logic").await.1["live"]["version"], "1.1.0");
    assert_eq!(next(&mut events, "list").await.1["name"], "a");
}

#[tokio::test]
async fn the_longest_names_that_a_stream_may_have_leave_room_for_connecting_again() {
    let server = Server::start().await;
    let names: Vec<_> = (10..24).map(|number| format!("{number}{}", "%C3%BC".repeat(99))).collect();
    let query = |count: usize| {
        let lists = names[..count].iter().map(|name| format!("list={name}:18446744073709551615"));
        format!("/events?{}", lists.collect::<Vec<_>>().join("&"))
    };
    let id: Vec<_> = names[..13].iter().map(|name| format!("{name}:18446744073709551615")).collect();
    let again = server.request("GET", &query(13)).header("last-event-id", id.join(","));
    assert_eq!(next(&mut again.events().await, "reset").await.1["revision"], 0);
    let problem = server.get(&query(14)).await.problem(400, "query");
    assert_eq!(problem["limit"]["name"], "max followed name bytes");
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
    let todo = LogicName::new("todo").expect("a name");
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
