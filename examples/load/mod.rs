#![allow(dead_code, unreachable_pub, reason = "shared by an example and by tests, each of which uses a part")]
//! Load on a server: connections that each send one request at a time and check every reply.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

/// The largest reply body in bytes.
const MAX_REPLY_BYTES: usize = 4 << 20;

/// The kind of requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Add entries.
    Post,
    /// Read the entries of a list.
    Get,
    /// Add with one of four requests, read with the others.
    Mixed,
}

/// The amount of load.
#[derive(Clone, Debug)]
pub struct Load {
    /// Address of the server.
    pub address: SocketAddr,
    /// Number of connections, each with one request at a time.
    pub connections: usize,
    /// Number of lists, named from `load-0` on.
    pub lists: usize,
    /// Kind of requests.
    pub mode: Mode,
    /// Total number of requests of all connections.
    pub requests: u64,
}

/// An entry whose addition was acknowledged.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Acknowledged {
    /// The list.
    pub list: String,
    /// The id in the reply.
    pub id: u64,
    /// The title in the request.
    pub title: String,
    /// The logic named in the reply.
    pub logic: String,
}

/// The result of a load.
#[derive(Clone, Default, Debug)]
pub struct Report {
    /// Requests with the expected answer.
    pub answered: u64,
    /// Additions that the logic rejected.
    pub rejected: u64,
    /// The first few failures.
    pub failures: Vec<String>,
    /// The number of failures.
    pub failed: u64,
    /// Acknowledged additions.
    pub acknowledged: Vec<Acknowledged>,
    /// The number of replies that each version decided.
    pub versions: BTreeMap<String, u64>,
    /// The latency of each request in microseconds, unsorted.
    pub micros: Vec<u32>,
    /// The total duration.
    pub took: Duration,
}

impl Report {
    /// A quantile of the latency; `part` is from 0 to 1.
    pub fn percentile(&mut self, part: f64) -> Duration {
        self.micros.sort_unstable();
        let last = self.micros.len().saturating_sub(1);
        let at = (last as f64 * part).round() as usize;
        Duration::from_micros(self.micros.get(at).copied().unwrap_or_default().into())
    }

    /// Requests per second.
    pub fn rate(&self) -> f64 {
        (self.answered + self.rejected) as f64 / self.took.as_secs_f64()
    }

    fn absorb(&mut self, other: Self) {
        self.answered += other.answered;
        self.rejected += other.rejected;
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.failures.truncate(MAX_FAILURES_KEPT);
        self.acknowledged.extend(other.acknowledged);
        self.micros.extend(other.micros);
        for (version, count) in other.versions {
            *self.versions.entry(version).or_default() += count;
        }
    }
}

/// The most failures to report.
const MAX_FAILURES_KEPT: usize = 5;

/// Sends the load. Ends early when `stop` is set; a connection also ends at its first failure.
pub async fn run(load: &Load, stop: Arc<AtomicBool>) -> Report {
    let begun = Instant::now();
    let ticket = Arc::new(AtomicU64::new(0));
    let connections: Vec<_> = (0..load.connections)
        .map(|number| tokio::spawn(connection(load.clone(), number, ticket.clone(), stop.clone())))
        .collect();
    let mut report = Report::default();
    for connection in connections {
        report.absorb(connection.await.expect("a connection's task does not panic"));
    }
    report.took = begun.elapsed();
    report
}

