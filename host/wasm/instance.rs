//! One instance in one store: made, called within its limits, and dropped after its first failure.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{ResourceLimiter, Store, Trap};

use super::engine::{Engine, InstanceClass, deadline_ticks};
use super::guest_log::Voice;
use super::v0_1_0;
use super::wasi::{self, Forbidden};
use crate::list::List;
use crate::list::change::Violation;
use crate::list::command::Context;
use crate::list::name::LogicName;
use crate::logic::{Cost, Fault};

/// What the host keeps with an instance.
pub(super) struct State {
    /// The list that the call at hand is about.
    pub(super) list: Arc<List>,
    /// The time that the call at hand is told, in milliseconds since the epoch.
    pub(super) now: u64,
    /// Where the random numbers of the call at hand have come to.
    random: u64,
    voice: Voice,
    /// How long the command at hand may take.
    deadline: Duration,
    /// The fuel that the finished parts of the command at hand used.
    parts_fuel: u64,
    memory: usize,
    memory_limit: usize,
    /// Whether the instance wanted more memory than it may have.
    refused_memory: bool,
}

/// A compiled component, ready to be instantiated.
pub(super) struct Prepared {
    engine: Engine,
    weight: InstanceClass,
    name: LogicName,
    plugin: v0_1_0::ListPluginPre<State>,
}

/// An instance with its store.
pub(super) struct Instance {
    pub(super) store: Store<State>,
    pub(super) plugin: v0_1_0::ListPlugin,
    /// How many commands it was given.
    pub(super) commands: u64,
    engine: Engine,
    weight: InstanceClass,
}

impl Prepared {
    pub(super) fn compile(
        engine: &Engine,
        weight: InstanceClass,
        name: LogicName,
        bytes: &[u8],
    ) -> wasmtime::Result<Self> {
        let component = Component::new(engine.wasmtime(weight), bytes)?;
        let mut linker = Linker::new(engine.wasmtime(weight));
        v0_1_0::ListPlugin::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
        wasi::link(&mut linker, &component)?;
        let plugin = v0_1_0::ListPluginPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine: engine.clone(), weight, name, plugin })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn weight(&self) -> InstanceClass {
        self.weight
    }

    /// Makes an instance. It begins with the budget of one command.
    pub(super) fn instantiate(&self) -> Result<Instance, Fault> {
        let settings = self.engine.settings();
        let memory_limit = settings.room(self.weight).memory;
        let state = State::new(self.name.clone(), memory_limit);
        let mut store = Store::new(self.engine.wasmtime(self.weight), state);
        store.limiter(|state| state);
        store.set_hostcall_fuel(settings.answer_bytes);
        refill(&mut store, &self.engine, self.weight, 0);
        match self.plugin.instantiate(&mut store) {
            Ok(plugin) => Ok(Instance { store, plugin, commands: 0, engine: self.engine.clone(), weight: self.weight }),
            Err(error) if error.is::<Trap>() => Err(fault(&error, &store, &self.engine, self.weight)),
            Err(_) if store.data().refused_memory => Err(Fault::Memory { limit: memory_limit }),
            Err(error) => Err(Fault::Instance(format!("{error:#}"))),
        }
    }
}

impl Instance {
    /// Begins a command, with the time that a command with so many parts may take, and the fuel of one part.
    pub(super) fn begin(&mut self, parts: usize) {
        self.commands += 1;
        let state = self.store.data_mut();
        state.refused_memory = false;
        state.voice.begin();
        refill(&mut self.store, &self.engine, self.weight, parts);
    }

    /// Begins the next part of a command, with the fuel of one. The part counts as a command of its own where
    /// commands are counted to recycle and to check instances.
    pub(super) fn begin_part(&mut self) {
        self.commands += 1;
        let fuel = self.cost().fuel;
        self.store.data_mut().parts_fuel = fuel;
        refuel(&mut self.store, &self.engine, self.weight);
    }

