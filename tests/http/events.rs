//! Server-sent events.

use hotlist::list::name::ListName;
use hotlist::web::Options;
use serde_json::json;

use crate::support::{RequestExt, Server, metrics};

#[tokio::test]
async fn a_new_stream_names_the_current_revision_and_then_sends_each_new_one() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    let mut events = server.request("GET", "/lists/bob/events").events().await;
    assert_eq!(events.expect("ready", 1).await, json!({"revision": 1}));
    server.add("bob", "b").await;
    let revision = events.expect("revision", 2).await;
    assert_eq!((&revision["command"], &revision["caller"]), (&json!("add-entry"), &json!("anonymous")));
    assert_eq!(revision["changes"][0]["entry"]["url"], server.url("/lists/bob/entries/2"));
    assert_eq!(revision, server.get("/lists/bob/history?after=1").await.json()[0]);
}

#[tokio::test]
async fn a_list_can_be_followed_before_it_exists() {
    let server = Server::start().await;
    let mut events = server.request("GET", "/lists/bob/events").events().await;
    events.expect("ready", 0).await;
    server.add("bob", "a").await;
    events.expect("revision", 1).await;
}

#[tokio::test]
async fn a_client_that_reconnects_gets_the_missed_revisions() {
    let server = Server::start().await;
    for title in ["a", "b", "c"] {
        server.add("bob", title).await;
    }
    let mut events = server.request("GET", "/lists/bob/events").header("last-event-id", "1").events().await;
    events.expect("revision", 2).await;
    events.expect("revision", 3).await;
    server.add("bob", "d").await;
    events.expect("revision", 4).await;
    let mut current = server.request("GET", "/lists/bob/events").header("last-event-id", "4").events().await;
    server.add("bob", "e").await;
    current.expect("revision", 5).await;
}

#[tokio::test]
async fn a_client_that_missed_more_than_the_history_contains_gets_a_reset() {
    let server = Server::with_history(Options::default(), 1).await;
    for title in ["a", "b", "c"] {
        server.add("bob", title).await;
    }
    for id in ["1", "0", "99"] {
        let mut events = server.request("GET", "/lists/bob/events").header("last-event-id", id).events().await;
        assert_eq!(events.expect("reset", 3).await, json!({"revision": 3}), "{id}");
    }
    let mut events = server.request("GET", "/lists/bob/events").header("last-event-id", "2").events().await;
    events.expect("revision", 3).await;
    let response = server.request("GET", "/lists/bob/events").header("last-event-id", "x").response().await;
    assert_eq!(response.problem(400, "header")["field"], "Last-Event-ID");
}

#[tokio::test]
async fn a_stream_that_cannot_read_the_history_says_so_before_it_ends() {
    let server = Server::start().await;
    for title in ["a", "b"] {
        server.add("bob", title).await;
    }
    server.store.make_unreadable(ListName::new("bob").expect("a name"), "a checksum does not match");
    let mut events = server.request("GET", "/lists/bob/events").header("last-event-id", "1").events().await;
    let problem = events.expect("problem", 1).await;
    assert_eq!(problem["type"], "urn:hotlist:problem:unreadable");
    assert!(!problem.to_string().contains("checksum"), "{problem}");
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_stream_over_several_pages_of_history_is_complete() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    for n in 0..250 {
        let body = json!({"order": n}).to_string();
        server.request("PATCH", "/lists/bob/entries/1").json_text(&body).response().await;
    }
    let mut events = server.request("GET", "/lists/bob/events").header("last-event-id", "0").events().await;
    for number in 1..=251 {
        events.expect("revision", number).await;
    }
}

#[tokio::test]
async fn streams_end_when_the_server_stops_and_are_counted_until_then() {
    let server = Server::start().await;
    let mut events = server.request("GET", "/lists/bob/events").events().await;
    events.expect("ready", 0).await;
    assert_eq!(metrics(&server).event_streams.get(), 1);
    server.shutdown.cancel();
    assert_eq!(events.next().await, None);
    let services = server.services.clone();
    server.stop().await;
    assert_eq!(services.metrics.event_streams.get(), 0);
}
