//! The program beside outputs that nothing reads, disks that hang, and signals.

#[path = "reliability/memory.rs"]
mod memory;
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotlist::actor::Request;
use hotlist::clock::ManualClock;
use hotlist::config::Config;
use hotlist::list::command::Command;
use hotlist::list::name::ListName;
use hotlist::store::faulty::FaultyStore;
use hotlist::store::memory::MemoryStore;
use hotlist::system::{StopLimits, System};
use support::process::{Process, upload};
use support::{NOON, WAIT_TIMEOUT};

/// How many requests are sent between two looks at the metrics.
const REQUESTS: usize = 100;

/// The most looks at the metrics until the log is full.
const MAX_LOOKS: usize = 100;

/// A client that gives a server up that does not answer.
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(WAIT_TIMEOUT).build().expect("a client")
}

async fn get(client: &reqwest::Client, address: SocketAddr, path: &str) -> String {
    let answer = client.get(format!("http://{address}{path}")).send().await.expect("the server answers");
    answer.text().await.expect("a body of text")
}

async fn add(client: &reqwest::Client, address: SocketAddr, list: &str) -> u16 {
    let request = client.post(format!("http://{address}/lists/{list}/entries"));
    let request = request.header("content-type", "application/json").body(r#"{"title":"milk"}"#);
    request.send().await.expect("the server answers").status().as_u16()
}

/// The number of lines that the server dropped.
async fn dropped(client: &reqwest::Client, address: SocketAddr) -> u64 {
    let metrics = get(client, address, "/metrics").await;
    let line = metrics.lines().find_map(|line| line.strip_prefix("hotlist_log_lines_dropped_total "));
    line.and_then(|count| count.parse().ok()).expect("a number")
}

#[tokio::test]
async fn a_server_whose_log_nothing_reads_goes_on_and_says_so_once_it_is_read() {
    let data = tempfile::tempdir().expect("a directory");
    let mut server = Process::piping_log("info,hyper=trace,hotlist::web=debug", data.path(), &[]);
    let (client, address) = (client(), server.address);
    let mut looks = 0;
    while dropped(&client, address).await == 0 {
        let alive = (0..REQUESTS).map(|_| get(&client, address, "/livez"));
        assert!(futures_util::future::join_all(alive).await.iter().all(|answer| answer.contains("live")));
        looks += 1;
        assert!(looks < MAX_LOOKS, "the log takes everything");
    }
    assert_eq!(add(&client, address, "bob").await, 201);
    let log = server.read_log();
    let reported = log.find("lines were dropped");
    assert!(reported.contains("WARN") && reported.contains("stderr"), "{reported}");
    // Nothing reads the pipe from now on, and the end of the server does not wait for it either.
    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
    drop(log);
}

#[tokio::test]
async fn a_server_whose_outputs_are_closed_goes_on() {
    let data = tempfile::tempdir().expect("a directory");
    let mut server = Process::piping_log("info,hotlist::web=debug", data.path(), &[]);
    server.close_stdout();
    drop(server.take_stderr());
    let (client, address) = (client(), server.address);
    for _ in 0..10 {
        assert_eq!(add(&client, address, "bob").await, 201);
    }
    // A thread writes the lines, and counts those that it could not write.
    let begun = Instant::now();
    while dropped(&client, address).await == 0 {
        assert!(begun.elapsed() < WAIT_TIMEOUT, "no line is missing");
    }
    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(0), "neither SIGPIPE nor a panic ended it");
}

