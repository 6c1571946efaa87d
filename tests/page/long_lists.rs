//! Lists with more entries than a page of an answer may have.

use futures_util::{StreamExt as _, stream};
use hotlist::list::Limits;
use hotlist::store::memory::MemoryStore;
use hotlist::web::Options;

use super::{ENTRIES, browser, entry};
use crate::support::Server;

#[tokio::test(flavor = "multi_thread")]
async fn all_entries_of_a_long_list_can_be_shown_and_a_new_one_is_seen() {
    let server = Server::with_limits(Options::default(), MemoryStore::with_history(10), Limits::default()).await;
    let adding = (0..1_130).map(|_| server.add("long", "Leaf"));
    stream::iter(adding).buffer_unordered(50).collect::<Vec<_>>().await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.open(&server.url("/#long"));
    browser.wait_for(&format!("{ENTRIES}.length === 100"));
    // A new entry is after the last page. It is seen all the same.
    browser.value("document.querySelector('#title').value = 'New'");
    browser.value("document.querySelector('#add button.primary').click()");
    browser.wait_for(&entry("New"));
    assert_eq!(browser.value("document.querySelector('#counts').title"), "1131 open of 1131");
    let more = "document.querySelector('#more')";
    let is_before = format!("{more}.compareDocumentPosition({}) & Node.DOCUMENT_POSITION_FOLLOWING", entry("New"));
    assert_ne!(browser.value(&is_before), 0, "what is not shown is between");
    for shown in (200..=1_100).step_by(100) {
        browser.value(&format!("{more}.click()"));
        browser.wait_for(&format!("{ENTRIES}.length === {shown} + 1"));
    }
    browser.value(&format!("{more}.click()"));
    browser.wait_for(&format!("{ENTRIES}.length === 1131 && {more}.hidden"));
    let last = format!("{ENTRIES}.at(-1).querySelector('.title').textContent");
    assert_eq!(browser.value(&last), "New", "it is shown once, at its place");
}
