//! Entries: the operations of a Todo-Backend client, and what Hotlist adds.

use hotlist::list::name::ListName;
use serde_json::json;

use crate::log::CapturedLog;
use crate::support::{RequestExt, Server};

#[tokio::test]
async fn a_list_that_does_not_exist_has_no_entries() {
    let server = Server::start().await;
    let response = server.get("/lists/bob/entries").await;
    assert_eq!((response.status.as_u16(), response.json()), (200, json!([])));
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!(server.request("DELETE", "/lists/bob/entries").response().await.status, 204);
    server.get("/lists/bob").await.problem(404, "list-not-found");
}

#[tokio::test]
async fn an_added_entry_is_returned_and_can_be_read_at_its_url() {
    let server = Server::start().await;
    let body = r#"{"title":"Dentist","date":"2026-11-23","order":10,"fields":{"due":"2026-12-01","points":0.5}}"#;
    let response = server.post("/lists/bob/entries", body).await;
    assert_eq!(response.status, 201);
    let url = server.url("/lists/bob/entries/1");
    let entry = json!({
        "id": 1, "url": url, "title": "Dentist", "date": "2026-11-23", "completed": false, "order": 10,
        "fields": {"due": "2026-12-01", "points": 0.5},
    });
    assert_eq!(response.json(), entry);
    assert_eq!(response.header("location"), url);
    assert_eq!(response.header("etag"), "\"1\"");
    assert_eq!(response.header("hotlist-logic"), "todo@1.0.0+sha256:abababab");
    let found = server.client.get(url).response().await;
    assert_eq!((found.status.as_u16(), found.json()), (200, entry.clone()));
    assert_eq!(found.header("etag"), "\"1\"");
    assert_eq!(server.get("/lists/bob/entries").await.json(), json!([entry]));
}

#[tokio::test]
async fn a_member_absent_on_input_is_absent_on_output_except_completed_and_fields() {
    let server = Server::start().await;
    let entry = server.add("bob", "a").await;
    let url = server.url("/lists/bob/entries/1");
    assert_eq!(entry, json!({"id": 1, "url": url, "title": "a", "completed": false, "fields": {}}));
}

#[tokio::test]
async fn an_entry_as_it_was_read_can_be_sent_back_and_its_identity_cannot_be_changed() {
    let server = Server::start().await;
    let mut entry = server.add("bob", "a").await;
    let send = async |entry: &serde_json::Value| {
        server.request("PATCH", "/lists/bob/entries/1").json_text(&entry.to_string()).response().await
    };
    entry["title"] = json!("b");
    let sent = send(&entry).await;
    assert_eq!((sent.status.as_u16(), sent.json()), (200, entry.clone()));
    for (member, other) in [("id", json!(2)), ("id", json!(1.5)), ("url", json!(server.url("/lists/bob/entries/2")))] {
        let mut changed = entry.clone();
        changed[member] = other;
        let problem = send(&changed).await.problem(422, "invalid");
        assert_eq!(problem["field"], member);
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("cannot be changed")), "{problem}");
    }
}

