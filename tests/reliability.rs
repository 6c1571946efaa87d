//! The program beside outputs that nothing reads, disks that hang, and signals.

mod support;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;

use support::PATIENCE;
use support::process::Process;

/// How many requests are sent between two looks at the metrics.
const REQUESTS: usize = 100;

/// The most looks at the metrics until the log is full.
const MAX_LOOKS: usize = 100;

/// A client that gives a server up that does not answer.
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client")
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
    let mut log = BufReader::new(server.take_stderr()).lines();
    let reported = log.find(|line| line.as_ref().is_ok_and(|line| line.contains("lines were dropped")));
    let reported = reported.expect("the log goes on").expect("text");
    assert!(reported.contains("WARN") && reported.contains("stderr"), "{reported}");
    // Nothing reads the pipe from now on, and the end of the server does not wait for it either.
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(server.terminate()));
    assert!(end.recv_timeout(PATIENCE).expect("it ends").success());
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
    assert!(dropped(&client, address).await > 0);
    assert!(server.terminate().success(), "neither SIGPIPE nor a panic ended it");
}
