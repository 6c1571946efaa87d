//! Migration of lists to a version with another schema, and lists that are not migrated.

use serde_json::{Value, json};

use super::{add, patch, set_logic, try_upload, upload};
use crate::support::rules::marked;
use crate::support::{RequestExt, Server, component};

async fn history(server: &Server, list: &str) -> Vec<Value> {
    server.get(&format!("/lists/{list}/history")).await.json().as_array().expect("revisions").clone()
}

#[tokio::test]
async fn a_list_is_migrated_to_a_version_with_other_fields_once_by_a_revision_of_its_own() {
    let server = Server::start().await;
    upload(&server, "rules", component("todo"), "").await;
    assert_eq!(set_logic(&server, "bob", "rules").await.status, 201);
    assert_eq!(add(&server, "bob", "a").await.status, 201);
    upload(&server, "rules", component("kanban"), "").await;
    // A list is migrated by its next command. Until then the version that it is bound to shows it.
    assert_eq!(history(&server, "bob").await.len(), 2);
    let not_migrated = server.get("/logic/rules/lists?state=not-migrated").await.json();
    assert_eq!((&not_migrated[0]["name"], &not_migrated[0]["states"]), (&json!("bob"), &json!(["not-migrated"])));
    assert_eq!(server.get("/lists/bob/views/open").await.status, 200);
    server.get("/lists/bob/views/board").await.problem(404, "view-not-found");
    assert_eq!(add(&server, "bob", "b").await.status, 201);
    assert_eq!(add(&server, "bob", "c").await.status, 201);
    let revisions = history(&server, "bob").await;
    let commands: Vec<_> = revisions.iter().map(|revision| revision["command"].clone()).collect();
    assert_eq!(commands, ["configure", "add-entry", "migrate", "add-entry", "add-entry"]);
    assert_eq!(server.get("/logic/rules/lists?state=not-migrated").await.json(), json!([]));
    assert_eq!(
        (&revisions[2]["caller"], &revisions[2]["changes"][0]["type"]),
        (&json!("hotlist"), &json!("bind-logic"))
    );
    let entry = server.get("/lists/bob/entries/1").await.json();
    assert_eq!(entry["fields"]["column"], "To do", "{entry}");
    assert_eq!(server.get("/lists/bob/views/board").await.status, 200);
    let logic = server.get("/logic/rules").await.json();
    assert_eq!((&logic["live"]["migrated"], &logic["live"]["not_migrated"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn a_condition_on_the_revision_is_checked_before_a_list_is_migrated() {
    let server = Server::start().await;
    upload(&server, "rules", component("todo"), "").await;
    assert_eq!(set_logic(&server, "bob", "rules").await.status, 201);
    assert_eq!(add(&server, "bob", "a").await.status, 201);
    upload(&server, "rules", component("kanban"), "").await;
    let patched = server.request("PATCH", "/lists/bob/entries/1").header("if-match", "\"2\"");
    let response = patched.json_text(r#"{"completed":true}"#).response().await;
    assert_eq!((response.status.as_u16(), response.header("etag")), (200, "\"4\""), "{response:?}");
}

#[tokio::test]
async fn a_version_whose_migration_leaves_fields_that_it_does_not_declare_is_refused() {
    let server = Server::start().await;
    upload(&server, "rules", component("kanban"), "").await;
    let refused = try_upload(&server, "rules", component("todo"), "").await.problem(422, "component");
    let detail = refused["detail"].as_str().expect("a text");
    assert!(detail.contains("after migrate, ") && detail.contains("take it away"), "{detail}");
    upload(&server, "rules", component("todo"), "?force=true").await;
    let logic = server.get("/logic/rules").await.json();
    let forced = &logic["versions"][1]["gates"]["forced"];
    assert_eq!(forced.as_array().map(Vec::len), Some(1), "{logic}");
    let differs = logic["versions"][1]["gates"]["differs"].to_string();
    assert!(differs.contains("field column is gone") && differs.contains("command move is gone"), "{differs}");
}

#[tokio::test]
async fn a_pinned_list_is_migrated_after_the_pin_is_removed() {
    let server = Server::start().await;
    let first = upload(&server, "rules", component("todo"), "").await;
    let version = server.get("/logic/rules").await.json()["live"]["version"].as_str().expect("a version").to_owned();
    assert_eq!(set_logic(&server, "bob", &format!("rules@{first}")).await.status, 201);
    assert_eq!(set_logic(&server, "ann", &format!("rules@{version}")).await.status, 201);
    assert_eq!(set_logic(&server, "eve", "rules").await.status, 201);
    let second = upload(&server, "rules", marked("todo", 1), "").await;
    let third = upload(&server, "rules", marked("todo", 2), "").await;
    let decided_by = async |list: &str| {
        let response = add(&server, list, "a").await;
        assert_eq!(response.status, 201, "{response:?}");
        response.header("hotlist-logic").rsplit(':').next().expect("a digest").to_owned()
    };
    let short = |digest: &str| digest["sha256:".len()..][..8].to_owned();
    // The third version displaced the first one from memory. A pin loads it again.
    assert_eq!(decided_by("bob").await, short(&first));
    assert_eq!(decided_by("ann").await, short(&third), "of one number, the newest");
    assert_eq!(decided_by("eve").await, short(&third));
    patch(&server, "rules", &json!({"live": second})).await;
    assert_eq!((decided_by("eve").await, decided_by("bob").await), (short(&second), short(&first)));
    assert_eq!(set_logic(&server, "bob", "rules").await.status, 200);
    assert_eq!(decided_by("bob").await, short(&second));
    let unknown = set_logic(&server, "bob", "rules@7").await.problem(422, "invalid");
    assert_eq!(unknown["field"], "logic");
    set_logic(&server, "bob", "rules@new").await.problem(422, "invalid");
}
