//! Work that goes on while the user chooses another list.

use serde_json::json;

use super::{ENTRIES, browser, entry};
use crate::support::browser::Browser;
use crate::support::{RequestExt, Server};

/// Holds each request whose method or path contains `window.held` until `window.release` is called, with whether it fails.
const HOLD: &str = "const go = window.fetch; window.fetch = async (path, options) => {
    if (window.held && `${options.method} ${path}`.includes(window.held)) {
        window.isHeld = true;
        if (await new Promise((done) => { window.release = done; })) throw new TypeError('no answer');
    }
    return go(path, options);
};";

/// Two lists with two entries each, and a window on the first list.
async fn window_on_one_of_two() -> Option<(Server, Browser)> {
    let server = Server::start().await;
    for (list, title) in [("shed", "Rake"), ("shed", "Dig"), ("attic", "Dust"), ("attic", "Sort")] {
        server.add(list, title).await;
    }
    let mut browser = browser(1_280)?;
    browser.before_scripts(HOLD);
    browser.open(&server.url("/#shed"));
    browser.wait_for(&format!("{ENTRIES}.length === 2 && document.querySelector('#live').dataset.state === 'live'"));
    Some((server, browser))
}

fn choose(browser: &mut Browser, list: &str, title: &str) {
    browser.value(&format!("location.hash = '{list}'"));
    browser.wait_for(&format!("{ENTRIES}.length === 2 && {}", entry(title)));
}

/// Changes the title of an entry to "Rake it", and holds the request that saves it.
fn save_and_hold(browser: &mut Browser) {
    browser.click(&format!("{}.querySelector('.title')", entry("Rake")));
    browser.wait_for("document.querySelector('.entry form')");
    browser.write(" it");
    browser.value("window.held = 'PATCH'");
    browser.press("Enter");
    browser.wait_for("window.isHeld");
}

#[tokio::test(flavor = "multi_thread")]
async fn marking_all_goes_on_with_the_list_that_it_began_with() {
    let Some((server, mut browser)) = window_on_one_of_two().await else { return };
    browser.value("window.held = 'completed='");
    browser.value("document.querySelector('#all').click()");
    browser.wait_for("window.isHeld");
    choose(&mut browser, "attic", "Dust");
    browser.value("window.release()");
    browser.wait_for("document.querySelector('#lists').textContent === 'attic2shed0'");
    assert_eq!(server.get("/lists/attic").await.json()["open"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_list_closes_the_dialog_of_the_list_before() {
    let Some((_server, mut browser)) = window_on_one_of_two().await else { return };
    browser.value("document.querySelector('#delete').click()");
    browser.wait_for("document.querySelector('dialog').open");
    choose(&mut browser, "attic", "Dust");
    browser.wait_for("!document.querySelector('dialog').open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_change_of_a_list_that_was_left_is_told_with_the_typed_title() {
    let Some((server, mut browser)) = window_on_one_of_two().await else { return };
    save_and_hold(&mut browser);
    choose(&mut browser, "attic", "Dust");
    // The form of an entry with the same number stays open.
    browser.click(&format!("{}.querySelector('.title')", entry("Dust")));
    browser.wait_for("document.querySelector('.entry form')");
    browser.value("window.release(true)");
    browser.wait_for("document.querySelector('.toast[data-id^=unsaved]')?.textContent.includes('“Rake it”')");
    browser.value("window.held = null");
    browser.write("!");
    browser.press("Enter");
    browser.wait_for(&format!("!document.querySelector('.entry form') && {}", entry("Dust!")));
    assert_eq!(server.get("/lists/shed/entries/1").await.json()["title"], "Rake");
    assert_eq!(server.get("/lists/attic/entries/1").await.json()["title"], json!("Dust!"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_change_is_repeated_for_its_own_list() {
    let Some((server, mut browser)) = window_on_one_of_two().await else { return };
    save_and_hold(&mut browser);
    let body = json!({ "title": "Rake the leaves" }).to_string();
    server.request("PATCH", "/lists/shed/entries/1").json_text(&body).response().await;
    choose(&mut browser, "attic", "Dust");
    browser.value("window.held = null, window.release()");
    // The other client's title is neither replaced nor is the typed one lost.
    browser.wait_for("document.querySelector('.toast[data-id^=unsaved]')?.textContent.includes('“Rake it”')");
    assert_eq!(server.get("/lists/shed/entries/1").await.json()["title"], "Rake the leaves");
    assert_eq!(server.get("/lists/attic").await.json()["revision"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_can_be_added_while_the_list_before_still_waits_for_an_answer() {
    let Some((server, mut browser)) = window_on_one_of_two().await else { return };
    let add = |browser: &mut Browser, title| {
        browser.value("document.querySelector('#title').focus()");
        browser.write(title);
        browser.press("Enter");
    };
    browser.value("window.held = 'POST'");
    add(&mut browser, "Sow");
    browser.wait_for("window.isHeld");
    choose(&mut browser, "attic", "Dust");
    browser.value("window.held = null");
    add(&mut browser, "Air");
    browser.wait_for(&format!("{ENTRIES}.length === 3 && {}", entry("Air")));
    browser.value("document.querySelector('#title').value = 'typed'");
    browser.value("window.release()");
    browser.wait_for("document.querySelector('#lists').textContent === 'attic3shed3'");
    assert_eq!(browser.value("document.querySelector('#title').value"), "typed");
    assert_eq!(server.get("/lists/shed/entries/3").await.json()["title"], "Sow");
}
