//! Forms of entries that other clients change or delete meanwhile.

use serde_json::{Value, json};

use super::{ENTRIES, UNDO, browser, entry};
use crate::support::browser::Browser;
use crate::support::{RequestExt, Server};

const FORM: &str = "document.querySelector('#list form:not(#add)')";

/// A server and a browser that edits the first of the entries of a list.
async fn editing(titles: &[&str]) -> Option<(Server, Browser)> {
    let server = Server::start().await;
    for title in titles {
        let body = json!({ "title": title, "date": "2026-11-23" }).to_string();
        server.post("/lists/shed/entries", &body).await;
    }
    let mut browser = browser(1_280)?;
    browser.open(&server.url("/#shed"));
    browser.wait_for("document.querySelector('#live').dataset.state === 'live'");
    browser.wait_for(&format!("{ENTRIES}.length === {}", titles.len()));
    edit(&mut browser, 0);
    Some((server, browser))
}

fn edit(browser: &mut Browser, number: usize) {
    browser.click(&format!("{ENTRIES}[{number}].querySelector('.title')"));
    browser.wait_for(&format!("{FORM}.contains(document.activeElement)"));
}

async fn patch(server: &Server, id: u64, body: &Value) {
    let path = format!("/lists/shed/entries/{id}");
    let response = server.request("PATCH", &path).json_text(&body.to_string()).response().await;
    assert_eq!(response.status, 200, "{response:?}");
}

async fn title_of(server: &Server, id: u64) -> Value {
    server.get(&format!("/lists/shed/entries/{id}")).await.json()["title"].clone()
}

const CONFLICT: &str = "document.querySelector('.conflict:not([hidden])')";

