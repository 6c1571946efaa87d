//! The engine: its settings, the pools of instances, the ticker that ends what runs too long.
//!
//! There are two pools, for a component that carries the engine of its language, as JavaScript's and
//! Python's do, takes a hundred times the room of one that does not, and a pool's slots are all of
//! one size.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use wasmtime::{Cache, CacheConfig, Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How finely the deadline of a command is measured.
const TICK: Duration = Duration::from_millis(5);

/// A command in parts gets one more [deadline](Settings::deadline) for each so many parts.
const PARTS_PER_DEADLINE: u32 = 500;

/// The most deadlines that a command in parts gets: what 10,000 parts get, the default limit on a list's entries. It
/// bounds how long one command can block its actor's thread.
const MAX_DEADLINES: u32 = 21;

/// The most core modules, and the most tables, of a component that carries the engine of its language.
pub(super) const HEAVY_PARTS: u32 = 64;

/// The most memories of such a component.
pub(super) const HEAVY_MEMORIES: u32 = 4;

/// The most elements of one of its tables.
pub(super) const HEAVY_TABLE_ELEMENTS: usize = 20_000;

/// How much room a component may take.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum InstanceClass {
    /// A component that is its logic and little more, as those in Rust or C are.
    Light,
    /// A component that carries the engine of its language.
    Heavy,
}

/// What there is for one instance, and how many of them there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct InstanceLimits {
    /// The fuel of one command.
    pub(super) fuel: u64,
    /// How long one command may take.
    pub(super) deadline: Duration,
    /// Instances at a time.
    pub(super) instances: u32,
    /// The most memory of one, in bytes.
    pub(super) memory: usize,
    /// The most core modules, and the most tables, of one: its own, and what adapters add.
    pub(super) parts: u32,
    /// The most memories of one.
    memories: u32,
    /// The most elements of a table. Logic in Rust uses a few dozen, Python's engine 5,700.
    pub(super) table_elements: usize,
    /// How much of an instance's memory stays with its slot in the pool, so that the next instance
    /// in it finds its pages there. Measured: a fresh instance costs half as much with it.
    keep_resident: usize,
    /// The same for tables.
    keep_table_resident: usize,
    /// Whether to ask the system which pages were written to. It pays where there are many pages.
    pagemap_scan: Enabled,
}

/// The limits under which components run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The fuel of one command, in wasmtime's unit: about one WebAssembly instruction. The same
    /// command runs out of it on every machine, or on none.
    pub fuel: u64,
    /// How long one command may take by the clock on the wall: the net under the fuel.
    pub deadline: Duration,
    /// The fuel of one command where the component carries the engine of its language: that computes
    /// the same with some fifty times the instructions.
    pub heavy_fuel: u64,
    /// How long one command may take there.
    pub heavy_deadline: Duration,
    /// How much memory an instance may have, over all its memories, in bytes.
    pub memory: usize,
    /// The same for an instance that carries the engine of its language.
    pub heavy_memory: usize,
    /// How much stack a call may use, in bytes.
    pub stack: usize,
    /// How many bytes of values a call may hand over in either direction.
    pub answer_bytes: usize,
    /// How large a component may be, in bytes.
    pub component_bytes: usize,
    /// How many instances there may be at a time. At most half of them are kept warm.
    pub instances: u32,
    /// The same for instances that carry the engine of their language.
    pub heavy_instances: u32,
    /// How many instances of one version are kept warm: as many as there are threads to use them.
    pub warm: usize,
    /// After how many commands a warm instance is replaced by a fresh one.
    pub recycle_after: u64,
    /// One command in so many is decided a second time on a fresh instance, and has to come out the
    /// same.
    pub check_every: u64,
    /// Where compiled code is kept; `None` compiles anew each time.
    pub cache: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fuel: 20_000_000,
            deadline: Duration::from_millis(50),
            heavy_fuel: 400_000_000,
            heavy_deadline: Duration::from_millis(500),
            memory: 16 << 20,
            heavy_memory: 64 << 20,
            stack: 512 << 10,
            answer_bytes: 32 << 20,
            component_bytes: 32 << 20,
            instances: 128,
            heavy_instances: 32,
            warm: std::thread::available_parallelism().map_or(2, usize::from),
            recycle_after: 100_000,
            check_every: 256,
            cache: None,
        }
    }
}

impl Settings {
    /// What an instance of a weight may have.
    pub(super) fn room(&self, weight: InstanceClass) -> InstanceLimits {
        match weight {
            InstanceClass::Light => InstanceLimits {
                fuel: self.fuel,
                deadline: self.deadline,
                instances: self.instances,
                memory: self.memory,
                parts: 8,
                memories: 2,
                table_elements: 1_000,
                keep_resident: 128 << 10,
                keep_table_resident: 4 << 10,
                pagemap_scan: Enabled::No,
            },
            InstanceClass::Heavy => InstanceLimits {
                fuel: self.heavy_fuel,
                deadline: self.heavy_deadline,
                instances: self.heavy_instances,
                memory: self.heavy_memory,
                parts: HEAVY_PARTS,
                memories: HEAVY_MEMORIES,
                table_elements: HEAVY_TABLE_ELEMENTS,
                keep_resident: 1 << 20,
                keep_table_resident: 64 << 10,
                pagemap_scan: Enabled::Auto,
            },
        }
    }
}

