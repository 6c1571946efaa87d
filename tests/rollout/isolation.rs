//! Isolation: what a component remembers of one list does not reach another one, unless an operator trusts its bytes.

use serde_json::{Value, json};

use super::{add, patch, set_logic, upload};
use crate::support::rules::marked;
use crate::support::{RequestExt, Server, component};

/// Adds an entry whose title shows how many calls the instance has answered before.
async fn remembered(server: &Server, list: &str) -> String {
    let added = add(server, list, "remember").await;
    assert_eq!(added.status, 201, "{added:?}");
    added.json()["title"].as_str().expect("a title").to_owned()
}

/// Whether lists share the instances of the live version.
async fn is_shared(server: &Server, logic: &str) -> Value {
    server.get(&format!("/logic/{logic}")).await.json()["live"]["shared"].clone()
}

#[tokio::test]
async fn a_component_tells_no_list_what_another_one_holds_whatever_its_name() {
    let server = Server::start().await;
    for logic in ["rules", "same-bytes"] {
        upload(&server, logic, component("hostile"), "?force=true").await;
        for n in 0..20 {
            let list = format!("{logic}-{n}");
            assert_eq!(set_logic(&server, &list, logic).await.status, 201);
            assert_eq!(remembered(&server, &list).await, "remember 1", "list {n}");
        }
        assert_eq!(remembered(&server, &format!("{logic}-19")).await, "remember 2", "a list keeps its own instance");
        assert_eq!(is_shared(&server, logic).await, false);
    }
}

#[tokio::test]
async fn a_list_that_takes_the_name_of_a_deleted_one_does_not_get_its_instance() {
    let server = Server::start().await;
    upload(&server, "rules", component("hostile"), "?force=true").await;
    for list in ["bob", "ann"] {
        assert_eq!(set_logic(&server, list, "rules").await.status, 201);
    }
    assert_eq!(remembered(&server, "bob").await, "remember 1");
    assert_eq!(remembered(&server, "bob").await, "remember 2");
    assert_eq!(server.request("DELETE", "/lists/bob").response().await.status, 204);
    assert_eq!(set_logic(&server, "bob", "rules").await.status, 201);
    assert_eq!(remembered(&server, "bob").await, "remember 1");
}

#[tokio::test]
async fn an_operator_lets_lists_share_the_instances_of_exactly_one_component() {
    let server = Server::start().await;
    let digest = upload(&server, "rules", component("hostile"), "?force=true").await;
    for list in ["bob", "ann"] {
        assert_eq!(set_logic(&server, list, "rules").await.status, 201);
    }
    patch(&server, "rules", &json!({"live": digest, "share": true})).await;
    assert_eq!(is_shared(&server, "rules").await, true);
    assert_eq!(remembered(&server, "bob").await, "remember 1");
    assert_eq!(remembered(&server, "ann").await, "remember 2");
    let logic = server.get("/logic/rules").await.json();
    let last = logic["events"].as_array().expect("events").last().expect("an event");
    assert_eq!((&last["event"], &last["digest"]), (&json!("shared"), &json!(digest)));

    upload(&server, "rules", marked("hostile", 1), "?force=true").await;
    assert_eq!(is_shared(&server, "rules").await, false, "other bytes");
    patch(&server, "rules", &json!({"live": digest})).await;
    assert_eq!(is_shared(&server, "rules").await, true, "the same bytes");
    patch(&server, "rules", &json!({"share": false})).await;
    assert_eq!(remembered(&server, "bob").await, "remember 1");
    assert_eq!(remembered(&server, "ann").await, "remember 1");
}
