//! One instance in one store: made, called within its limits, and dropped after its first failure.

use std::sync::Arc;

use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{ResourceLimiter, Store, Trap};

use super::engine::Engine;
use super::v0_1_0;
use crate::list::List;
use crate::list::change::Violation;
use crate::logic::{Cost, Fault};

/// What the host keeps with an instance.
pub(super) struct State {
    /// The list that the call at hand is about.
    pub(super) list: Arc<List>,
    memory: usize,
    memory_limit: usize,
    /// Whether the instance wanted more memory than it may have.
    refused_memory: bool,
}

/// A compiled component, ready to be instantiated.
pub(super) struct Prepared {
    engine: Engine,
    plugin: v0_1_0::ListPluginPre<State>,
}

/// An instance with its store.
pub(super) struct Instance {
    pub(super) store: Store<State>,
    pub(super) plugin: v0_1_0::ListPlugin,
    /// How many commands it was given.
    pub(super) commands: u64,
    engine: Engine,
}

impl Prepared {
    pub(super) fn compile(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Self> {
        let component = Component::new(engine.wasmtime(), bytes)?;
        let mut linker = Linker::new(engine.wasmtime());
        v0_1_0::ListPlugin::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
        let plugin = v0_1_0::ListPluginPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine: engine.clone(), plugin })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Makes an instance. It begins with the budget of one command.
    pub(super) fn instantiate(&self) -> Result<Instance, Fault> {
        let settings = self.engine.settings();
        let state =
            State { list: Arc::new(List::absent(0)), memory: 0, memory_limit: settings.memory, refused_memory: false };
        let mut store = Store::new(self.engine.wasmtime(), state);
        store.limiter(|state| state);
        store.set_hostcall_fuel(settings.answer_bytes);
        refill(&mut store, &self.engine);
        match self.plugin.instantiate(&mut store) {
            Ok(plugin) => Ok(Instance { store, plugin, commands: 0, engine: self.engine.clone() }),
            Err(error) if error.is::<Trap>() => Err(fault(&error, &store, &self.engine)),
            Err(_) if store.data().refused_memory => Err(Fault::Memory { limit: settings.memory }),
            Err(error) => Err(Fault::Instance(format!("{error:#}"))),
        }
    }
}

impl Instance {
    /// Begins a command, with the budget of one.
    pub(super) fn begin(&mut self) {
        self.commands += 1;
        self.store.data_mut().refused_memory = false;
        refill(&mut self.store, &self.engine);
    }

    /// Sets the list that the next call is about.
    pub(super) fn show(&mut self, list: &Arc<List>) {
        self.store.data_mut().list = list.clone();
    }

    /// What the calls since [`Instance::begin`] cost.
    pub(super) fn cost(&self) -> Cost {
        let left = self.store.get_fuel().expect("the engine was configured to consume fuel");
        Cost { fuel: self.engine.settings().fuel.saturating_sub(left), memory: self.store.data().memory }
    }

    /// What an error of a call means.
    pub(super) fn fault(&self, error: &wasmtime::Error) -> Fault {
        fault(error, &self.store, &self.engine)
    }
}

fn refill(store: &mut Store<State>, engine: &Engine) {
    store.set_fuel(engine.settings().fuel).expect("the engine was configured to consume fuel");
    store.set_epoch_deadline(engine.deadline_ticks());
}

fn fault(error: &wasmtime::Error, store: &Store<State>, engine: &Engine) -> Fault {
    let settings = engine.settings();
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Fault::Fuel { budget: settings.fuel },
        Some(Trap::Interrupt) => {
            Fault::Deadline { milliseconds: settings.deadline.as_millis().try_into().unwrap_or(u64::MAX) }
        }
        Some(Trap::StackOverflow) => Fault::Stack,
        // An allocator that gets no memory ends the plugin; the reason is the memory.
        Some(_) if store.data().refused_memory => Fault::Memory { limit: settings.memory },
        Some(trap) => Fault::Trap(trap.to_string()),
        // Not a trap: the answer is no value of the contract's types, such as text that is not UTF-8.
        None => Violation::Content(format!("gave an answer that cannot be read: {}", error.root_cause())).into(),
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
