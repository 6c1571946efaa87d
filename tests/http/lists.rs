//! Lists as a whole, their history, and the commands and views of their logic.

use hotlist::clock::Clock;
use hotlist::web::Options;
use serde_json::json;

use crate::support::{RequestExt, Response, Server};

#[tokio::test]
async fn a_list_is_created_once_and_changed_after_that() {
    let server = Server::start().await;
    let put = |body: &str| server.request("PUT", "/lists/bob").json_text(body).response();
    let created = put(r#"{"logic":"other","settings":{"colour":"red"}}"#).await;
    let (url, version) = (server.url("/lists/bob"), "other@2.0.0+sha256:abababab");
    assert_eq!((created.status.as_u16(), created.header("location")), (201, url.as_str()));
    assert_eq!(created.json(), json!({"name": "bob", "url": url, "logic": "other", "version": version, "revision": 1}));
    assert_eq!(created.header("hotlist-logic"), version);
    let changed = put(r#"{"settings":{"colour":"blue"}}"#).await;
    assert_eq!((changed.status.as_u16(), changed.json()["revision"].as_u64()), (200, Some(2)));
    let described = server.get("/lists/bob").await;
    let list = json!({
        "name": "bob", "url": url, "logic": "other", "version": version, "written_by": version, "revision": 2,
        "entries": 0, "open": 0, "settings": {"colour": "blue"},
        "description_url": server.url(&format!("/logic/other/versions/sha256:{}/description", "ab".repeat(32))),
    });
    assert_eq!((described.status.as_u16(), described.json(), described.header("etag")), (200, list, "\"2\""));
}

#[tokio::test]
async fn a_pinned_list_names_its_version() {
    let server = Server::start().await;
    let put = |body: &'static str| server.request("PUT", "/lists/bob").json_text(body).response();
    let digest = format!("sha256:{}", "ab".repeat(32));
    for (chosen, pin) in
        [("todo@1.0", json!("1.0")), (&*format!("todo@{digest}"), json!(digest)), ("todo", json!(null))]
    {
        let body = json!({ "logic": chosen }).to_string();
        let set = server.request("PUT", "/lists/bob").json_text(&body).response().await.json();
        let unchanged = put("{}").await.json();
        for body in [set, unchanged, server.get("/lists/bob").await.json()] {
            assert_eq!((&body["pin"], body.get("pin").is_some()), (&pin, !pin.is_null()), "{body}");
            assert_eq!(body["version"], "todo@1.0.0+sha256:abababab");
        }
    }
}

#[tokio::test]
async fn a_list_can_be_created_without_a_body() {
    let server = Server::start().await;
    let created = server.request("PUT", "/lists/bob").response().await;
    assert_eq!((created.status.as_u16(), created.json()["logic"].as_str()), (201, Some("todo")));
}

#[tokio::test]
async fn a_deleted_list_is_gone_and_its_revisions_go_on() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    assert_eq!(server.request("DELETE", "/lists/bob").response().await.status, 204);
    for path in ["/lists/bob", "/lists/bob/history", "/lists/bob/entries/1", "/lists/bob/views/open-first"] {
        server.get(path).await.problem(404, "list-not-found");
    }
    server.request("DELETE", "/lists/bob").response().await.problem(404, "list-not-found");
    let patch = server.request("PATCH", "/lists/bob/entries/1").json_text("{}");
    patch.response().await.problem(404, "list-not-found");
    assert_eq!(server.post("/lists/bob/entries", r#"{"title":"b"}"#).await.header("etag"), "\"3\"");
}

#[tokio::test]
async fn lists_are_paged_by_name() {
    let server = Server::start().await;
    for name in ["a", "b%20b", "c"] {
        server.add(name, "x").await;
    }
    let page = server.get("/lists?limit=2").await;
    let names: Vec<_> = page.json().as_array().expect("an array").iter().map(|list| list["name"].clone()).collect();
    assert_eq!(names, ["a", "b b"]);
    assert_eq!(
        page.json()[0],
        json!({
            "name": "a", "url": server.url("/lists/a"), "logic": "todo", "revision": 1, "entries": 1, "open": 1,
        })
    );
    assert_eq!(page.header("link"), format!("<{}>; rel=\"next\"", server.url("/lists?after=b%20b&limit=2")));
    let page = server.get("/lists?after=b%20b&limit=2").await;
    assert_eq!((page.json()[0]["name"].as_str(), page.header("link")), (Some("c"), ""));
}

#[tokio::test]
async fn a_name_may_contain_slashes_dots_and_any_script() {
    let server = Server::start().await;
    for (path, name) in
        [("a%2Fb", "a/b"), ("..%2F..%2Fetc", "../../etc"), ("%E6%97%A5", "日"), ("%252F", "%2F"), ("a+b", "a+b")]
    {
        let url = server.add(path, "x").await["url"].as_str().expect("a URL").to_owned();
        let list = server.get(&format!("/lists/{path}")).await.json();
        assert_eq!(list["name"], name);
        assert_eq!(server.client.get(url).response().await.json()["title"], "x", "{name}");
    }
    // Dots as a segment of their own mean nothing to this server, but clients may resolve them before.
    let raw = server.send_raw(b"GET /lists/../entries HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(raw.ends_with("[]"), "{raw}");
    for (line, body) in [("PUT /lists/..", "{}"), ("POST /lists/%2E/entries", r#"{"title":"x"}"#)] {
        let head = "host: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length";
        let request = format!("{line} HTTP/1.1\r\n{head}: {}\r\n\r\n{body}", body.len());
        let refused = server.send_raw(request.as_bytes()).await;
        assert!(refused.starts_with("HTTP/1.1 422") && refused.contains("browsers take the segment"), "{refused}");
    }
}

#[tokio::test]
async fn the_history_names_the_caller_time_and_changes_of_each_revision() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    server.request("DELETE", "/lists/bob/entries/1").response().await;
    let page = server.get("/lists/bob/history?limit=1").await;
    let entry =
        json!({"id": 1, "url": server.url("/lists/bob/entries/1"), "title": "a", "completed": false, "fields": {}});
    assert_eq!(
        page.json(),
        json!([{
            "revision": 1, "time": "2026-11-23T12:00:00Z", "caller": "anonymous", "command": "add-entry", "may_undo": true,
            "logic": "todo@1.0.0+sha256:abababab",
            "changes": [{"type": "bind-logic", "logic": "todo", "version": "todo@1.0.0+sha256:abababab"}, {"type": "put", "entry": entry}],
        }])
    );
    let next = server.url("/lists/bob/history?after=1&limit=1");
    assert_eq!(page.header("link"), format!("<{next}>; rel=\"next\""));
    let page = server.get("/lists/bob/history?after=1").await;
    assert_eq!(page.json()[0]["changes"], json!([{"type": "remove", "id": 1}]));
}

/// The numbers of the revisions on a page, and the path of the next page.
async fn revisions(server: &Server, path: &str) -> (Vec<u64>, Option<String>) {
    let page = server.get(path).await;
    assert_eq!(page.status, 200, "{page:?}");
    let body = page.json();
    let numbers = body.as_array().expect("an array").iter().map(|revision| revision["revision"].as_u64());
    let next = page.header("link").strip_prefix('<').and_then(|link| link.split_once('>'));
    let next = next.and_then(|(url, _)| url.strip_prefix(&server.url(""))).map(str::to_owned);
    (numbers.map(|number| number.expect("a number")).collect(), next)
}

#[tokio::test]
async fn a_history_is_read_newest_first_between_numbers_and_by_days() {
    let server = Server::with_history(Options::default(), 6).await;
    let day = 24 * 3_600_000;
    // Revisions 1 and 2 are of the 23rd of November, 3 to 5 of the 24th, 6 to 8 of the 26th. The first two are forgotten.
    for revision in 1..=8 {
        server.add("bob", "a").await;
        match revision {
            2 => server.clock.advance(day),
            5 => server.clock.advance(2 * day),
            _ => {}
        }
    }
    for (query, expected) in [
        ("", vec![3, 4, 5, 6, 7, 8]),
        ("?order=desc", vec![8, 7, 6, 5, 4, 3]),
        ("?order=desc&before=6", vec![5, 4, 3]),
        ("?order=desc&after=6", vec![8, 7]),
        ("?before=5", vec![3, 4]),
        ("?after=4&before=7", vec![5, 6]),
        ("?from=2026-11-24&to=2026-11-25", vec![3, 4, 5]),
        ("?from=2026-11-25", vec![6, 7, 8]),
        ("?to=2026-11-24&order=desc", vec![5, 4, 3]),
        ("?to=2026-11-23", vec![]),
        ("?from=2026-11-27", vec![]),
        ("?from=2026-11-26&to=2026-11-24", vec![]),
        ("?before=0", vec![]),
        ("?after=8", vec![]),
    ] {
        assert_eq!(revisions(&server, &format!("/lists/bob/history{query}")).await, (expected, None), "{query}");
    }
    // Pages follow each other and keep the days.
    let (mut found, mut next) = (Vec::new(), Some("/lists/bob/history?order=desc&limit=2&from=2026-11-24".to_owned()));
    while let Some(path) = next {
        let (page, after) = revisions(&server, &path).await;
        found.push(page);
        next = after;
    }
    assert_eq!(found, [[8, 7], [6, 5], [4, 3]]);
    let (first, next) = revisions(&server, "/lists/bob/history?limit=2&to=2026-11-24").await;
    let (second, end) = revisions(&server, &next.expect("a next page")).await;
    assert_eq!((first, second, end), (vec![3, 4], vec![5], None));
    for (query, field) in
        [("order=up", "order"), ("from=soon", "from"), ("to=2026-02-30", "to"), ("before=x", "before")]
    {
        let problem = server.get(&format!("/lists/bob/history?{query}")).await.problem(400, "query");
        assert_eq!(problem["field"], field);
    }
}

#[tokio::test]
async fn a_history_by_days_is_complete_where_the_clock_was_set_back_over_midnight() {
    let (server, day) = (Server::start().await, 24 * 3_600_000);
    let noon = server.clock.now();
    for (title, time) in [("a", noon), ("b", noon - day), ("c", noon - day), ("d", noon + day)] {
        server.clock.set_wall(time);
        server.add("bob", title).await;
    }
    for (query, expected) in [
        ("?from=2026-11-23", vec![1, 2, 3, 4]),
        ("?to=2026-11-23", vec![1, 2, 3]),
        ("?to=2026-11-22", vec![]),
        ("?from=2026-11-24", vec![4]),
    ] {
        let (found, _) = revisions(&server, &format!("/lists/bob/history{query}")).await;
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn a_page_of_the_newest_revisions_ends_by_its_bytes() {
    let server = Server::with(Options { page_bytes: 2_000, ..Options::default() }).await;
    for _ in 0..7 {
        server.add("bob", &"x".repeat(500)).await;
    }
    let (mut found, mut next, mut pages) = (Vec::new(), Some("/lists/bob/history?order=desc".to_owned()), 0);
    while let Some(path) = next {
        let (page, after) = revisions(&server, &path).await;
        found.extend(page);
        (next, pages) = (after, pages + 1);
    }
    assert_eq!(found, [7, 6, 5, 4, 3, 2, 1]);
    assert!(pages > 1, "{pages}");
}

#[tokio::test]
async fn lists_are_found_by_their_logic() {
    let server = Server::start().await;
    for (name, logic) in [("a", "todo"), ("b", "other"), ("c", "todo"), ("d", "other"), ("e", "other")] {
        let body = json!({ "logic": logic }).to_string();
        server.request("PUT", &format!("/lists/{name}")).json_text(&body).response().await;
    }
    let names = |page: &Response| {
        page.json().as_array().expect("an array").iter().map(|list| list["name"].clone()).collect::<Vec<_>>()
    };
    let page = server.get("/lists?logic=other&limit=2").await;
    let next = server.url("/lists?after=d&logic=other&limit=2");
    assert_eq!(
        (names(&page), page.header("link")),
        (vec![json!("b"), json!("d")], &*format!("<{next}>; rel=\"next\""))
    );
    let page = server.client.get(next).response().await;
    assert_eq!((names(&page), page.header("link")), (vec![json!("e")], ""));
    assert_eq!(names(&server.get("/lists?logic=none").await), [json!(null); 0]);
    assert_eq!(server.get("/lists?logic=No").await.problem(400, "query")["field"], "logic");
}

#[tokio::test]
async fn a_command_of_the_logic_returns_what_it_changed() {
    let server = Server::start().await;
    server.post("/lists/bob/entries", r#"{"title":"a","completed":true}"#).await;
    server.add("bob", "b").await;
    let response = server.post("/lists/bob/commands/due-all", r#"{"day":"2026-12-24"}"#).await;
    assert_eq!((response.status.as_u16(), response.header("etag")), (200, "\"3\""));
    assert_eq!(response.json()["entries"][1]["fields"], json!({"due": "2026-12-24"}));
    let response = server.request("POST", "/lists/bob/commands/clear-completed").response().await;
    assert_eq!(response.json(), json!({"revision": 4, "entries": [], "removed": [1]}));
    server.post("/lists/bob/commands/fly", "{}").await.problem(404, "command-not-found");
    let problem = server.post("/lists/bob/commands/due-all", "{}").await.problem(422, "invalid");
    assert_eq!((problem["field"].as_str(), problem["detail"].as_str()), (Some("day"), Some("day: it is required")));
}

#[tokio::test]
async fn a_command_can_name_existing_entries_only() {
    let server = Server::start().await;
    for title in ["a", "b", "c"] {
        server.add("bob", title).await;
    }
    let remove = |body: &'static str| server.post("/lists/bob/commands/remove-these", body);
    remove(r#"{"entries":[1,7]}"#).await.problem(404, "entry-not-found");
    for (body, detail) in [
        (r#"{"entries":[1.5]}"#, "entries: 1.5 is not an entry's id; those are whole numbers from 1 on"),
        (r#"{"entries":[0]}"#, "entries: 0 is not an entry's id; those are whole numbers from 1 on"),
        (r#"{"entries":["a"]}"#, "entries: it has a text among its entries' ids"),
        (r#"{"entries":1}"#, "entries: it is of kind number where entries is declared"),
    ] {
        assert_eq!(remove(body).await.problem(422, "invalid")["detail"], detail);
    }
    assert_eq!(remove(r#"{"entries":[1,3]}"#).await.json()["removed"], json!([1, 3]));
}

#[tokio::test]
async fn a_field_can_name_entries() {
    let server = Server::start().await;
    let fields = r#"{"title":"a","fields":{"after":[2,3],"parent":4}}"#;
    let entry = server.post("/lists/bob/entries", fields).await.json();
    assert_eq!(entry["fields"], json!({"after": [2, 3], "parent": 4}));
}

#[tokio::test]
async fn a_view_returns_groups() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    let response = server.get("/lists/bob/views/open-first").await;
    let view = response.json();
    assert_eq!((view["view"].as_str(), view["revision"].as_u64()), (Some("open-first"), Some(1)));
    assert_eq!((&view["groups"][0]["title"], &view["groups"][0]["entries"][0]["id"]), (&json!("OPEN"), &json!(1)));
    assert_eq!(view["groups"][1], json!({"name": "done", "title": "DONE", "computed": {"count": 0}, "entries": []}));
    assert_eq!(response.header("hotlist-logic"), "todo@1.0.0+sha256:abababab");
    server.get("/lists/bob/views/none").await.problem(404, "view-not-found");
}
