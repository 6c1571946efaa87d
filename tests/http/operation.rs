//! Health, metrics, the page, and stopping a server.

use hotlist::store::StoreError;
use hotlist::web::Options;
use tokio::net::TcpStream;

use crate::support::{RequestExt, Server, WAIT_TIMEOUT};

#[tokio::test]
async fn a_server_is_always_alive_and_ready_until_it_stops() {
    let server = Server::start().await;
    assert_eq!(server.get("/livez").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 200);
    let metrics = server.get("/metrics").await.body;
    for component in ["store", "wake-ups", "loader"] {
        let up = format!(r#"hotlist_component_up{{component="{component}"}} 1"#);
        assert!(metrics.contains(&up), "{metrics}");
    }
    server.services.readiness.drain();
    assert_eq!(server.get("/livez").await.status, 200);
    server.get("/readyz").await.problem(503, "not-ready");
    server.services.readiness.ready();
    server.get("/readyz").await.problem(503, "not-ready");
}

#[tokio::test]
async fn a_server_whose_store_takes_no_writes_is_alive_and_not_ready() {
    let server = Server::start().await;
    let up = r#"hotlist_component_up{component="store"} 1"#;
    assert!(server.get("/metrics").await.body.contains(up));
    let (what, why) = ("write /secret/path".to_owned(), "disk on fire".to_owned());
    server.store.fail_next_commit(StoreError::Unknown { what, why });
    server.post("/lists/bob/entries", r#"{"title":"a"}"#).await.problem(500, "outcome-unknown");
    let problem = server.get("/readyz").await.problem(503, "not-ready");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("store failed")), "{problem}");
    assert!(!problem.to_string().contains("secret"), "{problem}");
    let down = r#"hotlist_component_up{component="store"} 0"#;
    assert!(server.get("/metrics").await.body.contains(down));
    assert_eq!(server.get("/livez").await.status, 200);
    server.store.mend();
    assert_eq!(server.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn the_metrics_distinguish_routes_but_not_lists() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    server.add("alice", "a").await;
    let response = server.get("/metrics").await;
    assert!(response.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    let line = r#"hotlist_requests_total{route="/lists/{list}/entries",method="POST",status="2xx"} 2"#;
    assert!(response.body.contains(line), "{}", response.body);
    assert!(response.body.contains(
        r#"hotlist_logic_commands_total{logic="todo",version="1.0.0",digest="abababab",outcome="accepted"} 2"#
    ));
    assert!(response.body.contains("hotlist_resident_lists 2"));
    assert!(!response.body.contains("alice"));
}

#[tokio::test]
async fn the_page_is_served_with_tags_and_a_policy() {
    let server = Server::start().await;
    for (path, of_type) in [
        ("/", "text/html"),
        ("/app.js", "text/javascript"),
        ("/stream.js", "text/javascript"),
        ("/style.css", "text/css"),
    ] {
        let response = server.get(path).await;
        assert!(response.status == 200 && response.header("content-type").starts_with(of_type), "{response:?}");
        let policy = response.header("content-security-policy");
        for directive in ["default-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(policy.split("; ").any(|one| one == directive), "{policy}");
        }
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-cache"),
        ] {
            assert_eq!(response.header(name), value, "{path} {name}");
        }
        let tag = response.header("etag").to_owned();
        assert_eq!(server.request("GET", path).header("if-none-match", tag).response().await.status, 304);
    }
    // What other sites add to links.
    assert_eq!(server.get("/?utm_source=x&fbclid=y").await.status, 200);
}

#[tokio::test]
async fn no_browser_keeps_what_a_list_holds_or_gives_it_to_another_page() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    for path in
        ["/lists", "/lists/bob", "/lists/bob/entries", "/lists/bob/history", "/lists/bob/entries/7", "/logic", "/livez"]
    {
        let response = server.get(path).await;
        assert_eq!(response.header("cache-control"), "no-store", "{path}");
        assert_eq!(response.header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{path}");
    }
    // A client that keeps a copy itself still gets to know that it is current.
    let tag = server.get("/lists/bob/entries").await.header("etag").to_owned();
    let again = server.request("GET", "/lists/bob/entries").header("if-none-match", &tag).response().await;
    assert_eq!((again.status.as_u16(), again.header("etag")), (304, tag.as_str()));
    assert_eq!(again.header("cache-control"), "no-store");
    let written = server.post("/lists/bob/entries", r#"{"title":"b"}"#).await;
    assert_eq!((written.status.as_u16(), written.header("cache-control")), (201, "no-store"));
}

#[tokio::test]
async fn urls_begin_with_the_public_url_if_there_is_one() {
    let public_url = Some("https://todo.example".parse().expect("a URL"));
    let server = Server::with(Options { public_url, ..Options::default() }).await;
    assert_eq!(
        server.add("a/b".replace('/', "%2F").as_str(), "x").await["url"],
        "https://todo.example/lists/a%2Fb/entries/1"
    );
}

#[tokio::test]
async fn a_client_that_starts_with_http_2_gets_http_2() {
    let server = Server::start().await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().expect("a client");
    let url = server.url("/lists/bob/entries");
    let response = client.post(&url).header("content-type", "application/json").body(r#"{"title":"a"}"#).send().await;
    let response = response.expect("a response");
    assert_eq!((response.version(), response.status().as_u16()), (reqwest::Version::HTTP_2, 201));
    let entry: serde_json::Value = response.json().await.expect("JSON");
    assert_eq!(entry["url"], server.url("/lists/bob/entries/1"));
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_stopping_server_finishes_what_it_has_begun_and_takes_nothing_new() {
    let server = Server::start().await;
    server.store.hold_commits();
    let add = server.request("POST", "/lists/bob/entries").json_text(r#"{"title":"a"}"#);
    let add = tokio::spawn(add.response());
    server.wait_for_held_commit().await;
    server.shutdown.cancel();
    // The server closes its listener when it accepts no more connections.
    let closed = async { while TcpStream::connect(server.address).await.is_ok() {} };
    tokio::time::timeout(WAIT_TIMEOUT, closed).await.expect("the listener closes");
    server.store.release();
    let response = add.await.expect("it does not panic");
    assert_eq!((response.status.as_u16(), response.header("connection")), (201, "close"));
    server.stop().await;
}

#[tokio::test]
async fn a_stopping_server_waits_for_no_request_longer_than_its_limit() {
    let drain_limit = std::time::Duration::from_millis(50);
    let server = Server::with(Options { drain_limit, ..Options::default() }).await;
    server.store.hold_commits();
    let add = tokio::spawn(server.request("POST", "/lists/bob/entries").json_text(r#"{"title":"a"}"#).send());
    server.wait_for_held_commit().await;
    server.stop().await;
    let broken = tokio::time::timeout(WAIT_TIMEOUT, add).await.expect("it ends").expect("it does not panic");
    assert!(broken.is_err(), "the connection was to be dropped");
}
