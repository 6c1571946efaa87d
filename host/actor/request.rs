//! What a caller sends to a list's actor, and what it gets back.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::list::command::Command;
use crate::list::id::{EntryId, LogicId};
use crate::list::receipt::{Idempotency, RetainedEffect};
use crate::list::revision::Revision;
use crate::list::schema::Description;
use crate::list::selector::Pin;
use crate::list::touched::Touched;

/// A command with its caller, its precondition and its idempotency key.
#[derive(Clone, Debug)]
pub struct Request {
    /// The command, or the body it is made from.
    pub command: CommandSource,
    /// The caller's name.
    pub caller: Arc<str>,
    /// The caller, or the address where callers have no names. Slow logic serves clients in turns.
    pub client: Arc<str>,
    /// The state the list has to be in.
    pub expect: Expect,
    /// The key that makes a repetition of the request recognisable.
    pub idempotency: Option<Idempotency>,
    /// The room that the request takes, given back when the request is dropped. The caller may have left before that.
    pub room: RequestRoom,
}

/// Guards of the room that a request takes.
#[derive(Clone, Default, Debug)]
pub struct RequestRoom(Vec<Arc<dyn Any + Send + Sync>>);

impl Request {
    /// A request without a precondition and an idempotency key, by a caller who is a client of its own.
    pub fn new(command: impl Into<CommandSource>, caller: &str) -> Self {
        let caller: Arc<str> = caller.into();
        let (command, client, expect) = (command.into(), caller.clone(), Expect::Anything);
        Self { command, caller, client, expect, idempotency: None, room: RequestRoom::default() }
    }
}

impl RequestRoom {
    /// Holds a guard as long as the request.
    pub fn hold(&mut self, guard: impl Any + Send + Sync) {
        self.0.push(Arc::new(guard));
    }
}

/// A command, or a body that becomes a command once the deciding version is known.
///
/// A body may hold values whose types only the description of a version declares: a JSON text may be a text
/// or a date. The actor resolves the version, so the actor has the command made. A body that was understood
/// earlier would be understood by a version that may be replaced before the decision.
#[derive(Clone, Debug)]
pub enum CommandSource {
    /// A command that means the same to every version.
    Ready(Command),
    /// A body that the description of the deciding version gives a meaning.
    Deferred {
        /// The command without the values that need a description. It holds all that selects a version.
        outline: Command,
        /// Makes the command.
        body: Arc<dyn Prepare>,
    },
}

/// A body from which a command is made.
pub trait Prepare: Send + Sync + fmt::Debug {
    /// Makes the command as the description declares its values. The actor may call this more than once, with
    /// the description of each version that it asks to decide.
    ///
    /// # Errors
    ///
    /// A value is not of its declared type.
    fn prepare(&self, description: &Description) -> Result<Command, InvalidInput>;
}

/// A value in a body that does not fit the description of the deciding version.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{member}: {message}")]
pub struct InvalidInput {
    /// The name of the field, setting or argument.
    pub member: String,
    /// What is wrong with its value.
    pub message: String,
}

impl CommandSource {
    /// The command as far as it is known without a description. Everything that selects a version is in it.
    pub fn outline(&self) -> &Command {
        match self {
            Self::Ready(command) | Self::Deferred { outline: command, .. } => command,
        }
    }

    /// Takes a command that is ready out, and leaves another one in its place.
    ///
    /// An undo stays: its revision records the number of the revision that was undone, and not the changes of that revision a
    /// second time. The host decides an undo, so no version is asked again.
    pub(super) fn take(&mut self) -> Command {
        match self {
            Self::Ready(Command::Undo { revision, .. }) => {
                Command::Undo { revision: *revision, changes: Vec::new(), inverse: Vec::new() }
            }
            Self::Ready(command) => std::mem::replace(command, Command::Migrate),
            Self::Deferred { outline, .. } => outline.clone(),
        }
    }

    /// Puts a command back that was taken out. A body is still there, and its command is made again.
    pub(super) fn put_back(&mut self, command: Command) {
        if let Self::Ready(place) = self
            && !matches!(place, Command::Undo { .. })
        {
            *place = command;
        }
    }

    /// The command as the description declares its values.
    ///
    /// # Errors
    ///
    /// A value is not of its declared type.
    pub fn prepare(&self, description: &Description) -> Result<Cow<'_, Command>, InvalidInput> {
        match self {
            Self::Ready(command) => Ok(Cow::Borrowed(command)),
            Self::Deferred { body, .. } => body.prepare(description).map(Cow::Owned),
        }
    }
}

impl From<Command> for CommandSource {
    fn from(command: Command) -> Self {
        Self::Ready(command)
    }
}

/// A condition on the list, checked immediately before the command is decided.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Expect {
    /// No condition.
    #[default]
    Anything,
    /// The list exists.
    Exists,
    /// The list is at one of these revisions.
    Revision(Vec<u64>),
}

/// A command that was carried out and is durable.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The version that decided.
    pub logic: Arc<LogicId>,
    /// The list's revision after the command.
    pub revision: u64,
    /// Whether the command created the list.
    pub created: bool,
    /// The id that the next new entry would have had before the command. An entry that the command put under
    /// this id or a later one is new, every other entry existed before.
    pub next_id_before: EntryId,
    /// The version that the list is bound to after the command. `None` if there is no list.
    pub bound: Option<Arc<LogicId>>,
    /// The pin of the list after the command. For a repetition that did not change the pin at first, its pin now.
    pub pin: Option<Pin>,
    /// The changes of the command, and whether they are new.
    pub effect: Effect,
}

/// What a command did.
#[derive(Clone, Debug)]
pub enum Effect {
    /// The command made this revision.
    Revised(Arc<Revision>),
    /// The request is a repetition. This is what its receipt retains of the effect of the first one.
    Repeated(RetainedEffect),
    /// The command changed nothing.
    Nothing,
}

impl Reply {
    /// Whether the command changed nothing, now or when the request was first carried out.
    pub fn is_unchanged(&self) -> bool {
        matches!(self.effect, Effect::Nothing | Effect::Repeated(RetainedEffect::Nothing))
    }

    /// Whether the request is a repetition of one with the same idempotency key.
    pub fn is_repeated(&self) -> bool {
        matches!(self.effect, Effect::Repeated(_))
    }

    /// The entries that the command touched, now or when the request was first carried out.
    pub fn touched(&self) -> Touched {
        match &self.effect {
            Effect::Revised(revision) => Touched::by(&revision.changes),
            Effect::Repeated(effect) => effect.touched(),
            Effect::Nothing => Touched::default(),
        }
    }
}
