//! One instance of a component in one store, with its limits.
//!
//! An instance is dropped after its first failed call, because the content of its memory is unknown then.

use std::sync::Arc;

use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Store, Trap, UpdateDeadline};

use super::deadline::Deadline;
use super::engine::{Engine, InstanceClass, Source};
use super::error::LoadError;
use super::log_bucket::{LogBucket, Purpose};
use super::machine::load_error;
use super::slots::Slots;
use super::state::InstanceState;
use super::v0_1_0::bindings::{ListPlugin, ListPluginPre};
use super::wasi::{self, RefusedCall};
use crate::list::List;
use crate::list::change::Violation;
use crate::list::command::Context;
use crate::list::name::LogicName;
use crate::logic::{Cost, Fault};

/// A compiled component, ready to be instantiated.
pub(super) struct Prepared {
    engine: Engine,
    class: InstanceClass,
    log: Arc<LogBucket>,
    plugin: ListPluginPre<InstanceState>,
    /// What an instance shows between two calls. One for all, because to make one costs more than the rest of the state.
    empty: Arc<List>,
}

/// An instance with its store.
pub(super) struct Instance {
    pub(super) store: Store<InstanceState>,
    pub(super) plugin: ListPlugin,
    /// The number of commands that it was given.
    pub(super) commands: u64,
    engine: Engine,
    class: InstanceClass,
    empty: Arc<List>,
}

impl Prepared {
    pub(super) fn compile(
        engine: &Engine,
        class: InstanceClass,
        name: LogicName,
        source: &Source<'_>,
    ) -> Result<Self, LoadError> {
        let component = engine.compile(class, source)?;
        let plugin = Self::link(engine, class, &component).map_err(|error| load_error(&error))?;
        Ok(Self { engine: engine.clone(), class, log: engine.log_bucket(&name), plugin, empty: Arc::default() })
    }

    fn link(
        engine: &Engine,
        class: InstanceClass,
        component: &Component,
    ) -> wasmtime::Result<ListPluginPre<InstanceState>> {
        let mut linker = Linker::new(engine.wasmtime(class));
        ListPlugin::add_to_linker::<InstanceState, HasSelf<InstanceState>>(&mut linker, |state| state)?;
        wasi::link(&mut linker, component)?;
        ListPluginPre::new(linker.instantiate_pre(component)?)
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn class(&self) -> InstanceClass {
        self.class
    }

    /// The slots of unused instances.
    pub(super) fn slots(&self) -> &Arc<Slots> {
        self.engine.slots(self.class)
    }

    /// Creates an instance, which may spend the budget of one command on its start. In a full pool it takes the place of
    /// one that a list keeps.
    pub(super) fn instantiate(&self) -> Result<Instance, Fault> {
        let mut made = self.try_instantiate();
        while matches!(made, Err(Fault::Instance(_))) && self.slots().evict_first() {
            made = self.try_instantiate();
        }
        made
    }

    fn try_instantiate(&self) -> Result<Instance, Fault> {
        let settings = self.engine.settings();
        let memory_limit = settings.limits_of(self.class).memory;
        let state = InstanceState::new(self.log.clone(), self.empty.clone(), memory_limit);
        let mut store = Store::new(self.engine.wasmtime(self.class), state);
        store.limiter(|state| state);
        store.epoch_deadline_callback(|mut store| match store.data_mut().deadline.look() {
            Some(ticks) => Ok(UpdateDeadline::Continue(ticks)),
            None => Err(Trap::Interrupt.into()),
        });
        store.set_hostcall_fuel(settings.answer_bytes);
        refill(&mut store, &self.engine, self.class, Budget::default());
        match self.plugin.instantiate(&mut store) {
            Ok(plugin) => {
                let (engine, class, empty) = (self.engine.clone(), self.class, self.empty.clone());
                Ok(Instance { store, plugin, commands: 0, engine, class, empty })
            }
            Err(error) if error.is::<Trap>() => Err(fault(&error, &mut store)),
            Err(_) if store.data().refused_memory => Err(Fault::Memory { limit: memory_limit }),
            Err(error) => Err(Fault::Instance(format!("{error:#}"))),
        }
    }
}

impl Instance {
    /// Begins a command of a number of parts, with the deadline of all parts and the fuel of one.
    pub(super) fn begin(&mut self, parts: usize) {
        self.commands += 1;
        self.refill(Budget { parts, entries: 0 });
    }

