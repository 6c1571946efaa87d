//! Budget of answers: the bytes that wait to be sent, of all connections and of each one.
//!
//! A handler reserves the room of its answer before it makes the answer. The room is given back when the body of the
//! response is sent or dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::Response;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::problem::Problem;

/// The least room of a request that writes: its body while it arrives, and an answer of an entry. It is reserved before the
/// body is read, so that no request is refused after it was carried out. The command takes its room from it.
pub(super) const WRITE_BYTES: usize = 64 << 10;

/// A limit on bytes, and the bytes that are used.
#[derive(Debug)]
pub(super) struct Budget {
    name: &'static str,
    limit: usize,
    used: Mutex<usize>,
    /// Notified when bytes are given back.
    freed: Notify,
}

/// The two budgets of the answers on one connection.
#[derive(Clone, Debug)]
pub(super) struct AnswerRoom {
    server: Arc<Budget>,
    connection: Arc<Budget>,
}

/// The bytes of one answer or command, given back when this is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    room: AnswerRoom,
    bytes: AtomicUsize,
}

impl Budget {
    pub(super) fn new(name: &'static str, limit: usize) -> Arc<Self> {
        Arc::new(Self { name, limit, used: Mutex::new(0), freed: Notify::new() })
    }

    /// Whether there is room for more bytes. Bytes above the limit have room if nothing else is there.
    fn fits(&self, used: usize, bytes: usize) -> bool {
        used == 0 || bytes <= self.limit.saturating_sub(used)
    }

    /// Takes bytes without regard to the limit, or gives some back.
    fn change(&self, before: usize, after: usize) {
        let mut used = self.used.lock();
        *used = *used - before + after;
        drop(used);
        if after < before {
            self.freed.notify_waiters();
        }
    }

    fn problem(&self) -> Problem {
        let detail = format!("the answers that wait to be sent have {} bytes, which is the limit", self.limit);
        Problem::overloaded(detail, self.name, self.limit)
    }
}

impl AnswerRoom {
    /// The room of a connection with this limit.
    pub(super) fn of_connection(server: &Arc<Budget>, limit: usize) -> Self {
        Self { server: server.clone(), connection: Budget::new("max connection answer bytes", limit) }
    }

    /// Reserves the room of an answer, which is not made yet.
    pub(super) fn reserve(&self, bytes: usize) -> Result<Reservation, Problem> {
        // Both are locked at once, so that none is taken without the other.
        let mut server = self.server.used.lock();
        let mut connection = self.connection.used.lock();
        if !self.connection.fits(*connection, bytes) {
            return Err(self.connection.problem());
        }
        if !self.server.fits(*server, bytes) {
            return Err(self.server.problem());
        }
        *server += bytes;
        *connection += bytes;
        Ok(Reservation { room: self.clone(), bytes: bytes.into() })
    }

    /// Waits until there is room, for an answer that has begun already.
    pub(super) async fn wait(&self, bytes: usize) -> Reservation {
        loop {
            let (server, connection) = (self.server.freed.notified(), self.connection.freed.notified());
            // Both listen before the attempt, so that no notification is lost in between.
            let mut server = std::pin::pin!(server);
            let mut connection = std::pin::pin!(connection);
            server.as_mut().enable();
            connection.as_mut().enable();
            if let Ok(reserved) = self.reserve(bytes) {
                return reserved;
            }
            tokio::select! {
                () = server => {}
                () = connection => {}
            }
        }
    }

    /// Counts an answer that is there already.
    pub(super) fn count(&self, bytes: usize) -> Reservation {
        let counted = Reservation { room: self.clone(), bytes: AtomicUsize::new(0) };
        counted.resize(bytes);
        counted
    }
}

impl Reservation {
    /// Changes the reservation to the size that the answer has.
    pub(super) fn resize(&self, bytes: usize) {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        self.room.connection.change(before, bytes);
        self.room.server.change(before, bytes);
    }

    /// Moves bytes to a reservation of their own. This one gives half of its bytes at most, and the others are reserved.
    pub(super) fn split(&self, bytes: usize) -> Result<Self, Problem> {
        let given = (self.bytes.load(Ordering::Relaxed) / 2).min(bytes);
        let own = if given < bytes { self.room.reserve(bytes - given)? } else { self.room.count(0) };
        // No bytes are free in between, because other requests take them.
        own.bytes.store(bytes, Ordering::Relaxed);
        self.bytes.fetch_sub(given, Ordering::Relaxed);
        Ok(own)
    }

    /// Keeps the room until the body of a response is sent or dropped.
    pub(super) fn attach_to(self, response: &mut Response) {
        response.extensions_mut().insert(Arc::new(self));
    }

    /// The room that is attached to a response.
    pub(super) fn take_from(response: &mut Response) -> Option<Self> {
        response.extensions_mut().remove::<Arc<Self>>().and_then(Arc::into_inner)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_budgets_count_and_get_back_what_was_reserved() {
        let server = Budget::new("server", 100);
        let (one, other) = (AnswerRoom::of_connection(&server, 60), AnswerRoom::of_connection(&server, 60));
        let first = one.reserve(50).expect("there is room");
        assert!(one.reserve(20).is_err(), "the connection has 10 left");
        let second = other.reserve(50).expect("the other connection has room");
        assert!(other.reserve(10).is_err(), "the server has none left");
        first.resize(10);
        let third = one.reserve(40).expect("40 were given back");
        drop(second);
        let apart = third.split(25).expect("20 are given, and 5 are free");
        assert_eq!((*server.used.lock(), *one.connection.used.lock()), (55, 55));
        assert!(third.split(25).is_err(), "10 are given, and the connection has 5 for the other 15");
        drop((first, third, apart));
        assert_eq!((*server.used.lock(), *one.connection.used.lock()), (0, 0));
        assert!(one.reserve(1_000).is_ok(), "an answer above the limit is made if it is alone");
    }

    #[tokio::test]
    async fn a_stream_waits_until_bytes_are_given_back() {
        let server = Budget::new("server", 100);
        let room = AnswerRoom::of_connection(&server, 100);
        let first = room.reserve(60).expect("there is room");
        let mut waiting = std::pin::pin!(room.wait(60));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(first);
        assert!(futures_util::poll!(&mut waiting).is_ready());
    }
}