/// Compiles and runs components. A clone is another handle to the same engine.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    light: Pool,
    heavy: Pool,
    settings: Settings,
    /// Ends the ticker when the last handle to the engine goes.
    _ticker: mpsc::Sender<()>,
}

/// The engine for one weight.
struct Pool {
    engine: wasmtime::Engine,
    /// How many instances are kept warm, over all versions.
    warm: AtomicUsize,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime does not take the settings, or the machine does not give what they want.
    #[error("the wasm engine could not be started: {0:#}")]
    Wasmtime(wasmtime::Error),
    /// The machine gives no thread.
    #[error("the thread that watches over deadlines could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

impl Engine {
    /// Starts an engine, with a thread that measures its deadlines.
    pub fn new(settings: Settings) -> Result<Self, EngineError> {
        let (light, heavy) = (Pool::new(&settings, InstanceClass::Light)?, Pool::new(&settings, InstanceClass::Heavy)?);
        let ticker = start_ticker([light.engine.weak(), heavy.engine.weak()])?;
        Ok(Self { shared: Arc::new(Shared { light, heavy, settings, _ticker: ticker }) })
    }

    /// The limits.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub(super) fn wasmtime(&self, weight: InstanceClass) -> &wasmtime::Engine {
        &self.pool(weight).engine
    }

    fn pool(&self, weight: InstanceClass) -> &Pool {
        match weight {
            InstanceClass::Light => &self.shared.light,
            InstanceClass::Heavy => &self.shared.heavy,
        }
    }

    /// Returns how long a command with so many parts may take.
    pub(super) fn deadline(&self, weight: InstanceClass, parts: usize) -> Duration {
        deadline_in_parts(self.settings().room(weight).deadline, parts)
    }

    /// Asks for a place among the warm instances. Half of the pool is always left for fresh ones.
    pub(super) fn acquire_warm_slot(&self, weight: InstanceClass) -> bool {
        let most = self.settings().room(weight).instances as usize / 2;
        let took = |warm: usize| (warm < most).then_some(warm + 1);
        self.pool(weight).warm.fetch_update(Ordering::Relaxed, Ordering::Relaxed, took).is_ok()
    }

    /// Gives a place among the warm instances back.
    pub(super) fn release_warm_slot(&self, weight: InstanceClass) {
        self.pool(weight).warm.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    fn new(settings: &Settings, weight: InstanceClass) -> Result<Self, EngineError> {
        let engine = config(settings, settings.room(weight)).and_then(|config| wasmtime::Engine::new(&config));
        Ok(Self { engine: engine.map_err(EngineError::Wasmtime)?, warm: AtomicUsize::new(0) })
    }
}

/// Returns the deadline of a command with so many parts, where a command in one has `deadline`.
fn deadline_in_parts(deadline: Duration, parts: usize) -> Duration {
    let parts = u32::try_from(parts).unwrap_or(u32::MAX).min((MAX_DEADLINES - 1) * PARTS_PER_DEADLINE);
    deadline.saturating_add(deadline.saturating_mul(parts) / PARTS_PER_DEADLINE)
}

/// Returns a deadline in ticks from now. It is one tick more than fits, because the first tick may be about to come.
pub(super) fn deadline_ticks(deadline: Duration) -> u64 {
    let ticks = deadline.as_millis().div_ceil(TICK.as_millis());
    u64::try_from(ticks).unwrap_or(u64::MAX - 1) + 1
}

fn config(settings: &Settings, room: InstanceLimits) -> wasmtime::Result<Config> {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(room.instances)
        .total_core_instances(room.instances * room.parts)
        .total_memories(room.instances * room.memories)
        .total_tables(room.instances * room.parts)
        .max_core_instances_per_component(room.parts)
        .max_memories_per_component(room.memories)
        .max_tables_per_component(room.parts)
        .max_memory_size(room.memory)
        .table_elements(room.table_elements)
        .linear_memory_keep_resident(room.keep_resident)
        .table_keep_resident(room.keep_table_resident)
        .pagemap_scan(room.pagemap_scan);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .concurrency_support(false) // this world is synchronous; left on, an empty call costs three times as much
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(settings.stack)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false) // its results may differ from machine to machine
        .cranelift_nan_canonicalization(true); // so may the bits of a NaN
    if let Some(directory) = &settings.cache {
        // Keyed by the compiler's version and settings and the component's bytes, evicted by size.
        let mut cache = CacheConfig::new();
        cache.with_directory(directory);
        config.cache(Some(Cache::new(cache)?));
    }
    Ok(config)
}

/// Lets time pass for the engines until the sender returned is dropped.
fn start_ticker(engines: [wasmtime::EngineWeak; 2]) -> std::io::Result<mpsc::Sender<()>> {
    let (alive, ended) = mpsc::channel();
    std::thread::Builder::new().name("wasm-ticker".into()).spawn(move || {
        while ended.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
            engines.iter().filter_map(wasmtime::EngineWeak::upgrade).for_each(|engine| engine.increment_epoch());
        }
    })?;
    Ok(alive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_of_a_command_grows_with_its_parts_up_to_a_bound() {
        let deadline = |parts| deadline_in_parts(Duration::from_millis(50), parts).as_micros();
        assert_eq!([0, 1, 500, 10_000].map(deadline), [50_000, 50_100, 100_000, 1_050_000]);
        assert_eq!([10_001, usize::MAX].map(deadline), [1_050_000; 2]);
    }
}
