//! Limits in bytes: pages of answers, answers that wait to be sent, and clients that take nothing.

use std::time::Duration;

use bytes::Bytes;
use hotlist::web::Options;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::{RequestExt, Response, Server, WAIT_TIMEOUT};

/// A server whose pages end at 2,000 bytes, with a list of entries whose titles have 400 characters.
async fn server_with(entries: usize) -> Server {
    let server = Server::with(Options { page_bytes: 2_000, ..Options::default() }).await;
    for _ in 0..entries {
        server.add("bob", &"x".repeat(400)).await;
    }
    server
}

/// The path of the page after a page.
fn next(server: &Server, page: &Response) -> Option<String> {
    let url = page.header("link").strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
    Some(url.strip_prefix(&server.url("")).expect("a URL of this server").to_owned())
}

/// The pages from a path on.
async fn pages(server: &Server, path: &str) -> Vec<Response> {
    let (mut pages, mut path) = (Vec::new(), Some(path.to_owned()));
    while let Some(at) = path {
        let page = server.get(&at).await;
        assert_eq!(page.status, 200, "{page:?}");
        path = next(server, &page);
        pages.push(page);
    }
    pages
}

/// The items of all pages that are arrays, each page of which has the wanted number of bytes at most.
async fn items(server: &Server, path: &str, bytes: usize) -> (usize, Vec<Value>) {
    let pages = pages(server, path).await;
    assert!(pages.iter().all(|page| page.body.len() <= bytes), "{pages:?}");
    let items = pages.iter().flat_map(|page| page.json().as_array().expect("an array").clone()).collect();
    (pages.len(), items)
}

fn numbers(items: &[Value], member: &str) -> Vec<u64> {
    items.iter().map(|item| item[member].as_u64().expect("a number")).collect()
}

#[tokio::test]
async fn every_page_ends_by_its_bytes_and_links_to_the_next() {
    let server = server_with(10).await;
    for n in 0..9 {
        server.add(&format!("{n}{}", "-".repeat(190)), "x").await;
    }
    let (count, entries) = items(&server, "/lists/bob/entries?limit=1000", 2_001).await;
    assert_eq!((count, numbers(&entries, "id")), (4, (1..=10).collect()));
    let (count, open) = items(&server, "/lists/bob/entries?completed=false", 2_001).await;
    assert_eq!((count, open), (4, entries));
    let (count, revisions) = items(&server, "/lists/bob/history", 2_001).await;
    assert_eq!((count > 3, numbers(&revisions, "revision")), (true, (1..=10).collect()));
    let (count, lists) = items(&server, "/lists", 2_001).await;
    assert_eq!((count > 2, lists.len()), (true, 10));
    assert!(pages(&server, "/lists/bob/recording").await.len() > 3);
}

#[tokio::test]
async fn a_page_that_ends_by_its_bytes_has_the_tag_of_the_list() {
    let server = server_with(10).await;
    for page in pages(&server, "/lists/bob/entries").await {
        assert_eq!(page.header("etag"), "\"10\"");
    }
    let fresh = server.request("GET", "/lists/bob/entries?after=3").header("if-none-match", "\"10\"").response().await;
    assert_eq!(fresh.status, 304);
}

#[tokio::test]
async fn a_view_ends_by_its_bytes_and_one_without_room_for_an_entry_is_a_problem() {
    let server = server_with(10).await;
    let pages = pages(&server, "/lists/bob/views/open-first").await;
    let ids: Vec<_> = pages
        .iter()
        .flat_map(|page| numbers(page.json()["groups"][0]["entries"].as_array().expect("entries"), "id"))
        .collect();
    assert_eq!((pages.len(), ids), (4, (1..=10).collect()));
    let tight = Server::with(Options { page_bytes: 60, ..Options::default() }).await;
    tight.add("bob", "milk").await;
    let problem = tight.get("/lists/bob/views/open-first").await.problem(500, "view-too-large");
    assert_eq!(problem["limit"], json!({"name": "view bytes", "value": 60}));
}

