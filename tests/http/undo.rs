//! Undo of revisions.

use hotlist::web::Options;
use serde_json::{Value, json};

use crate::support::{RequestExt, Response, Server};

async fn undo(server: &Server, body: &str) -> Response {
    server.post("/lists/bob/undo", body).await
}

/// The titles of the list's entries.
async fn titles(server: &Server) -> Vec<Value> {
    let entries = server.get("/lists/bob/entries").await.json();
    entries.as_array().expect("an array").iter().map(|entry| entry["title"].clone()).collect()
}

async fn rename(server: &Server, id: u64, title: &str) {
    let body = json!({ "title": title }).to_string();
    let response = server.request("PATCH", &format!("/lists/bob/entries/{id}")).json_text(&body).response().await;
    assert_eq!(response.status, 200);
}

#[tokio::test]
async fn undoing_a_deletion_restores_the_entry_under_its_url_and_sends_an_event() {
    let server = Server::start().await;
    let entry = server.add("bob", "milk").await;
    let url = entry["url"].as_str().expect("a URL").to_owned();
    server.request("DELETE", "/lists/bob/entries/1").response().await;
    let mut events = server.request("GET", "/lists/bob/events").events().await;
    events.expect("ready", 2).await;
    let undone = undo(&server, r#"{"revision":2}"#).await;
    assert_eq!((undone.status.as_u16(), undone.header("etag")), (200, "\"3\""));
    assert_eq!(undone.header("hotlist-logic"), "todo@1.0.0+sha256:abababab");
    assert_eq!(undone.json(), json!({"revision": 3, "entries": [entry], "removed": []}));
    assert_eq!(server.client.get(url).response().await.json(), entry);
    let revision = events.expect("revision", 3).await;
    assert_eq!((&revision["command"], &revision["undone"]), (&json!("undo"), &json!(2)));
    assert_eq!(revision["changes"], json!([{"type": "put", "entry": entry}]));
    let history = server.get("/lists/bob/history").await.json();
    assert_eq!((&history[2], history[1].get("undone")), (&revision, None));
}

#[tokio::test]
async fn without_a_number_the_last_revision_is_undone_whether_it_is_an_undo_or_not() {
    let server = Server::start().await;
    server.add("bob", "milk").await;
    rename(&server, 1, "tea").await;
    for (body, title) in [("{}", "milk"), ("{}", "tea"), ("", "milk")] {
        let request = server.request("POST", "/lists/bob/undo");
        let request = if body.is_empty() { request } else { request.json_text(body) };
        assert_eq!(request.response().await.json()["entries"][0]["title"], title);
    }
    assert_eq!(undo(&server, r#"{"revision":1}"#).await.json(), json!({"revision": 6, "entries": [], "removed": [1]}));
    assert_eq!(server.add("bob", "bread").await["id"], 2, "no id is given twice");
}

#[tokio::test]
async fn all_changes_of_a_revision_are_undone_at_once() {
    let server = Server::start().await;
    for title in ["a", "b", "c"] {
        server.add("bob", title).await;
    }
    let before = server.get("/lists/bob/entries").await.json();
    server.request("DELETE", "/lists/bob/entries").response().await;
    let undone = undo(&server, "{}").await.json();
    assert_eq!((&undone["entries"], server.get("/lists/bob/entries").await.json()), (&before, before.clone()));
    let put = |body: &'static str| server.request("PUT", "/lists/bob").json_text(body).response();
    put(r#"{"settings":{"colour":"red"}}"#).await;
    put(r#"{"settings":{"colour":null}}"#).await;
    for (colour, revision) in [(json!("red"), 7), (Value::Null, 6)] {
        assert_eq!(undo(&server, &json!({ "revision": revision }).to_string()).await.status, 200);
        assert_eq!(server.get("/lists/bob").await.json()["settings"]["colour"], colour);
    }
}

#[tokio::test]
async fn a_later_change_to_the_same_entry_is_a_conflict_that_names_it() {
    let server = Server::start().await;
    server.add("bob", "milk").await;
    server.add("bob", "in between").await;
    rename(&server, 1, "tea").await;
    rename(&server, 1, "coffee").await;
    let problem = undo(&server, r#"{"revision":1}"#).await.problem(409, "undo-conflict");
    let text = "revision 1 cannot be taken back: entry 1 was renamed since; \
        revision 4 was the last to change it";
    assert_eq!((&problem["detail"], &problem["logic"]), (&json!(text), &json!("todo@1.0.0+sha256:abababab")));
    assert_eq!(titles(&server).await, ["coffee", "in between"]);
    assert_eq!(server.get("/lists/bob").await.json()["revision"], 4);
    server.request("DELETE", "/lists/bob/entries/1").response().await;
    let problem = undo(&server, r#"{"revision":4}"#).await.problem(409, "undo-conflict");
    let text = "revision 4 cannot be taken back: entry 1 was deleted since; revision 5 was the last to change it";
    assert_eq!(problem["detail"], text);
    server.request("PUT", "/lists/other").response().await;
    let born = server.post("/lists/other/undo", "{}").await.problem(409, "undo-conflict");
    let text = "revision 1 cannot be taken back: it brought the list into being, and nothing else; \
        delete the list instead";
    assert_eq!(born["detail"], text);
}

#[tokio::test]
async fn a_conflicting_change_is_found_several_pages_of_history_back() {
    let server = Server::start().await;
    server.add("bob", "milk").await;
    server.add("bob", "tea").await;
    rename(&server, 1, "coffee").await;
    for n in 0..120 {
        let body = json!({ "order": n }).to_string();
        server.request("PATCH", "/lists/bob/entries/2").json_text(&body).response().await;
    }
    let problem = undo(&server, r#"{"revision":1}"#).await.problem(409, "undo-conflict");
    let text = "revision 1 cannot be taken back: entry 1 was renamed since; revision 3 was the last to change it";
    assert_eq!(problem["detail"], text);
}

#[tokio::test]
async fn an_undo_respects_the_limits_of_a_list() {
    let server = Server::start().await;
    server.add("bob", "milk").await;
    server.request("DELETE", "/lists/bob/entries/1").response().await;
    for n in 0..20 {
        server.add("bob", &n.to_string()).await;
    }
    let problem = undo(&server, r#"{"revision":2}"#).await.problem(409, "full");
    assert_eq!(problem["limit"], json!({"name": "entries", "value": 20}));
}

#[tokio::test]
async fn a_revision_that_never_existed_is_distinguished_from_one_no_longer_retained() {
    let server = Server::with_history(Options::default(), 3).await;
    undo(&server, "{}").await.problem(404, "list-not-found");
    for title in ["a", "b", "c", "d", "e"] {
        server.add("bob", title).await;
    }
    let problem = undo(&server, r#"{"revision":6}"#).await.problem(404, "revision-not-found");
    assert_eq!(problem["detail"], "the list has no revision 6; its last revision is 5");
    let problem = undo(&server, r#"{"revision":2}"#).await.problem(410, "revision-not-kept");
    assert_eq!(problem["detail"], "the history does not hold revision 2 any more; it holds 3 revisions, from 3 on");
    assert_eq!(undo(&server, r#"{"revision":3}"#).await.status, 200);
    server.request("DELETE", "/lists/bob").response().await;
    for body in ["{}", r#"{"revision":6}"#, r#"{"revision":99}"#] {
        undo(&server, body).await.problem(404, "list-not-found");
    }
    server.add("bob", "of another list").await;
    undo(&server, r#"{"revision":6}"#).await.problem(410, "revision-not-kept");
    let problem = undo(&server, r#"{"revision":7}"#).await.problem(409, "undo-conflict");
    assert_eq!(problem["detail"], "revision 7 cannot be taken back: it ended the list");
}

#[tokio::test]
async fn a_body_that_is_not_valid_is_refused_with_its_member() {
    let server = Server::start().await;
    server.add("bob", "milk").await;
    for (body, field, detail) in [
        (r#"{"revision":0}"#, "revision", "revision: 0 is not a revision; those are whole numbers from 1 on"),
        (r#"{"revision":1.5}"#, "revision", "revision: 1.5 is not a revision; those are whole numbers from 1 on"),
        (r#"{"revision":"1"}"#, "revision", "revision: it is a text where a number is expected"),
        (r#"{"revision":null}"#, "revision", "revision: it is null where a number is expected"),
        (r#"{"number":1}"#, "number", "number: there is no such member; these are: revision"),
    ] {
        let problem = undo(&server, body).await.problem(422, "invalid");
        assert_eq!((&problem["field"], &problem["detail"]), (&json!(field), &json!(detail)), "{body}");
    }
    undo(&server, "{").await.problem(400, "malformed");
    server.request("POST", "/lists/bob/undo").body("{}").response().await.problem(415, "media-type");
    assert_eq!(server.get("/lists/bob").await.json()["revision"], 1);
}

#[tokio::test]
async fn an_undo_can_expect_a_revision() {
    let server = Server::start().await;
    server.add("bob", "milk").await;
    rename(&server, 1, "tea").await;
    let undo = |tag: &str| server.request("POST", "/lists/bob/undo").header("if-match", tag).response();
    assert_eq!(undo("\"1\"").await.problem(412, "stale-revision")["revision"], 2);
    assert_eq!(undo("\"2\"").await.header("etag"), "\"3\"");
    undo("\"2\"").await.problem(412, "stale-revision");
    assert_eq!(titles(&server).await, ["milk"]);
}

#[tokio::test]
async fn a_repeated_undo_is_carried_out_once_even_if_its_revision_is_no_longer_retained() {
    let server = Server::with_history(Options::default(), 1).await;
    server.add("bob", "milk").await;
    rename(&server, 1, "tea").await;
    let undo = |key: &'static str, body: &'static str| {
        server.request("POST", "/lists/bob/undo").header("idempotency-key", key).json_text(body).response()
    };
    let first = undo("k", r#"{"revision":2}"#).await;
    assert_eq!(first.status, 200);
    rename(&server, 1, "coffee").await;
    let again = undo("k", r#"{"revision":2}"#).await;
    assert_eq!((again.status, &again.body, again.header("etag")), (first.status, &first.body, "\"3\""));
    let last = undo("last", "{}").await;
    assert_eq!((undo("last", "{}").await.body, titles(&server).await), (last.body, vec![json!("milk")]));
    undo("k", "{}").await.problem(422, "idempotency-key-reused");
    undo("new", r#"{"revision":2}"#).await.problem(410, "revision-not-kept");
}

#[tokio::test]
async fn only_the_caller_who_made_a_revision_may_undo_it() {
    let options = Options { caller_header: Some("x-user".parse().expect("a header")), ..Options::default() };
    let server = Server::with(options).await;
    let by = |caller: &str, method: &str, path: &str| server.request(method, path).header("x-user", caller);
    let set = by("bea", "PUT", "/lists/bob").json_text(r#"{"settings":{"colour":"red"}}"#).response().await;
    assert_eq!(set.status, 201);
    let added = by("cem", "POST", "/lists/bob/entries").json_text(r#"{"title":"milk"}"#).response().await;
    assert_eq!(added.status, 201);
    for (revision, maker) in [(1, "bea"), (2, "cem")] {
        let body = json!({ "revision": revision }).to_string();
        let refused = by("ann", "POST", "/lists/bob/undo").json_text(&body).response().await;
        let problem = refused.problem(403, "not-own-revision");
        let detail =
            format!("revision {revision} was made by {maker}, and only the caller who made a revision may undo it");
        assert_eq!((&problem["detail"], &problem["carried_out"]), (&json!(detail), &json!("no")));
    }
    let history = by("cem", "GET", "/lists/bob/history").response().await.json();
    assert_eq!((&history[0]["may_undo"], &history[1]["may_undo"]), (&json!(false), &json!(true)));
    let mut events = by("bea", "GET", "/lists/bob/events").header("last-event-id", "0").events().await;
    assert_eq!(events.expect("revision", 1).await["may_undo"], json!(true));
    by("cem", "POST", "/lists/bob/undo").json_text("{}").response().await.json();
    let list = by("ann", "GET", "/lists/bob").response().await.json();
    assert_eq!((&list["revision"], &list["settings"]["colour"]), (&json!(3), &json!("red")));
}

#[tokio::test]
async fn without_names_every_caller_may_undo_every_revision() {
    let server = Server::start().await;
    server.add("bob", "milk").await;
    let history = server.get("/lists/bob/history").await.json();
    assert_eq!((&history[0]["caller"], &history[0]["may_undo"]), (&json!("anonymous"), &json!(true)));
    let other = server.client_at("127.0.0.2").post(server.url("/lists/bob/undo"));
    assert_eq!(other.json_text("{}").response().await.status, 200);
}
