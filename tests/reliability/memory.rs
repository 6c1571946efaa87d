//! The program under attacks on its memory, in a memory cgroup where there is one.
//!
//! `MEMORY=full cargo test --test reliability -- memory --nocapture` runs the attacks at full size: a list of 16 MB, and the
//! limit of 2 GiB that `docs/reliability.md` promises. `RLIMIT_AS` cannot hold the program, because the addresses that the pool
//! of instances reserves are not memory.
#![expect(clippy::print_stderr, reason = "the figures are for the reader of a full run")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::process::{Process, program};

/// The size of the attacks.
struct Scale {
    /// The entries of the list, each with a title of 1,000 emoji.
    entries: usize,
    /// How many times a list is cleared and restored.
    turns: usize,
    /// The entries of the list of small entries.
    small_entries: usize,
    /// The requests that are reset as soon as they are sent.
    resets: usize,
    /// The most memory of the process, in bytes.
    limit: u64,
}

const FULL: Scale = Scale { entries: 4_000, turns: 100, small_entries: 10_000, resets: 20_000, limit: 2 << 30 };

/// The same at a quarter of the size, or less.
const QUICK: Scale = Scale { entries: 1_000, turns: 6, small_entries: 500, resets: 500, limit: 768 << 20 };

/// A memory cgroup below that of this process. Removed when it is dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes a cgroup with this limit. Says why there is none.
    fn new(limit: u64) -> Result<Self, String> {
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        // Version 1 has a line `N:memory:/path`, version 2 the line `0::/path`.
        let v1 = own.lines().find_map(|line| line.split_once(":memory:"));
        let (mount, path, file) = match (v1, own.lines().find_map(|line| line.strip_prefix("0::"))) {
            (Some((_, path)), _) => ("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"),
            (None, Some(path)) => ("/sys/fs/cgroup", path, "memory.max"),
            (None, None) => return Err("this process is in no memory cgroup".into()),
        };
        let group = Path::new(mount).join(path.trim_start_matches('/')).join(format!("hotlist-{}", std::process::id()));
        fs::create_dir(&group).map_err(|error| format!("cannot make {}: {error}", group.display()))?;
        let group = Self(group);
        let set = fs::write(group.0.join(file), limit.to_string());
        set.map_err(|error| format!("cannot write {file} of {}: {error}", group.0.display()))?;
        Ok(group)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}

