//! The page: how it is served, whether its parts fit each other, and what a browser makes of it.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hotlist::web::Options;
use support::{Sending, Server};

/// A browser takes seconds to start on a busy machine, but not minutes.
const BROWSER_PATIENCE: Duration = Duration::from_secs(60);

/// What stands between two texts, wherever it does.
fn between<'a>(text: &'a str, before: &str, after: &str) -> BTreeSet<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split_once(after)).map(|(found, _)| found).collect()
}

async fn text(server: &Server, path: &str) -> String {
    let answer = server.get(path).await;
    assert_eq!(answer.status, 200, "{path}");
    answer.body
}

#[tokio::test]
async fn every_file_the_page_names_is_served_as_what_it_is() {
    let server = Server::start().await;
    let page = text(&server, "/").await;
    let mut named: Vec<_> = between(&page, " src=\"", "\"").into_iter().collect();
    named.extend(between(&page, " href=\"", "\"").into_iter().filter(|link| link.starts_with('/')));
    assert!(named.contains(&"/app.js") && named.contains(&"/style.css"), "{named:?}");
    for path in named {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let of_type = match Path::new(path).extension().and_then(|extension| extension.to_str()) {
            Some("js") => "text/javascript",
            Some("css") => "text/css",
            Some("json") => "application/json",
            other => panic!("{path} is of a type that this test does not know: {other:?}"),
        };
        assert!(answer.header("content-type").starts_with(of_type), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn the_tags_are_strong_and_save_the_way() {
    let server = Server::start().await;
    let mut tags = BTreeSet::new();
    for path in ["/", "/app.js", "/style.css"] {
        let answer = server.get(path).await;
        let tag = answer.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
        assert_eq!(answer.header("cache-control"), "no-cache");
        let again = server.ask("GET", path).header("if-none-match", &tag).answer().await;
        assert_eq!((again.status.as_u16(), again.body.as_str(), again.header("etag")), (304, "", tag.as_str()));
        let other = server.ask("GET", path).header("if-none-match", "\"other\"").answer().await;
        assert_eq!(other.status, 200);
        tags.insert(tag);
    }
    assert_eq!(tags.len(), 3, "a tag belongs to one content");
}

#[tokio::test]
async fn nothing_on_the_page_needs_more_than_its_policy_allows() {
    let server = Server::start().await;
    for path in ["/", "/app.js", "/style.css"] {
        let policy = server.get(path).await.header("content-security-policy").to_owned();
        assert_eq!(policy, "default-src 'self'; base-uri 'none'; frame-ancestors 'none'");
    }
    let page = text(&server, "/").await;
    assert_eq!(between(&page, "<script ", ">"), BTreeSet::from(["type=\"module\" src=\"/app.js\""]));
    for refused in ["<script>", "<style", " style=", " onclick=", " onload=", "javascript:", "http://", "https://"] {
        assert!(!page.contains(refused), "{refused}");
    }
    let script = text(&server, "/app.js").await;
    for refused in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http://", "https://"] {
        assert!(!script.contains(refused), "{refused}");
    }
    let style = text(&server, "/style.css").await;
    assert!(!style.contains("url(") && !style.contains("@import"));
}

#[tokio::test]
async fn what_the_script_looks_for_is_on_the_page() {
    let server = Server::start().await;
    let (page, script) = (text(&server, "/").await, text(&server, "/app.js").await);
    let ids: Vec<_> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let unique: BTreeSet<_> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "an id is there twice");
    let wanted = between(&script, "find(\"", "\")");
    assert!(wanted.len() > 20 && wanted.is_subset(&unique), "{:?}", wanted.difference(&unique));
    for (before, after) in [(" for=\"", "\""), (" aria-labelledby=\"", "\""), (" aria-controls=\"", "\"")] {
        let named = between(&page, before, after);
        assert!(named.is_subset(&unique), "{:?}", named.difference(&unique));
    }
}

#[tokio::test]
async fn every_part_of_the_page_is_short_enough_to_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("host/web/assets");
    let served = text(&Server::start().await, "/app.js").await;
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("a file").path();
        let source = std::fs::read_to_string(&path).expect("text");
        assert!(source.lines().count() < 500, "{}", path.display());
        if path.extension().is_some_and(|extension| extension == "js") {
            assert!(served.contains(&source), "{} is not served", path.display());
        }
    }
}

/// The document that a browser makes of a page, or nothing if there is no browser on this machine.
async fn document(url: String) -> Option<String> {
    let profile = tempfile::tempdir().expect("a directory");
    let of_profile = format!("--user-data-dir={}", profile.path().display());
    let quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
    let alone = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
    let mut command = Command::new("chromium");
    command.args(quiet).args(alone).args([&of_profile, "--virtual-time-budget=2000", "--dump-dom", &url]);
    let mut browser = match command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn() {
        Ok(browser) => browser,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("chromium: {error}"),
    };
    let output = browser.stdout.take().expect("it is piped");
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || sender.send(std::io::read_to_string(output)));
    let Ok(document) = tokio::time::timeout(BROWSER_PATIENCE, receiver).await else {
        browser.kill().expect("it can be ended");
        panic!("the browser did not come to an end");
    };
    browser.wait().expect("it ended");
    Some(document.expect("the thread does not panic").expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stderr, reason = "whoever runs the tests should know what was left out")]
async fn a_browser_shows_entries_and_no_title_is_markup() {
    // The browser's own time stands still while an answer is awaited, and a stream of events never
    // ends. Without streams the page shows what it read, which is what is looked at here.
    let server = Server::with(Options { max_event_streams: 0, ..Options::default() }).await;
    server.add("garden shed", "Sweep the path").await;
    server.add("garden shed", "<img src=x onerror=\"document.title='taken over'\">").await;
    server.post("/lists/garden%20shed/entries", r#"{"title":"Prune","fields":{"tags":["tree","wet"]}}"#).await;
    let Some(document) = document(server.url("/#garden%20shed")).await else {
        eprintln!("skipped: there is no chromium on this machine");
        return;
    };
    let entries = document.split("<li class=\"entry").count() - 1;
    assert_eq!(entries, 3, "{document}");
    assert!(document.contains(">Sweep the path</button>"), "{document}");
    assert!(document.contains("&lt;img src=x onerror="), "{document}");
    assert!(!document.contains("<img"), "{document}");
    assert!(document.contains("<title>garden shed · Hotlist</title>"), "{document}");
    assert!(document.contains(": tree, wet</span>"), "{document}");
    assert!(document.contains(">Todo 1.0.0</strong>"), "{document}");
    assert!(document.contains("3 open of 3"), "{document}");
}
