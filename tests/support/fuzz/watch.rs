//! Throws inputs at a target and watches from outside: for panics, for time, for memory.

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
use super::{DevSession, Input, Kind};

/// How much of the processors' time one input may take, from upload to the last answer, over all
/// threads.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);

/// How long one input may take by the clock, which goes on while others have the processors. What
/// takes longer counts as hanging.
const HANGING: Duration = Duration::from_secs(300);

/// The unit in which the kernel counts a process's time, on every Linux that there is.
const KERNEL_TICK: Duration = Duration::from_millis(10);

/// How much memory the process may ever have had, in KiB, over all inputs.
pub const MEMORY_LIMIT_KIB: u64 = 2 << 20;

/// How often the watcher looks at the memory while it waits.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What panicked in this process since it was last asked, caught or not.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Whether an input is being made, by tools that panic now and then.
static MAKING: AtomicBool = AtomicBool::new(false);

/// Something that must not be.
pub struct Finding {
    pub seed: u64,
    pub kind: Kind,
    pub what: String,
    pub bytes: Vec<u8>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, kind, what, bytes } = self;
        write!(f, "seed {seed} ({kind}, {} bytes): {what}", bytes.len())
    }
}

/// Throws inputs, one after the other.
pub struct Watch {
    session: DevSession,
    inputs: Option<Sender<Arc<Input>>>,
    /// Who throws them; nobody waits for it any more when it hangs.
    thrower: Option<JoinHandle<()>>,
    outcomes: Receiver<Result<Outcome, String>>,
    pub counts: Counts,
}

/// What was thrown, and what became of it.
#[derive(Default)]
pub struct Counts {
    /// By kind of input and outcome: `taken`, or the kind of the refusal.
    outcomes: BTreeMap<Kind, BTreeMap<&'static str, usize>>,
    /// How many seeds made no input, by the reason why a tool that makes them could not.
    nothing: BTreeMap<String, usize>,
    /// The upload that took longest, and the questions that did: the time and the seed.
    upload: (Duration, u64),
    asking: (Duration, u64),
    memory_at_start: Memory,
    /// How much memory there was on the way, in MiB.
    memory_on_the_way: Vec<u64>,
}

/// How much memory the process has, in KiB.
#[derive(Clone, Copy, Default)]
pub struct Memory {
    pub now: u64,
    pub peak: u64,
}

impl Watch {
    /// Starts a target. From here on panics are noted, and not printed, but for those of the
    /// thread that watches.
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
        let throw = move || {
            let target = Target::start();
            for input in waiting {
                let thrown = catch_unwind(AssertUnwindSafe(|| target.throw(input.seed, &input.bytes)));
                let outcome = thrown.unwrap_or_else(|_| Err("it panicked outside of the loader".into()));
                if answer.send(outcome).is_err() {
                    return;
                }
            }
        };
        let thrower = std::thread::Builder::new().name("thrower".into()).spawn(throw).expect("a thread");
        let counts = Counts { memory_at_start: Memory::read(), ..Counts::default() };
        Self { session: DevSession::open(), inputs: Some(inputs), thrower: Some(thrower), outcomes, counts }
    }

    /// Throws the input of a seed. `Ok(None)` if there is none.
    pub fn throw(&mut self, seed: u64) -> Result<Option<(Kind, Outcome)>, Box<Finding>> {
        MAKING.store(true, Ordering::Relaxed);
        let made = catch_unwind(AssertUnwindSafe(|| self.session.make(seed)));
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
        inputs.send(input.clone()).expect("the thrower waits");
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

    /// Waits for what becomes of an input, but for no longer than one may take, and not while it takes
    /// the machine's memory.
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
            self.thrower = None;
            return Err(why);
        }
    }
}

impl Drop for Watch {
    /// Lets the target clean up, unless it is at work on what hangs.
    fn drop(&mut self) {
        self.inputs = None;
        if let Some(thrower) = self.thrower.take() {
            let _ = thrower.join(); // what it panicked of was told already
        }
    }
}

impl Counts {
    fn note(&mut self, seed: u64, kind: Kind, outcome: &Outcome) {
        *self.outcomes.entry(kind).or_default().entry(outcome.refused.unwrap_or("taken")).or_default() += 1;
        self.upload = self.upload.max((outcome.upload, seed));
        self.asking = self.asking.max((outcome.asking, seed));
    }

    /// Notes how much memory there is now, which tells whether it grows.
    pub fn note_memory(&mut self) {
        self.memory_on_the_way.push(Memory::read().now >> 10);
    }

    /// How many inputs were thrown.
    pub fn thrown(&self) -> usize {
        self.outcomes.values().flat_map(BTreeMap::values).sum()
    }

    /// How many were taken.
    pub fn taken_at_all(&self) -> usize {
        self.outcomes.keys().map(|kind| self.taken(*kind)).sum()
    }

    /// How many of a kind were taken.
    pub fn taken(&self, kind: Kind) -> usize {
        self.outcomes.get(&kind).and_then(|outcomes| outcomes.get("taken")).copied().unwrap_or_default()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<46}{:>8}{:>8}{:>9}", "inputs", "thrown", "taken", "refused")?;
        let mut refusals: BTreeMap<&str, usize> = BTreeMap::new();
        for (kind, outcomes) in &self.outcomes {
            let (thrown, taken) = (outcomes.values().sum::<usize>(), self.taken(*kind));
            writeln!(f, "{:<46}{thrown:>8}{taken:>8}{:>9}", kind.to_string(), thrown - taken)?;
            for (why, count) in outcomes.iter().filter(|(why, _)| **why != "taken") {
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
        let (upload, asking, start) = (self.upload, self.asking, self.memory_at_start);
        writeln!(f, "\nslowest upload: {:.2?}, seed {}", upload.0, upload.1)?;
        writeln!(f, "slowest questions: {:.2?}, seed {}", asking.0, asking.1)?;
        writeln!(f, "memory at the start: {} MiB, peak {} MiB", start.now >> 10, start.peak >> 10)?;
        writeln!(f, "memory on the way, in MiB: {:?}", self.memory_on_the_way)?;
        write!(f, "memory at the end: {} MiB, peak {} MiB", now >> 10, peak >> 10)
    }
}

impl Memory {
    /// Reads what the kernel says of this process; nothing where it says nothing.
    pub fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let find = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse().ok()
        };
        Self { now: find("VmRSS:").unwrap_or_default(), peak: find("VmHWM:").unwrap_or_default() }
    }
}

/// How much of the processors' time this process has taken; nothing where the kernel does not say.
fn processor_time() -> Duration {
    // Behind the name, which is in parentheses, the 12th and 13th are the time of the process itself
    // and what the kernel did for it.
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u32 =
        behind_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok()).sum();
    KERNEL_TICK * ticks
}
