//! Logics: their rollout state, and uploads.

use hotlist::list::name::LogicName;
use hotlist::rollout::Cause;
use hotlist::web::Options;
use serde_json::{Value, json};

use crate::support::logic::TestLogic;
use crate::support::{NOON, RequestExt, Server, component, metrics};

#[tokio::test]
async fn logics_are_listed_with_their_counters() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    server.post("/lists/bob/entries", r#"{"title":""}"#).await;
    server.post("/lists/bob/entries", r#"{"title":"trap"}"#).await;
    let all = server.get("/logic").await.json();
    let all = all.as_array().expect("an array");
    assert!(all.iter().any(|logic| logic["name"] == "other"), "{all:?}");
    let live = &all.iter().find(|logic| logic["name"] == "todo").expect("it is there")["live"];
    assert_eq!((&live["accepted"], &live["rejected"], &live["faults"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(live["digest"], format!("sha256:{}", "ab".repeat(32)));
    assert_eq!(live["since"], "2026-11-23T12:00:00Z");
    let one = server.get("/logic/todo").await.json();
    assert_eq!((&one["state"], &one["description"]["reading"]), (&json!("live"), &json!("host")));
    let arguments = &one["description"]["commands"][1]["arguments"][0];
    assert_eq!(
        (&arguments["name"], &arguments["kind"], &arguments["required"]),
        (&json!("day"), &json!("date"), &json!(true))
    );
    assert_eq!(one["events"][0]["version"], "1.0.0");
    server.get("/logic/none").await.problem(404, "logic-not-found");
    server.get("/logic/No").await.problem(400, "name");
}

#[tokio::test]
async fn a_logic_without_any_accepted_version_is_shown_with_the_reason() {
    let server = Server::start().await;
    let name = LogicName::new("broken").expect("a name");
    server.services.registry.refuse(&name, Cause::new("broken.wasm", NOON), None, "it imports wasi:clocks".into());
    let logic = server.get("/logic/broken").await.json();
    assert_eq!((&logic["state"], &logic["failure"]), (&json!("failed"), &json!("it imports wasi:clocks")));
    let put = server.request("PUT", "/lists/bob").json_text(r#"{"logic":"broken"}"#).response().await;
    assert_eq!(put.problem(422, "invalid")["field"], "logic");
}

#[tokio::test]
async fn a_client_waits_until_the_next_command_is_decided_by_other_rules() {
    let server = Server::start().await;
    let first = server.get("/logic/todo").await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    // Counters leave the tag as it is.
    server.add("bob", "a").await;
    let read =
        |query: &str| server.request("GET", &format!("/logic/todo{query}")).header("if-none-match", &tag).response();
    let unchanged = read("").await;
    assert_eq!((unchanged.status.as_u16(), unchanged.header("etag")), (304, tag.as_str()));
    assert_eq!(read("?wait=61").await.problem(400, "query")["field"], "wait");
    let publish = async {
        while metrics(&server).event_streams.get() == 0 {
            tokio::task::yield_now().await;
        }
        // A change of another logic is no answer.
        server.services.registry.publish(Box::new(TestLogic::new("other", "2.1.0")), "built in", NOON);
        server.services.registry.publish(Box::new(TestLogic::new("todo", "1.1.0")), "built in", NOON);
    };
    let (changed, ()) = tokio::join!(read("?wait=60"), publish);
    assert_eq!((changed.status.as_u16(), &changed.json()["live"]["version"]), (200, &json!("1.1.0")));
    assert_ne!(changed.header("etag"), tag);
    // Without a tag that is current there is nothing to wait for.
    assert_eq!(read("?wait=60").await.status, 200);
    // A stopping server does not wait.
    let (last, stopping) = (server.get("/logic/todo").await.header("etag").to_owned(), server.shutdown.clone());
    let wait = server.request("GET", "/logic/todo?wait=60").header("if-none-match", last);
    let stop = async {
        while metrics(&server).event_streams.get() == 0 {
            tokio::task::yield_now().await;
        }
        stopping.cancel();
    };
    let (stopped, ()) = tokio::join!(wait.send(), stop);
    assert_eq!(stopped.expect("a response").status(), 304);
}

#[tokio::test]
async fn an_upload_has_to_be_a_component_within_the_limit() {
    let server = Server::with(Options { max_component_bytes: 10, ..Options::default() }).await;
    let put = |of_type: &str, bytes: usize| {
        server.request("PUT", "/logic/new").header("content-type", of_type).body(vec![0; bytes]).response()
    };
    put("application/json", 1).await.problem(415, "media-type");
    put("application/wasm", 1_000).await.problem(413, "too-large");
    let response = server.request("PUT", "/logic/../x").response().await;
    assert_ne!(response.status, 201);
}

#[tokio::test]
async fn the_next_page_of_a_view_is_there_although_its_last_entry_is_not() {
    let server = Server::start().await;
    let upload = server.request("PUT", "/logic/rules").header("content-type", "application/wasm");
    assert_eq!(upload.body(component("todo")).response().await.status, 201);
    server.request("PUT", "/lists/bob").json_text(r#"{"logic":"rules"}"#).response().await;
    for title in ["a", "b", "c", "d"] {
        server.add("bob", title).await;
    }
    let next = async |path: &str| {
        let page = server.get(path).await;
        let link = page.header("link").strip_prefix('<').and_then(|link| link.split_once('>')).map(|(url, _)| url);
        link.expect("a next page").strip_prefix(&server.url("")).expect("a path").to_owned()
    };
    let titles = async |path: &str| {
        let page = server.get(path).await;
        assert_eq!(page.status, 200, "{page:?}");
        let (view, mut titles) = (page.json(), String::new());
        let groups = view["groups"].as_array().into_iter().flatten().flat_map(|group| group["entries"].as_array());
        for entry in groups.flatten().chain(view.as_array().into_iter().flatten()) {
            titles.push_str(entry["title"].as_str().expect("a title"));
        }
        titles
    };
    let delete = |id: u64| server.request("DELETE", &format!("/lists/bob/entries/{id}")).response();
    let view = next("/lists/bob/views/by-date?limit=2").await;
    let entries = next("/lists/bob/entries?view=by-date&limit=2").await;
    assert_eq!(view, "/lists/bob/views/by-date?after=2&limit=2&or-after=1%2C0");
    assert_eq!(titles(&view).await, "cd");
    delete(2).await;
    assert_eq!((titles(&view).await, titles(&entries).await), ("cd".to_owned(), "cd".to_owned()));
    // What a client names itself is the logic's to reject.
    let rejected = server.get("/lists/bob/views/by-date?after=2").await.problem(422, "rejected-value");
    assert_eq!(rejected["field"], "after");
    delete(1).await;
    assert_eq!(titles(&view).await, "cd", "it begins at the start");
}

#[tokio::test]
async fn the_lists_of_a_logic_are_told_apart_by_who_decides() {
    let server = Server::start().await;
    let put = |path: &str, body: Value| server.request("PUT", path).json_text(&body.to_string()).response();
    for name in ["a", "b", "c"] {
        put(&format!("/lists/{name}"), json!({ "logic": "todo" })).await;
    }
    put("/lists/b", json!({ "logic": "todo@1.0.0" })).await;
    put("/lists/other", json!({ "logic": "other" })).await;
    let names = async |query: &str| {
        let lists = server.get(&format!("/logic/todo/lists{query}")).await.json();
        lists.as_array().expect("an array").iter().map(|list| list["name"].to_string()).collect::<String>()
    };
    assert_eq!(names("").await, r#""a""b""c""#);
    assert_eq!((names("?state=pinned").await, names("?state=canary").await), (r#""b""#.into(), String::new()));
    let all = server.get("/logic/todo/lists?after=a&limit=1").await;
    let version = "todo@1.0.0+sha256:abababab";
    assert_eq!(
        all.json(),
        json!([{"name": "b", "url": server.url("/lists/b"), "revision": 2, "written_by": version, "pin": "1.0.0", "states": ["pinned"]}])
    );
    let next = server.url("/logic/todo/lists?after=b&limit=1");
    assert_eq!(all.header("link"), format!("<{next}>; rel=\"next\""));
    let pinned = server.get("/logic/todo/lists?state=pinned&limit=1").await;
    assert_eq!(
        (&pinned.json()[0]["name"], pinned.header("link").contains("after=b&")),
        (&json!("b"), true),
        "a is read"
    );
    assert_eq!(server.get("/logic/todo/lists?state=x").await.problem(400, "query")["field"], "state");
    server.get("/logic/none/lists").await.problem(404, "logic-not-found");
}

#[tokio::test]
async fn an_uploaded_component_decides_from_the_next_command_on() {
    let server = Server::start().await;
    let put = |bytes: Vec<u8>| {
        server.request("PUT", "/logic/rules").header("content-type", "application/wasm").body(bytes).response()
    };
    let broken = put(b"not wasm".to_vec()).await.problem(422, "component");
    assert!(broken["detail"].as_str().is_some_and(|detail| detail.contains("not a WebAssembly component")), "{broken}");
    server.get("/logic/rules").await.problem(404, "logic-not-found");
    assert_eq!(put(component("todo")).await.status, 201);
    let logic = server.request("PUT", "/lists/bob").json_text(r#"{"logic":"rules"}"#).response().await;
    assert_eq!(logic.status, 201, "{logic:?}");
    for title in ["a", "a"] {
        server.add("bob", title).await;
    }
    assert_eq!(put(component("strict")).await.status, 201);
    let response = server.post("/lists/bob/entries", r#"{"title":"a"}"#).await;
    assert_eq!(response.problem(422, "rejected-value")["code"], "title-twice");
    let digest = server.get("/logic/rules").await.json()["live"]["digest"].as_str().expect("a digest").to_owned();
    let stored = server.data.path().join(format!("logic/rules/{}.wasm", &digest["sha256:".len()..]));
    assert_eq!(std::fs::read(stored).expect("it is stored"), component("strict"));
    let read = server.get(&format!("/logic/rules/versions/{digest}")).await;
    assert_eq!((read.status.as_u16(), read.header("content-type")), (200, "application/wasm"));
    server.get(&format!("/logic/rules/versions/{}", "0".repeat(64))).await.problem(404, "logic-not-found");
    server.get("/logic/rules/versions/1.0.0").await.problem(400, "name");
    // A list's description names the version that decides now, before that version has written anything.
    let list = server.get("/lists/bob").await;
    let described = list.json();
    let (version, written_by) = (described["version"].as_str(), described["written_by"].as_str());
    assert!(version.is_some_and(|version| version.contains(&digest["sha256:".len()..][..8])), "{described}");
    assert!(written_by.is_some() && written_by != version, "{described}");
    let url = described["description_url"].as_str().expect("a URL").to_owned();
    assert_eq!(url, server.url(&format!("/logic/rules/versions/{digest}/description")));
    let description = server.client.get(&url).response().await;
    assert_eq!(description.header("cache-control"), "private, max-age=86400, immutable");
    let content = description.json();
    assert_eq!((&content["name"], &content["digest"]), (&json!("rules"), &json!(digest)));
    assert!(content["fields"].is_array() && content["title"].is_string(), "{content}");
    let again = server.client.get(&url).header("if-none-match", description.header("etag")).response().await;
    assert_eq!(again.status, 304);
    let unknown = format!("/logic/rules/versions/{}/description", "0".repeat(64));
    server.get(&unknown).await.problem(404, "logic-not-found");
    // The tag tells this description from that of the same revision under the version before, and is a revision in If-Match.
    let tag = list.header("etag").to_owned();
    assert!(tag.starts_with("\"3+"), "{tag}");
    let read = server.request("GET", "/lists/bob").header("if-none-match", &tag).response().await;
    assert_eq!(read.status, 304);
    assert_eq!(server.request("GET", "/lists/bob").header("if-none-match", "\"3\"").response().await.status, 200);
    let write = server.request("POST", "/lists/bob/entries").header("if-match", &tag).json_text(r#"{"title":"b"}"#);
    assert_eq!(write.response().await.status, 201);
    let written = server.get("/lists/bob").await;
    assert_eq!((&written.json()["written_by"], written.header("etag")), (&described["version"], "\"4\""));
}