#[tokio::test]
async fn a_revision_that_is_larger_than_a_page_has_counts_and_pages_of_changes() {
    let server = server_with(10).await;
    server.request("DELETE", "/lists/bob/entries").response().await;
    let mut events = server.request("GET", "/lists/bob/events").events().await;
    events.expect("ready", 11).await;
    let undone = server.post("/lists/bob/undo", "{}").await.json();
    assert_eq!((&undone["entries"], &undone["unknown"]), (&json!([]), &json!((1..=10).collect::<Vec<_>>())));
    let (_, revisions) = items(&server, "/lists/bob/history?after=11", 2_001).await;
    assert_eq!((&revisions[0]["counts"], revisions[0].get("changes")), (&json!({"put": 10}), None));
    let url = revisions[0]["changes_url"].as_str().expect("a URL");
    assert_eq!(url, server.url("/lists/bob/history/12/changes"));
    let (count, changes) = items(&server, "/lists/bob/history/12/changes", 2_001).await;
    let ids: Vec<_> = changes.iter().map(|change| change["entry"]["id"].as_u64()).collect();
    assert_eq!((count, ids), (4, (1..=10).map(Some).collect()));
    let (_, some) = items(&server, "/lists/bob/history/11/changes?after=7&limit=2", 2_001).await;
    assert_eq!(numbers(&some, "id"), [8, 9, 10]);
    // A client that follows the list reads it anew.
    assert_eq!(events.expect("reset", 12).await, json!({"revision": 12}));
    let mut late = server.request("GET", "/lists/bob/events").header("last-event-id", "10").events().await;
    late.expect("revision", 11).await;
    late.expect("reset", 12).await;
    for revision in ["0", "13", "x"] {
        let path = format!("/lists/bob/history/{revision}/changes");
        server.get(&path).await.problem(404, "revision-not-found");
    }
    server.get("/lists/ann/history/1/changes").await.problem(404, "list-not-found");
}

#[tokio::test]
async fn answers_that_wait_to_be_sent_are_limited_and_a_refused_write_is_not_carried_out() {
    let options = Options { max_answer_bytes: 100_000, max_connection_answer_bytes: 50_000, ..Options::default() };
    let server = Server::with(options).await;
    // A page is reserved before it is made, so one alone has room, and a second one has none.
    let page = server.get("/lists/bob/entries").await;
    assert_eq!(page.status, 200);
    server.add("bob", "milk").await;
    let request = |path: &str| {
        let uri = server.url(path);
        hyper::Request::get(uri).body(Empty::<Bytes>::new()).expect("a request")
    };
    let size = server.get("/app.js").await.body.len();
    // A client that takes nothing, and one that takes enough for the server to give the rest to the connection.
    for window in [0, size - 1] {
        let mut sender = client_with_window(u32::try_from(window).expect("small"), &server).await;
        let unread = sender.send_request(request("/app.js")).await.expect("a response");
        let refused = sender.send_request(request("/lists/bob/entries")).await.expect("a response");
        assert_eq!((unread.status().as_u16(), refused.status().as_u16()), (200, 503), "{window}");
        assert_eq!(refused.headers()["retry-after"], "1");
        // Answers that nothing was reserved for are refused as well, and a probe is answered.
        for (path, status) in [("/openapi.json", 503), ("/lists/bob/entries/1", 200), ("/livez", 200)] {
            assert_eq!(sender.send_request(request(path)).await.expect("a response").status(), status, "{path}");
        }
        let clear =
            hyper::Request::delete(server.url("/lists/bob/entries")).body(Empty::<Bytes>::new()).expect("a request");
        assert_eq!(sender.send_request(clear).await.expect("a response").status(), 503);
        assert_eq!(server.get("/lists/bob").await.json()["entries"], 1, "the refused write was not carried out");
        // What is given up is given back.
        drop((unread, refused, sender));
    }
    let freed = async { while server.request("DELETE", "/lists/bob/entries").response().await.status != 204 {} };
    tokio::time::timeout(WAIT_TIMEOUT, freed).await.expect("the room is given back");
}

