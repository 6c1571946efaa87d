//! A load generator that keeps N connections busy and checks every reply.
//!
//! ```sh
//! cargo run --release --example loadgen -- --mode post --connections 64 --lists 1000 --requests 200000
//! cargo run --release --example loadgen -- --mode post --acks acks.json   # then kill -9 the server, start it, and:
//! cargo run --release --example loadgen -- --verify acks.json
//! ```
#![expect(clippy::print_stdout, reason = "a program may speak")]

mod load;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

/// Sends requests to a running server, one at a time on each of N connections, and checks every
/// reply.
#[derive(Parser)]
struct Arguments {
    /// Address of the server
    #[arg(long, default_value = "127.0.0.1:8080")]
    address: SocketAddr,
    /// Number of connections, each with one request at a time
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Number of lists
    #[arg(long, default_value_t = 1_000)]
    lists: usize,
    /// Total number of requests
    #[arg(long, default_value_t = 100_000)]
    requests: u64,
    /// Kind of requests
    #[arg(long, default_value = "post")]
    mode: Mode,
    /// Write the acknowledged additions to FILE
    #[arg(long, value_name = "FILE")]
    acks: Option<PathBuf>,
    /// Send no load, and check that the additions acknowledged in FILE exist
    #[arg(long, value_name = "FILE")]
    verify: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    Post,
    Get,
    Mixed,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(file) = &arguments.verify {
        return verify(arguments.address, file).await;
    }
    let mode = match arguments.mode {
        Mode::Post => load::Mode::Post,
        Mode::Get => load::Mode::Get,
        Mode::Mixed => load::Mode::Mixed,
    };
    let (connections, lists, requests) = (arguments.connections, arguments.lists.max(1), arguments.requests);
    let load = load::Load { address: arguments.address, connections, lists, mode, requests };
    let mut report = load::run(&load, Arc::new(AtomicBool::new(false))).await;
    println!(
        "{} answered, {} rejected, {} failed in {:.2?}",
        report.answered, report.rejected, report.failed, report.took
    );
    println!("{:.0} requests a second on {connections} connections over {lists} lists", report.rate());
    let parts = [0.5, 0.99, 0.999, 1.0].map(|part| report.percentile(part));
    println!("latency p50 {:.2?}, p99 {:.2?}, p99.9 {:.2?}, max {:.2?}", parts[0], parts[1], parts[2], parts[3]);
    report.versions.iter().filter(|(name, _)| !name.is_empty()).for_each(|(name, n)| println!("{n} decided by {name}"));
    report.failures.iter().for_each(|failure| println!("failed: {failure}"));
    if let Some(file) = &arguments.acks {
        let acks: Vec<_> = report.acknowledged.iter().map(|a| (&a.list, a.id, &a.title, &a.logic)).collect();
        std::fs::write(file, serde_json::to_vec(&acks)?).with_context(|| format!("cannot write {}", file.display()))?;
    }
    anyhow::ensure!(report.failed == 0, "{} requests failed", report.failed);
    Ok(())
}

async fn verify(address: SocketAddr, file: &PathBuf) -> anyhow::Result<()> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let acks: Vec<(String, u64, String, String)> = serde_json::from_slice(&bytes)?;
    let ack = |(list, id, title, logic)| load::Acknowledged { list, id, title, logic };
    let acks: Vec<_> = acks.into_iter().map(ack).collect();
    let missing = load::missing(address, &acks).await?;
    println!("{} acknowledged, {} missing", acks.len(), missing.len());
    anyhow::ensure!(missing.is_empty(), "lost: {:?}", missing.first());
    Ok(())
}
