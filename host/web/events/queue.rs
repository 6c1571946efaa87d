//! Events of one list that wait to be sent to one client.

use std::collections::VecDeque;

use super::super::history::{Viewer, json_of};
use super::written::WrittenEvent;
use crate::list::name::ListName;
use crate::store::RetainedRevision;

/// Events of one list that wait to be sent to one client.
pub(super) struct EventQueue {
    pub(super) viewer: Viewer,
    /// The most bytes of a revision as an event.
    pub(super) limit: usize,
    /// The last revision that the client knows once all that was popped is sent. `None` if the list could not be read when
    /// the stream began, and the client named no revision.
    pub(super) sent: Option<u64>,
    /// The first member of the data of each event where a stream follows several lists: `"list":"a",`.
    member: String,
    queued: VecDeque<QueuedEvent>,
}

/// An event that is not written yet.
enum QueuedEvent {
    /// A revision, and the one that the list is at.
    Revision(RetainedRevision, u64),
    /// An event of this name that says which revision the list is at.
    Marker(&'static str, u64),
    /// A problem.
    Problem(Vec<u8>),
}

impl EventQueue {
    /// An empty queue for a client that knows the revision `sent`, or none. `named` is the list if the events name it.
    pub(super) fn new(viewer: Viewer, limit: usize, sent: Option<u64>, named: Option<&ListName>) -> Self {
        let member = named.map(|name| format!("\"list\":{},", serde_json::Value::from(name.as_str())));
        Self { viewer, limit, sent, member: member.unwrap_or_default(), queued: VecDeque::new() }
    }

    /// The next event.
    pub(super) fn pop(&mut self) -> Option<WrittenEvent> {
        Some(match self.queued.pop_front()? {
            QueuedEvent::Marker(name, current) => self.marker(name, current),
            // Not named `error`: that is what browsers call their own event for a lost connection. The id is the last
            // revision that the client knows, so that it goes on from there when it connects again.
            QueuedEvent::Problem(problem) => self.written("problem", problem),
            QueuedEvent::Revision(revision, current) => match json_of(&revision, &self.viewer, self.limit) {
                Ok(Some(json)) => {
                    self.sent = Some(revision.number());
                    self.written("revision", json)
                }
                // The client reads the list anew, so what follows up to the current revision is not sent.
                Ok(None) => self.reset(current),
                Err(_) => {
                    tracing::error!(revision = revision.number(), "cannot write a revision as an event");
                    self.reset(current)
                }
            },
        })
    }

    /// An event whose data, a JSON object, names the list if the stream follows several.
    fn written(&self, name: &'static str, json: Vec<u8>) -> WrittenEvent {
        let data = match self.member.as_str() {
            "" => json,
            member => [b"{", member.as_bytes(), json.get(1..).unwrap_or_default()].concat(),
        };
        WrittenEvent { name, data }
    }

    fn reset(&mut self, current: u64) -> WrittenEvent {
        self.queued.clear();
        self.marker("reset", current)
    }

    fn marker(&mut self, name: &'static str, current: u64) -> WrittenEvent {
        self.sent = Some(current);
        self.written(name, format!("{{\"revision\":{current}}}").into_bytes())
    }

    /// Queues `ready`, the first event of a client that knows nothing of the list.
    pub(super) fn push_ready(&mut self, current: u64) {
        self.queued.push_back(QueuedEvent::Marker("ready", current));
    }

    /// Queues a problem, which is JSON.
    pub(super) fn push_problem(&mut self, problem: Vec<u8>) {
        self.queued.push_back(QueuedEvent::Problem(problem));
    }

    /// Queues missed revisions. If one is missing among them, or is larger than a page, queues `reset` instead of it and of
    /// all that follow. Returns the last revision that the client knows once all of them are sent.
    pub(super) fn push_missed(&mut self, missed: impl IntoIterator<Item = RetainedRevision>, current: u64) -> u64 {
        let before = self.sent.unwrap_or(current);
        let mut last = before;
        for revision in missed {
            if revision.number() != last + 1 || revision.changes().is_none() {
                return self.push_reset(current);
            }
            last = revision.number();
            self.queued.push_back(QueuedEvent::Revision(revision, current));
        }
        // An empty page with revisions still missing, or a client that claims to know later ones.
        if last == before && last != current { self.push_reset(current) } else { last }
    }

