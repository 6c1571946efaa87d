//! A first client: adds an entry, completes it, and follows the list's events.
//!
//! ```sh
//! cargo run --release                      # in one terminal: the server
//! cargo run --example quickstart           # in another: this
//! cargo run --example quickstart -- http://127.0.0.1:8080 groceries
//! ```
#![expect(clippy::print_stdout, reason = "a program may speak")]

use anyhow::{Context as _, bail};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().unwrap_or_else(|| "http://127.0.0.1:8080".into());
    let list = format!("{server}/lists/{}", arguments.next().unwrap_or_else(|| "quickstart".into()));
    let client = Client::new();

    // The first entry creates the list.
    let add = client.post(format!("{list}/entries")).json(&json!({"title": "Read the guide"}));
    // With an idempotency key the server applies a repeated request once, so a retry after a timeout is safe.
    let added = add.header("idempotency-key", "\"quickstart-1\"").send().await;
    let entry = body(added.with_context(|| format!("is a server running on {server}?"))?).await?;
    println!("added     {entry}");

    // The stream starts with `ready`. Each revision follows when it is durable.
    let mut events = client.get(format!("{list}/events")).send().await?;
    println!("listening {}", line(&mut events).await?);

    let url = entry["url"].as_str().context("an entry has a url")?;
    let done = client.patch(url).json(&json!({"completed": true})).send().await?;
    println!("completed {}", body(done).await?);
    println!("event     {}", line(&mut events).await?);

    // A rejection by the list's logic has a message for the user.
    let refused = client.post(format!("{list}/entries")).json(&json!({"title": " "})).send().await?;
    println!("refused   {} {}", refused.status().as_u16(), refused.json::<Value>().await?["detail"]);
    Ok(())
}

/// The JSON of a reply, or the error.
async fn body(reply: Response) -> anyhow::Result<Value> {
    let status = reply.status();
    let body: Value = reply.json().await?;
    if status >= StatusCode::BAD_REQUEST {
        bail!("{status}: {}", body["detail"]);
    }
    Ok(body)
}

/// The next data line of an event stream.
async fn line(events: &mut Response) -> anyhow::Result<String> {
    let mut text = String::new();
    while let Some(chunk) = events.chunk().await? {
        text.push_str(std::str::from_utf8(&chunk)?);
        if let Some(data) = text.lines().find_map(|line| line.strip_prefix("data: ")) {
            return Ok(data.to_owned());
        }
    }
    bail!("the server ended the stream")
}
