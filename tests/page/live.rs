//! Live updates of the page: one event stream for all windows, and what an event shows.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{ENTRIES, browser, entry};
use crate::support::browser::Browser;
use crate::support::logic::TestLogic;
use crate::support::{NOON, RequestExt, Server, WAIT_TIMEOUT, metrics};

const IS_LIVE: &str = "document.querySelector('#live').dataset.state === 'live'";

/// Opens a list and waits until its events are followed.
#[track_caller]
fn open_live(browser: &mut Browser, server: &Server, list: &str) {
    browser.open(&server.url(&format!("/#{list}")));
    browser.wait_for(&format!("{IS_LIVE} && document.querySelector('#name').textContent === '{list}'"));
}

/// Waits until the server has one event stream. One that is replaced is open a moment longer.
async fn until_one_stream(server: &Server) {
    let one = async {
        while metrics(server).event_streams.get() != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WAIT_TIMEOUT, one).await.expect("one stream is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_windows_share_one_stream_over_http_1() {
    let server = Server::start().await;
    let Some(mut browser) = browser(1_280) else { return };
    for number in 0..12 {
        if number > 0 {
            browser.open_window();
        }
        server.add(&format!("list{number}"), "Old").await;
        open_live(&mut browser, &server, &format!("list{number}"));
        browser.wait_for(&format!("{ENTRIES}.length === 1"));
    }
    until_one_stream(&server).await;
    for number in 0..12 {
        server.add(&format!("list{number}"), &format!("New {number}")).await;
    }
    for number in 0..12 {
        browser.use_window(number);
        browser.wait_for(&entry(&format!("New {number}")));
        // Requests go on, too.
        browser.value(&format!("{}.querySelector('input').click()", entry("Old")));
        browser.wait_for(&format!("{}.classList.contains('done')", entry("Old")));
    }
}

/// Browsers without shared workers, with settings that forbid them, and with a worker's script that is not loaded.
const WITHOUT_WORKERS: [&str; 3] = [
    "delete window.SharedWorker",
    "window.SharedWorker = class { constructor() { throw new DOMException('no', 'SecurityError'); } }",
    "window.SharedWorker = class { port = { postMessage() {} }; constructor() { setTimeout(() => this.onerror()); } }",
];

#[tokio::test(flavor = "multi_thread")]
async fn windows_without_shared_workers_share_the_stream_of_one_of_them() {
    let server = Server::start().await;
    let Some(mut browser) = browser(1_280) else { return };
    for (number, without) in WITHOUT_WORKERS.iter().enumerate() {
        if number > 0 {
            browser.open_window();
        }
        browser.before_scripts(without);
        open_live(&mut browser, &server, &format!("list{number}"));
    }
    until_one_stream(&server).await;
    // The window that has the stream is closed, and another one opens a stream.
    browser.use_window(2);
    browser.close_window(0);
    for number in [1, 2] {
        browser.use_window(number);
        server.add(&format!("list{number}"), "New").await;
        browser.wait_for(&entry("New"));
    }
    until_one_stream(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rules_and_new_lists_are_shown_without_asking_for_them() {
    let server = Server::start().await;
    server.add("shed", "Rake").await;
    let Some(mut browser) = browser(1_280) else { return };
    open_live(&mut browser, &server, "shed");
    browser.wait_for("document.querySelector('#lists').innerText.includes('shed')");
    let begun = Instant::now();
    server.services.registry.publish(
        Box::new(TestLogic::new("todo", "1.1.0").with_digest(1)),
        "for the test",
        NOON + 1,
    );
    browser.wait_for("document.querySelector('.toast[data-id=rules]').textContent.includes('Todo 1.1.0 decides')");
    browser.wait_for("document.querySelector('#rules-name').textContent === 'Todo 1.1.0'");
    server.request("PUT", "/lists/attic").json_text("{}").response().await;
    browser.wait_for("document.querySelector('#lists a').textContent === 'attic0'");
    server.add("attic", "Dust").await;
    browser.wait_for("document.querySelector('#lists a').textContent === 'attic1'");
    server.request("DELETE", "/lists/attic").response().await;
    browser.wait_for("document.querySelector('#lists a').textContent === 'shed1'");
    // The page asked every ten seconds before.
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

/// How many requests about the list the page sent since its list of requests was cleared.
const REQUESTS: &str =
    "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/lists/shed')).length";

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_others_are_applied_from_their_events() {
    let server = Server::start().await;
    for title in ["Rake", "Prune", "Dig"] {
        server.add("shed", title).await;
    }
    let Some(mut browser) = browser(1_280) else { return };
    open_live(&mut browser, &server, "shed");
    browser.wait_for(&format!("{ENTRIES}.length === 3"));
    browser.value(&format!("{{ window.kept = {}; performance.clearResourceTimings(); }}", entry("Dig")));
    let change = async |method, path, body: &str| server.request(method, path).json_text(body).response().await;
    for number in 0..45 {
        change("PATCH", "/lists/shed/entries/1", &json!({ "title": format!("Rake {number}") }).to_string()).await;
    }
    change("POST", "/lists/shed/entries", r#"{"title":"Sow"}"#).await;
    change("DELETE", "/lists/shed/entries/2", "").await;
    change("PATCH", "/lists/shed/entries/4", r#"{"completed":true}"#).await;
    browser.wait_for(&format!("{}.classList.contains('done')", entry("Sow")));
    let titles = browser.value(&format!("{ENTRIES}.map((entry) => entry.querySelector('.title').textContent)"));
    assert_eq!(titles, json!(["Rake 44", "Dig", "Sow"]));
    assert_eq!(browser.value("document.querySelector('#counts').title"), "2 open of 3");
    assert_eq!(browser.value(&format!("{} === window.kept", entry("Dig"))), true, "the row is the same element");
    assert_eq!(browser.value(REQUESTS), 0);
    // A change of the settings, a deletion, and a new list of the name.
    change("PUT", "/lists/shed", r#"{"settings":{"colour":"red"}}"#).await;
    change("DELETE", "/lists/shed", "").await;
    browser.wait_for("document.querySelector('#empty').textContent.startsWith('There is no list of this name')");
    server.add("shed", "Anew").await;
    browser.wait_for(&format!("{ENTRIES}.length === 1 && {}", entry("Anew")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_read_again_after_changes_and_not_for_each() {
    let server = Server::start().await;
    server.add("shed", "Rake").await;
    server.add("shed", "Dig").await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.open(&server.url("/#shed/open-first"));
    browser.wait_for(&format!("{ENTRIES}.length === 2 && {IS_LIVE}"));
    browser.value("performance.clearResourceTimings()");
    for number in 0..45 {
        let body = json!({ "title": format!("Rake {number}"), "completed": number % 2 == 0 }).to_string();
        server.request("PATCH", "/lists/shed/entries/1").json_text(&body).response().await;
    }
    browser.wait_for(&entry("Rake 44"));
    let group = format!("{}.closest('section').querySelector('h2').innerText", entry("Rake 44"));
    assert_eq!(browser.value(&group), "DONE\n1\nLast done: 1");
    let requests = browser.value(REQUESTS).as_u64().expect("a number");
    assert!(requests <= 30, "45 changes took {requests} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_list_is_not_read_again_and_again() {
    let server = Server::start().await;
    server.add("shed", "Rake").await;
    server.add("shed", "Dig").await;
    let Some(mut browser) = browser(1_280) else { return };
    open_live(&mut browser, &server, "shed");
    browser.wait_for(&format!("{ENTRIES}.length === 2"));
    browser.value("performance.clearResourceTimings()");
    server.request("DELETE", "/lists/shed").response().await;
    browser.wait_for("document.querySelector('#empty').textContent.startsWith('There is no list of this name')");
    // The server sends changes of a list once a second.
    for number in 1..=5 {
        server.add("attic", "Dust").await;
        browser.wait_for(&format!("document.querySelector('#lists a').textContent === 'attic{number}'"));
    }
    let requests = browser.value(REQUESTS).as_u64().expect("a number");
    assert!(requests <= 2, "{requests} requests about a list that is not there");
    // It is seen when it is there again.
    server.add("shed", "Anew").await;
    browser.wait_for(&format!("{ENTRIES}.length === 1 && {}", entry("Anew")));
}

/// Runs the hub with a stream that the test feeds. `steps` uses `hub`, `window(id)` and `event(name, data)`.
fn with_hub(browser: &mut Browser, steps: &str) -> serde_json::Value {
    let hub = include_str!("../../host/web/assets/stream_hub.js");
    browser.value(&format!(
        "(() => {{
            const opened = [];
            class EventSource {{
                static OPEN = 1; static CLOSED = 2;
                constructor(url) {{ Object.assign(this, {{ url, readyState: 0, listeners: {{}} }}); opened.push(this); }}
                addEventListener(name, run) {{ this.listeners[name] = run; }}
                close() {{ this.readyState = 2; }}
            }}
            {hub}
            const hub = new StreamHub(), got = {{}};
            const window = (id) => (message) => (got[id] ??= []).push(message.event + ' ' + (message.data?.revision ?? ''));
            const last = () => opened.at(-1);
            const open = () => {{ last().readyState = 1; last().onopen(); }};
            const event = (name, data) => last().listeners[name]({{ data: JSON.stringify(data) }});
            {steps}
            return {{ got, urls: opened.map(({{ url }}) => decodeURIComponent(url)) }};
        }})()"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_window_gets_each_revision_once_and_a_gap_is_a_reset() {
    let Some(mut browser) = browser(1_280) else { return };
    let outcome = with_hub(
        &mut browser,
        "hub.follow(1, window(1), 'a', 3); open();
         event('revision', { list: 'a', revision: 4 });
         event('revision', { list: 'a', revision: 4 });
         event('revision', { list: 'b', revision: 9 });
         event('revision', { list: 'a', revision: 7 });
         // A window that read the list later, and one that read it earlier.
         hub.follow(2, window(2), 'a', 7);
         hub.follow(3, window(3), 'a', 5); open();
         event('revision', { list: 'a', revision: 6 });
         event('revision', { list: 'a', revision: 7 });
         event('revision', { list: 'a', revision: 8 });
         event('logic', { name: 'todo' });
         hub.leave(3);
         hub.follow(2, window(2), 'b', 2); open();
         // A list that the server could not read is followed anew.
         event('problem', { list: 'b' });
         hub.follow(2, window(2), 'b', 2);",
    );
    let got = &outcome["got"];
    assert_eq!(got["1"], json!(["open ", "revision 4", "reset 7", "revision 8", "logic "]));
    assert_eq!(got["2"], json!(["open ", "revision 8", "logic ", "open ", "problem ", "open "]));
    assert_eq!(got["3"], json!(["open ", "revision 6", "revision 7", "revision 8", "logic "]));
    let url = |lists: &str| format!("/events?overview=true&{lists}");
    assert_eq!(
        outcome["urls"],
        json!([url("list=a:3"), url("list=a:5"), url("list=a:8&list=b:2"), url("list=a:8&list=b:2")])
    );
    // A window on a list that was deleted hears of the revision that came last, and opens no further stream.
    let deleted = "hub.follow(1, window(1), 'a', 1); open(); event('revision', { list: 'a', revision: 2 });
         hub.follow(1, window(1), 'a', null); event('revision', { list: 'a', revision: 3 });";
    let outcome = with_hub(&mut browser, deleted);
    assert_eq!(outcome["got"]["1"], json!(["open ", "revision 2", "open ", "ready 2", "revision 3"]));
    assert_eq!(outcome["urls"], json!([url("list=a:1")]));
    // A change that waits in a stream arrives after another stream has replaced it.
    let outcome = with_hub(
        &mut browser,
        "hub.follow(1, window(1), 'a', 1); open(); const replaced = last();
         hub.follow(2, window(2), 'b', 1); open();
         if (replaced.readyState === 1) replaced.listeners.list({ data: '{}' });
         hub.leave(1); hub.leave(2); got.open = opened.filter(({ readyState }) => readyState !== 2).length;",
    );
    assert_eq!(outcome["got"], json!({ "1": ["open ", "list "], "2": ["open ", "list "], "open": 0 }));
    // Lists are left out whose names are too long for one stream, those that were followed longest ago.
    let long = "for (let n = 10; n < 30; n++) hub.follow(n, window(n), `${n}${'ü'.repeat(99)}`, 1);";
    let urls = &with_hub(&mut browser, long)["urls"];
    let last = urls.as_array().and_then(|urls| urls.last()?.as_str()).expect("a URL");
    let followed: Vec<_> = last.split("list=").skip(1).map(|name| &name[..2]).collect();
    assert_eq!(followed, (17..30).map(|n| n.to_string()).collect::<Vec<_>>());
}