    /// Sets the list and the circumstances that the next call is about.
    pub(super) fn show(&mut self, list: &Arc<List>, context: &Context) {
        let state = self.store.data_mut();
        state.list = list.clone();
        state.begin_call(context.now, context.seed);
    }

    /// Forgets the list: an instance that waits may wait for long.
    pub(super) fn forget(&mut self) {
        let state = self.store.data_mut();
        state.list = Arc::default();
        state.voice.begin();
    }

    /// Lets nothing of what it prints be seen.
    pub(super) fn mute(&mut self) {
        self.store.data_mut().voice.mute();
    }

    pub(super) fn weight(&self) -> InstanceClass {
        self.weight
    }

    /// What the calls since [`Instance::begin`] cost.
    pub(super) fn cost(&self) -> Cost {
        let left = self.store.get_fuel().expect("the engine was configured to consume fuel");
        let state = self.store.data();
        let used = self.engine.settings().room(self.weight).fuel.saturating_sub(left);
        Cost { fuel: state.parts_fuel.saturating_add(used), memory: state.memory }
    }

    /// What an error of a call means.
    pub(super) fn fault(&self, error: &wasmtime::Error) -> Fault {
        fault(error, &self.store, &self.engine, self.weight)
    }
}

fn refill(store: &mut Store<State>, engine: &Engine, weight: InstanceClass, parts: usize) {
    let deadline = engine.deadline(weight, parts);
    let state = store.data_mut();
    (state.deadline, state.parts_fuel) = (deadline, 0);
    store.set_epoch_deadline(deadline_ticks(deadline));
    refuel(store, engine, weight);
}

fn refuel(store: &mut Store<State>, engine: &Engine, weight: InstanceClass) {
    store.set_fuel(engine.settings().room(weight).fuel).expect("the engine was configured to consume fuel");
}

fn fault(error: &wasmtime::Error, store: &Store<State>, engine: &Engine, weight: InstanceClass) -> Fault {
    let room = engine.settings().room(weight);
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Fault::Fuel { budget: room.fuel },
        Some(Trap::Interrupt) => {
            Fault::Deadline { milliseconds: store.data().deadline.as_millis().try_into().unwrap_or(u64::MAX) }
        }
        Some(Trap::StackOverflow) => Fault::Stack,
        // An allocator that gets no memory ends the plugin; the reason is the memory.
        Some(_) if store.data().refused_memory => Fault::Memory { limit: store.data().memory_limit },
        Some(trap) => Fault::Trap(trap.to_string()),
        None if error.is::<Forbidden>() => Fault::Trap(error.root_cause().to_string()),
        // Not a trap: the answer is no value of the contract's types, such as text that is not UTF-8.
        None => Violation::Content(format!("gave an answer that cannot be read: {}", error.root_cause())).into(),
    }
}

impl State {
    /// The state of an instance that was given nothing yet.
    pub(super) fn new(name: LogicName, memory_limit: usize) -> Self {
        Self {
            list: Arc::default(),
            now: 0,
            random: 0,
            voice: Voice::of(name),
            deadline: Duration::ZERO,
            parts_fuel: 0,
            memory: 0,
            memory_limit,
            refused_memory: false,
        }
    }

    /// Sets what the next call is told of time and chance.
    pub(super) fn begin_call(&mut self, now: u64, seed: u64) {
        self.now = now;
        self.random = seed;
    }

    /// The next random number of the call at hand: splitmix64 by Steele, Lea and Flood, from the
    /// command's seed on, so that the same call draws the same numbers on any instance.
    pub(super) fn chance(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Takes what the component prints.
    pub(super) fn print(&mut self, is_error: bool, bytes: &[u8]) {
        self.voice.print(is_error, bytes);
    }
}

impl ResourceLimiter for State {
    /// Counts the memories of an instance together, so that many small ones gain nothing.
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        let allowed = total <= self.memory_limit;
        if allowed {
            self.memory = total;
        } else {
            self.refused_memory = true;
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, _current: usize, _desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true) // the pool's own limit on elements holds
    }
}
