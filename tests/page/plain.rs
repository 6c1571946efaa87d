//! Pages for browsers without JavaScript.

use super::{browser, text};
use crate::support::{RequestExt, Server};

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_without_scripts_shows_lists_and_entries() {
    let server = Server::start().await;
    server.add("a & b", "Rake <all> leaves").await;
    server.post("/lists/a%20&%20b/entries", r#"{"title":"Dig","date":"2026-11-23","completed":true}"#).await;
    let lists = text(&server, "/plain").await;
    assert!(lists.contains("<li><a href=\"/plain/a%20%26%20b\">a &amp; b</a> (1 open of 2)</li>"), "{lists}");
    let entries = text(&server, "/plain/a%20&%20b?limit=1").await;
    assert!(
        entries.contains("<h1>a &amp; b</h1>") && entries.contains("<li>\u{2610} Rake &lt;all&gt; leaves</li>"),
        "{entries}"
    );
    assert!(entries.contains("<a rel=\"next\" href=\"?after=1&amp;limit=1\">"), "{entries}");
    let rest = text(&server, "/plain/a%20&%20b?after=1").await;
    assert!(
        rest.contains("<li>\u{2611} Dig <small>2026-11-23</small></li>") && !rest.contains("rel=\"next\""),
        "{rest}"
    );
    assert_eq!(text(&server, "/plain/a%20&%20b?after=1&or-after=0").await, rest);
    assert_eq!(server.get("/plain/none").await.status, 404);
    server.request("PUT", "/lists/c").json_text(r#"{"logic":"other"}"#).response().await;
    let other = text(&server, "/plain?logic=other").await;
    assert!(other.contains("/plain/c\"") && !other.contains("/plain/a%20"), "{other}");
    let first = text(&server, "/plain?logic=todo&limit=1").await;
    assert!(first.contains("/plain/a%20") && !first.contains("rel=\"next\""), "{first}");
    let first = text(&server, "/plain?limit=1").await;
    assert!(first.contains("<a rel=\"next\" href=\"?after=a%20%26%20b&amp;limit=1\">"), "{first}");
    let policy = server.get("/plain").await;
    assert_eq!(
        (policy.header("cache-control"), policy.header("content-type")),
        ("no-store", "text/html; charset=utf-8")
    );
    assert!(policy.header("content-security-policy").starts_with("default-src 'self'"));
    let Some(mut browser) = browser(320) else { return };
    browser.disable_scripts();
    browser.open(&server.url("/"));
    browser.wait_for("location.pathname === '/plain'");
    browser.wait_for("document.querySelector('li a').checkVisibility()");
}

#[tokio::test]
async fn the_files_of_the_page_are_compressed_and_each_form_has_its_tag() {
    let server = Server::start().await;
    for path in ["/", "/app.js", "/stream.js", "/style.css", "/favicon.svg"] {
        let plain = server.get(path).await;
        assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "accept-encoding"), "{path}");
        let mut tags = vec![plain.header("etag").to_owned()];
        for (coding, accepted) in [("br", "gzip, deflate, br, zstd"), ("gzip", "gzip")] {
            let get = || server.request("GET", path).header("accept-encoding", accepted);
            let response = get().send().await.expect("a response");
            assert_eq!(response.headers()["content-encoding"], coding, "{path}");
            let tag = response.headers()["etag"].to_str().expect("text").to_owned();
            let bytes = response.bytes().await.expect("a body");
            assert_eq!(decoded(coding, &bytes), plain.body, "{path}");
            assert!(path != "/app.js" || bytes.len() * 3 < plain.body.len(), "{coding}: {} bytes", bytes.len());
            let known = get().header("if-none-match", &tag).response().await;
            assert_eq!(
                (known.status.as_u16(), known.header("etag"), known.header("vary")),
                (304, &*tag, "accept-encoding")
            );
            let other = get().header("if-none-match", &tags[0]).send().await.expect("a response");
            assert_eq!(other.status(), 200, "the client has another form");
            tags.push(tag);
        }
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), 3, "{path}: {tags:?}");
    }
}

fn decoded(coding: &str, mut bytes: &[u8]) -> String {
    let mut text = Vec::new();
    if coding == "br" {
        brotli::BrotliDecompress(&mut bytes, &mut text).expect("it is brotli");
    } else {
        std::io::copy(&mut flate2::read::GzDecoder::new(bytes), &mut text).expect("it is gzip");
    }
    String::from_utf8(text).expect("text")
}
