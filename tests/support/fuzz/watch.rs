//! Uploads of inputs to a target, watched for panics, time and memory.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

pub use super::target::Outcome;
use super::target::Target;
use super::{Generator, Input, InputKind};

/// The most CPU time of one input, from upload to the last answer, over all threads.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The longest wall-clock time of one input. An input that takes longer hangs.
const HANGING: Duration = Duration::from_secs(300);

/// The unit in which Linux counts the CPU time of a process.
const KERNEL_TICK: Duration = Duration::from_millis(10);

/// The most memory of the process at any time, in KiB.
pub const MEMORY_LIMIT_KIB: u64 = 2 << 20;

/// How often the watcher looks at the memory while it waits.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Panics in this process since the last look, caught or not.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Whether an input is being generated, by tools that may panic.
static MAKING: AtomicBool = AtomicBool::new(false);

/// A defect of the server.
pub struct Finding {
    pub seed: u64,
    pub kind: InputKind,
    pub what: String,
    pub bytes: Vec<u8>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, kind, what, bytes } = self;
        write!(f, "seed {seed} ({kind}, {} bytes): {what}", bytes.len())
    }
}

/// Uploads inputs one after the other.
pub struct Watch {
    generator: Generator,
    inputs: Option<Sender<Arc<Input>>>,
    /// The thread that uploads. It is abandoned when it hangs.
    uploader: Option<JoinHandle<()>>,
    outcomes: Receiver<Result<Outcome, String>>,
    pub counts: Counts,
}

/// Counts of inputs and outcomes.
#[derive(Default)]
pub struct Counts {
    /// By kind of input and outcome: `accepted`, or the kind of the refusal.
    outcomes: BTreeMap<InputKind, BTreeMap<&'static str, usize>>,
    /// The seeds without an input, by the reason of the tool that could not generate it.
    nothing: BTreeMap<String, usize>,
    /// The slowest upload and the slowest calls: the time and the seed.
    upload: (Duration, u64),
    calls: (Duration, u64),
    memory_at_start: Memory,
    /// Samples of the memory, in MiB.
    memory_on_the_way: Vec<u64>,
}

/// The memory of the process, in KiB.
#[derive(Clone, Copy, Default)]
pub struct Memory {
    pub now: u64,
    pub peak: u64,
}

impl Watch {
    /// Starts a target. From here on panics are recorded and not printed, except those of the watching thread.
    pub fn start() -> Self {
        let usual = std::panic::take_hook();
        let watcher = std::thread::current().id();
        std::panic::set_hook(Box::new(move |panic| {
            let thread = std::thread::current();
            if thread.id() == watcher && !MAKING.load(Ordering::Relaxed) {
                return usual(panic); // the watcher's own word on what it found
            }
            PANICS.lock().push(format!("{} panicked: {panic}", thread.name().unwrap_or("a thread")));
        }));
        let (inputs, waiting) = channel::<Arc<Input>>();
        let (answer, outcomes) = channel();
        let run = move || {
            let target = Target::start();
            for input in waiting {
                let uploaded = catch_unwind(AssertUnwindSafe(|| target.upload(input.seed, &input.bytes)));
                let outcome = uploaded.unwrap_or_else(|_| Err("it panicked outside of the loader".into()));
                if answer.send(outcome).is_err() {
                    return;
                }
            }
        };
        let uploader = std::thread::Builder::new().name("uploader".into()).spawn(run).expect("a thread");
        let counts = Counts { memory_at_start: Memory::read(), ..Counts::default() };
        Self { generator: Generator::open(), inputs: Some(inputs), uploader: Some(uploader), outcomes, counts }
    }

    /// Uploads the input of a seed. `Ok(None)` if there is none.
    pub fn upload(&mut self, seed: u64) -> Result<Option<(InputKind, Outcome)>, Box<Finding>> {
        MAKING.store(true, Ordering::Relaxed);
        let made = catch_unwind(AssertUnwindSafe(|| self.generator.make(seed)));
        MAKING.store(false, Ordering::Relaxed);
        let panics = std::mem::take(&mut *PANICS.lock()); // those of the tools are not the server's
        let input = match made {
            Ok(Ok(input)) => Arc::new(input),
            other => {
                let why = other.map_or_else(|_| panics.concat(), |made| made.err().unwrap_or_default());
                *self.counts.nothing.entry(why).or_default() += 1;
                return Ok(None);
            }
        };
        let inputs = self.inputs.as_ref().expect("they are there until the end");
        inputs.send(input.clone()).expect("the uploader waits");
        let outcome = self.wait();
        let panics = std::mem::take(&mut *PANICS.lock());
        let found = |what| Box::new(Finding { seed, kind: input.kind, what, bytes: input.bytes.clone() });
        if let Some(panic) = panics.first() {
            return Err(found(panic.clone()));
        }
        let outcome = outcome.map_err(found)?;
        self.counts.note(seed, input.kind, &outcome);
        Ok(Some((input.kind, outcome)))
    }

