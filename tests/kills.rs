//! Kills of the real program in the middle of load, with a check that each list is linearizable.
//!
//! Connections add, rename, remove and read entries, each request with a key. The server is killed, started again, and
//! asked again for every request that got no reply. After all rounds the history of each list must hold the change of each
//! request exactly once, at the revision that the reply named, and in an order that fits the times of the requests.
//!
//! `KILLS=100 cargo test --locked --test kills -- --nocapture` kills more often, and prints the counts.
#![allow(
    clippy::print_stdout,
    unreachable_pub,
    reason = "a long run prints its counts, and no other crate sees the test"
)]

#[path = "kills/checker.rs"]
mod checker;
#[path = "kills/client.rs"]
mod client;
mod support;

use std::ffi::OsStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use checker::{Counts, History};
use client::{Client, Load, Operation};
use support::process::Process;

/// How often the server is killed, unless `KILLS` says otherwise.
const KILLS: usize = 8;

/// The connections, each with one request at a time.
const CONNECTIONS: usize = 32;

/// The lists that all connections share.
const LISTS: usize = 12;

/// How many writes a round acknowledges before the kill. The number of the round is added, so that kills meet other moments.
const BEFORE_KILL: u64 = 300;

/// The revisions that a server retains, so that the histories hold everything.
const HISTORY: &str = "1000000";

/// The room for receipts of a list, in bytes. Each write has a key, and all come from one address, so a long run needs more
/// than the default.
const RECEIPT_BYTES: &str = "1000000000";

/// The longest time of a round.
const ROUND_TIMEOUT: Duration = Duration::from_secs(60);

fn kills() -> usize {
    std::env::var("KILLS").map_or(KILLS, |kills| kills.parse().expect("KILLS is a number"))
}

fn start(data: &std::path::Path) -> Process {
    // A busy machine must not make a version fail, because the load expects each request to succeed.
    let patient = ["--history", HISTORY, "--deadline", "5s", "--max-list-receipt-bytes", RECEIPT_BYTES];
    Process::start(data, &patient.map(OsStr::new))
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_under_load_lose_nothing_double_nothing_and_keep_every_list_linearizable() {
    let data = tempfile::tempdir().expect("a directory");
    let begun = Instant::now();
    let mut operations: Vec<Operation> = Vec::new();
    let mut server = start(data.path());
    let mut unanswered = 0;
    for round in 0..kills() {
        let load = Arc::new(Load { address: server.address, begun, round, lists: LISTS, writes: AtomicU64::new(0) });
        let connections: Vec<_> =
            (0..CONNECTIONS).map(|number| tokio::spawn(Client::new(load.clone(), number).run())).collect();
        let enough = BEFORE_KILL + (round as u64 * 37) % BEFORE_KILL;
        let wait = async {
            while load.writes.load(Ordering::Relaxed) < enough {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(ROUND_TIMEOUT, wait).await.expect("the server makes progress");
        server.kill();
        server = start(data.path());
        let again = Load { address: server.address, ..Load::like(&load) };
        for connection in connections {
            let made = tokio::time::timeout(ROUND_TIMEOUT, connection).await.expect("its last request ends");
            let mut made = made.expect("a connection does not panic");
            for operation in made.iter_mut().filter(|operation| operation.revision.is_none()) {
                unanswered += 1;
                client::repeat(&again, operation).await;
            }
            operations.append(&mut made);
        }
    }
    let mut counts = Counts { kills: kills(), unanswered, ..Counts::default() };
    for list in 0..LISTS {
        let name = client::list_name(list);
        let history = History::read(server.address, &name).await;
        let of_list: Vec<_> = operations.iter().filter(|operation| operation.list == list).collect();
        history.check(&of_list, &mut counts).unwrap_or_else(|violation| panic!("list {name}: {violation}"));
    }
    assert!(server.terminate().success());
    println!("{counts}, in {:.0?}", begun.elapsed());
}