async fn connection(load: Load, number: usize, ticket: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> Report {
    let mut report = Report::default();
    let client = match connect(load.address) {
        Ok(client) => client,
        Err(error) => {
            report.failed = 1;
            report.failures.push(format!("{error:#}"));
            return report;
        }
    };
    loop {
        let at = ticket.fetch_add(1, Ordering::Relaxed);
        if at >= load.requests || stop.load(Ordering::Relaxed) {
            return report;
        }
        let list = format!("load-{}", spread(at) % load.lists as u64);
        let adds = match load.mode {
            Mode::Post => true,
            Mode::Get => false,
            Mode::Mixed => at.is_multiple_of(4),
        };
        let begun = Instant::now();
        let done = match adds {
            true => add(&client, &list, format!("entry {number}-{at}"), &mut report).await,
            false => read(&client, &list, &mut report).await,
        };
        if let Err(error) = done {
            // After a failure the connection may hold the rest of a reply.
            report.failed += 1;
            report.failures.push(format!("{error:#}"));
            return report;
        }
        report.micros.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
}

/// Spreads consecutive numbers over all of the range (the finaliser of SplitMix64).
fn spread(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A client with one connection to the server, for one request after the other.
pub struct Connection {
    client: Client,
    address: SocketAddr,
}

/// Makes a client, which opens its connection with the first request.
pub fn connect(address: SocketAddr) -> anyhow::Result<Connection> {
    let client = Client::builder().no_proxy().http1_only().tcp_nodelay(true).pool_max_idle_per_host(1).build()?;
    Ok(Connection { client, address })
}

async fn add(connection: &Connection, list: &str, title: String, report: &mut Report) -> anyhow::Result<()> {
    let body = serde_json::json!({ "title": title }).to_string();
    let (status, logic, body) = send(connection, Method::POST, &format!("/lists/{list}/entries"), body).await?;
    *report.versions.entry(logic.clone()).or_default() += 1;
    if status == StatusCode::CONFLICT || status == StatusCode::UNPROCESSABLE_ENTITY {
        ensure!(body["detail"].is_string() && body["code"].is_string(), "a rejection without a reason: {body}");
        report.rejected += 1;
        return Ok(());
    }
    ensure!(status == StatusCode::CREATED, "adding to {list} was answered with {status}: {body}");
    ensure!(body["title"] == title.as_str(), "another entry came back: {body}");
    let id = body["id"].as_u64().context("the entry has no id")?;
    report.acknowledged.push(Acknowledged { list: list.to_owned(), id, title, logic });
    report.answered += 1;
    Ok(())
}

async fn read(connection: &Connection, list: &str, report: &mut Report) -> anyhow::Result<()> {
    let (status, _, body) =
        send(connection, Method::GET, &format!("/lists/{list}/entries?limit=50"), String::new()).await?;
    ensure!(status == StatusCode::OK && body.is_array(), "reading {list} was answered with {status}: {body}");
    report.answered += 1;
    Ok(())
}

/// The current entries of a list: id and title.
pub async fn entries(connection: &Connection, list: &str) -> anyhow::Result<BTreeMap<u64, String>> {
    let mut all = BTreeMap::new();
    let mut after = 0;
    loop {
        let path = format!("/lists/{list}/entries?limit=1000&after={after}");
        let (status, _, body) = send(connection, Method::GET, &path, String::new()).await?;
        ensure!(status == StatusCode::OK, "reading {list} was answered with {status}: {body}");
        let page = body.as_array().context("entries are an array")?;
        for entry in page {
            let id = entry["id"].as_u64().context("an entry has an id")?;
            all.insert(id, entry["title"].as_str().unwrap_or_default().to_owned());
            after = id;
        }
        if page.len() < 1000 {
            return Ok(all);
        }
    }
}

/// The acknowledged additions that the server has lost.
pub async fn missing(address: SocketAddr, acknowledged: &[Acknowledged]) -> anyhow::Result<Vec<Acknowledged>> {
    let connection = connect(address)?;
    let mut by_list: BTreeMap<&str, Vec<&Acknowledged>> = BTreeMap::new();
    acknowledged.iter().for_each(|one| by_list.entry(&one.list).or_default().push(one));
    let mut missing = Vec::new();
    for (list, expected) in by_list {
        let there = entries(&connection, list).await?;
        let gone = expected.into_iter().filter(|one| there.get(&one.id) != Some(&one.title));
        missing.extend(gone.cloned());
    }
    Ok(missing)
}

/// Sends one request. Returns the status, the logic that the reply names, and the body.
pub async fn send(
    connection: &Connection,
    method: Method,
    path: &str,
    body: String,
) -> anyhow::Result<(StatusCode, String, Value)> {
    let mut request = connection.client.request(method, format!("http://{}{path}", connection.address));
    if !body.is_empty() {
        request = request.header("content-type", "application/json").body(body);
    }
    let mut reply = request.send().await.context("no reply")?;
    let status = reply.status();
    let mut named = reply.headers().get_all("hotlist-logic").iter();
    let logic = named.next().and_then(|name| name.to_str().ok()).unwrap_or_default().to_owned();
    ensure!(named.next().is_none(), "two logics answered one request");
    let mut bytes = Vec::new();
    while let Some(chunk) = reply.chunk().await.context("the reply broke off")? {
        bytes.extend_from_slice(&chunk);
        ensure!(bytes.len() <= MAX_REPLY_BYTES, "the reply is larger than {MAX_REPLY_BYTES} bytes");
    }
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
    Ok((status, logic, body))
}
