//! Rollout states as records of the store.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use crate::list::name::LogicName;
use crate::rollout::{RECORD_KIND, StateError, StateStore, StateValue};
use crate::store::StoreError;
use crate::store::records::{Record, RecordChange, RecordError, RecordKey, RecordKind, Records, Replaced};

/// The rollout states in a store. Each call waits for the answer of the store on the thread that calls.
pub struct RolloutStates {
    records: Arc<dyn Records>,
    kind: RecordKind,
}

impl RolloutStates {
    /// The rollout states among these records.
    pub fn new(records: Arc<dyn Records>) -> Self {
        Self { records, kind: RecordKind::new(RECORD_KIND).expect("the kind is one") }
    }
}

impl StateStore for RolloutStates {
    fn names(&self) -> Result<Vec<LogicName>, StateError> {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let page = wait(self.records.list(&self.kind, "", after.as_ref(), usize::MAX)).map_err(state_error)?;
            after = page.records.last().map(|listed| listed.key.clone());
            for listed in page.records {
                match LogicName::new(listed.key.as_str()) {
                    Ok(name) => names.push(name),
                    Err(error) => {
                        tracing::error!(key = %listed.key, %error, "a rollout state has the name of no logic")
                    }
                }
            }
            if !page.has_more {
                return Ok(names);
            }
        }
    }

    fn present(&self, name: &LogicName) -> Result<Option<StateValue>, StateError> {
        wait(self.records.get(&self.kind, &key(name))).map(|record| record.map(value)).map_err(state_error)
    }

    fn previous(&self, name: &LogicName) -> Result<Option<StateValue>, StateError> {
        wait(self.records.previous(&self.kind, &key(name))).map(|record| record.map(value)).map_err(state_error)
    }

    fn write(&self, name: &LogicName, state: Vec<u8>, expected: Option<u64>, keep: bool) -> Result<u64, StateError> {
        let replaced = if keep { Replaced::BecomesPrevious } else { Replaced::Dropped };
        let change = RecordChange::new(&self.kind, &key(name), state, expected);
        wait(self.records.put(RecordChange { replaced, ..change })).map_err(state_error)
    }
}

fn key(name: &LogicName) -> RecordKey {
    RecordKey::new(name.as_str()).expect("the name of a logic is a key")
}

fn value(Record { revision, value }: Record) -> StateValue {
    StateValue { revision, bytes: value }
}

fn state_error(error: RecordError) -> StateError {
    let why = error.to_string();
    match error {
        RecordError::Unreadable { revision, .. } => StateError::Damaged { revision, why },
        RecordError::Store(StoreError::Unknown { .. }) => StateError::Unknown(why),
        RecordError::Store(StoreError::Poisoned { .. } | StoreError::Closed) => {
            StateError::Unavailable { why, recovers: false }
        }
        RecordError::Store(
            StoreError::Unavailable { .. } | StoreError::Overloaded { .. } | StoreError::QueueFull { .. },
        ) => StateError::Unavailable { why, recovers: true },
        RecordError::Conflict { .. } | RecordError::TooLarge { .. } | RecordError::Store(_) => StateError::Failed(why),
    }
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let (mut future, mut context) = (pin!(future), Context::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::faulty::FaultyStore;
    use crate::store::memory::MemoryStore;

    fn states() -> (Arc<FaultyStore<MemoryStore>>, RolloutStates, LogicName) {
        let store = Arc::new(FaultyStore::new(MemoryStore::default()));
        (store.clone(), RolloutStates::new(store), LogicName::new("todo").unwrap())
    }

    fn text(value: Result<Option<StateValue>, StateError>) -> String {
        let value = value.expect("it is readable").map(|value| value.bytes.to_vec());
        String::from_utf8(value.unwrap_or_default()).unwrap()
    }

    #[test]
    fn a_state_is_read_as_it_was_written_with_the_one_before_it() {
        let (_, states, todo) = states();
        let other = LogicName::new("other").unwrap();
        let first = states.write(&todo, b"1".into(), None, true).unwrap();
        let second = states.write(&todo, b"2".into(), Some(first), true).unwrap();
        states.write(&other, b"3".into(), None, true).unwrap();
        assert_eq!((text(states.present(&todo)), text(states.previous(&todo))), ("2".into(), "1".into()));
        states.write(&todo, b"4".into(), Some(second), false).unwrap();
        assert_eq!((text(states.present(&todo)), text(states.previous(&todo))), ("4".into(), "1".into()));
        assert_eq!(states.names(), Ok(vec![other, todo]));
    }

    #[test]
    fn each_failure_of_the_store_says_what_it_means_for_the_state() {
        let (store, states, todo) = states();
        let first = states.write(&todo, b"1".into(), None, true).unwrap();
        assert!(matches!(states.write(&todo, b"2".into(), None, true), Err(StateError::Failed(_))), "a conflict");
        store.fill_disk("no room");
        let full = states.write(&todo, b"2".into(), Some(first), true);
        assert!(matches!(full, Err(StateError::Unavailable { recovers: true, .. })), "{full:?}");
        store.make_room();
        store.fail_record_reads(true);
        assert!(matches!(states.present(&todo), Err(StateError::Failed(_))), "no damage");
        store.fail_record_reads(false);
        store.damage_record(&RecordKind::new(RECORD_KIND).unwrap(), &key(&todo), "a test says so");
        let damaged = states.present(&todo);
        assert!(
            matches!(&damaged, Err(StateError::Damaged { revision, .. }) if *revision == Some(first)),
            "{damaged:?}"
        );
        store.fail_next_change(StoreError::Unknown { what: "write".into(), why: "a test says so".into() }, true);
        let unknown = states.write(&todo, b"2".into(), Some(first), true);
        assert!(matches!(unknown, Err(StateError::Unknown(_))), "{unknown:?}");
        let poisoned = states.write(&todo, b"3".into(), Some(first), true);
        assert!(matches!(poisoned, Err(StateError::Unavailable { recovers: false, .. })), "{poisoned:?}");
    }
}
