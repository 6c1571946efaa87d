//! What was acknowledged is there: after kill -9 in the middle of load, with the real program on
//! real files.

#[path = "../examples/load/mod.rs"]
mod load;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use load::{Load, Mode};
use support::process::Process;

/// How often the server is killed.
const KILLS: usize = 10;

/// How many commits a server makes at least before it is killed: enough that some are on their way.
const BEFORE_KILL: u64 = 400;

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_write_survives_kill_9_in_the_middle_of_load_ten_times() {
    let data = tempfile::tempdir().expect("a directory");
    let mut acknowledged = Vec::new();
    for round in 0..KILLS {
        let server = Process::start(data.path(), &[]);
        let address = server.address;
        let load = Load { address, connections: 32, lists: 50, mode: Mode::Post, requests: u64::MAX };
        let stop = Arc::new(AtomicBool::new(false));
        let running = tokio::spawn({
            let stop = stop.clone();
            async move { load::run(&load, stop).await }
        });
        while accepted(&server) < BEFORE_KILL {
            tokio::task::yield_now().await;
        }
        server.kill();
        stop.store(true, Ordering::Relaxed);
        let report = running.await.expect("the load does not panic");
        assert!(report.acknowledged.len() as u64 >= BEFORE_KILL / 2, "round {round}: {report:?}");
        acknowledged.extend(report.acknowledged);

        let server = Process::start(data.path(), &[]);
        let missing = load::missing(server.address, &acknowledged).await.expect("no list is unreadable");
        assert_eq!(missing, [], "round {round} lost writes, of {}", acknowledged.len());
        assert!(server.terminate().success());
    }
}

fn accepted(server: &Process) -> u64 {
    let (status, logic) = server.get("/logic/todo");
    assert_eq!(status, 200);
    logic["live"]["accepted"].as_u64().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_acknowledged_before_it_was_told_to_stop_is_kept() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Process::start(data.path(), &[]);
    let load = Load { address: server.address, connections: 8, lists: 5, mode: Mode::Post, requests: u64::MAX };
    let stop = Arc::new(AtomicBool::new(false));
    let running = tokio::spawn(async move { load::run(&load, stop).await });
    while accepted(&server) < BEFORE_KILL {
        tokio::task::yield_now().await;
    }
    // In the middle of it: each connection gets the answer it waits for, and then its end.
    assert!(server.terminate().success());
    let report = running.await.expect("the load does not panic");
    assert!(report.acknowledged.len() as u64 >= BEFORE_KILL / 2, "{report:?}");
    let server = Process::start(data.path(), &[]);
    let missing = load::missing(server.address, &report.acknowledged).await.expect("every list is readable");
    assert_eq!(missing, []);
}