#[tokio::test]
async fn a_store_that_hangs_when_it_closes_delays_the_stop_by_no_more_than_its_limit() {
    let data = tempfile::tempdir().expect("a directory");
    let store = Arc::new(FaultyStore::new(MemoryStore::default()));
    let clock = Arc::new(ManualClock::at(NOON));
    let admin_listen = Some("127.0.0.1:0".parse().expect("an address"));
    let config = Config { admin_listen, ..Config::new(data.path().to_owned()) };
    let system = System::start_with(config, store.clone(), clock).await.expect("it starts");
    let probe = format!("{}/readyz", system.admin_address().expect("it has one").url());
    assert_eq!(client().get(&probe).send().await.expect("a response").status(), 200);
    // One list has a commit that hangs, too.
    store.hold_commits();
    let cache = system.cache().clone();
    let bob = ListName::new("bob").expect("a name");
    let create = Command::Configure { logic: None, pin: None, settings: Vec::new() };
    let request = Request::new(create, "ann");
    let waiting = tokio::spawn(async move { cache.call(&bob, request).await });
    while store.held_commits() == 0 {
        tokio::task::yield_now().await;
    }
    store.hang_at_close();
    let short = Duration::from_millis(20);
    let limits = StopLimits { actors: short, store: short, ..StopLimits::default() };
    let stopped = tokio::time::timeout(WAIT_TIMEOUT, system.stop_within(limits)).await.expect("it ends");
    let error = stopped.expect_err("the store is not closed").to_string();
    assert!(error.contains("the actors did not end within 20ms"), "{error}");
    assert!(error.contains("the store did not end within 20ms"), "{error}");
    assert!(client().get(&probe).send().await.is_err(), "probes get no more responses");
    waiting.abort();
}

#[tokio::test]
async fn a_server_whose_wake_up_task_crashed_does_not_stop_in_order() {
    let data = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(NOON));
    let store = Arc::new(MemoryStore::default());
    let system = System::start_with(Config::new(data.path().to_owned()), store, clock.clone()).await;
    let system = system.expect("it starts");
    clock.break_wall();
    let begun = Instant::now();
    while !system.cache().wake_ups_have_failed() {
        assert!(begun.elapsed() < WAIT_TIMEOUT, "it does not read the clock");
        tokio::task::yield_now().await;
    }
    let error = system.stop().await.expect_err("a part crashed").to_string();
    assert!(error.contains("the task that wakes lists crashed"), "{error}");
}

#[tokio::test]
async fn a_panic_is_on_the_log_also_when_nothing_else_is() {
    let data = tempfile::tempdir().expect("a directory");
    let mut server = Process::failing("commit=panic(on purpose)", "off", data.path());
    let log = server.read_log();
    assert_eq!(add(&client(), server.address, "bob").await, 500, "the actor ended with the command");
    let line = log.find("ERROR hotlist::panic: panicked at");
    assert!(line.contains("on purpose"), "{line}");
    server.signal("TERM");
    log.read_to_end();
    assert_eq!(server.exit_code(), Some(0), "the actor of one list is no part of the server");
}

#[tokio::test]
async fn a_second_signal_ends_a_server_at_once_whose_threads_are_all_blocked() {
    let data = tempfile::tempdir().expect("a directory");
    let mut server = Process::failing("commit=sleep(600000)", "info", data.path());
    let address = server.address;
    let impatient = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(1)).build().expect("a client");
    let begun = Instant::now();
    let mut lists = 0;
    // Each commit blocks a thread of the runtime, until none is left.
    while impatient.get(format!("http://{address}/livez")).send().await.is_ok() {
        assert!(begun.elapsed() < WAIT_TIMEOUT, "some thread still answers");
        lists += 1;
        let add = impatient.post(format!("http://{address}/lists/list{lists}/entries"));
        let add = add.header("content-type", "application/json").body(r#"{"title":"milk"}"#).send().await;
        assert!(add.is_err(), "its commit hangs");
    }
    let log = server.read_log();
    server.signal("TERM");
    log.find("a second signal stops at once");
    // One that comes at once is the same signal.
    let again = Instant::now();
    while server.ended().is_none() {
        assert!(again.elapsed() < WAIT_TIMEOUT, "it ends at a later signal");
        server.signal("TERM");
    }
    assert_eq!(server.exit_code(), Some(130));
}