/// Starts the program, within a cgroup if there is one.
fn start(data: &Path, cgroup: Option<&Cgroup>) -> Process {
    let program = program();
    let mut command = std::process::Command::new("sh");
    let procs = cgroup.map_or_else(|| PathBuf::from("/dev/null"), |group| group.0.join("cgroup.procs"));
    command.args(["-c", r#"echo $$ > "$0"; exec "$@""#]).arg(procs).arg(program.get_program());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Process::serving(command, data)
}

/// The most memory that a process had, in bytes.
fn peak(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux counts it");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}

struct Attack {
    address: SocketAddr,
    client: reqwest::Client,
}

impl Attack {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Fills a list with entries of this title.
    async fn fill(&self, list: &str, entries: usize, title: &str) {
        let body: Arc<str> = json!({"title": title}).to_string().into();
        let url = self.url(&format!("/lists/{list}/entries"));
        let add = |_| async {
            let request = self.client.post(&url).header("content-type", "application/json");
            let response = request.body(body.to_string()).send().await.expect("a response");
            assert_eq!(response.status(), 201);
        };
        futures_util::stream::iter(0..entries).map(add).buffer_unordered(64).collect::<Vec<_>>().await;
    }

    /// Deletes all entries, and restores them.
    async fn clear_and_undo(&self, list: &str) {
        let cleared = self.client.delete(self.url(&format!("/lists/{list}/entries"))).send().await;
        assert_eq!(cleared.expect("a response").status(), 204);
        let undone = self.client.post(self.url(&format!("/lists/{list}/undo"))).send().await.expect("a response");
        assert_eq!(undone.status(), 200);
        assert!(undone.bytes().await.expect("a body").len() < 2 << 20);
    }

    /// Reads a resource to its end, as often as this at once. A refusal is a reply, too.
    async fn read(&self, path: &str, times: usize) {
        let read = |_| async {
            let response = self.client.get(self.url(path)).send().await.expect("a response");
            assert!([200, 503].contains(&response.status().as_u16()), "{response:?}");
            assert!(response.bytes().await.expect("a body").len() < 2 << 20, "{path}");
        };
        join_all((0..times).map(read)).await;
    }

    /// Requests a resource on a connection of its own, and reads the first bytes of the response only.
    async fn leave_unread(&self, path: &str, header: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).await.expect("the request is sent");
        stream.read_exact(&mut [0; 64]).await.expect("a response");
        stream
    }

    /// Requests a resource many times on one connection, and takes this many bytes of each response.
    async fn take_little(&self, window: u32, path: &str, times: usize) -> http2::SendRequest<Empty<Bytes>> {
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(window);
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.expect("HTTP/2");
        tokio::spawn(connection);
        let mut statuses = Vec::new();
        for _ in 0..times {
            let request = hyper::Request::get(self.url(path)).body(Empty::<Bytes>::new()).expect("a request");
            let response = sender.send_request(request).await.expect("a response");
            statuses.push(response.status().as_u16());
            // The response stays open until the connection ends.
            std::mem::forget(response);
        }
        assert!(statuses.contains(&200) && statuses.contains(&503), "{statuses:?}");
        sender
    }

    /// Sends requests that write, each on a stream that is reset at once. The frames are written by hand, because a library
    /// sends no request that is given up.
    async fn post_and_reset(&self, times: usize) {
        let header = |name: &str, value: &str| {
            [&[0, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
        };
        let head = [
            header(":method", "POST"),
            header(":scheme", "http"),
            header(":path", "/lists/reset/entries"),
            header(":authority", "localhost"),
            header("content-type", "application/json"),
        ];
        let (head, body) = (head.concat(), br#"{"title":"x"}"#);
        let (mut done, mut streams) = (0, 0);
        while done < times {
            let mut stream = TcpStream::connect(self.address).await.expect("a connection");
            let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[])].concat();
            let mut written = stream.write_all(&preface).await;
            // The server ends a connection with too many resets.
            for id in (1..).step_by(2).take(100) {
                let frames = [frame(1, 4, id, &head), frame(0, 1, id, body), frame(3, 0, id, &[0, 0, 0, 8])].concat();
                written = written.and(stream.write_all(&frames).await);
                streams += u32::from(written.is_ok());
                done += 1;
            }
            // What the server says about it is read, so that it does not wait for that.
            let _ = tokio::time::timeout(Duration::from_millis(20), stream.read(&mut [0; 4_096])).await;
        }
        assert!(streams > 0);
    }
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_within_its_limit_under_attack() {
    let is_full = std::env::var("MEMORY").is_ok_and(|scale| scale == "full");
    let Scale { entries, turns, small_entries, resets, limit } = if is_full { FULL } else { QUICK };
    let cgroup = Cgroup::new(limit);
    if let Err(why) = &cgroup {
        eprintln!("without a cgroup, the peak of the resident memory counts: {why}");
    }
    let data = tempfile::tempdir().expect("a directory");
    let begun = Instant::now();
    let server = start(data.path(), cgroup.as_ref().ok());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let attack = Attack { address: server.address, client };
    let step = |what: &str| eprintln!("{:>6.1?} {:>5} MiB after {what}", begun.elapsed(), peak(&server) >> 20);
    step("the start");
    attack.fill("bob", entries, &"🍀".repeat(1_000)).await;
    step("the list of emoji");
    for _ in 0..turns {
        attack.clear_and_undo("bob").await;
    }
    step("clear and undo in turns");
    attack.fill("small", small_entries, "x").await;
    let mut unread = Vec::new();
    for _ in 0..20 {
        unread.push(attack.leave_unread("/lists/small/events", "").await);
    }
    for _ in 0..turns {
        attack.clear_and_undo("small").await;
    }
    step("the same with small entries, beside event streams");
    attack.read("/lists/bob/history?limit=60", 20).await;
    attack.read(&format!("/lists/bob/history?after={entries}&limit=60"), 20).await;
    step("histories");
    let last_seen = format!("last-event-id: {}\r\n", entries.saturating_sub(50));
    for _ in 0..20 {
        unread.push(attack.leave_unread("/lists/bob/events", &last_seen).await);
    }
    step("event streams with an old Last-Event-ID");
    let nothing = attack.take_little(0, "/lists/bob/entries?limit=1000", 195).await;
    step("HTTP/2 with a window of 0");
    let little = attack.take_little(1, "/lists/bob/entries?limit=1000", 195).await;
    step("HTTP/2 with a window of 1");
    attack.post_and_reset(resets).await;
    let carried_out = server.get("/lists/reset").1["entries"].as_u64().unwrap_or(0);
    step(&format!("{resets} requests that are reset, of which {carried_out} were carried out"));
    for _ in 0..60 {
        unread.push(attack.leave_unread("/lists/bob/views/open?limit=1000", "").await);
    }
    step("unread views");
    assert_eq!(server.get("/livez").0, 200);
    assert_eq!(server.get("/lists/bob").1["entries"], entries);
    assert!(peak(&server) < limit, "{} MiB", peak(&server) >> 20);
    drop((unread, nothing, little));
    server.kill();
}
