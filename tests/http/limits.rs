//! Limits that protect the server from its clients.

use std::sync::Arc;
use std::time::Duration;

use hotlist::clock::{Clock, ManualClock};
use hotlist::list::date::Date;
use hotlist::store::StoreError;
use hotlist::web::{Options, Services, serve};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::log::CapturedLog;
use crate::support::{NOON, RequestExt, Server, WAIT_TIMEOUT, metrics};

const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_its_length_and_by_its_size() {
    let server = Server::with(Options { max_body_bytes: 100, ..Options::default() }).await;
    let body = json!({"title": "x".repeat(200)}).to_string();
    let limit = json!({"name": "max body bytes", "value": 100});
    let problem = server.post("/lists/bob/entries", &body).await.problem(413, "too-large");
    assert_eq!(problem["limit"], limit);
    let chunked = format!(
        "POST /lists/bob/entries HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\
         connection: close\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let response = server.send_raw(chunked.as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 413 ") && response.contains(&limit.to_string()), "{response}");
    // A client that waits for "100 Continue" is refused before it sends the body.
    let expecting = "POST /lists/bob/entries HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: 4000000000\r\nexpect: 100-continue\r\n\r\n";
    let response = server.send_raw(expecting.as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
}

/// More than the buffers of two sockets hold.
const LARGE_BODY: usize = 20_000_000;

