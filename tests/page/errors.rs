//! Where the page shows what went wrong, and when it stops showing it.

use serde_json::json;

use super::{ENTRIES, browser, entry};
use crate::support::browser::Browser;
use crate::support::{RequestExt, Server};

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_an_outage_ends_with_it() {
    let server = Server::start().await;
    server.add("shed", "Rake").await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.open(&server.url("/#shed"));
    browser.wait_for(&format!("{ENTRIES}.length === 1"));
    browser.go_offline(true);
    browser.value("document.querySelector('#title').focus()");
    browser.write("Sow");
    browser.press("Enter");
    browser.wait_for("document.querySelector('#add .problem').textContent.startsWith('The server does not answer')");
    browser.wait_for("document.querySelector('.toast[data-id=offline]')");
    browser.click(&format!("{}.querySelector('input')", entry("Rake")));
    browser.wait_for(&format!("{}.querySelector('.problem')", entry("Rake")));
    browser.go_offline(false);
    browser.wait_for("!document.querySelector('.problem:not(.passed), .toast[data-id=offline]')");
    let hint = browser.value("document.querySelector('#add .problem').textContent");
    assert!(hint.as_str().expect("text").starts_with("The server answers again."), "{hint}");
    browser.value("document.querySelector('#title').focus()");
    browser.press("Enter");
    browser.wait_for(&format!("{} && !document.querySelector('#add .problem')", entry("Sow")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_at_the_field_at_fault_which_has_the_focus() {
    let server = Server::start().await;
    server.add("shed", "Rake").await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.open(&server.url("/#shed"));
    browser.wait_for("document.querySelectorAll('#add-fields [data-kind]').length === 5");
    browser.value("document.querySelector('#title').focus()");
    browser.write("odd points");
    browser.press("Enter");
    browser.wait_for("document.querySelector('#add .problem').textContent === 'Points are even.'");
    assert_eq!(browser.value("document.activeElement.dataset.name"), "points");
    let label = "document.activeElement.closest('#add-fields > *')";
    assert_eq!(browser.value(&format!("{label}.contains(document.querySelector('#add .problem'))")), true);
    assert_eq!(browser.value("document.querySelector('#title').value"), "odd points", "the typed text stays");
    browser.write("2");
    browser.wait_for("!document.querySelector('#add .problem') && !document.activeElement.ariaInvalid");
    browser.value("document.querySelector('#title').value = ' '");
    browser.press("Enter");
    browser.wait_for("document.activeElement.id === 'title'");
    assert_eq!(browser.value("document.querySelectorAll('#add .problem').length"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sentence_of_a_refused_tick_is_in_the_window() {
    let server = Server::start().await;
    for _ in 0..19 {
        server.add("shed", "Rake").await;
    }
    server.add("shed", "locked").await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.open(&server.url("/#shed"));
    browser.wait_for(&format!("{ENTRIES}.length === 20"));
    browser.resize(1_280, 400);
    browser.value(&format!("{}.querySelector('input').scrollIntoView({{ block: 'end' }})", entry("locked")));
    browser.value(&format!("{}.querySelector('input').focus({{ preventScroll: true }})", entry("locked")));
    browser.press(" ");
    let message = format!("{}.querySelector('.problem')", entry("locked"));
    browser.wait_for(&format!("{message}.textContent === 'It is locked.'"));
    browser.wait_for(&format!("{message}.getBoundingClientRect().bottom <= innerHeight"));
    browser.wait_for(&format!("!{}.querySelector('input').checked", entry("locked")));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_do_not_hand_the_list_over_by_an_arrow_key_and_enter() {
    let server = Server::start().await;
    server.add("shed", "Rake").await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.open(&server.url("/#shed"));
    browser.wait_for(&format!("{ENTRIES}.length === 1 && document.querySelector('#logics li')"));
    browser.value("document.querySelector('#settings').click()");
    assert_eq!(browser.value("document.activeElement.dataset.name"), "colour", "the rules' choice has not the focus");
    let rules = "document.querySelector('dialog [data-name=logic]')";
    browser.value(&format!("{rules}.focus()"));
    let before = browser.value(&format!("{rules}.value"));
    browser.press("ArrowDown");
    browser.press("Enter");
    browser.value(&format!("{{ {rules}.value = 'other'; {rules}.dispatchEvent(new Event('change')); }}"));
    browser.value(&format!("{rules}.focus()"));
    browser.press("Enter");
    assert_eq!(browser.value("document.querySelector('dialog').open"), true);
    assert_eq!(server.get("/lists/shed").await.json()["logic"], before);
    let confirm = "document.querySelector('#dialog-confirm')";
    assert_eq!(browser.value(&format!("{confirm}.textContent")), "Change the rules to Todo (other)");
    browser.value(&format!("{confirm}.click()"));
    browser.wait_for("!document.querySelector('dialog').open");
    assert_eq!(server.get("/lists/shed").await.json()["logic"], "other");
    let colour = json!({"settings": {"colour": "red"}}).to_string();
    server.request("PUT", "/lists/shed").json_text(&colour).response().await;
    // The dialog shows what the list has when it is opened.
    let reopen = "document.querySelector('dialog').close(), document.querySelector('#settings').click()";
    browser.wait_for(&format!("({reopen}, document.activeElement.value === 'red')"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_without_its_server_is_waited_for_and_the_list_is_then_followed() {
    let server = Server::start().await;
    server.add("shed", "Rake").await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.before_scripts(
        "const go = window.fetch; window.isDown = true;
         window.fetch = async (path, options) => {
             if (!window.isDown || !path.startsWith('/lists/shed')) return go(path, options);
             return new Response('<h1>Bad Gateway</h1>', { status: 502, headers: { 'content-type': 'text/html' } });
         };",
    );
    browser.open(&server.url("/#shed"));
    browser.wait_for("document.querySelector('#list .problem, .toast[data-id=offline]')");
    browser.value("window.isDown = false");
    browser.wait_for(&format!("{ENTRIES}.length === 1 && document.querySelector('#live').dataset.state === 'live'"));
    browser.wait_for("!document.querySelector('.problem, .toast[data-id=offline]')");
    server.add("shed", "Dig").await;
    browser.wait_for(&entry("Dig"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_whose_answer_was_lost_is_added_once_at_first_and_again_after_a_minute() {
    let server = Server::start().await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.before_scripts(
        "const go = window.fetch, now = performance.now.bind(performance); window.later = 0;
         performance.now = () => now() + window.later;
         window.fetch = async (path, options) => {
             const response = await go(path, options);
             if (window.isLost && options.method === 'POST') throw new TypeError('no answer');
             return response;
         };",
    );
    browser.open(&server.url("/#shed"));
    browser.wait_for("document.querySelector('#live').dataset.state === 'live'");
    let lose = |browser: &mut Browser| {
        browser.value("window.isLost = true, document.querySelector('#title').focus()");
        browser.write("Milk");
        browser.press("Enter");
        browser
            .wait_for("document.querySelector('#add .problem') && document.querySelector('#add').ariaBusy === 'false'");
        browser.value("window.isLost = false, document.querySelector('#title').focus()");
    };
    let is_saved = "document.querySelector('#title').value === '' && !document.querySelector('#add .problem')";
    lose(&mut browser);
    browser.press("Enter");
    browser.wait_for(is_saved);
    assert_eq!(server.get("/lists/shed").await.json()["entries"], 1);
    lose(&mut browser);
    browser.value("window.later = 61_000");
    browser.press("Enter");
    browser.wait_for(is_saved);
    assert_eq!(server.get("/lists/shed").await.json()["entries"], 3);
}
