//! A server in the test's process, on a free port, with a store that fails on demand and a logic in plain Rust.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file compiles this module and uses a part, and no other crate sees it"
)]

pub mod browser;
pub mod executor;
pub mod logic;
pub mod process;
pub mod rules;
pub mod waking;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use executor::TestExecutor;
use hotlist::actor::{Environment, ListMemory};
use hotlist::cache::{Bounds, Cache};
use hotlist::clock::{Clock, ManualClock};
use hotlist::executor::turns::Turns;
use hotlist::list::Limits;
use hotlist::list::name::LogicName;
use hotlist::metrics::Metrics;
use hotlist::plugins::{Plugins, Sources};
use hotlist::rollout::Registry;
use hotlist::store::faulty::FaultyStore;
use hotlist::store::memory::MemoryStore;
use hotlist::system::RolloutStates;
use hotlist::wasm::{Engine, Settings};
use hotlist::web::{Options, Readiness, Services, serve};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// 2026-11-23T12:00:00Z
pub const NOON: u64 = 1_795_435_200_000;

/// A time limit for each wait of a test. A wait that reaches it would never end.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(20);

pub struct Server {
    pub address: SocketAddr,
    pub client: reqwest::Client,
    pub store: Arc<FaultyStore<MemoryStore>>,
    pub executor: Arc<TestExecutor>,
    /// The directory of uploads.
    pub data: tempfile::TempDir,
    pub clock: Arc<ManualClock>,
    pub services: Services,
    pub shutdown: CancellationToken,
    pub task: JoinHandle<()>,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        Self::with_history(options, 1_000).await
    }

    /// A server that retains at most `history` revisions of each list.
    pub async fn with_history(options: Options, history: usize) -> Self {
        Self::with_store(options, MemoryStore::with_history(history)).await
    }

    /// A server on this store.
    pub async fn with_store(options: Options, store: MemoryStore) -> Self {
        Self::with_limits(options, store, Limits { entries: 20, ..Limits::default() }).await
    }

    /// A server on this store, with these limits of lists.
    pub async fn with_limits(options: Options, store: MemoryStore, limits: Limits) -> Self {
        let store = Arc::new(FaultyStore::new(store));
        let data = tempfile::tempdir().expect("a directory");
        let manual_clock = Arc::new(ManualClock::at(NOON));
        let clock: Arc<dyn Clock> = manual_clock.clone();
        let registry = Arc::new(Registry::default());
        let sources = Sources { stored: data.path().join("logic"), ..Sources::default() };
        let states = Box::new(RolloutStates::new(store.clone()));
        let plugins = Plugins::start(engine(), registry.clone(), clock.clone(), states, sources).await;
        let plugins = plugins.expect("plugins");
        registry.publish(Box::new(logic::TestLogic::new("todo", "1.0.0")), "built in", NOON);
        registry.publish(Box::new(logic::TestLogic::new("other", "2.0.0")), "built in", NOON);
        // Without a last good version, lists do not fall back to the built-in logic.
        let todo = LogicName::new("todo").expect("a name");
        let proposal = registry.propose(&todo, |draft| {
            draft.state.last_good = None;
            Ok::<_, String>(())
        });
        assert!(registry.accept(proposal.expect("a draft without a last good version")));
        let executor = Arc::new(TestExecutor::default());
        let environment = Environment {
            live_room: Arc::default(),
            list_memory: ListMemory::default(),
            list_changes: Arc::default(),
            store: store.clone(),
            registry: registry.clone(),
            clock: clock.clone(),
            executor: executor.clone(),
            turns: Turns::new(2),
            limits,
            mailbox: 100,
            default_logic: todo,
        };
        let cache = Arc::new(Cache::new(Arc::new(environment), Bounds { idle: 60_000, resident: 1_000 }));
        let services = Services {
            cache,
            plugins: Arc::new(plugins),
            registry,
            clock,
            metrics: Arc::default(),
            readiness: Arc::new(Readiness::default()),
        };
        services.readiness.ready();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve(listener, services.clone(), options, shutdown.clone()));
        let client = reqwest::Client::builder().no_proxy().timeout(WAIT_TIMEOUT).build().expect("a client");
        Self { address, client, store, executor, data, clock: manual_clock, services, shutdown, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse::<Method>().expect("a method"), self.url(path))
    }

    /// An HTTP client at another address than the others. The server tells clients without names apart by it.
    pub fn client_at(&self, address: &str) -> reqwest::Client {
        let address: std::net::IpAddr = address.parse().expect("an address");
        let client = reqwest::Client::builder().no_proxy().timeout(WAIT_TIMEOUT).local_address(address);
        client.build().expect("a client")
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request("GET", path).response().await
    }

    pub async fn post(&self, path: &str, body: &str) -> Response {
        self.request("POST", path).json_text(body).response().await
    }

    /// Waits until the store delays a commit.
    pub async fn wait_for_held_commit(&self) {
        let held = async {
            while self.store.held_commits() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(WAIT_TIMEOUT, held).await.expect("a commit is held back in time");
    }

    /// Adds an entry and expects success.
    pub async fn add(&self, list: &str, title: &str) -> Value {
        let body = serde_json::json!({ "title": title }).to_string();
        let response = self.post(&format!("/lists/{list}/entries"), &body).await;
        assert_eq!(response.status, 201, "{response:?}");
        response.json()
    }

    /// Stops the server and waits for its end.
    pub async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(WAIT_TIMEOUT, self.task).await.expect("it ends").expect("it does not panic");
    }

    /// Sends bytes unchanged and reads until the server closes the connection.
    pub async fn send_raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.write_all(bytes).await.expect("the bytes are sent");
        let mut response = Vec::new();
        let read =
            tokio::time::timeout(WAIT_TIMEOUT, stream.read_to_end(&mut response)).await.expect("the server closes");
        if let Err(error) = read {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        String::from_utf8_lossy(&response).into_owned()
    }
}

