//! Pages of other origins, other hosts, and requests that a browser sends for them.

use hotlist::web::Options;

use crate::support::{RequestExt, Response, Server};

const APP: &str = "https://app.example";
const OTHER: &str = "https://other.example";

/// Requests that write, of every kind: method, path, and a JSON body if there is one.
const WRITES: [(&str, &str, &str); 9] = [
    ("POST", "/lists/bob/entries", r#"{"title":"x"}"#),
    ("PATCH", "/lists/bob/entries/1", r#"{"completed":true}"#),
    ("DELETE", "/lists/bob/entries/1", ""),
    ("DELETE", "/lists/bob/entries", ""),
    ("POST", "/lists/bob/commands/clear-completed", ""),
    ("POST", "/lists/bob/undo", ""),
    ("PUT", "/lists/eve", ""),
    ("DELETE", "/lists/bob", ""),
    ("PUT", "/logic/todo", ""),
];

async fn server(cors_origins: &[&str]) -> Server {
    let cors_origins = cors_origins.iter().map(|origin| origin.parse().expect("an origin")).collect();
    let server = Server::with(Options { cors_origins, ..Options::default() }).await;
    server.add("bob", "a").await;
    server
}

/// Sends a request with further headers.
async fn send(server: &Server, (method, path, body): (&str, &str, &str), headers: &[(&str, &str)]) -> Response {
    let request = server.request(method, path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    match body {
        "" => request.response().await,
        body => request.json_text(body).response().await,
    }
}

/// Asks whether a page may send a request, as a browser does.
async fn preflight(server: &Server, origin: &str, method: &str, path: &str) -> Response {
    let headers = [
        ("origin", origin),
        ("sec-fetch-site", "cross-site"),
        ("access-control-request-method", method),
        ("access-control-request-headers", "content-type,idempotency-key"),
    ];
    send(server, ("OPTIONS", path, ""), &headers).await
}

/// The names of CORS headers in a response.
fn cors_headers(response: &Response) -> Vec<&str> {
    response.headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with("access-control-")).collect()
}

#[tokio::test]
async fn without_an_allowed_origin_no_page_of_another_reads_or_writes() {
    let server = server(&[]).await;
    for path in ["/lists/bob/entries", "/lists/bob/entries/1", "/lists", "/logic"] {
        let response = send(&server, ("GET", path, ""), &[("origin", OTHER)]).await;
        assert_eq!(cors_headers(&response), [""; 0], "{path}");
        assert!(!response.header("vary").contains("origin"), "{path}: {response:?}");
        let response = preflight(&server, OTHER, "POST", path).await;
        response.problem(405, "method");
        assert_eq!(cors_headers(&response), [""; 0], "{path}");
    }
}

#[tokio::test]
async fn a_request_that_writes_is_refused_if_a_page_of_another_origin_sends_it() {
    let server = server(&[]).await;
    let own = format!("http://{}", server.address);
    let foreign: [&[(&str, &str)]; 8] = [
        &[("origin", OTHER)],
        &[("origin", "null")],
        &[("origin", "https://127.0.0.1")],
        &[("origin", &own.replace("http:", "https:"))],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site"), ("origin", &own)],
        &[("sec-fetch-site", "?"), ("origin", &own)],
    ];
    for write in WRITES {
        for headers in foreign {
            let response = send(&server, write, headers).await;
            let problem = response.problem(403, "cross-origin");
            assert_eq!(problem["carried_out"], "no", "{write:?}");
            assert_eq!(problem["field"].as_str().map(str::to_lowercase).as_deref(), Some(headers[0].0), "{problem}");
            assert_eq!(cors_headers(&response), [""; 0]);
        }
    }
    assert_eq!(server.get("/lists/bob").await.json()["revision"], 1);
    // Reading changes nothing, and a page of another origin does not get to see the response.
    assert_eq!(send(&server, ("GET", "/lists/bob", ""), &[("sec-fetch-site", "cross-site")]).await.status, 200);
    let ours: [&[(&str, &str)]; 5] = [
        &[],
        &[("origin", &own)],
        &[("sec-fetch-site", "same-origin"), ("origin", &own)],
        &[("sec-fetch-site", "none")],
        &[("origin", "http://LOCALHOST:1"), ("host", "localhost:1")],
    ];
    for (number, headers) in ours.into_iter().enumerate() {
        let response = send(&server, WRITES[0], headers).await;
        assert_eq!((response.status.as_u16(), &response.json()["id"]), (201, &(number + 2).into()), "{headers:?}");
    }
}

#[tokio::test]
async fn behind_a_proxy_the_page_has_the_origin_of_the_public_url() {
    let public_url = Some("https://todo.example/".parse().expect("a URL"));
    let caller_header = Some("x-user".parse().expect("a header"));
    let server = Server::with(Options { public_url, caller_header, ..Options::default() }).await;
    let from = async |origin: &str| {
        let headers = [("x-user", "ann"), ("host", "todo.example"), ("origin", origin)];
        send(&server, WRITES[0], &headers).await
    };
    let response = from("https://todo.example").await;
    assert_eq!(response.json()["url"], "https://todo.example/lists/bob/entries/1");
    from("https://todo.example").await;
    // All links begin with the public URL.
    for path in ["/lists/bob/entries?limit=1", "/lists/bob/history?limit=1"] {
        let request = server.request("GET", path).header("x-user", "ann").header("host", "todo.example");
        let page = request.response().await;
        let start = format!("<https://todo.example{path}").replace("?limit=1", "?after=1&limit=1>; rel=\"next\"");
        assert_eq!(page.header("link"), start);
    }
    for other in ["https://todo.example:8443", "http://todo.example"] {
        from(other).await.problem(403, "cross-origin");
    }
    // A name that an attacker made resolve to the proxy does not reach the header's caller.
    let rebound = [("x-user", "ann"), ("host", "rebound.example"), ("sec-fetch-site", "same-origin")];
    send(&server, WRITES[5], &rebound).await.problem(421, "host");
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_uses_everything_without_cookies() {
    let server = server(&[APP, "http://localhost:3000"]).await;
    let page = [("origin", APP), ("sec-fetch-site", "cross-site")];
    for write in WRITES {
        let asked = preflight(&server, APP, write.0, write.1).await;
        assert_eq!((asked.status.as_u16(), asked.header("access-control-allow-origin")), (204, APP), "{write:?}");
        assert!(asked.header("access-control-allow-methods").contains(write.0));
        assert!(asked.header("access-control-allow-headers").contains("content-type"));
        assert_eq!(asked.header("vary"), "origin");
        let response = send(&server, write, &page).await;
        assert_ne!(response.status, 403, "{write:?}");
        assert_eq!(response.header("access-control-allow-origin"), APP);
    }
    // It also sees what went wrong.
    let response = send(&server, ("GET", "/lists/unknown", ""), &page).await;
    response.problem(404, "list-not-found");
    assert_eq!(response.header("access-control-allow-origin"), APP);
    let response = send(&server, ("GET", "/lists/bob/entries", ""), &page).await;
    let exposed = response.header("access-control-expose-headers");
    assert!(["etag", "location", "link", "hotlist-logic"].iter().all(|name| exposed.contains(name)), "{exposed}");
    assert_eq!((response.header("access-control-allow-credentials"), response.header("vary")), ("", "origin"));
    // Other pages, and clients without one, get what they would get otherwise. Caches are told that it depends.
    for headers in [&[("origin", OTHER)][..], &[("origin", "null")], &[("origin", "https://app.example.evil")], &[]] {
        let response = send(&server, ("GET", "/lists/bob/entries", ""), headers).await;
        assert_eq!((cors_headers(&response), response.header("vary")), (vec![], "origin"), "{headers:?}");
    }
    preflight(&server, OTHER, "POST", "/lists/bob/entries").await.problem(405, "method");
    send(&server, WRITES[0], &[("origin", OTHER)]).await.problem(403, "cross-origin");
}

#[tokio::test]
async fn a_todo_backend_client_of_any_origin_uses_the_entries_and_nothing_else_if_all_are_allowed() {
    let server = server(&["*"]).await;
    for (method, path, body) in [
        ("POST", "/lists/bob/entries", r#"{"title":"b"}"#),
        ("GET", "/lists/bob/entries", ""),
        ("GET", "/lists/bob/entries/2", ""),
        ("PATCH", "/lists/bob/entries/2", r#"{"completed":true,"order":7}"#),
        ("DELETE", "/lists/bob/entries/2", ""),
        ("DELETE", "/lists/bob/entries", ""),
    ] {
        let asked = preflight(&server, OTHER, method, path).await;
        assert_eq!((asked.status.as_u16(), asked.header("access-control-allow-origin")), (204, "*"), "{method} {path}");
        for origin in [OTHER, "null"] {
            let headers = [("origin", origin), ("sec-fetch-site", "cross-site")];
            let response = send(&server, (method, path, body), &headers).await;
            assert_ne!(response.status, 403, "{method} {path}");
            assert_eq!(response.header("access-control-allow-origin"), "*");
            assert_eq!((response.header("access-control-allow-credentials"), response.header("vary")), ("", "origin"));
        }
    }
    for path in ["/logic/todo", "/logic", "/lists/bob", "/lists", "/lists/bob/commands/x", "/lists/bob/undo", "/"] {
        let response = preflight(&server, OTHER, "PUT", path).await;
        response.problem(405, "method");
        assert_eq!(cors_headers(&response), [""; 0], "{path}");
    }
    for write in &WRITES[4..] {
        send(&server, *write, &[("origin", OTHER)]).await.problem(403, "cross-origin");
    }
}

#[tokio::test]
async fn a_preflight_needs_no_caller_because_a_browser_asks_without_credentials() {
    let caller_header = Some("x-user".parse().expect("a header"));
    let cors_origins = vec![APP.parse().expect("an origin")];
    let server = Server::with(Options { caller_header, cors_origins, ..Options::default() }).await;
    assert_eq!(preflight(&server, APP, "POST", "/lists/bob/entries").await.status, 204);
    let response = send(&server, ("GET", "/lists/bob/entries", ""), &[("origin", APP)]).await;
    response.problem(403, "caller-missing");
    assert_eq!(response.header("access-control-allow-origin"), APP);
}

#[tokio::test]
async fn a_request_for_another_host_is_refused_in_every_mode() {
    let public_url = Some("https://todo.example".parse().expect("a URL"));
    let caller_header = Some("x-user".parse().expect("a header"));
    for options in [
        Options { public_url, ..Options::default() },
        Options { caller_header, ..Options::default() },
        Options { cors_origins: vec!["*".parse().expect("all")], ..Options::default() },
    ] {
        let has_name = options.public_url.is_some();
        let server = Server::with(options).await;
        let ask = |path: &str, host: &str| {
            server.request("GET", path).header("host", host).header("x-user", "ann").response()
        };
        for own in ["127.0.0.1", "192.0.2.7:80", "[::1]:80", "localhost", "LocalHost:8080", "todo.localhost"] {
            assert_eq!(ask("/lists", own).await.status, 200, "{own}");
        }
        let long = |bytes| format!("{}.localhost", "a".repeat(bytes - ".localhost".len()));
        assert_eq!(ask("/livez", &long(255)).await.status, 200);
        ask("/livez", &long(256)).await.problem(400, "header");
        for path in ["/lists", "/livez", "/readyz", "/metrics", "/", "/nope"] {
            for other in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "todo.example.evil"] {
                assert_eq!(ask(path, other).await.problem(421, "host")["field"], "Host", "{path} {other}");
            }
        }
        for host in ["todo.example", "TODO.example:8080"] {
            assert_eq!(ask("/lists", host).await.status, if has_name { 200 } else { 421 }, "{host}");
        }
    }
}

#[tokio::test]
async fn the_authority_of_http_2_and_of_a_full_url_is_the_host() {
    let server = Server::start().await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge();
    let client = client.resolve("evil.example", server.address).build().expect("a client");
    let url = |host: &str| format!("http://{host}:{}/livez", server.address.port());
    assert_eq!(client.get(url("127.0.0.1")).response().await.status, 200);
    let response = client.get(url("evil.example")).response().await;
    response.problem(421, "host");
    for (line, host, status) in [
        ("GET http://evil.example/livez HTTP/1.1", "Host: localhost\r\n", 421),
        ("GET http://localhost/livez HTTP/1.1", "Host: evil.example\r\n", 200),
        ("GET /livez HTTP/1.1", "", 400),
        // A probe of old.
        ("GET /livez HTTP/1.0", "", 200),
        ("GET /livez HTTP/1.0", "Host: evil.example\r\n", 421),
    ] {
        let response = server.send_raw(format!("{line}\r\n{host}Connection: close\r\n\r\n").as_bytes()).await;
        let begins = [1, 0].map(|minor| format!("HTTP/1.{minor} {status} "));
        assert!(begins.iter().any(|begin| response.starts_with(begin)), "{line}: {response}");
    }
}
