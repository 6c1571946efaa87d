//! The interface of list logic: pure functions that decide what a command changes in a list.
//!
//! An actor calls logic through the traits [`Logic`] and [`Session`], and does not know that a component implements
//! them. [`decide`] and [`read`] put the host's own checks around a logic's answers.

mod call;
pub mod decide;
mod fault;
mod kept;
pub mod read;
mod refusal;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::Arc;

pub use call::{Call, Cost, Decision};
pub use fault::Fault;
pub use kept::KeptInstance;
pub use refusal::Refusal;

use crate::list::List;
use crate::list::binding::LogicBinding;
use crate::list::change::Rejection;
use crate::list::command::{Context, Page, Query};
use crate::list::id::LogicId;
use crate::list::schema::Description;

/// One version of one logic, loaded and ready to decide.
pub trait Logic: Send + Sync + 'static {
    /// Returns the binding that this version gives to the lists it decides about.
    fn binding(&self) -> &Arc<LogicBinding>;

    /// Returns the id of this version.
    fn id(&self) -> &Arc<LogicId> {
        &self.binding().id
    }

    /// Returns the logic's description of itself.
    fn description(&self) -> &Description;

    /// Whether the logic carries the engine of its language, so that its decisions take milliseconds.
    fn is_heavy(&self) -> bool {
        false
    }

    /// Opens a session for decisions about one list.
    ///
    /// A session is short: it lasts while commands of one list are pending, and is never held across another wait.
    fn session(&self) -> Result<Box<dyn Session + '_>, Fault>;

    /// Opens a session that goes on with the instance of an earlier session of the same list. Without an instance, or with
    /// one of another version, it is like [`Logic::session`].
    fn session_with(&self, _kept: Option<KeptInstance>) -> Result<Box<dyn Session + '_>, Fault> {
        self.session()
    }

    /// Sets whether lists may share the instances of this version.
    fn share(&self, _is_shared: bool) {}

    /// Whether lists share the instances of this version.
    fn is_shared(&self) -> bool {
        true
    }

    /// Sets whether the calls are those of a probe, which no list asked for. What the logic prints is logged apart then.
    fn probe(&self, _is_probed: bool) {}

    /// Opens a session without any state of an earlier one, like the first session after a start.
    ///
    /// Slower than [`Logic::session`]. It serves to check that earlier calls make no difference, and to measure cost.
    fn fresh_session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        self.session()
    }
}

/// Consecutive decisions about one list. Every answer is a function of the arguments only.
///
/// After a failed call, a session answers no more calls: open another one.
pub trait Session {
    /// Begins a command: refills the budget of fuel and time that all its calls share.
    fn begin(&mut self);

    /// Begins a question that follows a command: refills the budget as [`Session::begin`] does, and is not counted as a
    /// command where commands are sampled.
    fn begin_question(&mut self) {
        self.begin();
    }

    /// Begins a command that makes one call for each of `parts` entries. Called instead of [`Session::begin`].
    ///
    /// The time of the whole command grows with its parts, up to a limit. [`Session::begin_part`] refills the fuel
    /// for each part.
    fn begin_in_parts(&mut self, _parts: usize) {
        self.begin();
    }

    /// Begins a command that makes one call about each of `entries` entries, such as a migration. Called instead of
    /// [`Session::begin`]. The fuel and the time of the command grow with the entries, up to a limit.
    fn begin_about(&mut self, _entries: usize) {
        self.begin();
    }

    /// Begins one part of a command: refills the fuel, and leaves the command the time it has left.
    fn begin_part(&mut self) {}

    /// Poisons the session because its last answer broke the contract: it answers no more calls.
    fn poison(&mut self) {}

    /// Takes the lines that the logic printed since [`Session::begin`], also after a failed call. They are on the log already.
    fn take_printed(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Ends the session. Returns its instance if the same list may go on with it. That saves an isolated list a new
    /// instance as long as its commands come in a row.
    fn keep(self: Box<Self>) -> Option<KeptInstance> {
        None
    }

    /// Returns the cost of the calls since [`Session::begin`]. It is zero after a failed call, and in sessions that
    /// do not measure.
    fn cost(&self) -> Cost {
        Cost::default()
    }

    /// Decides what a call changes in the list.
    fn decide(&mut self, list: &Arc<List>, context: &Context, call: Call<'_>) -> Result<Decision, Fault>;

    /// Returns a page of the list, or the logic's rejection of the query.
    fn view(&mut self, list: &Arc<List>, context: &Context, query: &Query) -> Result<Result<Page, Rejection>, Fault>;

    /// Returns when the list is to be woken, in milliseconds since the epoch. `None` means never.
    fn next_wake_up(&mut self, list: &Arc<List>, context: &Context) -> Result<Option<u64>, Fault>;
}
