//! The engine: its settings, its two pools of instances, and the ticker that ends calls past their deadline.
//!
//! A component in JavaScript or Python carries the engine of its language and takes a hundred times the memory of one
//! that does not. The slots of a pool are all of one size, so each of the two classes has a pool.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;
use wasmtime::component::Component;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::compile::CompileIn;
use super::compile::code_file::{configure, configure_compiler};
use super::compiled::CompiledCode;
use super::error::LoadError;
use super::log_bucket::{LogBucket, LogBuckets};
use super::machine::{lacks_memory, load_error, try_executable_memory};
use super::slots::Slots;
use super::ticks::{TICK, Ticks};
use crate::list::digest::Digest;
use crate::list::name::LogicName;

/// The number of parts after which a command in parts gets one more [deadline](Settings::deadline).
const PARTS_PER_DEADLINE: u32 = 500;

/// The most deadlines that a command in parts gets: what 10,000 parts get, the default limit on a list's entries.
const MAX_DEADLINES: u32 = 21;

/// The fewest instances of a class that an engine starts with where it has too few addresses for those of its settings.
const LEAST_INSTANCES: u32 = 4;

/// The longest that a command in parts may take, unless one part alone may take longer. It bounds how long one command
/// can block its actor's thread. That is well below the time that a stop of the server and a wake-up wait for a list.
const MAX_TIME_IN_PARTS: Duration = Duration::from_secs(2);

/// The most core modules, and the most tables, of a component with a language engine.
pub(super) const HEAVY_PARTS: u32 = 64;

/// The most memories of a component with a language engine.
pub(super) const HEAVY_MEMORIES: u32 = 4;

/// The most elements of a table of a component with a language engine.
pub(super) const HEAVY_TABLE_ELEMENTS: usize = 20_000;

/// The size class of a component's instances, which decides on the pool.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum InstanceClass {
    /// A component that holds little more than its logic, such as one in Rust or C.
    Light,
    /// A component with a language engine, such as one in JavaScript or Python.
    Heavy,
}

/// The limits of one instance, and the number of instances.
#[derive(Clone, Copy, Debug)]
pub(super) struct InstanceLimits {
    /// The fuel of one command.
    pub(super) fuel: u64,
    /// How long one command may take.
    pub(super) deadline: Duration,
    /// The most instances at a time.
    pub(super) instances: u32,
    /// The most memory of one instance, in bytes.
    pub(super) memory: usize,
    /// The most core modules, and the most tables, of one instance, including those that adapters add.
    pub(super) parts: u32,
    /// The most memories of one instance.
    memories: u32,
    /// The most elements of a table. Logic in Rust uses a few dozen, Python's engine 5,700.
    pub(super) table_elements: usize,
    /// The bytes of memory that stay resident in a slot, so that its next instance finds the pages mapped. Measured: a
    /// fresh instance costs half as much with them.
    keep_resident: usize,
    /// The bytes of tables that stay resident in a slot.
    keep_table_resident: usize,
    /// Whether to ask the kernel which pages were written. It pays for large memories only.
    pagemap_scan: Enabled,
}

/// The limits under which components run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The fuel of one command, in wasmtime's unit: about one WebAssembly instruction. A command runs out of fuel on
    /// every machine or on none.
    pub fuel: u64,
    /// How long one command may run, in processor time. It ends what the fuel does not.
    pub deadline: Duration,
    /// The fuel of one command of a component with a language engine, which takes about fifty times the instructions.
    pub heavy_fuel: u64,
    /// How long one command of a component with a language engine may run, in processor time.
    pub heavy_deadline: Duration,
    /// The most bytes of all memories of an instance.
    pub memory: usize,
    /// The most bytes of all memories of an instance with a language engine.
    pub heavy_memory: usize,
    /// The most bytes of stack that a call may use.
    pub stack: usize,
    /// The most bytes of values that a call may pass in either direction.
    pub answer_bytes: usize,
    /// The most bytes of a component.
    pub component_bytes: usize,
    /// The most instances at a time. At most half of them are warm.
    pub instances: u32,
    /// The most instances with a language engine at a time.
    pub heavy_instances: u32,
    /// The most warm instances of one version: by default one for each thread.
    pub warm: usize,
    /// The number of commands after which a warm instance is replaced.
    pub recycle_after: u64,
    /// One command in this number is decided a second time on a fresh instance, which must decide the same.
    pub check_every: u64,
    /// The directory of compiled code, as an absolute path. `None` compiles a component each time it is loaded.
    pub cache: Option<PathBuf>,
    /// Where components are compiled that are not part of the program.
    pub compile_in: CompileIn,
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
            compile_in: CompileIn::ThisProcess,
        }
    }
}