    /// Begins a command that makes one call about a number of entries, with the deadline and the fuel of all of them.
    pub(super) fn begin_about(&mut self, entries: usize) {
        self.commands += 1;
        self.refill(Budget { parts: entries, entries });
    }

    /// Begins a question that follows a command. It is no command: where every second call were a question, an even
    /// sampling interval would never meet a command.
    pub(super) fn begin_question(&mut self) {
        self.refill(Budget::default());
    }

    fn refill(&mut self, budget: Budget) {
        let state = self.store.data_mut();
        state.refused_memory = false;
        state.guest_log.begin();
        refill(&mut self.store, &self.engine, self.class, budget);
    }

    /// Begins the next part of a command, with the fuel of one part. Each part counts as a command where commands are
    /// counted to recycle and to check instances.
    pub(super) fn begin_part(&mut self) {
        self.commands += 1;
        let fuel = self.cost().fuel;
        self.store.data_mut().parts_fuel = fuel;
        refuel(&mut self.store, self.engine.fuel(self.class, 0));
    }

    /// Sets the list, the time and the seed of the next call.
    pub(super) fn show(&mut self, list: &Arc<List>, context: &Context) {
        let state = self.store.data_mut();
        state.list = list.clone();
        state.begin_call(context.now, context.seed);
    }

    /// Releases the list, because a warm instance may be unused for long.
    pub(super) fn forget(&mut self) {
        let state = self.store.data_mut();
        state.list = self.empty.clone();
        state.guest_log.begin();
    }

    /// Sets what the next commands are for.
    pub(super) fn serve(&mut self, purpose: Purpose) {
        self.store.data_mut().guest_log.serve(purpose);
    }

    /// Takes the lines that the current command printed so far.
    pub(super) fn take_printed(&mut self) -> Vec<String> {
        self.store.data_mut().guest_log.take_printed()
    }

    /// Stops logging what the instance prints.
    pub(super) fn mute(&mut self) {
        self.store.data_mut().guest_log.mute();
    }

    /// The cost of the calls since [`Instance::begin`].
    pub(super) fn cost(&self) -> Cost {
        let left = self.store.get_fuel().expect("the engine was configured to consume fuel");
        let state = self.store.data();
        let used = state.fuel.saturating_sub(left);
        Cost { fuel: state.parts_fuel.saturating_add(used), memory: state.memory }
    }

    /// The fault that an error of a call means.
    pub(super) fn fault(&mut self, error: &wasmtime::Error) -> Fault {
        fault(error, &mut self.store)
    }
}

/// What the budget of a command depends on besides the class.
#[derive(Clone, Copy, Default)]
struct Budget {
    /// The number of parts that the deadline is for.
    parts: usize,
    /// The number of entries that the fuel of one call is for.
    entries: usize,
}

fn refill(store: &mut Store<InstanceState>, engine: &Engine, class: InstanceClass, budget: Budget) {
    let deadline = engine.deadline(class, budget.parts);
    let state = store.data_mut();
    (state.deadline, state.parts_fuel) = (Deadline::new(deadline), 0);
    store.set_epoch_deadline(1);
    refuel(store, engine.fuel(class, budget.entries));
}

fn refuel(store: &mut Store<InstanceState>, fuel: u64) {
    store.data_mut().fuel = fuel;
    store.set_fuel(fuel).expect("the engine was configured to consume fuel");
}

fn fault(error: &wasmtime::Error, store: &mut Store<InstanceState>) -> Fault {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Fault::Fuel { budget: store.data().fuel },
        Some(Trap::Interrupt) => {
            Fault::Deadline { milliseconds: store.data().deadline.limit().as_millis().try_into().unwrap_or(u64::MAX) }
        }
        Some(Trap::StackOverflow) => Fault::Stack,
        // A guest allocator that gets no memory traps. The cause is the memory limit.
        Some(_) if store.data().refused_memory => Fault::Memory { limit: store.data().memory_limit },
        Some(trap) => Fault::Trap(store.data_mut().guest_log.take_cause().unwrap_or_else(|| trap.to_string())),
        None if error.is::<RefusedCall>() => Fault::Trap(error.root_cause().to_string()),
        // Not a trap: the answer is no value of the contract's types, for example text that is not UTF-8.
        None => Violation::Content(format!("gave an answer that cannot be read: {}", error.root_cause())).into(),
    }
}