fn choose(browser: &mut Browser, choice: &str) {
    let buttons = format!("[...{CONFLICT}.querySelectorAll('button')]");
    browser.value(&format!("{buttons}.find((button) => button.textContent === '{choice}').click()"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_clients_title_is_shown_beside_the_typed_one_and_not_lost() {
    let Some((server, mut browser)) = editing(&["Rake"]).await else { return };
    browser.write(" it");
    patch(&server, 1, &json!({ "title": "Rake the leaves", "date": "2026-12-24" })).await;
    browser.wait_for(CONFLICT);
    let said = browser.value(&format!("{CONFLICT}.querySelector('span').textContent"));
    assert_eq!(said, "Title was changed meanwhile to “Rake the leaves”.");
    let of = |name: &str| format!("{FORM}.querySelector('[data-name={name}]').value");
    assert_eq!(browser.value(&of("title")), "Rake it", "the typed text stays");
    assert_eq!(browser.value(&of("date")), "2026-12-24", "what the user left alone is up to date");
    // Without a choice nothing is saved.
    browser.press("Enter");
    browser.wait_for(&format!("{FORM}.querySelector('.problem')"));
    assert_eq!(title_of(&server, 1).await, "Rake the leaves");
    choose(&mut browser, "Keep mine");
    browser.press("Enter");
    browser.wait_for(&format!("!{FORM} && {}", entry("Rake it")));
    assert_eq!(title_of(&server, 1).await, "Rake it");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_value_of_the_other_client_can_be_taken() {
    let Some((server, mut browser)) = editing(&["Rake"]).await else { return };
    browser.write(" it");
    patch(&server, 1, &json!({ "title": "Rake the leaves" })).await;
    browser.wait_for(CONFLICT);
    choose(&mut browser, "Take that");
    browser.wait_for(&format!("!{CONFLICT} && document.activeElement.value === 'Rake the leaves'"));
    browser.press("Enter");
    browser.wait_for(&format!("!{FORM}"));
    assert_eq!(server.get("/lists/shed").await.json()["revision"], 2, "there was nothing to save");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_the_page_has_not_heard_of_is_not_overwritten() {
    let server = Server::start().await;
    server.add("shed", "Rake").await;
    server.add("shed", "Dig").await;
    let Some(mut browser) = browser(1_280) else { return };
    // No event reaches this window.
    browser.before_scripts("delete window.SharedWorker; delete navigator.__proto__.locks; EventSource = class extends EventTarget { close() {} }");
    browser.open(&server.url("/#shed"));
    browser.wait_for(&format!("{ENTRIES}.length === 2"));
    edit(&mut browser, 0);
    browser.write(" it");
    patch(&server, 1, &json!({ "title": "Rake the leaves" })).await;
    browser.press("Enter");
    browser.wait_for(CONFLICT);
    assert_eq!(title_of(&server, 1).await, "Rake the leaves");
    choose(&mut browser, "Keep mine");
    // A change of another entry is no conflict.
    patch(&server, 2, &json!({ "title": "Dig deep" })).await;
    browser.press("Enter");
    browser.wait_for(&format!("!{FORM} && {}", entry("Rake it")));
    assert_eq!(title_of(&server, 1).await, "Rake it");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typed_text_outlives_the_entry_and_can_be_added_anew() {
    let Some((server, mut browser)) = editing(&["Rake", "Dig"]).await else { return };
    browser.write(" it");
    server.request("DELETE", "/lists/shed/entries/1").response().await;
    browser.wait_for(&format!("document.querySelector('#drafts form') && {ENTRIES}.length === 1"));
    assert_eq!(
        browser.value(&format!("{CONFLICT}.textContent")),
        "This entry was deleted meanwhile. What you typed is still here."
    );
    assert_eq!(browser.value("document.activeElement.value"), "Rake it", "the focus stays, and the text");
    assert_eq!(browser.value(&format!("{FORM}.querySelector('.primary').textContent")), "Add it anew");
    browser.press("Enter");
    browser.wait_for(&format!("!{FORM} && {}", entry("Rake it")));
    let added = server.get("/lists/shed/entries/3").await.json();
    assert_eq!((&added["title"], &added["date"]), (&json!("Rake it"), &json!("2026-11-23")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_stays_open_while_its_row_moves_to_another_group() {
    let server = Server::start().await;
    server.add("shed", "Rake").await;
    server.add("shed", "Dig").await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.open(&server.url("/#shed/open-first"));
    browser.wait_for(&format!("{ENTRIES}.length === 2 && document.querySelector('#live').dataset.state === 'live'"));
    edit(&mut browser, 0);
    browser.write(" it");
    patch(&server, 1, &json!({ "completed": true })).await;
    browser.wait_for(&format!("{FORM}?.closest('section').querySelector('h2').innerText.startsWith('DONE')"));
    assert_eq!(browser.value("document.activeElement.value"), "Rake it");
    browser.press("Enter");
    browser.wait_for(&format!("!{FORM} && {}", entry("Rake it")));
    let entry = server.get("/lists/shed/entries/1").await.json();
    assert_eq!((&entry["title"], &entry["completed"]), (&json!("Rake it"), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_in_a_view_knows_of_a_change_before_the_view_is_read_again() {
    let server = Server::start().await;
    server.add("shed", "Rake").await;
    let Some(mut browser) = browser(1_280) else { return };
    // The view is not read again.
    browser.before_scripts(
        "const later = window.setTimeout; window.setTimeout = (run, time) => time === 300 ? 0 : later(run, time)",
    );
    browser.open(&server.url("/#shed/open-first"));
    browser.wait_for(&format!("{ENTRIES}.length === 1 && document.querySelector('#live').dataset.state === 'live'"));
    edit(&mut browser, 0);
    browser.write(" it");
    patch(&server, 1, &json!({ "title": "Rake the leaves" })).await;
    browser.wait_for(CONFLICT);
    browser.press("Enter");
    browser.wait_for(&format!("{FORM}.querySelector('.problem')"));
    assert_eq!(title_of(&server, 1).await, "Rake the leaves");
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_without_a_change_changes_nothing() {
    let Some((server, mut browser)) = editing(&["Rake\nall leaves", "  Dig  "]).await else { return };
    assert_eq!(browser.value(&format!("{FORM}.querySelector('[data-name=title]').value")), "Rake\nall leaves");
    browser.press("Enter");
    browser.wait_for(&format!("!{FORM}"));
    edit(&mut browser, 1);
    browser.press("Enter");
    browser.wait_for(&format!("!{FORM}"));
    assert_eq!(server.get("/lists/shed").await.json()["revision"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_the_form_saves_it_and_an_empty_title_deletes_with_an_undo() {
    let Some((server, mut browser)) = editing(&["Rake"]).await else { return };
    browser.write(" it ");
    browser.click("document.querySelector('#name')");
    browser.wait_for(&format!("!{FORM} && {}", entry("Rake it")));
    edit(&mut browser, 0);
    browser.value("document.activeElement.select()");
    browser.write(" ");
    browser.press("Enter");
    browser.wait_for(&format!("{ENTRIES}.length === 0 && {UNDO}"));
    browser.value(&format!("{UNDO}.click()"));
    browser.wait_for(&entry("Rake it"));
    // Escape leaves everything as it is.
    edit(&mut browser, 0);
    browser.write("!");
    browser.press("Escape");
    browser.wait_for(&format!("!{FORM}"));
    assert_eq!(title_of(&server, 1).await, "Rake it");
}
