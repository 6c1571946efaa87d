//! Problems made from the errors of other modules.

use std::sync::Arc;

use super::Problem;
use super::kind::ProblemKind;
use crate::actor::CallError;
use crate::list::change::Rejection;
use crate::list::id::LogicId;
use crate::list::name::{LogicName, NameError};
use crate::list::schema::SchemaError;
use crate::logic::{Fault, Refusal};
use crate::rollout::PublishError;
use crate::store::StoreError;
use crate::store::receipt_room::{NoReceiptRoom, ReceiptLimit};

impl Problem {
    /// The error of a commit that was sent and not acknowledged: it may be durable or not. That is a 500, because
    /// clients and proxies repeat a 503 by themselves, which would carry out the command twice. It has no
    /// `Retry-After` either.
    fn outcome_unknown(cause: String) -> Self {
        let detail = "the server failed while it stored the change, which may have been made or not; look at the list, \
            or repeat the request with the same Idempotency-Key if it had one";
        Self::new(ProblemKind::OutcomeUnknown, detail).with_failed_write(cause)
    }

    /// There is no room for a receipt, so the request was not carried out.
    fn no_receipt_room(no_room: &NoReceiptRoom) -> Self {
        let limit = match no_room.limit {
            ReceiptLimit::List => "receipt bytes of a list",
            ReceiptLimit::ListHolder => "receipt bytes of a caller in a list",
            ReceiptLimit::Holder => "receipt bytes of a caller",
            ReceiptLimit::Total => "receipt bytes",
        };
        let bytes = usize::try_from(no_room.bytes).unwrap_or(usize::MAX);
        let problem = Self::new(ProblemKind::NoReceiptRoom, no_room.to_string()).with_limit(limit, bytes);
        let problem = problem.with_field("Idempotency-Key");
        // A list or a caller without room concerns its users. All of the room concerns the operator.
        let problem =
            if no_room.limit == ReceiptLimit::Total { problem.with_cause(no_room.to_string()) } else { problem };
        match no_room.retry_after {
            Some(milliseconds) => problem.with_retry_after(milliseconds.div_ceil(1_000)),
            None => problem,
        }
    }

    /// The logic of a list has no version that could decide.
    fn logic_not_loaded(name: &LogicName) -> Self {
        Self::new(ProblemKind::NotLoaded, format!("logic {name} is not loaded; GET /logic/{name} says why"))
    }

    fn rejected(rejection: Rejection) -> Self {
        let kind = if rejection.field.is_some() { ProblemKind::RejectedValue } else { ProblemKind::Rejected };
        let mut problem = Self::new(kind, rejection.message);
        problem.0.code = Some(rejection.code);
        problem.0.field = rejection.field;
        problem
    }

    fn fault(fault: &Fault, logic: &LogicId) -> Self {
        let mut problem = match fault {
            Fault::Instance(_) => {
                let detail = format!("there is no room for another instance of {logic}");
                Self::new(ProblemKind::Overloaded, detail).with_cause(fault.to_string())
            }
            // A trap's text can be anything, so it is only logged and shown with the logic.
            Fault::Trap(_) => Self::new(ProblemKind::Fault, format!("{logic} failed: it trapped")),
            _ => Self::new(ProblemKind::Fault, format!("{logic} failed: {fault}")),
        };
        problem.0.code = Some(fault.kind().to_owned());
        problem
    }

    fn refusal(refusal: Refusal, logic: Arc<LogicId>) -> Self {
        let text = refusal.to_string();
        let problem = match refusal {
            Refusal::Rejected(rejection) => Self::rejected(rejection),
            Refusal::Fault(fault) => Self::fault(&fault, &logic),
            Refusal::NoSuchList => Self::no_list(),
            Refusal::NoSuchEntry(_) => Self::new(ProblemKind::NoEntry, text),
            Refusal::NoSuchCommand(_) => Self::new(ProblemKind::NoCommand, text),
            Refusal::Invalid(SchemaError { name, problem }) => Self::invalid(&name, problem),
            Refusal::Conflict { .. } => Self::new(ProblemKind::Conflict, text),
            Refusal::Full { what, limit } => Self::new(ProblemKind::Full, text).with_limit(what, limit),
        };
        problem.with_logic(logic)
    }

