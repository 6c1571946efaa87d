//! Rollout states in memory, for tests. A clone is the same storage, as after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use parking_lot::Mutex;

use super::state::RolloutState;
use super::state_store::{StateError, StateStore, StateValue};
use super::states::decode_state;
use crate::list::name::LogicName;

#[derive(Clone, Default)]
pub(crate) struct MemoryStates(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    slots: BTreeMap<LogicName, Slot>,
    last: u64,
    /// How the next write fails, and whether it is carried out all the same.
    next_failure: Option<(StateError, bool)>,
    fails_reads: bool,
}

#[derive(Clone)]
struct Slot {
    present: StateValue,
    previous: Option<StateValue>,
    is_damaged: bool,
    is_previous_damaged: bool,
}

impl MemoryStates {
    pub(crate) fn fail_next_write(&self, error: StateError, is_carried_out: bool) {
        self.0.lock().next_failure = Some((error, is_carried_out));
    }

    pub(crate) fn fail_reads(&self, fail: bool) {
        self.0.lock().fails_reads = fail;
    }

    /// Has every call wait until the sender that this returns is dropped.
    pub(crate) fn hold(&self) -> Sender<()> {
        let ((held, is_held), (release, released)) = (channel(), channel());
        let states = self.clone();
        std::thread::spawn(move || {
            let _inner = states.0.lock();
            held.send(()).expect("the test waits");
            let _: Result<(), _> = released.recv();
        });
        is_held.recv().expect("the thread holds the states");
        release
    }

    pub(crate) fn damage(&self, name: &LogicName) {
        self.0.lock().slots.get_mut(name).expect("it was written").is_damaged = true;
    }

    pub(crate) fn damage_previous(&self, name: &LogicName) {
        self.0.lock().slots.get_mut(name).expect("it was written").is_previous_damaged = true;
    }

    /// The state and the one before it, damaged or not.
    pub(crate) fn both(&self, name: &LogicName) -> (Option<RolloutState>, Option<RolloutState>) {
        let slot = self.0.lock().slots.get(name).cloned();
        let state = |value: StateValue| decode_state(&value.bytes).expect("it is a state");
        let previous = slot.as_ref().and_then(|slot| slot.previous.clone()).map(state);
        (slot.map(|slot| state(slot.present)), previous)
    }

    fn read<T>(
        &self,
        name: &LogicName,
        read: impl FnOnce(&Slot) -> Result<T, StateError>,
    ) -> Result<Option<T>, StateError> {
        let inner = self.0.lock();
        if inner.fails_reads {
            return Err(StateError::Failed("the disk does not answer".into()));
        }
        inner.slots.get(name).map(read).transpose()
    }
}

impl StateStore for MemoryStates {
    fn names(&self) -> Result<Vec<LogicName>, StateError> {
        Ok(self.0.lock().slots.keys().cloned().collect())
    }

    fn present(&self, name: &LogicName) -> Result<Option<StateValue>, StateError> {
        self.read(name, |slot| match slot.is_damaged {
            false => Ok(slot.present.clone()),
            true => Err(StateError::Damaged { revision: Some(slot.present.revision), why: "it is damaged".into() }),
        })
    }

    fn previous(&self, name: &LogicName) -> Result<Option<StateValue>, StateError> {
        let previous = self.read(name, |slot| match slot.is_previous_damaged {
            false => Ok(slot.previous.clone()),
            true => Err(StateError::Damaged { revision: None, why: "it is damaged, too".into() }),
        })?;
        Ok(previous.flatten())
    }

    fn write(&self, name: &LogicName, state: Vec<u8>, expected: Option<u64>, keep: bool) -> Result<u64, StateError> {
        let mut inner = self.0.lock();
        let failure = inner.next_failure.take();
        if let Some((error, false)) = failure {
            return Err(error);
        }
        let before = inner.slots.get(name).cloned();
        if before.as_ref().map(|slot| slot.present.revision) != expected {
            return Err(StateError::Failed("another writer changed it".into()));
        }
        inner.last += 1;
        let present = StateValue { revision: inner.last, bytes: state.into() };
        let revision = present.revision;
        let kept = keep && before.as_ref().is_some_and(|slot| !slot.is_damaged);
        let is_previous_damaged = before.as_ref().is_some_and(|slot| slot.is_previous_damaged) && !kept;
        let previous = before.and_then(|slot| if kept { Some(slot.present) } else { slot.previous });
        inner.slots.insert(name.clone(), Slot { present, previous, is_damaged: false, is_previous_damaged });
        failure.map_or(Ok(revision), |(error, _)| Err(error))
    }
}