#[tokio::test]
async fn a_response_before_the_end_of_a_large_body_reaches_a_client_that_sends_all_of_it_first() {
    let server = Server::start().await;
    let body = vec![b' '; LARGE_BODY];
    let length = format!("host: localhost\r\ncontent-length: {LARGE_BODY}\r\n");
    for (line, headers, status) in [
        ("POST /lists/bob/entries", "content-type: text/plain\r\n", "415"),
        ("POST /lists/bob/entries", "content-type: application/json\r\n", "413"),
        ("POST /nope", "", "404"),
        ("PUT /lists/bob/entries", "", "405"),
        ("POST /lists/bob/undo", "if-match: 7\r\n", "400"),
        ("GET /livez", "", "200"),
    ] {
        let mut stream = TcpStream::connect(server.address).await.expect("a connection");
        // The next request on the connection shows that it was read to the end.
        let head = format!("{line} HTTP/1.1\r\n{length}{headers}\r\n");
        for bytes in [head.as_bytes(), &body, b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"] {
            stream.write_all(bytes).await.unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        let mut responses = String::new();
        stream.read_to_string(&mut responses).await.expect("both responses");
        assert!(responses.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {responses}");
        assert_eq!(responses.matches("HTTP/1.1 ").count(), 2, "{line}: {responses}");
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_a_timeout() {
    let server = Server::with(Options { body_timeout: SHORT, ..Options::default() }).await;
    let begun = "POST /lists/bob/entries HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n1\r\n{\r\n";
    let response = server.send_raw(begun.as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 408 ") && response.contains("body timeout"), "{response}");
}

#[tokio::test]
async fn a_client_that_sends_nothing_or_part_of_a_head_is_disconnected() {
    let server = Server::with(Options { header_timeout: SHORT, ..Options::default() }).await;
    for begun in ["", "G", "PRI * HT", "GET / HTTP/1.1\r\nho", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let response = server.send_raw(begun.as_bytes()).await;
        assert!(!response.starts_with("HTTP/1.1 200"), "{response}");
    }
}

#[tokio::test]
async fn an_idle_connection_and_one_with_a_slow_second_head_are_closed() {
    let patient = Options { header_timeout: Duration::from_millis(500), ..Options::default() };
    let hasty = Options { idle_timeout: SHORT, ..Options::default() };
    for (options, then) in [(hasty, ""), (patient, "GET /liv")] {
        let server = Server::with(options).await;
        let mut stream = TcpStream::connect(server.address).await.expect("a connection");
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("the bytes are sent");
        let mut response = vec![0; 1024];
        let read = stream.read(&mut response).await.expect("a response");
        assert!(response[..read].starts_with(b"HTTP/1.1 200 "));
        stream.write_all(then.as_bytes()).await.expect("the bytes are sent");
        let end = tokio::time::timeout(WAIT_TIMEOUT, stream.read(&mut response)).await.expect("the server closes");
        assert!(end.is_err() || end.is_ok_and(|read| read == 0), "{then}");
    }
}

#[tokio::test]
async fn an_event_stream_is_not_idle() {
    let options = Options { idle_timeout: SHORT, header_timeout: SHORT, heartbeat: SHORT, ..Options::default() };
    let server = Server::with(options).await;
    let mut stream = TcpStream::connect(server.address).await.expect("a connection");
    stream.write_all(b"GET /lists/bob/events HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("the bytes are sent");
    let mut text = String::new();
    while text.matches(":\n\n").count() < 4 {
        let mut buffer = [0; 1024];
        let read =
            tokio::time::timeout(WAIT_TIMEOUT, stream.read(&mut buffer)).await.expect("a heartbeat").expect("bytes");
        assert_ne!(read, 0, "the stream ended: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
}

#[tokio::test]
async fn a_flood_of_headers_is_refused() {
    let server = Server::start().await;
    let many = "x-flood: 1\r\n".repeat(200);
    let large = format!("x-flood: {}\r\n", "x".repeat(100_000));
    for flood in [many, large] {
        let response =
            server.send_raw(format!("GET /livez HTTP/1.1\r\nhost: localhost\r\n{flood}\r\n").as_bytes()).await;
        assert!(response.is_empty() || response.starts_with("HTTP/1.1 431 "), "{response}");
    }
    assert_eq!(server.get("/livez").await.status, 200);
}

#[tokio::test]
async fn event_streams_over_the_limit_are_refused_and_a_closed_one_makes_room() {
    let server = Server::with(Options { max_event_streams: 1, ..Options::default() }).await;
    let mut first = server.request("GET", "/lists/bob/events").events().await;
    first.expect("ready", 0).await;
    let refused = server.get("/lists/bob/events").await;
    assert_eq!(refused.problem(503, "overloaded")["limit"], json!({"name": "max event streams", "value": 1}));
    drop(first);
    // The server notices a moment later.
    let reopened = async {
        while server.request("GET", "/lists/bob/events").send().await.expect("a response").status() != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WAIT_TIMEOUT, reopened).await.expect("the closed stream makes room");
}

#[tokio::test]
async fn a_list_that_would_become_too_large_is_refused() {
    let server = Server::start().await;
    for _ in 0..20 {
        server.add("bob", "x").await;
    }
    let problem = server.post("/lists/bob/entries", r#"{"title":"x"}"#).await.problem(409, "full");
    assert_eq!(problem["limit"], json!({"name": "entries", "value": 20}));
}

#[tokio::test]
async fn uploads_that_send_nothing_keep_none_from_uploading() {
    let server = Server::with(Options { max_uploads: 1, ..Options::default() }).await;
    let mut idle = Vec::new();
    for sent in ["", "half of a body"] {
        let head = "PUT /logic/idle HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/wasm\r\ncontent-length: 1000\r\n\
            expect: 100-continue\r\n\r\n";
        let mut stream = TcpStream::connect(server.address).await.expect("a connection");
        stream.write_all(head.as_bytes()).await.expect("the bytes are sent");
        // The server asks for the body when it begins to read it.
        let mut asked = [0; 25];
        let read = tokio::time::timeout(WAIT_TIMEOUT, stream.read_exact(&mut asked)).await.expect("an answer in time");
        read.expect("the server asks");
        assert_eq!(String::from_utf8_lossy(&asked), "HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(sent.as_bytes()).await.expect("the bytes are sent");
        idle.push(stream);
    }
    let put = server.request("PUT", "/logic/rules").header("content-type", "application/wasm").body("no wasm");
    put.response().await.problem(422, "component");
}

#[tokio::test]
async fn bodies_that_arrive_share_a_room() {
    let server = Server::with(Options { max_arriving_bytes: 100_000, ..Options::default() }).await;
    let put = server.request("PUT", "/logic/rules").header("content-type", "application/wasm");
    let response = put.body(vec![0; 1_000_000]).response().await;
    let problem = response.problem(503, "overloaded");
    assert_eq!(problem["limit"], json!({"name": "max arriving bytes", "value": 100_000}));
    assert_eq!((&problem["carried_out"], response.header("retry-after")), (&json!("no"), "1"));
    let put = server.request("PUT", "/logic/rules").header("content-type", "application/wasm").body("no wasm");
    put.response().await.problem(422, "component");
}

#[tokio::test]
async fn a_burst_of_refused_requests_is_logged_once_per_kind() {
    let server = Server::start().await;
    let log = CapturedLog::begin();
    for _ in 0..20 {
        server.store.fail_next_commit(StoreError::Overloaded { limit: 7 });
        server.post("/lists/bob/entries", r#"{"title":"x"}"#).await.problem(503, "overloaded");
    }
    for _ in 0..20 {
        server.post("/lists/bob/entries", r#"{"title":"no room"}"#).await.problem(503, "overloaded");
    }
    let lines = log.end();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(lines.contains("store queue") && !lines.contains("ERROR"), "{lines}");
}

/// A clock that panics when the duration of a request is measured.
struct BrokenClock(ManualClock);

impl Clock for BrokenClock {
    fn now(&self) -> u64 {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        panic!("the test asked for it")
    }

    fn local_at(&self, now: u64) -> (Date, i32) {
        self.0.local_at(now)
    }

    fn seed(&self) -> u64 {
        self.0.seed()
    }
}

#[tokio::test]
async fn a_connection_whose_task_panics_is_no_longer_counted() {
    let server = Server::start().await;
    let services = Services { clock: Arc::new(BrokenClock(ManualClock::at(NOON))), ..server.services.clone() };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let task = tokio::spawn(serve(listener, services, Options::default(), server.shutdown.clone()));
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("the bytes are sent");
    let end = tokio::time::timeout(WAIT_TIMEOUT, stream.read_u8()).await.expect("the server closes");
    assert!(end.is_err(), "the clock was to panic");
    server.shutdown.cancel();
    tokio::time::timeout(WAIT_TIMEOUT, task).await.expect("it ends").expect("it does not panic");
    assert_eq!(metrics(&server).connections.get(), 0);
}