impl Settings {
    /// The limits of the instances of a class.
    pub(super) fn limits_of(&self, class: InstanceClass) -> InstanceLimits {
        match class {
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
    /// Where code comes from. Without it, the engine compiles.
    compiled: Option<CompiledCode>,
    /// The directory of compiled code, where the one of the settings cannot be used.
    _temporary: Option<TempDir>,
    log_buckets: LogBuckets,
    ticks: Ticks,
    /// Ends the ticker thread when the last handle to the engine is dropped.
    _ticker: mpsc::Sender<()>,
}

/// The engine of one class.
struct Pool {
    engine: wasmtime::Engine,
    /// The slots of unused instances of all versions.
    slots: Arc<Slots>,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refuses the settings, or the machine has too little memory for them.
    #[error("cannot start the wasm engine: {0:#}")]
    Wasmtime(wasmtime::Error),
    /// The process may not run the code of components.
    #[error(
        "cannot run compiled rules: {0:#}; allow this program to make memory executable, which MemoryDenyWriteExecute=yes of \
         systemd and policies of SELinux forbid"
    )]
    NotExecutable(wasmtime::Error),
    /// The process may reserve too few addresses for the fewest instances.
    #[error(
        "cannot reserve addresses for {instances} and {heavy_instances} instances of rules: {why:#}; raise the limit of the address \
         space (ulimit -v, LimitAS= of systemd), each instance takes up to 16 GiB of addresses and little memory"
    )]
    AddressSpace {
        /// The fewest instances of components in languages such as Rust.
        instances: u32,
        /// The fewest instances with a language engine.
        heavy_instances: u32,
        /// The error of the operating system.
        why: wasmtime::Error,
    },
    /// The system starts no thread.
    #[error("cannot start the thread that measures deadlines: {0}")]
    Thread(std::io::Error),
    /// There is no directory for compiled code.
    #[error("cannot create a directory for compiled code in {directory}: {why}")]
    Directory {
        /// The directory of temporary files.
        directory: String,
        /// The error of the operating system.
        why: std::io::Error,
    },
}

/// A component that is to be compiled.
pub(super) struct Source<'a> {
    pub(super) digest: Digest,
    pub(super) bytes: &'a [u8],
    /// Whether it is part of the program, and therefore compiled in this process.
    pub(super) is_trusted: bool,
    /// Whether the compilation is not wanted any more.
    pub(super) is_cancelled: &'a dyn Fn() -> bool,
}