    /// Waits for the outcome of an input, within the limits of time and memory.
    fn wait(&mut self) -> Result<Outcome, String> {
        let (begun, spent) = (Instant::now(), processor_time());
        loop {
            let outcome = self.outcomes.recv_timeout(LOOK_EVERY);
            let Memory { peak, .. } = Memory::read();
            let why = match outcome {
                _ if peak > MEMORY_LIMIT_KIB => {
                    format!("the process has had {peak} KiB, the limit is {MEMORY_LIMIT_KIB}")
                }
                Ok(outcome) => return outcome,
                Err(_) if processor_time().saturating_sub(spent) > TIME_LIMIT => {
                    format!("it took more than {TIME_LIMIT:?} of the processors' time")
                }
                Err(_) if begun.elapsed() > HANGING => format!("it was not done after {HANGING:?}"),
                Err(_) => continue,
            };
            self.uploader = None;
            return Err(why);
        }
    }
}

impl Drop for Watch {
    /// Lets the target clean up, unless an input hangs.
    fn drop(&mut self) {
        self.inputs = None;
        if let Some(uploader) = self.uploader.take() {
            let _ = uploader.join(); // its panics are recorded already
        }
    }
}

impl Counts {
    fn note(&mut self, seed: u64, kind: InputKind, outcome: &Outcome) {
        *self.outcomes.entry(kind).or_default().entry(outcome.refused.unwrap_or("accepted")).or_default() += 1;
        self.upload = self.upload.max((outcome.upload, seed));
        self.calls = self.calls.max((outcome.calls, seed));
    }

    /// Takes a sample of the memory, to see whether it grows.
    pub fn note_memory(&mut self) {
        self.memory_on_the_way.push(Memory::read().now >> 10);
    }

    /// The number of uploaded inputs.
    pub fn uploaded(&self) -> usize {
        self.outcomes.values().flat_map(BTreeMap::values).sum()
    }

    /// The number of accepted inputs.
    pub fn accepted_in_all(&self) -> usize {
        self.outcomes.keys().map(|kind| self.accepted(*kind)).sum()
    }

    /// The number of accepted inputs of a kind.
    pub fn accepted(&self, kind: InputKind) -> usize {
        self.outcomes.get(&kind).and_then(|outcomes| outcomes.get("accepted")).copied().unwrap_or_default()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<46}{:>10}{:>10}{:>10}", "inputs", "uploaded", "accepted", "refused")?;
        let mut refusals: BTreeMap<&str, usize> = BTreeMap::new();
        for (kind, outcomes) in &self.outcomes {
            let (uploaded, accepted) = (outcomes.values().sum::<usize>(), self.accepted(*kind));
            writeln!(f, "{:<46}{uploaded:>10}{accepted:>10}{:>10}", kind.to_string(), uploaded - accepted)?;
            for (why, count) in outcomes.iter().filter(|(why, _)| **why != "accepted") {
                *refusals.entry(why).or_default() += count;
            }
        }
        for (why, count) in &self.nothing {
            writeln!(f, "{:<46}{count:>8}", format!("none: {why:.100}"))?;
        }
        writeln!(f)?;
        writeln!(f, "refused because of")?;
        for (why, count) in refusals {
            writeln!(f, "  {why:<44}{count:>8}")?;
        }
        let Memory { now, peak } = Memory::read();
        let (upload, calls, start) = (self.upload, self.calls, self.memory_at_start);
        writeln!(f, "\nslowest upload: {:.2?}, seed {}", upload.0, upload.1)?;
        writeln!(f, "slowest calls: {:.2?}, seed {}", calls.0, calls.1)?;
        writeln!(f, "memory at the start: {} MiB, peak {} MiB", start.now >> 10, start.peak >> 10)?;
        writeln!(f, "memory on the way, in MiB: {:?}", self.memory_on_the_way)?;
        write!(f, "memory at the end: {} MiB, peak {} MiB", now >> 10, peak >> 10)
    }
}

impl Memory {
    /// Reads the memory of this process from the kernel, if the kernel shows it.
    pub fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let find = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse().ok()
        };
        Self { now: find("VmRSS:").unwrap_or_default(), peak: find("VmHWM:").unwrap_or_default() }
    }
}

/// The CPU time of this process, or zero where the kernel does not show it.
fn processor_time() -> Duration {
    // Behind the name, which is in parentheses, the 12th and 13th are the time of the process itself
    // and what the kernel did for it.
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u32 =
        behind_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok()).sum();
    KERNEL_TICK * ticks
}
