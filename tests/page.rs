//! The page: its files as served, the consistency of its parts, and its behaviour in a browser.

mod support;

#[path = "page/edits.rs"]
mod edits;
#[path = "page/errors.rs"]
mod errors;
#[path = "page/live.rs"]
mod live;
#[path = "page/long_lists.rs"]
mod long_lists;
#[path = "page/plain.rs"]
mod plain;
#[path = "page/switching.rs"]
mod switching;
#[path = "page/todomvc.rs"]
mod todomvc;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use support::browser::Browser;
use support::logic::TestLogic;
use support::{NOON, RequestExt, Server};

/// All texts between `before` and `after`.
fn between<'a>(text: &'a str, before: &str, after: &str) -> BTreeSet<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split_once(after)).map(|(found, _)| found).collect()
}

async fn text(server: &Server, path: &str) -> String {
    let response = server.get(path).await;
    assert_eq!(response.status, 200, "{path}");
    response.body
}

#[tokio::test]
async fn every_file_the_page_names_is_served_with_its_media_type() {
    let server = Server::start().await;
    let page = text(&server, "/").await;
    let mut named: Vec<_> = between(&page, " src=\"", "\"").into_iter().collect();
    named.extend(between(&page, " href=\"", "\"").into_iter().filter(|link| link.starts_with('/')));
    assert!(named.contains(&"/app.js") && named.contains(&"/style.css"), "{named:?}");
    for path in named {
        let response = server.get(path).await;
        assert_eq!(response.status, 200, "{path}");
        let of_type = match Path::new(path).extension().and_then(|extension| extension.to_str()) {
            Some("js") => "text/javascript",
            Some("css") => "text/css",
            Some("svg") => "image/svg+xml",
            Some("json") => "application/json",
            None if path == "/plain" => "text/html",
            other => panic!("{path} has an extension that this test does not know: {other:?}"),
        };
        assert!(response.header("content-type").starts_with(of_type), "{path}: {response:?}");
    }
}

#[tokio::test]
async fn etags_are_strong_and_answer_conditional_requests() {
    let server = Server::start().await;
    let mut tags = BTreeSet::new();
    for path in ["/", "/app.js", "/stream.js", "/style.css", "/favicon.svg"] {
        let response = server.get(path).await;
        let tag = response.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
        assert_eq!(response.header("cache-control"), "no-cache");
        let again = server.request("GET", path).header("if-none-match", &tag).response().await;
        assert_eq!((again.status.as_u16(), again.body.as_str(), again.header("etag")), (304, "", tag.as_str()));
        let other = server.request("GET", path).header("if-none-match", "\"other\"").response().await;
        assert_eq!(other.status, 200);
        tags.insert(tag);
    }
    assert_eq!(tags.len(), 5, "each file has an etag of its own");
}

#[tokio::test]
async fn nothing_on_the_page_needs_more_than_its_policy_allows() {
    let server = Server::start().await;
    for path in ["/", "/app.js", "/stream.js", "/style.css"] {
        let policy = server.get(path).await.header("content-security-policy").to_owned();
        assert_eq!(policy, "default-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
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
async fn every_element_the_script_finds_is_on_the_page() {
    let server = Server::start().await;
    let (page, script) = (text(&server, "/").await, text(&server, "/app.js").await);
    let ids: Vec<_> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let unique: BTreeSet<_> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "an id is used twice");
    let wanted = between(&script, "find(\"", "\")");
    assert!(wanted.len() > 20 && wanted.is_subset(&unique), "{:?}", wanted.difference(&unique));
    for (before, after) in [(" for=\"", "\""), (" aria-labelledby=\"", "\""), (" aria-controls=\"", "\"")] {
        let named = between(&page, before, after);
        assert!(named.is_subset(&unique), "{:?}", named.difference(&unique));
    }
}

#[tokio::test]
async fn every_script_of_the_page_is_under_300_lines_and_served() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("host/web/assets");
    let server = Server::start().await;
    let served = text(&server, "/app.js").await + &text(&server, "/stream.js").await;
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("a file").path();
        let source = std::fs::read_to_string(&path).expect("text");
        let limit = if path.extension().is_some_and(|extension| extension == "js") { 300 } else { 500 };
        assert!(source.lines().count() < limit, "{}", path.display());
        if path.extension().is_some_and(|extension| extension == "js") {
            assert!(served.contains(&source), "{} is not served", path.display());
        }
    }
}

