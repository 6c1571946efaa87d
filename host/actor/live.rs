//! Live revisions: what the subscribers of a list get, within a budget of bytes.
//!
//! A revision waits for the slowest subscriber of its list. So it is held only if the server has room for it. Otherwise its
//! subscribers learn its number, and read it from the history.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::list::revision::Revision;

/// The most bytes of revisions that wait for subscribers, of all lists.
const MAX_LIVE_BYTES: usize = 32 << 20;

/// The most bytes of one revision that waits for subscribers.
const MAX_LIVE_REVISION_BYTES: usize = 1 << 20;

/// The room for the revisions that wait for subscribers.
#[derive(Debug, Default)]
pub struct LiveRoom {
    used: Mutex<usize>,
}

/// A revision that was just made.
#[derive(Clone, Debug)]
pub struct LiveRevision {
    /// Its number.
    pub number: u64,
    held: Option<Arc<Held>>,
}

/// A revision that takes room until all subscribers have it.
#[derive(Debug)]
struct Held {
    revision: Arc<Revision>,
    bytes: usize,
    room: Arc<LiveRoom>,
}

impl LiveRevision {
    /// The revision with its content if there is room.
    pub(super) fn new(revision: Arc<Revision>, room: &Arc<LiveRoom>) -> Self {
        let (number, bytes) = (revision.number, revision.bytes());
        let mut used = room.used.lock();
        let has_room = bytes <= MAX_LIVE_REVISION_BYTES && bytes <= MAX_LIVE_BYTES.saturating_sub(*used);
        if has_room {
            *used += bytes;
        }
        drop(used);
        let held = has_room.then(|| Arc::new(Held { revision, bytes, room: room.clone() }));
        Self { number, held }
    }

    /// The revision, or `None` if it has to be read from the history.
    pub fn revision(&self) -> Option<&Arc<Revision>> {
        self.held.as_ref().map(|held| &held.revision)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        *self.room.used.lock() -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::change::Change;
    use crate::list::value::{Field, Value};
    use crate::logic::testing::{Native, Recorder, add};

    #[test]
    fn revisions_are_held_up_to_a_number_of_bytes_in_all() {
        let room = Arc::<LiveRoom>::default();
        let revision = |bytes: usize| {
            let entry = Change::Set(Field { name: "x".into(), value: Value::Text("x".repeat(bytes)) });
            let recorder = Recorder::new("bob").decide(&*Native::version(1), [add("milk")]);
            Arc::new(Revision { changes: vec![entry], ..Revision::clone(&recorder.revisions[0]) })
        };
        let large = LiveRevision::new(revision(MAX_LIVE_REVISION_BYTES), &room);
        assert_eq!((large.number, large.revision().is_some()), (1, false));
        let revision = revision(MAX_LIVE_REVISION_BYTES / 2);
        let all: Vec<_> = (0..100).map(|_| LiveRevision::new(revision.clone(), &room)).collect();
        let held = all.iter().filter(|live| live.revision().is_some()).count();
        assert_eq!(held, MAX_LIVE_BYTES / revision.bytes());
        drop(all);
        assert_eq!(*room.used.lock(), 0);
    }
}
