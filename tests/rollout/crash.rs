//! Kills of the real program at each step of a swap, a migration and a quarantine. The next start finds the state
//! before the step or after it.

use std::path::Path;

use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::support::component;
use crate::support::process::Process;

/// A server and its client.
struct Scene {
    process: Process,
    client: Client,
    /// A client at another address.
    other: Client,
}

impl Scene {
    fn start(data: &Path) -> Self {
        Self::with_failpoint(data, "")
    }

    fn with_failpoint(data: &Path, point: &str) -> Self {
        let point = if point.is_empty() { String::new() } else { format!("{point}=return") };
        let client = |address: [u8; 4]| Client::builder().no_proxy().local_address(Some(address.into())).build();
        let (client, other) = (client([127, 0, 0, 1]).expect("a client"), client([127, 0, 0, 2]).expect("a client"));
        Self { process: Process::with_failpoint(data, &[], &point), client, other }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.process.address)
    }

    async fn send(&self, method: &str, path: &str, of_type: &str, body: Vec<u8>) -> reqwest::Result<Response> {
        let method = method.parse().expect("a method");
        self.client.request(method, self.url(path)).header("content-type", of_type).body(body).send().await
    }

    async fn json(&self, method: &str, path: &str, body: Value) -> reqwest::Result<Response> {
        self.send(method, path, "application/json", body.to_string().into_bytes()).await
    }

    async fn upload(&self, name: &str) -> reqwest::Result<Response> {
        self.send("PUT", "/logic/rules?force=true", "application/wasm", component(name)).await
    }

    /// Makes the live version fail until it has failed on three lists, each of them a client's. Returns the responses.
    async fn fail(&self) -> Vec<reqwest::Result<Response>> {
        let mut responses = Vec::new();
        for (client, list) in [(&self.other, "ann"), (&self.other, "eve"), (&self.client, "bob")] {
            for _ in 0..3 {
                let body = json!({"title": "trap"}).to_string();
                let url = self.url(&format!("/lists/{list}/entries"));
                responses.push(client.post(url).header("content-type", "application/json").body(body).send().await);
            }
        }
        responses
    }

    async fn add(&self, title: &str) -> reqwest::Result<Response> {
        self.json("POST", "/lists/bob/entries", json!({ "title": title })).await
    }

    async fn get(&self, path: &str) -> Value {
        let response = self.client.get(self.url(path)).send().await.expect("a response");
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.expect("JSON")
    }

    async fn titles(&self) -> Vec<String> {
        let entries = self.get("/lists/bob/entries").await;
        let entries = entries.as_array().expect("entries").iter();
        entries.map(|entry| entry["title"].as_str().expect("a title").to_owned()).collect()
    }

    async fn commands(&self) -> Vec<String> {
        let revisions = self.get("/lists/bob/history").await;
        let revisions = revisions.as_array().expect("revisions").iter();
        revisions.map(|revision| revision["command"].as_str().expect("a command").to_owned()).collect()
    }

    /// The title of the live version.
    async fn live(&self) -> String {
        self.get("/logic/rules").await["live"]["title"].as_str().expect("a title").to_owned()
    }
}

/// A server with a list of one entry, decided by the default logic under another name.
async fn prepared(data: &Path) -> Scene {
    let server = Scene::start(data);
    assert_eq!(server.upload("todo").await.expect("a response").status(), 201);
    for list in ["bob", "ann", "eve"] {
        let given = server.json("PUT", &format!("/lists/{list}"), json!({"logic": "rules"})).await;
        assert_eq!(given.expect("a response").status(), 201);
    }
    assert_eq!(server.add("a").await.expect("a response").status(), 201);
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_at_any_step_of_a_swap_has_the_old_version_or_the_new_one() {
    for (point, after) in [("component-stored", "Todo"), ("state-written", "Kanban"), ("state-accepted", "Kanban")] {
        let data = tempfile::tempdir().expect("a directory");
        prepared(data.path()).await.process.kill();
        let doomed = Scene::with_failpoint(data.path(), point);
        doomed.upload("kanban").await.expect_err("no reply before it is durable");
        doomed.process.wait_for_kill();

        let server = Scene::start(data.path());
        assert_eq!(server.live().await, after, "killed at {point}");
        assert_eq!(server.titles().await, ["a"]);
        assert_eq!(server.add("b").await.expect("a response").status(), 201);
        assert_eq!(server.upload("kanban").await.expect("a response").status(), 201);
        assert_eq!((server.live().await.as_str(), server.titles().await), ("Kanban", vec!["a".into(), "b".into()]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_at_any_step_of_a_migration_has_migrated_the_list_as_a_whole_or_not_at_all() {
    for (point, moved) in [("commit", false), ("committed", true)] {
        let data = tempfile::tempdir().expect("a directory");
        let server = prepared(data.path()).await;
        assert_eq!(server.upload("kanban").await.expect("a response").status(), 201);
        server.process.kill();
        let doomed = Scene::with_failpoint(data.path(), point);
        doomed.add("b").await.expect_err("no reply before it is durable");
        doomed.process.wait_for_kill();

        let server = Scene::start(data.path());
        let expected =
            if moved { vec!["configure", "add-entry", "migrate", "add-entry"] } else { vec!["configure", "add-entry"] };
        assert_eq!(server.commands().await, expected, "killed at {point}");
        let entry = server.get("/lists/bob/entries/1").await;
        assert_eq!(entry["fields"].get("column").is_some(), moved, "killed at {point}: {entry}");
        assert_eq!(server.add("c").await.expect("a response").status(), 201);
        let migrations = server.commands().await.iter().filter(|command| *command == "migrate").count();
        assert_eq!(migrations, 1, "killed at {point}");
        let entry = server.get("/lists/bob/entries/1").await;
        assert!(entry["fields"].get("column").is_some(), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_at_any_step_of_a_quarantine_has_the_version_quarantined_or_quarantines_it_again() {
    for (point, known) in [("state-dirty", false), ("dirty-state-written", true)] {
        let data = tempfile::tempdir().expect("a directory");
        let server = prepared(data.path()).await;
        assert_eq!(server.upload("hostile").await.expect("a response").status(), 201);
        server.process.kill();
        let doomed = Scene::with_failpoint(data.path(), point);
        let mut acknowledged = vec!["a".to_owned()];
        // One of the failures quarantines the version. Its response may come before the kill or not.
        for (at, response) in doomed.fail().await.into_iter().enumerate() {
            let Ok(response) = response else { break };
            assert_eq!(response.status(), 201);
            acknowledged.extend((at >= 6).then(|| "trap".to_owned()));
        }
        doomed.process.wait_for_kill();

        let server = Scene::start(data.path());
        let live = server.live().await;
        assert_eq!(live, if known { "Todo" } else { "Hostile" }, "killed at {point}");
        let titles = server.titles().await;
        assert!(titles.starts_with(&acknowledged) && titles.len() <= acknowledged.len() + 1, "{titles:?}");
        for response in server.fail().await {
            assert_eq!(response.expect("a response").status(), 201);
        }
        assert_eq!(server.live().await, "Todo");
        server.process.terminate();
        let server = Scene::start(data.path());
        let logic = server.get("/logic/rules").await;
        let states: Vec<_> =
            logic["versions"].as_array().expect("versions").iter().map(|v| v["state"].clone()).collect();
        assert_eq!(states, ["live", "quarantined"], "after another restart");
    }
}