/// Starts a browser. Prints a line and returns `None` on a machine without one.
fn browser(width: u32) -> Option<Browser> {
    let browser = Browser::start(width);
    if browser.is_none() {
        // The test harness captures the output of the print macros when a test passes, but not this.
        let _ = writeln!(std::io::stderr(), "skipped a test of the page: chromium is not installed, or not wanted");
    }
    browser
}

const ENTRIES: &str = "[...document.querySelectorAll('.entry')]";

/// JavaScript expression for the entry with that title.
fn entry(title: &str) -> String {
    format!("{ENTRIES}.find((entry) => entry.querySelector('.title').textContent === '{title}')")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_entries_and_no_title_is_markup() {
    let server = Server::start().await;
    server.add("garden shed", "Sweep the path").await;
    server.add("garden shed", "<img src=x onerror=\"document.title='hacked'\">").await;
    server.post("/lists/garden%20shed/entries", r#"{"title":"Prune","fields":{"tags":["tree","wet"]}}"#).await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.open(&server.url("/#garden%20shed"));
    browser.wait_for(&format!("{ENTRIES}.length === 3"));
    browser.wait_for("document.querySelector('#live').dataset.state === 'live'");
    let document = browser.value("document.documentElement.outerHTML");
    let document = document.as_str().expect("text");
    assert!(document.contains(">Sweep the path</button>"), "{document}");
    assert!(document.contains("&lt;img src=x onerror="), "{document}");
    assert!(!document.contains("<img"), "{document}");
    assert!(document.contains("<title>garden shed · Hotlist</title>"), "{document}");
    assert!(document.contains(": tree, wet</span>"), "{document}");
    assert!(document.contains(">Todo 1.0.0</strong>"), "{document}");
    assert!(document.contains(">3 items left<"), "{document}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_for_an_entry_is_at_the_entry_and_so_is_its_refusal() {
    let server = Server::start().await;
    server.add("shed", "Sweep").await;
    server.add("shed", "Prune").await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.open(&server.url("/#shed"));
    browser.wait_for(&format!("{}.querySelectorAll('.own button').length === 2", entry("Prune")));
    assert_eq!(
        browser.value("document.querySelectorAll('#commands button').length"),
        3,
        "the other commands stay above the list"
    );
    let finish = format!("{}.querySelector('[data-command=finish]')", entry("Prune"));
    assert_eq!(browser.value(&format!("{finish}.ariaLabel")), "finish: Prune");
    browser.value(&format!("{finish}.focus()"));
    browser.press("Enter");
    browser.wait_for(&format!("{}.classList.contains('done')", entry("Prune")));
    assert_eq!(browser.value(&format!("document.activeElement === {finish}")), true, "the focus stays");
    browser.wait_for(&format!("{}.ariaBusy === 'false'", entry("Prune")));
    browser.press("Enter");
    browser.wait_for(&format!("{}.querySelector('.problem')", entry("Prune")));
    let problems = browser.value("[...document.querySelectorAll('.problem')].map((problem) => problem.textContent)");
    assert_eq!(problems, serde_json::json!(["It was done already."]));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_chosen_from_the_open_ones_and_shown_by_their_titles() {
    let server = Server::start().await;
    for title in ["Sweep", "Prune", "Rake", "Rest"] {
        server.add("shed", title).await;
    }
    server.post("/lists/shed/commands/finish", r#"{"entry":3}"#).await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.open(&server.url("/#shed"));
    browser.wait_for(&format!("{}.querySelector('[data-command=do-after]')", entry("Rest")));
    browser.value(&format!("{}.querySelector('[data-command=do-after]').click()", entry("Rest")));
    let options = "[...document.querySelectorAll('dialog [data-name=others] label')]";
    browser.wait_for(&format!("{options}.length > 0"));
    let offered = browser.value(&format!("{options}.map((option) => option.textContent)"));
    assert_eq!(offered, serde_json::json!(["Sweep", "Prune"]), "neither completed entries nor the entry itself");
    // Another client adds an entry while the dialog is open. The choice is kept.
    browser.value(&format!("{options}[1].click()"));
    server.add("shed", "Dig").await;
    browser.wait_for(&format!("{options}.length === 3"));
    browser.value("document.querySelector('#dialog-confirm').click()");
    browser.wait_for("!document.querySelector('dialog').open");
    let facts = format!("{}.querySelector('.facts').textContent", entry("Rest"));
    browser.wait_for(&format!("{facts} === 'after: “Prune”'"));
    // Another client renames and completes the chosen entry. It stays among the options.
    server.request("PATCH", "/lists/shed/entries/2").json_text(r#"{"title":"Cut","completed":true}"#).response().await;
    browser.wait_for(&format!("{facts} === 'after: “Cut”'"));
    browser.value(&format!("{}.querySelector('.title').click()", entry("Rest")));
    let after = format!("[...{}.querySelectorAll('[data-name=after] label')]", entry("Rest"));
    let chosen = format!("{after}.filter((one) => one.control.checked).map((one) => one.textContent)");
    assert_eq!(browser.value(&chosen), serde_json::json!(["Cut (done)"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_has_an_address_and_shows_counts_and_limits() {
    let server = Server::start().await;
    server.add("shed", "Sweep").await;
    server.add("shed", "Prune").await;
    server.add("shed", "Rake").await;
    server.post("/lists/shed/commands/finish", r#"{"entry":2}"#).await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.open(&server.url("/#shed/open-first"));
    browser.wait_for(&format!("{ENTRIES}.length === 3"));
    let headings = browser.value("[...document.querySelectorAll('#entries h2')].map((made) => made.innerText)");
    assert_eq!(headings, serde_json::json!(["OPEN\n2 of 3", "DONE\n1\nLast done: 2"]));
    assert_eq!(browser.value("document.querySelector('#views [aria-current]').textContent"), "open-first");
    let side_by_side = "new Set([...document.querySelectorAll('#entries section')].map((made) => made.offsetTop)).size";
    assert_eq!(browser.value(side_by_side), 1);
    browser.value(&format!("{}.querySelector('[data-command=finish]').focus()", entry("Sweep")));
    browser.press(" ");
    browser.wait_for(&format!("{}.classList.contains('done')", entry("Sweep")));
    let focused = "document.activeElement.closest('.entry').querySelector('.title').textContent";
    assert_eq!(browser.value(focused), "Sweep", "the focus follows the entry into the other group");
    browser.value("document.querySelector('#views a').click()");
    browser.wait_for("document.querySelectorAll('#entries section').length === 1");
    assert_eq!(browser.value("location.hash"), "#shed");
    browser.value("history.back()");
    browser.wait_for("document.querySelectorAll('#entries section').length === 2");
    browser.open(&server.url("/#shed/of-other-rules"));
    browser.wait_for("location.hash === '#shed'");
    browser.wait_for("document.querySelectorAll('#entries section').length === 1");
}

const UNDO: &str = "document.querySelector('.toast[data-id=undo] button')";

/// Waits until the page offers to undo something. The event of the change may come before the response to its request.
#[track_caller]
fn wait_for_undo_of(browser: &mut Browser, what: &str) {
    browser
        .wait_for(&format!("{UNDO}.textContent === 'Undo' && {UNDO}.parentNode.firstChild.textContent === '{what}'"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_can_be_undone_from_its_toast_or_by_keyboard() {
    let server = Server::start().await;
    server.add("shed", "Sweep").await;
    server.add("shed", "Prune").await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.open(&server.url("/#shed"));
    browser.wait_for(&format!("{}.querySelector('.remove')", entry("Sweep")));
    browser.value(&format!("{}.querySelector('.remove').click()", entry("Sweep")));
    browser.wait_for(&format!("{ENTRIES}.length === 1"));
    wait_for_undo_of(&mut browser, "“Sweep” was deleted.");
    assert_eq!(browser.value(&format!("{UNDO}.closest('[aria-live]').ariaLive")), "polite");
    // By keyboard: the focus is on the remaining entry, not in a text control.
    browser.press("Control+z");
    browser.wait_for(&format!("{ENTRIES}.length === 2"));
    browser.wait_for("document.activeElement.ariaLabel === 'Completed: Sweep'");
    assert_eq!(browser.value(UNDO), serde_json::Value::Null, "an undo is offered once");
    browser.press(" ");
    browser.wait_for(&format!("{}.classList.contains('done')", entry("Sweep")));
    wait_for_undo_of(&mut browser, "“Sweep” was completed.");
    server.request("PATCH", "/lists/shed/entries/1").json_text(r#"{"title":"Sweep well"}"#).response().await;
    browser.value(&format!("{UNDO}.click()"));
    browser.wait_for("document.querySelector('.toast[data-id=undo]')?.textContent.includes('was renamed since')");
    // Commands of the logic are undone in the same way.
    browser.value("[...document.querySelectorAll('#commands button')][0].click()");
    browser.wait_for(&format!("{ENTRIES}.length === 1"));
    browser.wait_for(&format!("{UNDO}?.textContent === 'Undo'"));
    browser.value(&format!("{UNDO}.click()"));
    browser.wait_for(&format!("{ENTRIES}.length === 2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_undoes_revisions_and_marks_undone_ones() {
    let server = Server::start().await;
    server.add("shed", "Sweep").await;
    server.request("DELETE", "/lists/shed/entries/1").response().await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.open(&server.url("/#shed"));
    browser.wait_for("document.querySelector('#empty').textContent.startsWith('No entries yet')");
    browser.value("document.querySelector('#history-open').click()");
    let rows = "[...document.querySelectorAll('#revisions li')]";
    browser.wait_for(&format!("{rows}.length === 2"));
    browser.value(&format!("{rows}[1].querySelector('button').click()"));
    browser.wait_for(&format!("{rows}[1].querySelector('.problem')"));
    let expected = "revision 1 cannot be taken back: entry 1 was deleted since; revision 2 was the last to change it";
    assert_eq!(browser.value(&format!("{rows}[1].querySelector('.problem').textContent")), expected);
    browser.value(&format!("{rows}[0].querySelector('button').focus()"));
    assert_eq!(browser.value("document.activeElement.ariaLabel"), "Undo revision 2: anonymous deleted “Sweep”");
    browser.press("Enter");
    browser.wait_for(&format!("{rows}.length === 3"));
    let sentences = browser.value(&format!("{rows}.map((row) => row.querySelector('p').textContent)"));
    let newest = "anonymous undid revision 2: restored “Sweep”";
    assert_eq!(sentences, serde_json::json!([newest, "anonymous deleted “Sweep”", "anonymous added “Sweep”"]));
    assert_eq!(browser.value(&format!("{rows}[1].className")), "undone");
    assert_eq!(browser.value(&format!("{rows}[1].querySelector('button')")), serde_json::Value::Null);
    browser.wait_for(&format!("{ENTRIES}.length === 1"));
    browser.wait_for(&format!("document.activeElement === {rows}[0].querySelector('button')"));
    browser.press("Enter");
    browser.wait_for(&format!("{rows}.length === 4 && !{rows}[2].className && {ENTRIES}.length === 0"));
}

/// Names that properties of a form or of any object have.
const PROPERTIES: [&str; 8] = ["append", "reset", "submit", "elements", "action", "remove", "contains", "constructor"];

#[tokio::test(flavor = "multi_thread")]
async fn a_field_may_have_the_name_of_a_property_of_forms() {
    let server = Server::start().await;
    let rules = TestLogic::with_text_fields("properties", "1.0.0", &PROPERTIES);
    server.services.registry.publish(Box::new(rules), "for the test", NOON);
    server.request("PUT", "/lists/shed").json_text(r#"{"logic":"properties"}"#).response().await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.open(&server.url("/#shed"));
    browser.wait_for("document.querySelectorAll('#add-fields input').length === 8");
    let enter = |browser: &mut Browser, title: &str| {
        browser.value(&format!("document.querySelector('#title').value = '{title}'"));
        browser.value("document.querySelectorAll('#add-fields input').forEach((input) => { input.value = 'x'; })");
        browser.value("document.querySelector('#add button.primary').click()");
    };
    // A refusal is appended to the form, and the form is reset once the entry is added.
    enter(&mut browser, "too much");
    browser.wait_for("document.querySelector('#add > .problem').textContent === 'Doing is full (3/3)'");
    enter(&mut browser, "Sweep");
    browser.wait_for(&format!("{ENTRIES}.length === 1"));
    browser.wait_for("document.querySelector('#add').ariaBusy === 'false'");
    assert_eq!(browser.value("document.querySelector('#title').value"), "");
    let entered = server.get("/lists/shed/entries/1").await.json()["fields"].clone();
    assert_eq!(entered, PROPERTIES.iter().map(|name| (*name, "x")).collect::<serde_json::Value>());
    // The editor sends the field that differs, and closes.
    browser.value(&format!("{}.querySelector('.title').click()", entry("Sweep")));
    let field = format!("{}.querySelector('[data-name=append]')", entry("Sweep"));
    browser.wait_for(&format!("{field}.value === 'x'"));
    browser.value(&format!("{field}.value = 'y'"));
    browser.value(&format!("{}.querySelector('form button.primary').click()", entry("Sweep")));
    browser.wait_for("!document.querySelector('.entry form')");
    let changed = &server.get("/lists/shed/entries/1").await.json()["fields"];
    assert_eq!((&changed["append"], &changed["reset"]), (&"y".into(), &"x".into()));
    // An entry without values has none that all objects have.
    server.post("/lists/shed/entries", r#"{"title":"Rest"}"#).await;
    browser.wait_for(&format!("{ENTRIES}.length === 2"));
    browser.value(&format!("{}.querySelector('.title').click()", entry("Rest")));
    let values = format!("[...{}.querySelectorAll('form .fields input')].map((input) => input.value)", entry("Rest"));
    assert_eq!(browser.value(&values), serde_json::json!(vec![""; PROPERTIES.len()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_list_shows_its_pin() {
    let server = Server::start().await;
    server.request("PUT", "/lists/shed").json_text(r#"{"logic":"todo@1.0"}"#).response().await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.open(&server.url("/#shed"));
    let summary = "document.querySelector('#rules summary').textContent";
    browser.wait_for(&format!("{summary} === 'Rules: Todo 1.0.0 abababab · pinned to version 1.0'"));
    server.request("PUT", "/lists/shed").json_text(r#"{"logic":"todo"}"#).response().await;
    browser.wait_for(&format!("{summary} === 'Rules: Todo 1.0.0 abababab '"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_pinned_to_an_old_version_is_drawn_by_its_description() {
    let server = Server::start().await;
    server.request("PUT", "/lists/board").json_text(r#"{"logic":"kanban@1.0.0"}"#).response().await;
    server.add("board", "Write").await;
    let Some(mut browser) = browser(1_280) else { return };
    let views = "document.querySelector('#views').textContent";
    let columns = "[...document.querySelectorAll('#list.board h2')].map((one) => one.firstChild.textContent).join()";
    browser.open(&server.url("/#board/board"));
    browser.wait_for(&format!("{columns} === 'To do,Doing,Done'"));
    // Other rules of the name are live now, which have no board. The page is open, and is loaded again.
    let rules = TestLogic::new("kanban", "2.0.0").with_digest(2);
    server.services.registry.publish(Box::new(rules), "for the test", NOON + 1);
    browser.wait_for("document.querySelector('#logics').innerText.includes('Todo (kanban) 2.0.0')");
    for _ in 0..2 {
        browser.wait_for(&format!("{columns} === 'To do,Doing,Done' && {views} === 'AllBoard'"));
        browser.wait_for("document.querySelector('#rules-name').textContent === 'Kanban 1.0.0'");
        browser.wait_for(
            "[...document.querySelectorAll('#add-fields label')].some((one) => one.textContent === 'Column')",
        );
        assert_eq!(browser.value("location.hash"), "#board/board");
        browser.open("about:blank");
        browser.open(&server.url("/#board/board"));
    }
    server.request("PUT", "/lists/new").json_text(r#"{"logic":"kanban"}"#).response().await;
    server.add("new", "Write").await;
    browser.open(&server.url("/#new"));
    browser.wait_for(&format!("{views} === 'Allopen-firstpanic'"));
    browser.wait_for("document.querySelector('#rules-name').textContent === 'Todo 2.0.0'");
}
