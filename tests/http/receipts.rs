//! Receipts of idempotency keys: how long a key is known, and what is refused where there is no room.

use hotlist::store::memory::MemoryStore;
use hotlist::store::receipt_room::ReceiptLimits;
use hotlist::store::{HistoryLimits, Store};
use hotlist::web::Options;
use serde_json::json;

use crate::support::{RequestExt, Response, Server};

const HOUR: u64 = 3_600_000;

/// A server with one entry in the list `bob`.
async fn server(limits: ReceiptLimits, options: Options) -> Server {
    let server = Server::with_store(
        options,
        MemoryStore::with_limits(HistoryLimits { revisions: 3, ..HistoryLimits::default() }, limits),
    )
    .await;
    let entry = server.request("POST", "/lists/bob/entries").header("x-user", "ann").json_text(r#"{"title":"milk"}"#);
    assert_eq!(entry.response().await.status, 201);
    server
}

async fn rename(server: &Server, list: &str, key: &str, caller: &str, title: &str) -> Response {
    let request = server.request("PATCH", &format!("/lists/{list}/entries/1")).header("idempotency-key", key);
    request.header("x-user", caller).json_text(&json!({ "title": title }).to_string()).response().await
}

/// Renames an entry with new keys until there is no room for a receipt. The number of receipts, and the refusal.
async fn fill(server: &Server) -> (usize, Response) {
    let mut count = 0;
    loop {
        let response = rename(server, "bob", &format!("key-{count}"), "ann", "tea").await;
        if response.status != 200 {
            return (count, response);
        }
        count += 1;
    }
}

#[tokio::test]
async fn a_request_repeated_after_200_other_keys_gets_the_first_response_until_its_receipt_expires() {
    let server = server(ReceiptLimits::default(), Options::default()).await;
    let first = rename(&server, "bob", "first", "ann", "tea").await;
    assert_eq!((first.status.as_u16(), first.header("etag")), (200, "\"2\""));
    for count in 0..200 {
        let other = rename(&server, "bob", &format!("key-{count}"), "ann", &format!("tea {count}")).await;
        assert_eq!(other.status, 200);
    }
    server.clock.advance(24 * HOUR);
    let again = rename(&server, "bob", "first", "ann", "tea").await;
    assert_eq!((again.status, again.header("etag"), &again.body), (first.status, "\"2\"", &first.body));
    server.clock.advance(1);
    let new = rename(&server, "bob", "first", "ann", "tea").await;
    assert_eq!((new.status.as_u16(), new.header("etag")), (200, "\"203\""));
}

#[tokio::test]
async fn a_list_without_room_for_a_receipt_refuses_new_keys_and_names_the_limit() {
    let limits = ReceiptLimits { list_bytes: 4_096, ..ReceiptLimits::default() };
    let server = server(limits, Options::default()).await;
    let (count, refused) = fill(&server).await;
    assert!(count > 5, "{count}");
    let problem = refused.problem(429, "receipts-full");
    assert_eq!(problem["limit"], json!({ "name": "receipt bytes of a caller in a list", "value": 512 }));
    assert_eq!((&problem["field"], refused.header("retry-after")), (&json!("Idempotency-Key"), ""));
    assert_eq!(rename(&server, "bob", "key-0", "ann", "tea").await.status, 200, "the oldest key is still known");
    let unkeyed = server.request("PATCH", "/lists/bob/entries/1").json_text(r#"{"title":"coffee"}"#);
    assert_eq!(unkeyed.response().await.status, 200);
    server.clock.advance(23 * HOUR + HOUR / 2);
    let soon = rename(&server, "bob", "new", "ann", "tea").await;
    soon.problem(429, "receipts-full");
    assert_eq!(soon.header("retry-after"), "1800");
    server.clock.advance(HOUR / 2 + 1);
    assert_eq!(rename(&server, "bob", "new", "ann", "tea").await.status, 200);
}

#[tokio::test]
async fn one_caller_cannot_take_the_room_of_the_others() {
    let limits = ReceiptLimits { total_bytes: 32_768, ..ReceiptLimits::default() };
    let caller_header = Some("x-user".parse().expect("a header"));
    let server = server(limits, Options { caller_header, ..Options::default() }).await;
    let (_, refused) = fill(&server).await;
    let limit = json!({ "name": "receipt bytes of a caller", "value": 4_096 });
    assert_eq!(refused.problem(429, "receipts-full")["limit"], limit);
    assert_eq!(rename(&server, "bob", "key", "dan", "tea").await.status, 200);
}

#[tokio::test]
async fn one_address_cannot_take_the_whole_room_of_a_server_without_callers() {
    let limits = ReceiptLimits { total_bytes: 32_768, ..ReceiptLimits::default() };
    let server = server(limits, Options::default()).await;
    assert_eq!(rename(&server, "bob", "k", "ann", "tea").await.status, 200);
    assert!(server.store.receipt_room().used_by("127.0.0.1") > 0);
}

#[tokio::test]
async fn a_large_response_is_repeated_whole_while_the_history_holds_it_and_then_by_its_ids() {
    let server = server(ReceiptLimits::default(), Options::default()).await;
    let title = "x".repeat(1_000);
    for _ in 0..18 {
        server.add("bob", &title).await;
    }
    let clear = server.request("DELETE", "/lists/bob/entries").response().await;
    assert_eq!(clear.status, 204);
    let undo = || server.request("POST", "/lists/bob/undo").header("idempotency-key", "k").json_text("{}").response();
    let first = undo().await;
    assert_eq!(first.json()["entries"].as_array().map(Vec::len), Some(19));
    assert_eq!(undo().await.body, first.body);
    for title in ["a", "b", "c"] {
        assert_eq!(rename(&server, "bob", title, "ann", title).await.status, 200);
    }
    let again = undo().await.json();
    let ids = (1..=19).collect::<Vec<_>>();
    assert_eq!(again, json!({ "revision": 21, "entries": [], "removed": [], "unknown": ids }));
}
