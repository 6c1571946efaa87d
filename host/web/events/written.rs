//! Events as they are sent: their text, and the room that it takes.

use std::sync::Arc;

use super::super::answer_budget::Reservation;

/// An event with its data as JSON. Its id is not written yet, because it names the positions of all lists of a stream.
#[derive(Debug)]
pub(super) struct WrittenEvent {
    pub(super) name: &'static str,
    pub(super) data: Vec<u8>,
}

impl WrittenEvent {
    /// The event as it is sent. JSON has no line breaks, so one `data` line is enough.
    pub(super) fn frame(&self, id: &str) -> Vec<u8> {
        let head = format!("event: {}\nid: {id}\ndata: ", self.name);
        [head.as_bytes(), &self.data, b"\n\n"].concat()
    }
}

/// An event and the room that it takes.
pub(super) struct SentEvent {
    pub(super) bytes: Vec<u8>,
    pub(super) _room: Option<Arc<Reservation>>,
}

impl AsRef<[u8]> for SentEvent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