#[tokio::test]
async fn sighup_reads_the_plugins_directory_again_and_ends_nothing() {
    let (data, plugins) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    std::fs::write(plugins.path().join("mine.wasm"), support::component("todo")).expect("it is written");
    let arguments = ["--plugins".as_ref(), plugins.path().as_os_str()];
    let mut server = Process::piping_log("info", data.path(), &arguments);
    let log = server.read_log();
    server.signal("HUP");
    let line = log.find("SIGHUP");
    assert!(line.contains("files=1") && line.contains("again"), "{line}");
    assert_eq!(server.get("/readyz").0, 200);
    plugins.close().expect("it is removed");
    server.signal("HUP");
    let line = log.find("SIGHUP");
    assert!(line.contains("ERROR") && line.contains("cannot be read"), "{line}");
    server.signal("TERM");
    log.read_to_end();
    assert_eq!(server.exit_code(), Some(0));
}

/// How many clients keep slow logic busy.
const BUSY_CLIENTS: usize = 64;

/// How many decisions show that a logic is quick.
const QUICK_DECISIONS: usize = 100;

/// How many requests of each kind are timed meanwhile.
const TIMED: usize = 100;

/// Ten times the 99th percentile that a server promises beside slow logic: a machine that runs other tests is slower.
const LONGEST: Duration = Duration::from_millis(200);

/// The 99th percentile of the times of requests that are sent one after the other.
async fn p99(mut request: impl AsyncFnMut()) -> Duration {
    let mut times = Vec::with_capacity(TIMED);
    for _ in 0..TIMED {
        let begun = Instant::now();
        request().await;
        times.push(begun.elapsed());
    }
    times.sort();
    times[TIMED - 2]
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figures of a run")]
async fn logic_that_takes_all_its_time_delays_neither_probes_nor_reads_nor_other_lists() {
    let data = tempfile::tempdir().expect("a directory");
    // The deadline ends a loop, and not the fuel.
    let arguments = ["--fuel", "100000000000", "--deadline", "50ms"].map(std::ffi::OsStr::new);
    let server = Process::start(data.path(), &arguments);
    let (client, address) = (client(), server.address);
    assert_eq!(upload(address, "hostile", support::component("hostile")).0, 201);
    for _ in 0..QUICK_DECISIONS {
        assert_eq!(add(&client, address, "quick").await, 201);
    }
    let busy: Vec<_> = (0..BUSY_CLIENTS)
        .map(|number| {
            let (client, list) = (client.clone(), format!("http://{address}/lists/busy-{number}"));
            tokio::spawn(async move {
                let json = |request: reqwest::RequestBuilder, body| {
                    request.header("content-type", "application/json").body(body)
                };
                let made = json(client.put(&list), r#"{"logic":"hostile"}"#).send().await.expect("the server answers");
                assert_eq!(made.status().as_u16(), 201);
                loop {
                    // The logic runs until its deadline of 50 ms.
                    let added = json(client.post(format!("{list}/entries")), r#"{"title":"loop"}"#).send().await;
                    // A 503 says that nothing has room for it at the moment.
                    assert!(matches!(added.expect("the server answers").status().as_u16(), 500 | 503));
                }
            })
        })
        .collect();
    let faults = async || get(&client, address, "/logic/hostile").await;
    let begun = Instant::now();
    while !faults().await.contains("ran for longer than") {
        assert!(begun.elapsed() < WAIT_TIMEOUT, "nothing runs");
    }
    let probes = p99(async || assert!(get(&client, address, "/livez").await.contains("live"))).await;
    let writes = p99(async || assert_eq!(add(&client, address, "quick").await, 201)).await;
    let reads =
        p99(async || assert!(get(&client, address, "/lists/quick/entries?limit=1").await.contains("milk"))).await;
    busy.iter().for_each(tokio::task::JoinHandle::abort);
    println!("99th percentiles beside slow logic: probes {probes:?}, writes {writes:?}, reads {reads:?}");
    for (what, took) in [("probes", probes), ("writes", writes), ("reads", reads)] {
        assert!(took < LONGEST, "{what} take {took:?}");
    }
    for ended in futures_util::future::join_all(busy).await {
        assert!(ended.is_err_and(|error| error.is_cancelled()), "a busy client got another reply");
    }
}
