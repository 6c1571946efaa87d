//! Callers: the header of a trusted proxy, who may send it, and what it may hold.

use hotlist::web::Options;

use crate::log::CapturedLog;
use crate::support::{RequestExt, Server};

/// A server that believes a header from these networks, or from the default ones.
async fn server(trusted: &[&str]) -> Server {
    let mut options = Options { caller_header: Some("x-user".parse().expect("a header")), ..Options::default() };
    if !trusted.is_empty() {
        options.trusted_proxies = trusted.iter().map(|network| network.parse().expect("a network")).collect();
    }
    Server::with(options).await
}

#[tokio::test]
async fn a_trusted_header_names_the_caller_and_is_required_then() {
    let server = server(&[]).await;
    let get = |path: &str, user: &str| server.request("GET", path).header("x-user", user).response();
    for path in ["/lists", "/lists/bob/entries", "/logic", "/", "/nope"] {
        let response = server.get(path).await;
        response.problem(403, "caller-missing");
        assert_eq!(response.headers.get("www-authenticate"), None);
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(server.get(path).await.status, 200);
    }
    let twice = server.request("GET", "/lists").header("x-user", "a").header("x-user", "b").response().await;
    assert_eq!(twice.problem(400, "header")["field"], "X-User");
    let add = server.request("POST", "/lists/bob/entries").header("x-user", "bob");
    assert_eq!(add.json_text(r#"{"title":"a"}"#).response().await.status, 201);
    assert_eq!(get("/lists/bob/history", "bob").await.json()[0]["caller"], "bob");
}

#[tokio::test]
async fn a_name_that_could_be_taken_for_another_is_refused() {
    let server = server(&[]).await;
    let reserved = ["hotlist", "Hotlist", "anonymous", "ANONYMOUS"].map(str::to_owned);
    let invisible = ["an\u{202e}n", "an\u{200b}n", "\u{feff}ann", "an\u{ad}n", "a\tb"].map(str::to_owned);
    let others = ["", "ann, bob", "ann,bob", "\u{a0}ann", "ann\u{3000}"].map(str::to_owned);
    for bad in reserved.into_iter().chain(invisible).chain(others).chain(["x".repeat(201)]) {
        let response = server.request("GET", "/lists").header("x-user", bad.as_bytes()).response().await;
        assert_eq!(response.problem(400, "header")["field"], "X-User", "{bad:?}");
    }
    let header = server.request("GET", "/lists").header("x-user", "李雷".as_bytes()).response().await;
    assert_eq!(header.status, 200);
}

#[tokio::test]
async fn a_client_that_is_no_trusted_proxy_names_no_caller_and_is_logged_once() {
    let server = server(&["10.0.0.0/8", "2001:db8::/32"]).await;
    let log = CapturedLog::begin();
    for _ in 0..20 {
        let named = server.request("POST", "/lists/bob/entries").header("x-user", "bob");
        let response = named.json_text(r#"{"title":"a"}"#).response().await;
        let problem = response.problem(401, "caller-not-trusted");
        assert_eq!((&problem["field"], &problem["carried_out"]), (&"X-User".into(), &"no".into()));
        assert_eq!(response.header("www-authenticate"), "Proxy");
        server.get("/lists").await.problem(401, "caller-not-trusted");
    }
    let lines = log.end();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    assert!(lines.contains("127.0.0.1 is not a trusted proxy") && lines.contains("--trusted-proxy"), "{lines}");
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(server.get(path).await.status, 200);
    }
}

#[tokio::test]
async fn two_callers_never_share_an_idempotency_key() {
    let server = server(&[]).await;
    let add = |caller: &str, title: &str| {
        let body = serde_json::json!({ "title": title }).to_string();
        let request = server.request("POST", "/lists/bob/entries").header("idempotency-key", "k");
        request.header("x-user", caller).json_text(&body).response()
    };
    assert_eq!(add("ann", "tea").await.json()["id"], 1);
    assert_eq!(add("eve", "milk").await.json()["id"], 2);
    assert_eq!(add("ann", "tea").await.json()["id"], 1);
    add("ann", "milk").await.problem(422, "idempotency-key-reused");
}
