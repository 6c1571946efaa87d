//! The rollout states of all logics: read with the previous state in place of a damaged one, and written by
//! compare-and-set.

use std::cell::RefCell;
use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::digest::Digest;
use super::state::RolloutState;
use super::state_store::{StateError, StateStore, StateValue};
use crate::list::name::LogicName;

/// A rollout state that was read.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredState {
    /// The state.
    pub state: RolloutState,
    /// Why the newest state cannot be used, if this is the one before it.
    pub damage: Option<String>,
}

/// The states, with what is known of each stored one. Used by one thread.
pub(super) struct States {
    store: Box<dyn StateStore>,
    known: RefCell<BTreeMap<LogicName, Known>>,
}

/// What is known of the stored state of a logic.
#[derive(Clone, Debug)]
enum Known {
    Stored(Present),
    /// The outcome of a write is not known: `before`, or a state with this digest.
    Unsure {
        before: Present,
        written: [u8; 32],
    },
    /// The state could not be read, so it must not be replaced.
    Unread(String),
}

/// The stored state, if it is known.
#[derive(Clone, Copy, Debug, Default)]
struct Present {
    revision: Option<u64>,
    sha256: Option<[u8; 32]>,
    role: Role,
}

/// What the stored state is to the running server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Role {
    /// It is or was in effect.
    #[default]
    InEffect,
    /// It was written, and the rollout changed before it took effect.
    NeverInEffect,
    /// It cannot be read.
    Damaged,
}

/// Decodes a state.
///
/// # Errors
///
/// A text for people when the bytes are no state.
pub fn decode_state(bytes: &[u8]) -> Result<RolloutState, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("another program wrote it: {error}"))
}

/// Encodes a state.
pub(super) fn encode_state(state: &RolloutState) -> Result<Vec<u8>, StateError> {
    serde_json::to_vec(state).map_err(|error| StateError::Failed(error.to_string()))
}

impl States {
    pub(super) fn new(store: Box<dyn StateStore>) -> Self {
        Self { store, known: RefCell::default() }
    }

    pub(super) fn store(&self) -> &dyn StateStore {
        &*self.store
    }

    /// The stored state of a logic, or `None` if it was never written. If the newest state is damaged, the one before it.
    ///
    /// # Errors
    ///
    /// A text for people when neither can be read.
    pub(super) fn read(&self, name: &LogicName) -> Result<Option<StoredState>, String> {
        let (present, why) = match read(self.store.present(name)) {
            Ok(None) => return Ok(None),
            Ok(Some((value, state))) => {
                self.know(name, Known::Stored(Present::of(&value, Role::InEffect)));
                return Ok(Some(StoredState { state, damage: None }));
            }
            Err(StateError::Damaged { revision, why }) => (
                Present { revision, sha256: None, role: Role::Damaged },
                format!("cannot read its rollout state: {why}"),
            ),
            Err(error) => {
                let why = format!("cannot read its rollout state: {error}");
                self.know(name, Known::Unread(why.clone()));
                return Err(why);
            }
        };
        self.know(name, Known::Stored(present));
        match read(self.store.previous(name)) {
            Ok(Some((_, state))) => Ok(Some(StoredState { state, damage: Some(why) })),
            Ok(None) => Err(format!("{why}; there is no previous state")),
            Err(StateError::Damaged { why: also, .. }) => Err(format!("{why}; the previous state: {also}")),
            Err(error) => {
                let why = format!("{why}; cannot read the previous state: {error}");
                self.know(name, Known::Unread(why.clone()));
                Err(why)
            }
        }
    }

    /// Whether the stored state is damaged, so that the next write replaces a damaged one.
    pub(super) fn is_damaged(&self, name: &LogicName) -> bool {
        matches!(self.known(name), Known::Stored(Present { role: Role::Damaged, .. }))
    }

    /// Whether the stored state never took effect, because the rollout changed after the write.
    pub(super) fn is_ahead(&self, name: &LogicName) -> bool {
        matches!(self.known(name), Known::Stored(Present { role: Role::NeverInEffect, .. }) | Known::Unsure { .. })
    }

    /// Notes that the state of a logic must not be replaced, because it could not be read.
    pub(super) fn leave_alone(&self, name: &LogicName, why: &str) {
        self.know(name, Known::Unread(why.to_owned()));
    }

    /// Writes a state, unless it is the stored one. It takes effect afterwards: then call [`States::took_effect`].
    pub(super) fn write(&self, name: &LogicName, state: &RolloutState) -> Result<(), StateError> {
        let bytes = encode_state(state)?;
        let written = sha256(&bytes);
        let before = self.present(name)?;
        if before.sha256 == Some(written) {
            return Ok(());
        }
        let keep = before.role == Role::InEffect;
        match self.store.write(name, bytes, before.revision, keep) {
            Ok(revision) => {
                let (revision, sha256) = (Some(revision), Some(written));
                self.know(name, Known::Stored(Present { revision, sha256, role: Role::NeverInEffect }));
                Ok(())
            }
            Err(error) => {
                if matches!(error, StateError::Unknown(_)) {
                    self.know(name, Known::Unsure { before, written });
                }
                Err(error)
            }
        }
    }

    /// Notes that the stored state is in effect.
    pub(super) fn took_effect(&self, name: &LogicName) {
        if let Some(Known::Stored(present)) = self.known.borrow_mut().get_mut(name) {
            present.role = Role::InEffect;
        }
    }

    /// The components that the previous state names, or `None` if it cannot be read.
    pub(super) fn previous_components(&self, name: &LogicName) -> Option<Vec<Digest>> {
        match read(self.store.previous(name)) {
            Ok(previous) => {
                Some(previous.into_iter().flat_map(|(_, state)| state.versions).map(|v| v.digest).collect())
            }
            Err(_) => None,
        }
    }

    /// The stored state as it is now. After an unknown outcome, it is read again.
    fn present(&self, name: &LogicName) -> Result<Present, StateError> {
        let (before, written) = match self.known(name) {
            Known::Stored(present) => return Ok(present),
            Known::Unread(why) => return Err(StateError::Failed(why)),
            Known::Unsure { before, written } => (before, written),
        };
        let found = self.store.present(name)?;
        let present = match &found {
            found if found.as_ref().map(|value| value.revision) == before.revision => before,
            Some(value) if sha256(&value.bytes) == written => Present::of(value, Role::NeverInEffect),
            _ => return Err(StateError::Failed("another program changed it; restart the server".into())),
        };
        self.know(name, Known::Stored(present));
        Ok(present)
    }

    fn known(&self, name: &LogicName) -> Known {
        self.known.borrow().get(name).cloned().unwrap_or(Known::Stored(Present::default()))
    }

    fn know(&self, name: &LogicName, known: Known) {
        self.known.borrow_mut().insert(name.clone(), known);
    }
}

impl Present {
    fn of(value: &StateValue, role: Role) -> Self {
        Self { revision: Some(value.revision), sha256: Some(sha256(&value.bytes)), role }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Decodes a state that was read. One that another program wrote counts as damaged.
fn read(value: Result<Option<StateValue>, StateError>) -> Result<Option<(StateValue, RolloutState)>, StateError> {
    let Some(value) = value? else { return Ok(None) };
    match decode_state(&value.bytes) {
        Ok(state) => Ok(Some((value, state))),
        Err(why) => Err(StateError::Damaged { revision: Some(value.revision), why }),
    }
}
