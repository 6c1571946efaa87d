//! Tests of rollouts with real components, over HTTP and under load: shadow, canary, quarantine and migration.

#[path = "rollout/canary.rs"]
mod canary;
#[path = "rollout/crash.rs"]
mod crash;
#[path = "rollout/damage.rs"]
mod damage;
#[path = "rollout/fallback.rs"]
mod fallback;
#[path = "rollout/isolation.rs"]
mod isolation;
#[path = "rollout/moves.rs"]
mod moves;
#[path = "rollout/operators.rs"]
mod operators;
#[path = "rollout/shadow.rs"]
mod shadow;
mod support;

use serde_json::Value;
use support::rules::digest;
use support::{RequestExt, Response, Server};

/// Uploads a component with the options in `query`. Returns its digest.
async fn upload(server: &Server, logic: &str, bytes: Vec<u8>, query: &str) -> String {
    let response = try_upload(server, logic, bytes, query).await;
    assert_eq!(response.status, 201, "{response:?}");
    digest(&response.json())
}

/// Uploads a component. Returns any response.
async fn try_upload(server: &Server, logic: &str, bytes: Vec<u8>, query: &str) -> Response {
    let put = server.request("PUT", &format!("/logic/{logic}{query}"));
    put.header("content-type", "application/wasm").body(bytes).response().await
}

/// Changes which versions decide. Returns the new state of the logic.
async fn patch(server: &Server, logic: &str, body: &Value) -> Value {
    let response = server.request("PATCH", &format!("/logic/{logic}")).json_text(&body.to_string()).response().await;
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

/// Sets the logic of a list.
async fn set_logic(server: &Server, list: &str, logic: &str) -> Response {
    let body = serde_json::json!({ "logic": logic }).to_string();
    server.request("PUT", &format!("/lists/{list}")).json_text(&body).response().await
}

/// Adds an entry. Returns any response.
async fn add(server: &Server, list: &str, title: &str) -> Response {
    add_by(&server.client, server, list, title).await
}

/// Adds an entry as one of several clients. Returns any response.
async fn add_by(client: &reqwest::Client, server: &Server, list: &str, title: &str) -> Response {
    let body = serde_json::json!({ "title": title }).to_string();
    client.post(server.url(&format!("/lists/{list}/entries"))).json_text(&body).response().await
}