#[tokio::test]
async fn a_patch_changes_the_members_it_names_and_null_removes_one() {
    let server = Server::start().await;
    server
        .post("/lists/bob/entries", r#"{"title":"a","date":"2026-11-23","order":1,"fields":{"tags":["x","y"]}}"#)
        .await;
    let patch = |body: &'static str, of_type: &'static str| {
        server.request("PATCH", "/lists/bob/entries/1").header("content-type", of_type).body(body).response()
    };
    let response = patch(r#"{"completed":true,"fields":{"points":3}}"#, "application/merge-patch+json").await;
    let url = server.url("/lists/bob/entries/1");
    let entry = json!({
        "id": 1, "url": url, "title": "a", "date": "2026-11-23", "completed": true, "order": 1,
        "fields": {"tags": ["x", "y"], "points": 3},
    });
    assert_eq!((response.status.as_u16(), response.json()), (200, entry));
    let response =
        patch(r#"{"date":null,"order":null,"fields":{"tags":null}}"#, "application/json; charset=utf-8").await;
    let entry = json!({"id": 1, "url": url, "title": "a", "completed": true, "fields": {"points": 3}});
    assert_eq!((response.status.as_u16(), response.json(), response.header("etag")), (200, entry.clone(), "\"3\""));
    let nothing = patch("{}", "application/json").await;
    assert_eq!((nothing.status.as_u16(), nothing.json(), nothing.header("etag")), (200, entry, "\"3\""));
}

#[tokio::test]
async fn deleting_one_entry_leaves_the_others() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    server.add("bob", "b").await;
    let response = server.request("DELETE", "/lists/bob/entries/1").response().await;
    assert_eq!((response.status.as_u16(), response.body.as_str(), response.header("etag")), (204, "", "\"3\""));
    server.get("/lists/bob/entries/1").await.problem(404, "entry-not-found");
    assert_eq!(server.get("/lists/bob/entries").await.json()[0]["title"], "b");
    assert_eq!(server.request("DELETE", "/lists/bob/entries").response().await.status, 204);
    assert_eq!(server.get("/lists/bob/entries").await.json(), json!([]));
}

#[tokio::test]
async fn entries_are_filtered_and_paged() {
    let server = Server::start().await;
    for (title, date) in [("a", "2026-11-23"), ("b", "2026-11-24"), ("c", "2026-11-23"), ("d", "2026-11-23")] {
        let body = json!({"title": title, "date": date, "completed": title == "d"}).to_string();
        server.post("/lists/b%2Fb/entries", &body).await;
    }
    let titles = async |query: &str| {
        let response = server.get(&format!("/lists/b%2Fb/entries?{query}")).await;
        let titles: String =
            response.json().as_array().expect("an array").iter().filter_map(|e| e["title"].as_str()).collect();
        (titles, response.header("link").to_owned())
    };
    assert_eq!(titles("date=2026-11-23").await.0, "acd");
    assert_eq!(titles("completed=true").await.0, "d");
    let (first, link) = titles("date=2026-11-23&completed=false&limit=1").await;
    let next = "?after=1&limit=1&date=2026-11-23&completed=false";
    let url = server.url("/lists/b%2Fb/entries");
    assert_eq!((first.as_str(), link), ("a", format!("<{url}{next}>; rel=\"next\"")));
    let second = server.get(&format!("/lists/b%2Fb/entries{next}")).await;
    assert_eq!((second.json()[0]["title"].as_str(), second.header("link")), (Some("c"), ""));
}

#[tokio::test]
async fn entries_are_found_by_text_and_fields_and_counted() {
    let server = Server::start().await;
    for (title, points) in [("Milk", 1), ("Oat milk", 2), ("Bread", 2), ("MILK & honey", 2)] {
        let body =
            json!({"title": title, "completed": title == "Bread", "fields": {"points": points, "tags": [title]}});
        server.post("/lists/bob/entries", &body.to_string()).await;
    }
    for (query, expected, total) in [
        ("", vec![1, 2, 3, 4], "4"),
        ("?limit=1", vec![1], "4"),
        ("?completed=false&limit=1", vec![1], "3"),
        ("?completed=true", vec![3], "1"),
        ("?text=milk", vec![1, 2, 4], "3"),
        ("?text=milk&after=1&limit=1", vec![2], "3"),
        ("?field=points:2", vec![2, 3, 4], "3"),
        ("?field=points:2&field=tags:Bread", vec![3], "1"),
        ("?field=points:2&text=MILK&completed=false", vec![2, 4], "2"),
        ("?field=nope:2", vec![], "0"),
    ] {
        let page = server.get(&format!("/lists/bob/entries{query}")).await;
        let ids: Vec<_> = page.json().as_array().expect("an array").iter().filter_map(|e| e["id"].as_u64()).collect();
        assert_eq!((ids, page.header("hotlist-total")), (expected, total), "{query}");
    }
    let page = server.get("/lists/bob/entries?text=milk&field=points:2&limit=1").await;
    let next = server.url("/lists/bob/entries?after=2&limit=1&text=milk&field=points%3A2");
    assert_eq!(page.header("link"), format!("<{next}>; rel=\"next\""));
    assert_eq!(server.client.get(next).response().await.json()[0]["id"], 4);
    assert_eq!(server.get(&format!("/lists/bob/entries?text={}", "é".repeat(1_000))).await.status, 200);
    for (query, field) in [
        ("text=milk&view=open-first", "text"),
        ("field=points:2&view=open-first", "field"),
        ("field=points", "field"),
        ("field=Points:3", "field"),
        (&format!("field={}:3", "a".repeat(65)), "field"),
        (&format!("text={}", "é".repeat(1_001)), "text"),
        ("field=a:1&field=a:2&field=a:3&field=a:4&field=a:5&field=a:6&field=a:7&field=a:8&field=a:9", "field"),
        ("or-after=x", "or-after"),
        ("or-after=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "or-after"),
    ] {
        let problem = server.get(&format!("/lists/bob/entries?{query}")).await.problem(400, "query");
        assert_eq!(problem["field"], field, "{query}");
    }
}

#[tokio::test]
async fn an_entry_that_the_logic_merges_into_another_is_a_200_without_location() {
    let server = Server::start().await;
    server.add("bob", "milk").await;
    let response = server.post("/lists/bob/entries", r#"{"title":"merge"}"#).await;
    assert_eq!((response.status.as_u16(), response.header("location")), (200, ""));
    assert_eq!(response.json()["title"], "milk, merged");
    let response = server.post("/lists/bob/entries", r#"{"title":"vanish"}"#).await;
    assert_eq!((response.status.as_u16(), response.header("hotlist-logic")), (204, "todo@1.0.0+sha256:abababab"));
}

#[tokio::test]
async fn a_change_without_effect_is_no_failure_when_the_list_cannot_be_read_afterwards() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    let (cache, clock, store) = (server.services.cache.clone(), server.clock.clone(), server.store.clone());
    // Right after the actor has replied, before the handler goes on.
    server.executor.after_next_task(move || {
        store.make_unreadable(ListName::new("bob").expect("a name"), "a bit flipped");
        clock.advance_monotonic(600_000);
        assert_eq!(cache.sweep(), 1, "the list is out of memory");
    });
    let log = CapturedLog::begin();
    let response = server.request("PATCH", "/lists/bob/entries/1").json_text(r#"{"title":"a"}"#).response().await;
    let lines = log.end();
    assert_eq!((response.status.as_u16(), response.header("etag"), response.body.as_str()), (204, "\"1\"", ""));
    assert!(lines.contains("a bit flipped"), "{lines}");
}

#[tokio::test]
async fn a_view_can_be_read_through_the_entries() {
    let server = Server::start().await;
    server.post("/lists/bob/entries", r#"{"title":"a","completed":true}"#).await;
    server.add("bob", "b").await;
    let response = server.get("/lists/bob/entries?view=open-first").await;
    let rows = response.json();
    assert_eq!((&rows[0]["title"], &rows[0]["computed"]), (&json!("b"), &json!({"done": false})));
    assert_eq!((&rows[1]["title"], &rows[1]["computed"]), (&json!("a"), &json!({"done": true})));
    assert_eq!(response.header("hotlist-logic"), "todo@1.0.0+sha256:abababab");
    assert_eq!(response.header("etag"), "");
    server.get("/lists/bob/entries?view=none").await.problem(404, "view-not-found");
}