    fn store(error: &StoreError) -> Self {
        let cause = error.to_string();
        let problem = match error {
            StoreError::Overloaded { limit } => return Self::overloaded(cause, "store queue", *limit),
            StoreError::QueueFull { limit } => return Self::overloaded(cause, "store queue bytes", *limit),
            StoreError::Unknown { .. } => return Self::outcome_unknown(cause),
            StoreError::Unreadable { .. } => Self::new(
                ProblemKind::Unreadable,
                "the list exists, but the server cannot read it; the server's log says why",
            ),
            StoreError::Poisoned { .. } => Self::new(
                ProblemKind::Store,
                "the store accepts no writes since one failed; the server has to be restarted",
            ),
            StoreError::Conflict { .. } => {
                Self::new(ProblemKind::Store, "another writer changed the list first; try again").with_retry()
            }
            StoreError::Unavailable { .. } => {
                let detail = "the store takes no writes at the moment, and goes on by itself; try again later";
                Self::new(ProblemKind::Store, detail).with_retry()
            }
            StoreError::Closed => Self::new(ProblemKind::Store, "the server is stopping"),
            StoreError::Failed { .. }
            | StoreError::Locked { .. }
            | StoreError::Format { .. }
            | StoreError::Incomplete { .. } => {
                Self::new(ProblemKind::Store, "the store failed; the server's log says why")
            }
        };
        match error {
            StoreError::Failed { .. } | StoreError::Poisoned { .. } | StoreError::Unavailable { .. } => {
                problem.with_failed_write(cause)
            }
            _ => problem.with_cause(cause),
        }
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        let text = error.to_string();
        match error {
            CallError::Overloaded { limit } => Self::overloaded(text, "mailbox", limit),
            CallError::TooManyLists { limit } => Self::overloaded(text, "resident lists", limit),
            CallError::ListMemoryFull { limit } => Self::overloaded(text, "resident bytes", limit),
            CallError::UndosFull { limit } => Self::overloaded(text, "undo bytes", limit),
            CallError::TooManyDecisions { limit } => Self::overloaded(text, "waiting decisions", limit),
            CallError::Refused { refusal, logic } => Self::refusal(refusal, logic),
            CallError::RejectedBefore { rejection, logic } => {
                let mut problem = Self::rejected(rejection).with_logic(logic);
                problem.0.is_replayed = true;
                problem
            }
            CallError::Invalid { input, logic } => Self::invalid(&input.member, &input.message).with_logic(logic),
            CallError::Stale { revision: None } => {
                Self::new(ProblemKind::Stale, "there is no list, and If-Match expects one")
            }
            CallError::Stale { revision: Some(revision) } => {
                let detail = format!(
                    "the list is at revision {revision}, which If-Match does not name; read it again (a tag with W/ never matches)"
                );
                Self::new(ProblemKind::Stale, detail).with_revision(revision)
            }
            CallError::KeyReused => Self::new(ProblemKind::KeyReused, text).with_field("Idempotency-Key"),
            CallError::NoReceiptRoom(no_room) => Self::no_receipt_room(&no_room),
            CallError::NoLogic(name) => Self::logic_not_loaded(&name),
            CallError::Awaited(_) => Self::new(ProblemKind::NotLoaded, text).with_retry(),
            CallError::NoVersion { .. } => Self::new(ProblemKind::NoVersion, text),
            CallError::Quarantined { logic, .. } => {
                let detail = format!(
                    "the live version of {logic} is quarantined, and its rules refuse every command until an operator makes a version live; GET /logic/{logic} says why"
                );
                Self::new(ProblemKind::Quarantined, detail)
            }
            CallError::NotLoaded { .. } => Self::new(
                ProblemKind::Unloadable,
                "the version that the list is bound to could not be loaded; the server's log says why",
            )
            .with_cause(text),
            CallError::NoRevision { .. } => Self::new(ProblemKind::NoRevision, text),
            CallError::Forgotten { .. } => Self::new(ProblemKind::Forgotten, text),
            CallError::NotOwnRevision { .. } => Self::new(ProblemKind::NotOwnRevision, text),
            CallError::Store(error) => Self::store(&error),
            CallError::Unknown { .. } => Self::outcome_unknown(text),
            CallError::Crashed => {
                Self::new(ProblemKind::Overloaded, "the list's actor stopped; try again").with_cause(text)
            }
        }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        let text = error.to_string();
        match error {
            PublishError::Invalid(_) | PublishError::Gates(_) => Self::new(ProblemKind::BadComponent, text),
            PublishError::CompileLimit { name, value, .. } => {
                let value = usize::try_from(value).unwrap_or(usize::MAX);
                Self::new(ProblemKind::BadComponent, text).with_limit(name, value)
            }
            PublishError::NotCompiled(_) => {
                let detail = "the component could not be compiled at the moment; the server's log says why";
                Self::new(ProblemKind::Overloaded, detail).with_cause(text)
            }
            PublishError::Stopping => Self::new(ProblemKind::NotReady, text),
            PublishError::Quarantined { .. } => Self::new(ProblemKind::Quarantined, text),
            PublishError::Unknown(_) => Self::new(ProblemKind::NoLogic, text),
            PublishError::Ambiguous { .. } => Self::new(ProblemKind::Ambiguous, text),
            PublishError::NoCandidate | PublishError::NoLive(_) | PublishError::IsLive(_) => {
                Self::new(ProblemKind::Invalid, text).with_field("candidate")
            }
            PublishError::NothingLive(_) => Self::new(ProblemKind::Invalid, text).with_field("share"),
            PublishError::InUse { .. } => Self::new(ProblemKind::InUse, text),
            PublishError::EmptyCanary => Self::new(ProblemKind::Invalid, text).with_field("until"),
            PublishError::FromFile { .. } => Self::new(ProblemKind::FromFile, text),
            PublishError::TooMany { limit } => Self::new(ProblemKind::Full, text).with_limit("logics", limit),
            PublishError::Busy { limit } => Self::overloaded(text, "waiting components", limit),
            PublishError::Interrupted(_) => {
                let detail = "the server failed while it changed the logic, and the change may have been made or not; \
                    look at the logic";
                Self::new(ProblemKind::OutcomeUnknown, detail).with_cause(text)
            }
            PublishError::Unavailable { recovers, .. } => {
                let detail = match recovers {
                    true => "the store takes no writes at the moment, and goes on by itself; try again later",
                    false => "the store accepts no writes since one failed; the server has to be restarted",
                };
                let problem = Self::new(ProblemKind::Store, detail).with_failed_write(text);
                if recovers { problem.with_retry() } else { problem }
            }
            PublishError::Failed(_) => {
                Self::new(ProblemKind::Store, "the logic was not changed; the server's log says why").with_cause(text)
            }
        }
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        let problem = Self::new(ProblemKind::BadName, error.to_string());
        match error {
            NameError::TooLong { limit, .. } => problem.with_limit("name bytes", limit),
            NameError::Empty | NameError::Character(_) => problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Display;

    use axum::http::{StatusCode, header};
    use axum::response::IntoResponse;

    use super::*;
    use crate::list::name::ListName;

    #[test]
    fn a_rollout_that_may_have_changed_is_no_reason_to_try_again() {
        let problem = Problem::from(PublishError::Interrupted("the plugin loader ended".into()));
        assert_eq!(problem.0.kind, ProblemKind::OutcomeUnknown);
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers().get(header::RETRY_AFTER), None);
    }

    /// Checks which errors have a `Retry-After`, as the headers of their responses.
    #[track_caller]
    fn check_retries<E: Into<Problem> + Display>(errors: impl IntoIterator<Item = (bool, E)>) {
        for (expected, error) in errors {
            let text = error.to_string();
            let response = error.into().into_response();
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), expected, "{text}");
        }
    }

    #[test]
    fn a_rollout_that_the_store_does_not_take_was_not_changed_and_may_be_tried_again_once_the_store_does() {
        for recovers in [true, false] {
            let name = LogicName::new("todo").unwrap();
            let problem = Problem::from(PublishError::Unavailable { name, why: "full".into(), recovers });
            assert_eq!((problem.0.kind, problem.0.retry_after.is_some()), (ProblemKind::Store, recovers));
        }
    }

    #[test]
    fn of_the_errors_of_the_store_only_those_that_pass_ask_for_a_retry() {
        let (name, what, why) = (ListName::new("bob").unwrap(), "write".to_owned(), "for the test".to_owned());
        let errors = [
            (true, StoreError::Conflict { name: name.clone(), expected: 1, found: 2 }),
            (true, StoreError::Unavailable { why: why.clone() }),
            (true, StoreError::Overloaded { limit: 1 }),
            (false, StoreError::Unreadable { name, why: why.clone() }),
            (false, StoreError::Failed { what: what.clone(), why: why.clone() }),
            (false, StoreError::Unknown { what, why: why.clone() }),
            (false, StoreError::Poisoned { why: why.clone() }),
            (false, StoreError::Closed),
            (false, StoreError::Locked { path: "/data".into(), holder: why.clone() }),
            (false, StoreError::Incomplete { path: "/data".into(), why: why.clone() }),
            (false, StoreError::Format { path: "/data".into(), found: why.clone(), known: why }),
        ];
        check_retries(errors.map(|(asks, error)| (asks, CallError::Store(error))));
    }

    #[test]
    fn of_the_errors_of_a_call_only_those_that_pass_ask_for_a_retry() {
        let (logic, why) = (Arc::new(logic_id()), "for the test".to_owned());
        let refused = |refusal| CallError::Refused { refusal, logic: logic.clone() };
        let no_room = |retry_after| NoReceiptRoom { limit: ReceiptLimit::Total, bytes: 1, retry_after };
        let rejection = Rejection { code: "no".into(), message: "No.".into(), field: None };
        check_retries([
            (true, CallError::Overloaded { limit: 1 }),
            (true, CallError::TooManyLists { limit: 1 }),
            (true, CallError::ListMemoryFull { limit: 1 }),
            (true, CallError::TooManyDecisions { limit: 1 }),
            (true, CallError::Crashed),
            (true, refused(Refusal::Fault(Fault::Instance(why.clone())))),
            (true, CallError::NoReceiptRoom(no_room(Some(1)))),
            (false, CallError::NoReceiptRoom(no_room(None))),
            (false, CallError::Unknown { why: why.clone() }),
            (false, refused(Refusal::Fault(Fault::Trap(why.clone())))),
            (false, refused(Refusal::Rejected(rejection))),
            (false, refused(Refusal::NoSuchList)),
            (false, refused(Refusal::Full { what: "entries", limit: 1 })),
            (false, CallError::Stale { revision: Some(1) }),
            (false, CallError::KeyReused),
            (false, CallError::NoLogic(logic.name.clone())),
            (true, CallError::Awaited(logic.name.clone())),
            (false, CallError::NotLoaded { logic: logic.name.clone(), why }),
            (false, CallError::NoRevision { number: 2, last: 1 }),
            (false, CallError::Forgotten { number: 1, oldest: 2, kept: 1 }),
        ]);
    }

    #[test]
    fn of_the_errors_of_a_publication_only_a_busy_loader_asks_for_a_retry() {
        let (name, text) = (logic_id().name, || "for the test".to_owned());
        check_retries([
            (true, PublishError::Busy { limit: 1 }),
            (true, PublishError::NotCompiled(text())),
            (false, PublishError::CompileLimit { why: text(), name: "compile time", value: 1 }),
            (false, PublishError::Stopping),
            (false, PublishError::Invalid(text())),
            (false, PublishError::FromFile { name, file: text() }),
            (false, PublishError::Quarantined { digest: text(), why: text() }),
            (false, PublishError::Unknown(text())),
            (false, PublishError::NoCandidate),
            (false, PublishError::TooMany { limit: 1 }),
            (false, PublishError::Failed(text())),
            (false, PublishError::Interrupted(text())),
        ]);
    }

    fn logic_id() -> LogicId {
        let name = LogicName::new("todo").unwrap();
        LogicId { name, version: semver::Version::new(1, 0, 0), digest: [7; 32] }
    }
}