    fn push_reset(&mut self, current: u64) -> u64 {
        self.queued.push_back(QueuedEvent::Marker("reset", current));
        current
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::list::command::{Command, Context};
    use crate::list::date::Date;
    use crate::list::id::LogicId;
    use crate::list::name::LogicName;
    use crate::list::outline::RevisionOutline;
    use crate::list::revision::Revision;

    fn revisions(numbers: &[u64]) -> Vec<Arc<Revision>> {
        let name = LogicName::new("todo").expect("a name");
        let logic = Arc::new(LogicId { name, version: semver::Version::new(1, 0, 0), digest: [0; 32] });
        let today = Date::new(2026, 11, 23).expect("a day");
        let revision = |number: &u64| Revision {
            number: *number,
            context: Context { now: 0, today, utc_offset: 0, caller: "anonymous".into(), seed: 0 },
            logic: logic.clone(),
            command: Command::Clear,
            changes: Vec::new(),
            inverse: Vec::new(),
            next_id_before: 1,
        };
        numbers.iter().map(|number| Arc::new(revision(number))).collect()
    }

    /// The names and ids of the events that a client at revision 4 gets.
    fn events_for(missed: &[u64], current: u64) -> Vec<String> {
        events_within(1 << 20, revisions(missed).into_iter().map(RetainedRevision::Whole).collect(), current)
    }

    fn events_within(limit: usize, missed: Vec<RetainedRevision>, current: u64) -> Vec<String> {
        let mut events = EventQueue::new(Viewer::anonymous(), limit, Some(4), None);
        let last = events.push_missed(missed, current);
        let mut written = Vec::new();
        while let Some(event) = events.pop() {
            written.push(format!("{} {}", event.name, events.sent.expect("a revision")));
        }
        assert!(events.sent == Some(last) || limit == 1, "{last}");
        written
    }

    #[test]
    fn a_gap_in_the_history_is_a_reset_and_never_skipped() {
        assert_eq!(events_for(&[5, 6], 6), ["revision 5", "revision 6"]);
        assert_eq!(events_for(&[5, 7, 8], 9), ["revision 5", "reset 9"]);
        assert_eq!(events_for(&[6, 7], 7), ["reset 7"]);
        assert_eq!(events_for(&[], 7), ["reset 7"]);
        assert_eq!(events_for(&[], 4), [""; 0]);
        assert_eq!(events_for(&[], 2), ["reset 2"]);
    }

    #[test]
    fn a_revision_that_is_larger_than_a_page_is_a_reset() {
        let whole = |numbers: &[u64]| revisions(numbers).into_iter().map(RetainedRevision::Whole);
        let large = RetainedRevision::Large(Box::new(RevisionOutline::of(&revisions(&[6])[0])));
        let missed = whole(&[5]).chain([large]).chain(whole(&[7])).collect();
        assert_eq!(events_within(1 << 20, missed, 8), ["revision 5", "reset 8"]);
        assert_eq!(events_within(1, whole(&[5, 6]).collect(), 8), ["reset 8"]);
    }

    #[test]
    fn an_event_of_several_lists_names_its_list() {
        let name = ListName::new("a \"b\"").expect("a name");
        let mut events = EventQueue::new(Viewer::anonymous(), 1 << 20, Some(4), Some(&name));
        events.push_ready(4);
        events.push_missed(revisions(&[5]).into_iter().map(RetainedRevision::Whole), 5);
        events.push_problem(br#"{"status":500}"#.to_vec());
        let data = || events.pop().map(|event| serde_json::from_slice::<serde_json::Value>(&event.data).expect("JSON"));
        let data: Vec<_> = std::iter::from_fn(data).collect();
        assert!(data.iter().all(|data| data["list"] == name.as_str()), "{data:?}");
        assert_eq!((&data[0]["revision"], &data[1]["command"]), (&4.into(), &"delete-entries".into()));
        assert_eq!(data[2]["status"], 500);
    }
}