/// A connection whose client takes only the first bytes of a body.
async fn client_with_window(bytes: u32, server: &Server) -> http2::SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(server.address).await.expect("a connection");
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(bytes);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn callers_on_one_connection_of_a_proxy_have_rooms_of_their_own() {
    let caller_header = Some("x-user".parse().expect("a header"));
    let options = Options { caller_header, max_connection_answer_bytes: 50_000, ..Options::default() };
    let server = Server::with(options).await;
    let mut sender = client_with_window(0, &server).await;
    let request = |caller: &str, path: &str| {
        let request = hyper::Request::get(server.url(path)).header("x-user", caller);
        request.body(Empty::<Bytes>::new()).expect("a request")
    };
    let unread = sender.send_request(request("ann", "/app.js")).await.expect("a response");
    assert_eq!(unread.status(), 200);
    for (caller, status) in [("ann", 503), ("bob", 200), ("eve", 200), ("ann", 503)] {
        let response = sender.send_request(request(caller, "/lists/bob/entries")).await.expect("a response");
        assert_eq!(response.status(), status, "{caller}");
    }
}

#[tokio::test]
async fn a_response_that_is_not_read_is_ended_and_the_others_on_the_connection_go_on() {
    let options = Options { answer_time: Duration::from_millis(50), ..Options::default() };
    let server = Server::with(options).await;
    server.add("bob", "milk").await;
    let mut sender = client_with_window(0, &server).await;
    for path in ["/lists/bob/entries", "/lists/bob/events"] {
        let request = hyper::Request::get(server.url(path)).body(Empty::<Bytes>::new()).expect("a request");
        let unread = sender.send_request(request).await.expect("a response");
        assert_eq!(unread.status(), 200, "the connection goes on");
        let end = tokio::time::timeout(WAIT_TIMEOUT, unread.into_body().frame()).await.expect("the server ends it");
        assert!(end.is_some_and(|frame| frame.is_err()), "{path}");
    }
}

#[tokio::test]
async fn a_connection_ends_if_the_rest_of_a_response_that_it_holds_is_not_read() {
    let options = Options { answer_time: Duration::from_millis(50), ..Options::default() };
    let server = Server::with(options).await;
    // The server gives the whole response to the connection, of which the client takes one byte.
    let mut sender = client_with_window(1, &server).await;
    let request = hyper::Request::get(server.url("/livez")).body(Empty::<Bytes>::new()).expect("a request");
    let unread = sender.send_request(request).await.expect("a response");
    let ended = async {
        while sender.ready().await.is_ok() {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(WAIT_TIMEOUT, ended).await.expect("the server ends the connection");
    drop(unread);
}

#[tokio::test]
async fn an_event_takes_room_until_it_is_sent() {
    let server = Server::with(Options { max_answer_bytes: 1_000, ..Options::default() }).await;
    server.add("bob", "milk").await;
    // Enough for the first event, and for the server to give the second one to the connection.
    let mut sender = client_with_window(60, &server).await;
    let request = hyper::Request::get(server.url("/lists/bob/events")).body(Empty::<Bytes>::new()).expect("a request");
    let unread = sender.send_request(request).await.expect("a response");
    server.add("bob", "bread").await;
    let full = async { while server.get("/lists/bob/entries").await.status != 503 {} };
    tokio::time::timeout(WAIT_TIMEOUT, full).await.expect("the event takes room");
    drop((unread, sender));
    let freed = async { while server.get("/lists/bob/entries").await.status != 200 {} };
    tokio::time::timeout(WAIT_TIMEOUT, freed).await.expect("the room is given back");
}