/// The time limit of a command. It is above the default because other tests share the machine.
const TEST_DEADLINE: Duration = Duration::from_secs(2);

/// An engine for at most 16 instances. All tests share its cache of compiled code.
pub fn engine() -> Engine {
    let cache = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    std::fs::create_dir_all(&cache).expect("a directory");
    Engine::new(Settings { cache: Some(cache), instances: 16, deadline: TEST_DEADLINE, ..Settings::default() })
        .expect("an engine")
}

/// A committed component, or one from the directory in `HOTLIST_TEST_PLUGINS`.
pub fn component(name: &str) -> Vec<u8> {
    let folder = std::env::var("HOTLIST_TEST_PLUGINS").unwrap_or_else(|_| "plugins/built".into());
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Shorthands for requests.
pub trait RequestExt {
    /// Sets a JSON body.
    fn json_text(self, body: &str) -> Self;
    /// Sends the request and reads the whole response.
    fn response(self) -> impl Future<Output = Response>;
    /// Sends the request and returns its response as a stream of events.
    fn events(self) -> impl Future<Output = EventStream>;
}

impl RequestExt for RequestBuilder {
    fn json_text(self, body: &str) -> Self {
        self.header("content-type", "application/json").body(body.to_owned())
    }

    async fn response(self) -> Response {
        let response = self.send().await.expect("a response");
        let (status, headers) = (response.status(), response.headers().clone());
        Response { status, headers, body: response.text().await.expect("a body") }
    }

    async fn events(self) -> EventStream {
        let response = self.send().await.expect("a response");
        assert_eq!(response.status(), 200);
        EventStream { stream: response, text: String::new() }
    }
}

/// A response with its body.
#[derive(Debug)]
pub struct Response {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// Checks the status and the kind of a problem and returns it.
    #[track_caller]
    pub fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:hotlist:problem:{kind}"), "{problem}");
        assert_eq!(problem["status"], status);
        problem
    }
}

/// A stream of server-sent events.
pub struct EventStream {
    stream: reqwest::Response,
    text: String,
}

impl EventStream {
    /// The name, id and data of the next event of one list. `None` is the end of the stream.
    pub async fn next(&mut self) -> Option<(String, u64, Value)> {
        let (event, id, data) = self.next_of_any().await?;
        Some((event, id.parse().expect("a number"), data))
    }

    /// The name, id and data of the next event. Heartbeats are skipped. `None` is the end of the stream.
    pub async fn next_of_any(&mut self) -> Option<(String, String, Value)> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let lines: Vec<_> = event.lines().map(str::to_owned).collect();
                self.text = rest.to_owned();
                let line = |name: &str| lines.iter().find_map(|l| l.strip_prefix(name)).map(str::to_owned);
                if let (Some(event), Some(id), Some(data)) = (line("event: "), line("id: "), line("data: ")) {
                    let data = serde_json::from_str(&data).expect("JSON");
                    return Some((event, id, data));
                }
                assert_eq!(lines, [":"]);
            }
            let chunk = tokio::time::timeout(WAIT_TIMEOUT, self.stream.chunk()).await.expect("an event in time");
            self.text.push_str(std::str::from_utf8(&chunk.expect("a stream")?).expect("text"));
        }
    }

    /// Checks the name and id of the next event and returns its data.
    pub async fn expect(&mut self, name: &str, id: u64) -> Value {
        let (event, number, data) = self.next().await.expect("an event");
        assert_eq!((event.as_str(), number), (name, id), "{data}");
        data
    }
}

pub fn metrics(server: &Server) -> &Metrics {
    &server.services.metrics
}