impl Engine {
    /// Starts an engine, with a thread that measures its deadlines.
    pub fn new(settings: Settings) -> Result<Self, EngineError> {
        try_executable_memory().map_err(EngineError::NotExecutable)?;
        let (compiled, temporary) = open_compiled(&settings)?;
        let mut settings = settings;
        let (light, heavy) = open_pools(&mut settings, compiled.as_ref())?;
        let ticks = Ticks::default();
        let engines = [light.engine.weak(), heavy.engine.weak()];
        let ticker = start_ticker(engines, ticks.clone()).map_err(EngineError::Thread)?;
        let (log_buckets, _temporary) = (LogBuckets::default(), temporary);
        let shared = Shared { light, heavy, settings, compiled, _temporary, log_buckets, ticks, _ticker: ticker };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Compiles a component, or takes its code from the cache.
    pub(super) fn compile(&self, class: InstanceClass, source: &Source<'_>) -> Result<Component, LoadError> {
        let engine = self.wasmtime(class);
        let Some(compiled) = &self.shared.compiled else {
            return Component::new(engine, source.bytes).map_err(|error| load_error(&error));
        };
        let compile_in = if source.is_trusted { &CompileIn::ThisProcess } else { &self.settings().compile_in };
        compiled.load(engine, source.digest, source.bytes, &|bytes, directory| {
            compile_in.compile(bytes, directory, source.is_cancelled)
        })
    }

    /// The settings that the engine was started with.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    #[cfg(test)]
    pub(super) fn compiled(&self) -> Option<&CompiledCode> {
        self.shared.compiled.as_ref()
    }

    pub(super) fn wasmtime(&self, class: InstanceClass) -> &wasmtime::Engine {
        &self.pool(class).engine
    }

    fn pool(&self, class: InstanceClass) -> &Pool {
        match class {
            InstanceClass::Light => &self.shared.light,
            InstanceClass::Heavy => &self.shared.heavy,
        }
    }

    /// Returns how long a command of a number of parts may take.
    pub(super) fn deadline(&self, class: InstanceClass, parts: usize) -> Duration {
        deadline_in_parts(self.settings().limits_of(class).deadline, parts)
    }

    /// Returns the fuel of a command that makes one call about a number of entries.
    pub(super) fn fuel(&self, class: InstanceClass, entries: usize) -> u64 {
        fuel_for_entries(self.settings().limits_of(class).fuel, entries)
    }

    /// The log of a logic.
    pub(super) fn log_bucket(&self, logic: &LogicName) -> Arc<LogBucket> {
        self.shared.log_buckets.of(logic, &self.shared.ticks)
    }

    /// The slots of unused instances.
    pub(super) fn slots(&self, class: InstanceClass) -> &Arc<Slots> {
        &self.pool(class).slots
    }
}

impl Pool {
    fn new(settings: &Settings, class: InstanceClass, compiled: Option<&CompiledCode>) -> wasmtime::Result<Self> {
        let mut config = config(settings, settings.limits_of(class));
        match compiled {
            Some(compiled) => {
                config.enable_compiler(false).cache(Some(compiled.cache().clone()));
            }
            None => configure_compiler(&mut config),
        }
        let engine = wasmtime::Engine::new(&config)?;
        Ok(Self { engine, slots: Slots::of_pool(settings.limits_of(class).instances) })
    }
}

/// Opens both pools. Where the process may reserve too few addresses, they have fewer instances than the settings say.
fn open_pools(settings: &mut Settings, compiled: Option<&CompiledCode>) -> Result<(Pool, Pool), EngineError> {
    let wanted = settings.instances;
    loop {
        let pool = |class| Pool::new(settings, class, compiled);
        let pools = pool(InstanceClass::Light).and_then(|light| Ok((light, pool(InstanceClass::Heavy)?)));
        let (instances, heavy_instances) = (settings.instances, settings.heavy_instances);
        match pools {
            Ok(pools) => {
                if instances < wanted {
                    tracing::warn!(
                        instances,
                        heavy_instances,
                        "the limit of the address space (ulimit -v) allows fewer instances of rules than --instances and --heavy-instances say"
                    );
                }
                return Ok(pools);
            }
            Err(error) if !lacks_memory(&error) => return Err(EngineError::Wasmtime(error)),
            Err(why) if instances.max(heavy_instances) <= LEAST_INSTANCES => {
                return Err(EngineError::AddressSpace { instances, heavy_instances, why });
            }
            Err(_) => {
                settings.instances = fewer(instances);
                settings.heavy_instances = fewer(heavy_instances);
            }
        }
    }
}

/// Half as many instances, but not below the fewest.
fn fewer(instances: u32) -> u32 {
    (instances / 2).max(LEAST_INSTANCES).min(instances)
}

/// The number of parts that count.
fn counted(parts: usize) -> u32 {
    u32::try_from(parts).unwrap_or(u32::MAX).min((MAX_DEADLINES - 1) * PARTS_PER_DEADLINE)
}

/// Returns the fuel of one call about a number of entries, which grows as the deadline does. `fuel` is that of other commands.
fn fuel_for_entries(fuel: u64, entries: usize) -> u64 {
    fuel.saturating_add(fuel.saturating_mul(counted(entries).into()) / u64::from(PARTS_PER_DEADLINE))
}

/// Returns the deadline of a command of a number of parts. `deadline` is that of a command in one part.
fn deadline_in_parts(deadline: Duration, parts: usize) -> Duration {
    let parts = counted(parts);
    let grown = deadline.saturating_add(deadline.saturating_mul(parts) / PARTS_PER_DEADLINE);
    grown.min(deadline.max(MAX_TIME_IN_PARTS))
}

fn config(settings: &Settings, limits: InstanceLimits) -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(limits.instances)
        .total_core_instances(limits.instances * limits.parts)
        .total_memories(limits.instances * limits.memories)
        .total_tables(limits.instances * limits.parts)
        .max_core_instances_per_component(limits.parts)
        .max_memories_per_component(limits.memories)
        .max_tables_per_component(limits.parts)
        .max_memory_size(limits.memory)
        .table_elements(limits.table_elements)
        .linear_memory_keep_resident(limits.keep_resident)
        .table_keep_resident(limits.keep_table_resident)
        .pagemap_scan(limits.pagemap_scan);
    let mut config = Config::new();
    configure(&mut config);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool)).max_wasm_stack(settings.stack);
    config
}

