//! The page as TodoMVC specifies it, with the built-in rules.
//!
//! Each point is a sentence of the specification. Two differ on purpose: a click opens the editor, where TodoMVC wants two,
//! and the button that deletes is always there, because a touch screen has no pointer that hovers.

use super::{ENTRIES, UNDO, browser};
use crate::support::browser::Browser;
use crate::support::{RequestExt, Server, component};

const TITLES: &str = "[...document.querySelectorAll('.entry .title')].map((title) => title.textContent).join('|')";
const FORM: &str = "document.querySelector('.entry form')";
const CLEAR: &str = "document.querySelector('[data-command=clear-completed]')";

/// Waits until a point of the specification is true.
#[track_caller]
fn point(browser: &mut Browser, sentence: &str, expression: &str) {
    // The sentence is part of what a failure shows.
    browser.wait_for(&format!("{expression} /* {sentence} */"));
}

fn shows(titles: &str) -> String {
    format!("{TITLES} === '{titles}'")
}

fn count(text: &str) -> String {
    format!("document.querySelector('#counts').textContent === '{text}'")
}

fn tick(browser: &mut Browser, number: usize) {
    browser.click(&format!("{ENTRIES}[{number}].querySelector('input')"));
}

fn add(browser: &mut Browser, title: &str) {
    browser.value("document.querySelector('#title').focus()");
    browser.write(title);
    browser.press("Enter");
}

