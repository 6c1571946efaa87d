//! Fuzzes the upload path with hostile components for a given time.
//!
//! ```sh
//! cargo run --release --example fuzz_uploads -- --seconds 600
//! cargo run --release --example fuzz_uploads -- --one 4711    # repeat the seed of a finding
//! ```
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

#[path = "../tests/support/fuzz/mod.rs"]
mod fuzz;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use fuzz::watch::{Finding, MEMORY_LIMIT_KIB, TIME_LIMIT, Watch};
use indicatif::{ProgressBar, ProgressStyle};

/// Samples of memory use per run.
const NOTES: u64 = 20;

/// The interval between updates of the progress bar.
const DRAW_EVERY: Duration = Duration::from_millis(200);

const HELP: &str = "\
Each input is made from a seed, and the seeds are counted up from the first one, so a run can be
repeated. An input is uploaded as a client would upload it. If it is accepted, it is asked all that
its description allows. It counts as found when anything panics, when an input takes too long or
too much memory, when a refusal changes what is live or does not say why, or when an answer is
let through that breaks the limits of lists. The first finding ends the run: its bytes are saved,
and --one with its seed makes it again.

Exit codes: 0 nothing was found, 1 something was, 2 wrong usage.";

/// Uploads hostile components one after the other, and checks that the server withstands them.
#[derive(Parser)]
#[command(after_help = HELP)]
struct Arguments {
    /// Duration in seconds
    #[arg(long, default_value_t = 60, value_name = "N")]
    seconds: u64,
    /// First seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Run only this seed, and print its outcome
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seconds", "seed"])]
    one: Option<u64>,
    /// Directory for the bytes of findings and for the current seed, which survives a crash of the process
    #[arg(long, default_value = "target/fuzz", value_name = "DIR")]
    found: PathBuf,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    fs::create_dir_all(&arguments.found).with_context(|| format!("cannot make {}", arguments.found.display()))?;
    let mut watch = Watch::start();
    let uploaded = match arguments.one {
        Some(seed) => one(&arguments, &mut watch, seed)?,
        None => many(&arguments, &mut watch)?,
    };
    println!("{}", watch.counts);
    let Err(finding) = uploaded else { return Ok(ExitCode::SUCCESS) };
    let file = arguments.found.join(format!("seed-{}.wasm", finding.seed));
    fs::write(&file, &finding.bytes).with_context(|| format!("cannot save {}", file.display()))?;
    println!("\nFOUND with {finding}\nits bytes are in {}", file.display());
    Ok(ExitCode::FAILURE)
}

/// Runs one seed.
fn one(arguments: &Arguments, watch: &mut Watch, seed: u64) -> anyhow::Result<Result<(), Box<Finding>>> {
    begin(arguments, seed)?;
    Ok(watch.upload(seed).map(|uploaded| match uploaded {
        None => println!("seed {seed} makes no input"),
        Some((kind, outcome)) => {
            let became = if outcome.refused.is_some() { outcome.why } else { "accepted".into() };
            println!("seed {seed} ({kind}): {became}");
        }
    }))
}

/// Runs one seed after the other until the time is over or a finding occurs.
fn many(arguments: &Arguments, watch: &mut Watch) -> anyhow::Result<Result<(), Box<Finding>>> {
    let bar = ProgressBar::new(arguments.seconds); // draws only on a terminal
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos} of {len} s  {msg}")?);
    bar.println(format!(
        "an input may take {TIME_LIMIT:?} of the processors, all of them {} MiB together",
        MEMORY_LIMIT_KIB >> 10
    ));
    let begun = Instant::now();
    let mut drawn = begun;
    let mut notes = 0;
    let mut uploaded = Ok(());
    for seed in arguments.seed.. {
        if begun.elapsed().as_secs() >= arguments.seconds || uploaded.is_err() {
            break;
        }
        begin(arguments, seed)?;
        uploaded = watch.upload(seed).map(drop);
        if begun.elapsed().as_secs() * NOTES > notes * arguments.seconds {
            notes += 1;
            watch.counts.note_memory();
        }
        if drawn.elapsed() > DRAW_EVERY {
            drawn = Instant::now();
            bar.set_position(begun.elapsed().as_secs());
            bar.set_message(format!("seed {seed}, {} accepted", watch.counts.accepted_in_all()));
        }
    }
    bar.finish_and_clear();
    Ok(uploaded)
}

/// Writes the current seed to a file, so that it is known when the whole process crashes.
fn begin(arguments: &Arguments, seed: u64) -> anyhow::Result<()> {
    let file = arguments.found.join("seed-at-hand");
    fs::write(&file, seed.to_string()).with_context(|| format!("cannot write {}", file.display()))
}
