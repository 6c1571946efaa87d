//! A swap that cannot hurt: new rules in the shadow, for a share of the lists, and gone when they fail;
//! under load, over HTTP, with real components.

#[path = "rollout/canary.rs"]
mod canary;
#[path = "rollout/crash.rs"]
mod crash;
#[path = "rollout/damage.rs"]
mod damage;
#[path = "rollout/fallback.rs"]
mod fallback;
#[path = "rollout/moves.rs"]
mod moves;
#[path = "rollout/shadow.rs"]
mod shadow;
mod support;

use serde_json::Value;
use support::rules::digest;
use support::{Answer, Sending, Server};

/// Uploads a component; `query` says what is to become of it. Answers its digest.
async fn upload(server: &Server, logic: &str, bytes: Vec<u8>, query: &str) -> String {
    let answer = offer(server, logic, bytes, query).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    digest(&answer.json())
}

async fn offer(server: &Server, logic: &str, bytes: Vec<u8>, query: &str) -> Answer {
    let put = server.ask("PUT", &format!("/logic/{logic}{query}"));
    put.header("content-type", "application/wasm").body(bytes).answer().await
}

/// Changes which versions decide. Answers how the logic stands then.
async fn patch(server: &Server, logic: &str, body: &Value) -> Value {
    let answer = server.ask("PATCH", &format!("/logic/{logic}")).json_text(&body.to_string()).answer().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Gives a list to a logic.
async fn give(server: &Server, list: &str, logic: &str) -> Answer {
    let body = serde_json::json!({ "logic": logic }).to_string();
    server.ask("PUT", &format!("/lists/{list}")).json_text(&body).answer().await
}

/// Adds an entry, whatever comes of it.
async fn add(server: &Server, list: &str, title: &str) -> Answer {
    let body = serde_json::json!({ "title": title }).to_string();
    server.post(&format!("/lists/{list}/entries"), &body).await
}