fn edit(browser: &mut Browser, number: usize) {
    browser.click(&format!("{ENTRIES}[{number}].querySelector('.title')"));
    browser.wait_for(&format!("{FORM}.contains(document.activeElement)"));
    browser.value("document.activeElement.select()");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_does_what_todomvc_specifies() {
    let server = Server::start().await;
    let todo = server.request("PUT", "/logic/plain").header("content-type", "application/wasm").body(component("todo"));
    let uploaded = todo.response().await;
    assert_eq!(uploaded.status, 201, "{uploaded:?}");
    server.request("PUT", "/lists/todos").json_text(r#"{"logic":"plain"}"#).response().await;
    let Some(mut browser) = browser(1_280) else { return };
    browser.open(&server.url("/#todos"));
    browser.wait_for("document.querySelector('#empty').textContent.startsWith('No entries yet')");
    new_todos(&mut browser);
    items(&mut browser);
    mark_all(&mut browser);
    editing(&mut browser);
    routing(&mut browser, &server);
    clear_completed(&mut browser);
}

/// The list is `buy|call|write` afterwards.
fn new_todos(browser: &mut Browser) {
    point(browser, "the input has the focus when the page is loaded", "document.activeElement.id === 'title'");
    let hidden = "!document.querySelector('.entry') && document.querySelector('#counts').hidden \
        && !document.querySelector('#tools').checkVisibility()";
    point(browser, "without todos, the main part and the footer are hidden", hidden);
    let placeholder = "document.querySelector('#title').placeholder === 'What is to be done?'";
    point(browser, "a placeholder says what the input is for", placeholder);
    browser.write("buy");
    browser.press("Enter");
    point(browser, "Enter creates a todo", &shows("buy"));
    point(browser, "the input is cleared", "document.querySelector('#title').value === ''");
    point(browser, "the input keeps the focus", "document.activeElement.id === 'title'");
    point(
        browser,
        "with a todo, the main part and the footer are visible",
        "document.querySelector('#tools').checkVisibility()",
    );
    add(browser, "   call  ");
    point(browser, "a new todo is trimmed, and is the last of the list", &shows("buy|call"));
    add(browser, "   ");
    let refused = format!("document.querySelector('#add .problem') && {}", shows("buy|call"));
    point(browser, "a title of blanks creates no todo", &refused);
    browser.value("document.querySelector('#title').value = ''");
    add(browser, "write");
    browser.wait_for(&shows("buy|call|write"));
}

/// No todo is completed afterwards.
fn items(browser: &mut Browser) {
    point(browser, "the counter shows the active todos, with a plural", &count("3 items left"));
    point(browser, "without completed todos there is nothing to clear", &format!("!{CLEAR}.checkVisibility()"));
    tick(browser, 0);
    point(browser, "the checkbox completes a todo", &format!("{ENTRIES}[0].classList.contains('done')"));
    point(browser, "a completed todo does not count", &count("2 items left"));
    point(browser, "with a completed todo there is something to clear", &format!("{CLEAR}.checkVisibility()"));
    tick(browser, 1);
    point(browser, "one todo has no plural", &count("1 item left"));
    tick(browser, 0);
    point(browser, "the checkbox makes a todo active again", &format!("!{ENTRIES}[0].classList.contains('done')"));
    tick(browser, 1);
    browser.wait_for(&count("3 items left"));
    browser.click(&format!("{ENTRIES}[1].querySelector('.remove')"));
    point(browser, "the button of a todo removes it", &shows("buy|write"));
    browser.wait_for(&format!("{UNDO}?.textContent === 'Undo'"));
    browser.value(&format!("{UNDO}.click()"));
    browser.wait_for(&shows("buy|call|write"));
}

/// No todo is completed afterwards.
fn mark_all(browser: &mut Browser) {
    let all = "document.querySelector('#all')";
    let done = |count| format!("document.querySelectorAll('.entry.done').length === {count}");
    tick(browser, 0);
    browser.wait_for(&count("2 items left"));
    browser.click(all);
    point(browser, "mark all completes all todos", &format!("{} && {all}.checked", done(3)));
    point(browser, "no todo has a plural", &count("0 items left"));
    tick(browser, 1);
    point(browser, "mark all is cleared when a todo is active", &format!("!{all}.checked && {}", done(2)));
    tick(browser, 1);
    point(browser, "mark all is checked when all todos are completed", &format!("{all}.checked && {}", done(3)));
    browser.click(all);
    point(browser, "mark all makes all todos active again", &format!("!{all}.checked && {}", done(0)));
}

/// The list is `buy|call me|write` afterwards.
fn editing(browser: &mut Browser) {
    edit(browser, 1);
    let only = format!("[...{FORM}.parentElement.children].every((one) => one === {FORM} || !one.checkVisibility())");
    point(browser, "the other controls of the todo are hidden while it is edited", &only);
    point(browser, "the editor has the focus and the title", "document.activeElement.value === 'call'");
    browser.write("  call her ");
    browser.press("Enter");
    point(browser, "Enter saves the title, which is trimmed", &shows("buy|call her|write"));
    browser.wait_for(&format!("!{FORM}"));
    edit(browser, 1);
    browser.write("call me");
    browser.click("document.querySelector('#name')");
    point(browser, "leaving the editor saves the title", &format!("!{FORM} && {}", shows("buy|call me|write")));
    edit(browser, 1);
    browser.write("nothing");
    browser.press("Escape");
    point(browser, "Escape discards the title", &format!("!{FORM} && {}", shows("buy|call me|write")));
    edit(browser, 2);
    browser.write("  ");
    browser.press("Enter");
    point(browser, "an empty title removes the todo", &shows("buy|call me"));
    browser.wait_for(&format!("{UNDO}?.textContent === 'Undo'"));
    browser.value(&format!("{UNDO}.click()"));
    browser.wait_for(&shows("buy|call me|write"));
}

/// The todo `buy` is completed afterwards.
fn routing(browser: &mut Browser, server: &Server) {
    let is_chosen = |name| format!("document.querySelector('#views [aria-current]').textContent === '{name}'");
    let choose = |name| {
        format!("[...document.querySelectorAll('#views a')].find((one) => one.textContent === '{name}').click()")
    };
    point(browser, "all todos are shown by default", &is_chosen("All"));
    tick(browser, 0);
    browser.wait_for(&count("2 items left"));
    browser.value(&choose("Open"));
    point(browser, "the active todos can be shown alone", &shows("call me|write"));
    point(browser, "the link of what is shown is highlighted", &is_chosen("Open"));
    browser.value(&choose("Done"));
    point(browser, "the completed todos can be shown alone", &shows("buy"));
    browser.value("history.back()");
    point(
        browser,
        "the back button goes to what was shown before",
        &format!("{} && {}", is_chosen("Open"), shows("call me|write")),
    );
    tick(browser, 0);
    point(browser, "a todo that is completed leaves the active ones", &shows("write"));
    browser.open("about:blank");
    browser.open(&server.url("/#todos/open"));
    point(
        browser,
        "what is shown stays when the page is loaded again",
        &format!("{} && {}", is_chosen("Open"), shows("write")),
    );
    browser.value(&choose("All"));
    point(browser, "todos are kept when the page is loaded again", &shows("buy|call me|write"));
    point(browser, "an editor is not kept", &format!("!{FORM}"));
    tick(browser, 1);
    browser.wait_for(&count("2 items left"));
}

fn clear_completed(browser: &mut Browser) {
    browser.click(CLEAR);
    point(browser, "clear completed removes the completed todos", &shows("call me|write"));
    point(browser, "then there is nothing to clear", &format!("!{CLEAR}.checkVisibility()"));
    point(browser, "mark all is cleared", "!document.querySelector('#all').checked");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_entry_is_near_the_top_of_a_narrow_screen() {
    let server = Server::start().await;
    let kanban = server.request("PUT", "/logic/board").header("content-type", "application/wasm");
    assert_eq!(kanban.body(component("kanban")).response().await.status, 201);
    server.request("PUT", "/lists/board").json_text(r#"{"logic":"board"}"#).response().await;
    server.add("board", "Write the report").await;
    server.add("shed", "Rake").await;
    let Some(mut browser) = browser(320) else { return };
    browser.resize(320, 640);
    for address in ["/#shed", "/#board", "/#board/board"] {
        browser.open("about:blank");
        browser.open(&server.url(address));
        browser
            .wait_for(&format!("{ENTRIES}.length === 1 && document.querySelector('#live').dataset.state === 'live'"));
        let top = browser.value(&format!("{ENTRIES}[0].getBoundingClientRect().top")).as_f64().expect("a number");
        assert!(top <= 200.0, "{address}: {top}");
        let is_wide = "document.documentElement.scrollWidth > innerWidth";
        assert_eq!(browser.value(is_wide), false, "{address} is wider than the screen");
    }
}
