//! The one engine: its settings, the pool of instances, the ticker that ends what runs too long.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use wasmtime::{Cache, CacheConfig, Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How finely the deadline of a command is measured.
const TICK: Duration = Duration::from_millis(5);

/// How much of an instance's memory stays with its slot in the pool, so that the next instance in
/// it finds its pages there. Measured: a fresh instance costs half as much with it.
const KEEP_RESIDENT_BYTES: usize = 128 << 10;

/// The same for tables.
const KEEP_TABLE_RESIDENT_BYTES: usize = 4 << 10;

/// The most elements a table may have. Rust plugins use a few dozen.
const MAX_TABLE_ELEMENTS: usize = 1_000;

/// Memories that one component may have: its own and an adapter's.
const MAX_MEMORIES: u32 = 2;

/// Core modules and tables that one component may have: its own, and what adapters add.
const MAX_PARTS: u32 = 8;

/// The limits under which components run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The fuel of one command, in wasmtime's unit: about one WebAssembly instruction. The same
    /// command runs out of it on every machine, or on none.
    pub fuel: u64,
    /// How long one command may take by the clock on the wall: the net under the fuel.
    pub deadline: Duration,
    /// How much memory an instance may have, over all its memories, in bytes.
    pub memory: usize,
    /// How much stack a call may use, in bytes.
    pub stack: usize,
    /// How many bytes of values a call may hand over in either direction.
    pub answer_bytes: usize,
    /// How large a component may be, in bytes.
    pub component_bytes: usize,
    /// How many instances there may be at a time. At most half of them are kept warm.
    pub instances: u32,
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
            memory: 16 << 20,
            stack: 512 << 10,
            answer_bytes: 32 << 20,
            component_bytes: 32 << 20,
            instances: 128,
            warm: std::thread::available_parallelism().map_or(2, usize::from),
            recycle_after: 100_000,
            check_every: 256,
            cache: None,
        }
    }
}

/// Compiles and runs components. A clone is another handle to the same engine.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    engine: wasmtime::Engine,
    settings: Settings,
    /// How many instances are kept warm, over all versions.
    warm: AtomicUsize,
    /// Ends the ticker when the last handle to the engine goes.
    _ticker: mpsc::Sender<()>,
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
        let engine = config(&settings).and_then(|config| wasmtime::Engine::new(&config));
        let engine = engine.map_err(EngineError::Wasmtime)?;
        let ticker = start_ticker(engine.weak())?;
        let warm = AtomicUsize::new(0);
        Ok(Self { shared: Arc::new(Shared { engine, settings, warm, _ticker: ticker }) })
    }

    /// The limits.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.shared.engine
    }

    /// A command's deadline, in ticks from now. One more than fits, because the first tick may be
    /// about to come.
    pub(super) fn deadline_ticks(&self) -> u64 {
        let ticks = self.settings().deadline.as_millis().div_ceil(TICK.as_millis());
        u64::try_from(ticks).unwrap_or(u64::MAX - 1) + 1
    }

    /// Asks for a place among the warm instances. Half of the pool is always left for fresh ones.
    pub(super) fn keep_warm(&self) -> bool {
        let most = self.settings().instances as usize / 2;
        let took = |warm: usize| (warm < most).then_some(warm + 1);
        self.shared.warm.fetch_update(Ordering::Relaxed, Ordering::Relaxed, took).is_ok()
    }

    /// Gives a place among the warm instances back.
    pub(super) fn cool_down(&self) {
        self.shared.warm.fetch_sub(1, Ordering::Relaxed);
    }
}

fn config(settings: &Settings) -> wasmtime::Result<Config> {
    let mut pool = PoolingAllocationConfig::default();
    let instances = settings.instances;
    pool.total_component_instances(instances)
        .total_core_instances(instances * MAX_PARTS)
        .total_memories(instances * MAX_MEMORIES)
        .total_tables(instances * MAX_PARTS)
        .max_core_instances_per_component(MAX_PARTS)
        .max_memories_per_component(MAX_MEMORIES)
        .max_tables_per_component(MAX_PARTS)
        .max_memory_size(settings.memory)
        .table_elements(MAX_TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_TABLE_RESIDENT_BYTES)
        .pagemap_scan(Enabled::No);
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

/// Lets time pass for the engine until the sender returned is dropped.
fn start_ticker(engine: wasmtime::EngineWeak) -> std::io::Result<mpsc::Sender<()>> {
    let (alive, ended) = mpsc::channel();
    std::thread::Builder::new().name("wasm-ticker".into()).spawn(move || {
        while ended.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => break,
            }
        }
    })?;
    Ok(alive)
}
