//! What a client may not do to the server, however it tries.

use std::time::Duration;

use hotlist::web::Options;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{PATIENCE, Sending, Server};

const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_its_length_and_by_its_size() {
    let server = Server::with(Options { max_body_bytes: 100, ..Options::default() }).await;
    let body = json!({"title": "x".repeat(200)}).to_string();
    let limit = json!({"name": "max body bytes", "value": 100});
    let problem = server.post("/lists/bob/entries", &body).await.problem(413, "too-large");
    assert_eq!(problem["limit"], limit);
    let chunked = format!(
        "POST /lists/bob/entries HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\
         connection: close\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let answer = server.raw(chunked.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains(&limit.to_string()), "{answer}");
    // A client that asks first is told before it sends anything.
    let asking = "POST /lists/bob/entries HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: 4000000000\r\nexpect: 100-continue\r\n\r\n";
    let answer = server.raw(asking.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let server = Server::with(Options { body_timeout: SHORT, ..Options::default() }).await;
    let begun = "POST /lists/bob/entries HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n1\r\n{\r\n";
    let answer = server.raw(begun.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("body timeout"), "{answer}");
}

#[tokio::test]
async fn a_client_that_says_nothing_or_little_is_cut_off() {
    let server = Server::with(Options { header_timeout: SHORT, ..Options::default() }).await;
    for begun in ["", "G", "PRI * HT", "GET / HTTP/1.1\r\nho", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let answer = server.raw(begun.as_bytes()).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_slow_second_head_is_cut_off() {
    let patient = Options { header_timeout: Duration::from_millis(500), ..Options::default() };
    let hasty = Options { idle_timeout: SHORT, ..Options::default() };
    for (options, then) in [(hasty, ""), (patient, "GET /liv")] {
        let server = Server::with(options).await;
        let mut stream = TcpStream::connect(server.address).await.expect("a connection");
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("the bytes are taken");
        let mut answer = vec![0; 1024];
        let read = stream.read(&mut answer).await.expect("an answer");
        assert!(answer[..read].starts_with(b"HTTP/1.1 200 "));
        stream.write_all(then.as_bytes()).await.expect("the bytes are taken");
        let end = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await.expect("the server closes");
        assert!(end.is_err() || end.is_ok_and(|read| read == 0), "{then}");
    }
}

#[tokio::test]
async fn an_event_stream_is_not_idle() {
    let options = Options { idle_timeout: SHORT, header_timeout: SHORT, heartbeat: SHORT, ..Options::default() };
    let server = Server::with(options).await;
    let mut stream = TcpStream::connect(server.address).await.expect("a connection");
    stream.write_all(b"GET /lists/bob/events HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("the bytes are taken");
    let mut text = String::new();
    while text.matches(":\n\n").count() < 4 {
        let mut buffer = [0; 1024];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.expect("a heartbeat").expect("bytes");
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
        let answer = server.raw(format!("GET /livez HTTP/1.1\r\nhost: x\r\n{flood}\r\n").as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    assert_eq!(server.get("/livez").await.status, 200);
}

#[tokio::test]
async fn connections_over_the_limit_wait_until_one_ends() {
    let server = Server::with(Options { max_connections: 1, ..Options::default() }).await;
    let mut first = TcpStream::connect(server.address).await.expect("a connection");
    first.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("the bytes are taken");
    first.read_u8().await.expect("an answer");
    let mut second = TcpStream::connect(server.address).await.expect("a connection");
    second.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("the bytes are taken");
    assert_eq!(second.try_read(&mut [0; 1]).expect_err("nothing").kind(), std::io::ErrorKind::WouldBlock);
    drop(first);
    let answered = tokio::time::timeout(PATIENCE, second.read_u8()).await.expect("its turn comes");
    assert_eq!(answered.expect("an answer"), b'H');
}

#[tokio::test]
async fn event_streams_over_the_limit_are_refused_and_a_closed_one_makes_room() {
    let server = Server::with(Options { max_event_streams: 1, ..Options::default() }).await;
    let mut first = server.ask("GET", "/lists/bob/events").stream().await;
    first.expect("ready", 0).await;
    let refused = server.get("/lists/bob/events").await;
    assert_eq!(refused.problem(503, "overloaded")["limit"], json!({"name": "max event streams", "value": 1}));
    drop(first);
    // The server learns of it a moment later.
    while server.ask("GET", "/lists/bob/events").send().await.expect("an answer").status() != 200 {}
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