/// Opens the directory of compiled code. An engine that compiles in a child process needs one, because the code of the child
/// is a file. So it gets a temporary directory where that of the settings cannot be used.
fn open_compiled(settings: &Settings) -> Result<(Option<CompiledCode>, Option<TempDir>), EngineError> {
    let compiled = settings.cache.clone().and_then(CompiledCode::open);
    if compiled.is_some() || matches!(settings.compile_in, CompileIn::ThisProcess) {
        return Ok((compiled, None));
    }
    let failed = |why| EngineError::Directory { directory: std::env::temp_dir().display().to_string(), why };
    let temporary = tempfile::Builder::new().prefix("hotlist-compiled-").tempdir().map_err(failed)?;
    let compiled = CompiledCode::open(temporary.path().join("compiled"));
    let missing = || failed(std::io::Error::other("the log says why"));
    Ok((Some(compiled.ok_or_else(missing)?), Some(temporary)))
}

/// Starts the thread that counts ticks and advances the engines' epochs until the returned sender is dropped.
fn start_ticker(engines: [wasmtime::EngineWeak; 2], ticks: Ticks) -> std::io::Result<mpsc::Sender<()>> {
    let (alive, ended) = mpsc::channel();
    std::thread::Builder::new().name("wasm-ticker".into()).spawn(move || {
        while ended.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
            ticks.advance();
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

    #[test]
    fn the_fuel_of_a_migration_grows_with_the_entries_up_to_a_bound() {
        assert_eq!([0, 1, 500, 10_000].map(|entries| fuel_for_entries(1_000, entries)), [1_000, 1_002, 2_000, 21_000]);
        assert_eq!(fuel_for_entries(1_000, usize::MAX), 21_000);
        assert_eq!(fuel_for_entries(u64::MAX, 10_000), u64::MAX);
    }

    #[test]
    fn a_command_in_parts_takes_no_longer_than_its_time_whatever_its_deadline() {
        let deadline = |milliseconds, parts| deadline_in_parts(Duration::from_millis(milliseconds), parts).as_millis();
        assert_eq!([0, 500, 1_500, 10_000].map(|parts| deadline(500, parts)), [500, 1_000, 2_000, 2_000]);
        assert_eq!(deadline(3_000, 10_000), 3_000, "a part alone may take that long");
    }
}
