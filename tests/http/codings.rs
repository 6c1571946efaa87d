//! Compressed answers.

use std::io::Read;

use flate2::read::GzDecoder;
use hotlist::web::Options;
use reqwest::header::HeaderMap;
use serde_json::json;

use crate::support::{RequestExt, Server};

/// The headers and the bytes of the answer to a client that takes gzip.
async fn get(server: &Server, path: &str) -> (HeaderMap, Vec<u8>) {
    let response = server.request("GET", path).header("accept-encoding", "gzip, br").send().await.expect("a response");
    assert_eq!(response.status(), 200);
    (response.headers().clone(), response.bytes().await.expect("a body").to_vec())
}

fn decoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).expect("it is gzip");
    text
}

async fn with_entries(options: Options) -> Server {
    let server = Server::with(options).await;
    for number in 0..15 {
        server.add("bob", &format!("Entry {number}, which has a long title")).await;
    }
    server
}

#[tokio::test]
async fn large_json_is_compressed_for_a_client_that_takes_it() {
    let server = with_entries(Options::default()).await;
    for path in ["/lists/bob/entries", "/lists/bob/history", "/openapi.json", "/logic"] {
        let plain = server.get(path).await;
        assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "accept-encoding"), "{path}");
        let (headers, bytes) = get(&server, path).await;
        assert_eq!(headers["content-encoding"], "gzip", "{path}");
        assert_eq!(headers["vary"], "accept-encoding", "{path}");
        assert_eq!(decoded(&bytes), plain.body, "{path}");
        assert!(2 * bytes.len() < plain.body.len(), "{path}: {} of {} bytes", bytes.len(), plain.body.len());
    }
    // Neither what is small nor a problem.
    for path in ["/lists/bob", "/lists"] {
        assert!(get(&server, path).await.0.get("content-encoding").is_none(), "{path}");
    }
}

#[tokio::test]
async fn the_compressed_form_has_a_tag_of_its_own_that_is_good_for_reads_and_writes() {
    let server = with_entries(Options::default()).await;
    let path = "/lists/bob/entries";
    assert_eq!(server.get(path).await.header("etag"), "\"15\"");
    assert_eq!(get(&server, path).await.0["etag"], "\"15-gzip\"");
    let asked = server.request("GET", path).header("accept-encoding", "gzip").header("if-none-match", "\"15-gzip\"");
    let known = asked.response().await;
    assert_eq!((known.status.as_u16(), known.header("etag")), (304, "\"15-gzip\""));
    let change = |tag: &str| {
        server.request("PATCH", "/lists/bob/entries/1").header("if-match", tag).json_text(r#"{"completed":true}"#)
    };
    assert_eq!(change("\"14-gzip\"").response().await.status, 412);
    assert_eq!(change("\"15-gzip\"").response().await.status, 200);
}

#[tokio::test]
async fn a_stream_is_not_compressed_and_so_is_an_answer_without_room_for_the_encoder() {
    let bytes = 200 << 10;
    let server =
        with_entries(Options { page_bytes: bytes, max_connection_answer_bytes: bytes, ..Options::default() }).await;
    let (headers, body) = get(&server, "/lists/bob/entries").await;
    assert!(headers.get("content-encoding").is_none());
    assert_eq!(String::from_utf8_lossy(&body), server.get("/lists/bob/entries").await.body);
    let stream = server.request("GET", "/lists/bob/events").header("accept-encoding", "gzip");
    let mut events = stream.events().await;
    assert_eq!(events.expect("ready", 15).await, json!({"revision": 15}));
}
