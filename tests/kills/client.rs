//! One connection of the load: sends a request, waits for its reply, and notes both times.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

/// The longest time of a reply.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// What all connections of a round share.
pub struct Load {
    pub address: SocketAddr,
    /// The zero of all times.
    pub begun: Instant,
    pub round: usize,
    pub lists: usize,
    /// The number of acknowledged writes.
    pub writes: AtomicU64,
}

impl Load {
    /// A load of the same round.
    pub fn like(other: &Self) -> Self {
        Self {
            address: other.address,
            begun: other.begun,
            round: other.round,
            lists: other.lists,
            writes: AtomicU64::new(0),
        }
    }
}

/// What a request does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Adds an entry with this title, which no other request gives.
    Add(String),
    /// Gives an entry a title that no other request gives.
    Rename(u64, String),
    /// Removes an entry, which no other request does.
    Remove(u64),
    /// Reads the list.
    Read,
}

/// A request with its times, and the revision that its reply named.
#[derive(Clone, Debug)]
pub struct Operation {
    pub list: usize,
    pub action: Action,
    pub key: String,
    /// When the first attempt was sent, and when the reply was there.
    pub sent: Duration,
    pub replied: Duration,
    /// The revision of the reply. `None` until there is one.
    pub revision: Option<u64>,
}

/// The name of a list.
pub fn list_name(number: usize) -> String {
    format!("list-{number}")
}

/// A connection.
pub struct Client {
    load: Arc<Load>,
    number: usize,
    http: reqwest::Client,
    random: fastrand::Rng,
    /// The entries that this connection added and has not removed, with their lists.
    own: Vec<(usize, u64)>,
}

impl Client {
    pub fn new(load: Arc<Load>, number: usize) -> Self {
        let random = fastrand::Rng::with_seed((load.round * 1_000 + number) as u64);
        Self { http: http(), load, number, random, own: Vec::new() }
    }

    /// Sends requests until one gets no reply, which is then the last one.
    pub async fn run(mut self) -> Vec<Operation> {
        let mut made = Vec::new();
        loop {
            let mut operation = self.next(made.len());
            operation.sent = self.load.begun.elapsed();
            let reply = attempt(&self.http, self.load.address, &operation).await;
            operation.replied = self.load.begun.elapsed();
            match reply {
                Ok(reply) => {
                    operation.revision = Some(reply.revision);
                    self.note(&operation, &reply.body);
                    made.push(operation);
                }
                Err(_) if operation.action == Action::Read => return made,
                Err(_) => {
                    made.push(operation);
                    return made;
                }
            }
        }
    }

    fn next(&mut self, count: usize) -> Operation {
        let unique = format!("{}-{}-{count}", self.load.round, self.number);
        let own = match self.own.is_empty() {
            true => None,
            false => Some(self.random.usize(..self.own.len())),
        };
        let (list, action) = match (self.random.u8(..10), own) {
            (0..=1, _) => (self.random.usize(..self.load.lists), Action::Read),
            (2..=4, Some(own)) => {
                let (list, id) = self.own[own];
                (list, Action::Rename(id, unique.clone()))
            }
            (5..=6, Some(own)) => {
                let (list, id) = self.own.swap_remove(own);
                (list, Action::Remove(id))
            }
            _ => (self.random.usize(..self.load.lists), Action::Add(unique.clone())),
        };
        Operation { list, action, key: unique, sent: Duration::ZERO, replied: Duration::ZERO, revision: None }
    }

    fn note(&mut self, operation: &Operation, body: &Value) {
        if operation.action != Action::Read {
            self.load.writes.fetch_add(1, Ordering::Relaxed);
        }
        if matches!(operation.action, Action::Add(_)) {
            self.own.push((operation.list, body["id"].as_u64().expect("a new entry has an id")));
        }
    }
}

/// Repeats a request that got no reply. It must succeed, whether the server carried it out before the kill or not.
pub async fn repeat(load: &Load, operation: &mut Operation) {
    let reply = attempt(&http(), load.address, operation).await;
    operation.replied = load.begun.elapsed();
    operation.revision = Some(reply.unwrap_or_else(|why| panic!("{operation:?} again: {why}")).revision);
}

struct Reply {
    revision: u64,
    body: Value,
}

/// Sends a request once. Fails when there is no whole reply.
///
/// # Panics
///
/// When the reply is not the expected one.
async fn attempt(http: &reqwest::Client, address: SocketAddr, operation: &Operation) -> Result<Reply, reqwest::Error> {
    let entries = format!("http://{address}/lists/{}/entries", list_name(operation.list));
    let (method, url, body, expected) = match &operation.action {
        Action::Add(title) => (Method::POST, entries, json!({ "title": title }), 201),
        Action::Rename(id, title) => (Method::PATCH, format!("{entries}/{id}"), json!({ "title": title }), 200),
        Action::Remove(id) => (Method::DELETE, format!("{entries}/{id}"), Value::Null, 204),
        // The page of entries is a reading of one revision, which its tag names.
        Action::Read => (Method::GET, format!("{entries}?limit=1"), Value::Null, 200),
    };
    let mut request = http.request(method.clone(), url);
    if method != Method::GET {
        request = request.header("idempotency-key", &operation.key);
    }
    if !body.is_null() {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().await?;
    let (status, tag) = (response.status().as_u16(), response.headers().get("etag").cloned());
    let body = response.bytes().await?;
    if operation.action == Action::Read && status == 404 {
        return Ok(Reply { revision: 0, body: Value::Null });
    }
    assert_eq!(status, expected, "{operation:?}: {}", String::from_utf8_lossy(&body));
    let tag = tag.as_ref().and_then(|tag| tag.to_str().ok()).and_then(|tag| tag.trim_matches('"').parse().ok());
    Ok(Reply {
        revision: tag.expect("a tag with a revision"),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    })
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(REPLY_TIMEOUT).pool_max_idle_per_host(1).build().expect("a client")
}
