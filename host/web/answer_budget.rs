//! Budget of answers: the bytes that wait to be sent, in all and of each client.
//!
//! A client is a connection. The connections of a proxy carry the answers of all its users, so there the caller is the client.
//! Where the proxy names no callers, its answers count for the server only.
//!
//! A handler reserves the room of its answer before it makes the answer. The room is given back when the body of the
//! response is sent or dropped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

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

/// The budgets of the answers to one client.
#[derive(Clone, Debug)]
pub(super) struct AnswerRoom {
    server: Arc<Budget>,
    /// That of the client. `None` if the client is a proxy that names no callers.
    own: Option<Arc<Budget>>,
}

/// The budgets of the callers who have answers that wait to be sent.
#[derive(Debug, Default)]
pub(super) struct CallerBudgets {
    by_name: Mutex<HashMap<Arc<str>, Weak<Budget>>>,
}

/// The fewest names of callers without answers that are forgotten at a time.
const FORGOTTEN_CALLERS: usize = 64;

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
        Self { server: server.clone(), own: Some(Budget::new("max connection answer bytes", limit)) }
    }

    /// The room of a proxy's connection, on which no caller is named.
    pub(super) fn of_proxy(server: &Arc<Budget>) -> Self {
        Self { server: server.clone(), own: None }
    }

    /// The room of a caller with this limit, on a connection of a proxy.
    pub(super) fn of_caller(server: &Arc<Budget>, callers: &CallerBudgets, caller: &Arc<str>, limit: usize) -> Self {
        Self { server: server.clone(), own: Some(callers.budget(caller, limit)) }
    }

    /// Whether the room is that of a proxy's connection.
    pub(super) fn is_of_proxy(&self) -> bool {
        self.own.is_none()
    }

    /// Reserves the room of an answer, which is not made yet.
    pub(super) fn reserve(&self, bytes: usize) -> Result<Reservation, Problem> {
        // Both are locked at once, so that none is taken without the other.
        let mut server = self.server.used.lock();
        let mut own = self.own.as_ref().map(|own| (own, own.used.lock()));
        if let Some((own, used)) = &own
            && !own.fits(**used, bytes)
        {
            return Err(own.problem());
        }
        if !self.server.fits(*server, bytes) {
            return Err(self.server.problem());
        }
        *server += bytes;
        if let Some((_, used)) = &mut own {
            **used += bytes;
        }
        Ok(Reservation { room: self.clone(), bytes: bytes.into() })
    }

    /// Waits until there is room, for an answer that has begun already.
    pub(super) async fn wait(&self, bytes: usize) -> Reservation {
        loop {
            let mut server = std::pin::pin!(self.server.freed.notified());
            let mut own = std::pin::pin!(self.own.as_ref().map(|own| own.freed.notified()));
            // Both listen before the attempt, so that no notification is lost in between.
            server.as_mut().enable();
            if let Some(own) = own.as_mut().as_pin_mut() {
                own.enable();
            }
            if let Ok(reserved) = self.reserve(bytes) {
                return reserved;
            }
            match own.as_pin_mut() {
                Some(own) => tokio::select! {
                    () = server => {}
                    () = own => {}
                },
                None => server.await,
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

impl CallerBudgets {
    /// The budget of a caller, which is the same as long as an answer or a request holds it.
    fn budget(&self, caller: &Arc<str>, limit: usize) -> Arc<Budget> {
        let mut by_name = self.by_name.lock();
        if let Some(budget) = by_name.get(caller).and_then(Weak::upgrade) {
            return budget;
        }
        // Before the map grows, so that forgetting costs little for each caller.
        if by_name.len() == by_name.capacity() && by_name.len() >= FORGOTTEN_CALLERS {
            by_name.retain(|_, budget| budget.strong_count() > 0);
        }
        let budget = Budget::new("max caller answer bytes", limit);
        by_name.insert(caller.clone(), Arc::downgrade(&budget));
        budget
    }
}

impl Reservation {
    /// Changes the reservation to the size that the answer has.
    pub(super) fn resize(&self, bytes: usize) {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        if let Some(own) = &self.room.own {
            own.change(before, bytes);
        }
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
        assert_eq!((*server.used.lock(), *one.own.as_ref().expect("a connection").used.lock()), (55, 55));
        assert!(third.split(25).is_err(), "10 are given, and the connection has 5 for the other 15");
        drop((first, third, apart));
        assert_eq!((*server.used.lock(), *one.own.as_ref().expect("a connection").used.lock()), (0, 0));
        assert!(one.reserve(1_000).is_ok(), "an answer above the limit is made if it is alone");
    }

    #[test]
    fn a_caller_behind_a_proxy_has_one_budget_and_takes_none_from_another_caller() {
        let (server, callers) = (Budget::new("server", 100), CallerBudgets::default());
        let room = |caller: &str| AnswerRoom::of_caller(&server, &callers, &caller.into(), 60);
        let ann = room("ann").reserve(50).expect("there is room");
        assert!(room("ann").reserve(20).is_err(), "ann has 10 left, also on another connection");
        let bob = room("bob").reserve(20).expect("bob has room");
        let proxy = AnswerRoom::of_proxy(&server);
        assert!(proxy.reserve(40).is_err(), "the server has 30 left");
        drop(ann);
        let all = proxy.reserve(80).expect("what ann had was given back");
        assert!(room("ann").reserve(1).is_err());
        drop((bob, all));
        for number in 0..10_000 {
            room(&number.to_string()).reserve(1).expect("there is room");
        }
        let known = callers.by_name.lock().len();
        assert!(known < 1_000, "{known} callers without answers are remembered");
        assert_eq!(*server.used.lock(), 0);
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
