//! Entity tags, preconditions, and repeated requests.

use serde_json::json;

use crate::support::{RequestExt, Server};

#[tokio::test]
async fn a_reader_with_the_current_revision_gets_a_304() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    for path in ["/lists/bob", "/lists/bob/entries", "/lists/bob/entries/1"] {
        for tags in ["\"1\"", "W/\"1\"", "\"0\", \"1\"", "*"] {
            let response = server.request("GET", path).header("if-none-match", tags).response().await;
            assert_eq!(
                (response.status.as_u16(), response.body.as_str(), response.header("etag")),
                (304, "", "\"1\""),
                "{tags}"
            );
        }
        assert_eq!(server.request("GET", path).header("if-none-match", "\"2\"").response().await.status, 200);
        let malformed =
            server.request("GET", path).header("if-none-match", "1").response().await.problem(400, "header");
        assert_eq!(malformed["field"], "If-None-Match");
        server.request("GET", path).header("if-match", "\"2\"").response().await.problem(412, "stale-revision");
    }
}

#[tokio::test]
async fn a_write_that_expects_another_revision_is_a_412_and_changes_nothing() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    let change = |path: &str, method: &str, tag: &str| {
        server.request(method, path).header("if-match", tag).json_text(r#"{"title":"b"}"#).response()
    };
    for (method, path) in [
        ("PATCH", "/lists/bob/entries/1"),
        ("POST", "/lists/bob/entries"),
        ("DELETE", "/lists/bob"),
        ("DELETE", "/lists/bob/entries"),
    ] {
        for stale in ["\"0\"", "W/\"1\"", "\"x\"", "\"01\""] {
            let problem = change(path, method, stale).await.problem(412, "stale-revision");
            assert_eq!(problem["revision"], 1, "{method} {path} {stale}");
            let detail = problem["detail"].as_str().expect("a detail");
            assert!(detail.starts_with("the list is at revision 1, which If-Match does not name"), "{detail}");
        }
    }
    assert_eq!(change("/lists/bob/entries/1", "PATCH", "\"7\", \"1\"").await.status, 200);
    assert_eq!(change("/lists/bob/entries/1", "PATCH", "*").await.status, 200);
    change("/lists/new/entries", "POST", "*").await.problem(412, "stale-revision");
    server.get("/lists/new").await.problem(404, "list-not-found");
    assert_eq!(server.request("DELETE", "/lists/bob").response().await.status, 204);
    for of_deleted in ["*", "\"3\"", "\"4\""] {
        let problem = change("/lists/bob/entries", "POST", of_deleted).await.problem(412, "stale-revision");
        assert_eq!(problem["detail"], "there is no list, and If-Match expects one", "{of_deleted}");
    }
}

#[tokio::test]
async fn a_write_with_if_none_match_is_refused_instead_of_carried_out_unconditionally() {
    let server = Server::start().await;
    let response = server.request("PUT", "/lists/bob").header("if-none-match", "*").response().await;
    assert_eq!(response.problem(400, "header")["field"], "If-None-Match");
}

#[tokio::test]
async fn a_repeated_request_is_carried_out_once_and_gets_the_same_response() {
    let server = Server::start().await;
    let add = |key: &str, body: &str| {
        server.request("POST", "/lists/bob/entries").header("idempotency-key", key).json_text(body).response()
    };
    let first = add("\"k 1\"", r#"{"title":"a"}"#).await;
    server.request("PATCH", "/lists/bob/entries/1").json_text(r#"{"title":"changed since"}"#).response().await;
    let again = add("\"k 1\"", r#"{"title":"a"}"#).await;
    for response in [&first, &again] {
        assert_eq!((response.status.as_u16(), response.header("etag")), (201, "\"1\""));
        assert_eq!(response.header("location"), server.url("/lists/bob/entries/1"));
        assert_eq!(response.header("hotlist-logic"), "todo@1.0.0+sha256:abababab");
    }
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    assert_eq!(first.body, again.body);
    assert_eq!(server.get("/lists/bob").await.json()["revision"], 2);
    add("\"k 1\"", r#"{"title":"b"}"#).await.problem(422, "idempotency-key-reused");
    let elsewhere =
        server.request("DELETE", "/lists/bob/entries/1").header("idempotency-key", "\"k 1\"").response().await;
    elsewhere.problem(422, "idempotency-key-reused");
    assert_eq!(add("k2", r#"{"title":"b"}"#).await.status, 201);
}

#[tokio::test]
async fn a_repeated_request_keeps_its_status_also_when_it_made_no_new_entry_or_was_rejected() {
    let server = Server::start().await;
    server.add("bob", "milk").await;
    let add = |key: &str, title: &str| {
        let body = json!({ "title": title }).to_string();
        server.request("POST", "/lists/bob/entries").header("idempotency-key", key).json_text(&body).response()
    };
    for (title, status) in [("merge", 200), ("vanish", 204), ("too much", 409), ("", 422)] {
        let (first, again) = (add(&format!("k{status}"), title).await, add(&format!("k{status}"), title).await);
        assert_eq!((first.status.as_u16(), again.status.as_u16()), (status, status));
        assert_eq!((&first.body, first.header("etag")), (&again.body, again.header("etag")));
        let replayed = [&first, &again].map(|response| response.header("idempotency-replayed").to_owned());
        assert_eq!(replayed, ["", "true"], "{status}");
    }
    let put = || server.request("PUT", "/lists/new").header("idempotency-key", "k").response();
    let (first, again) = (put().await, put().await);
    assert_eq!((first.status.as_u16(), again.status.as_u16(), first.body), (201, 201, again.body));
}

#[tokio::test]
async fn an_invalid_idempotency_key_is_refused() {
    let server = Server::start().await;
    let long = "k".repeat(256);
    for key in ["", "\"\"", "a b", "\"a", long.as_str()] {
        let response = server
            .request("POST", "/lists/bob/entries")
            .header("idempotency-key", key)
            .json_text("{}")
            .response()
            .await;
        assert_eq!(response.problem(400, "header")["field"], "Idempotency-Key", "{key}");
    }
}
