//! A semaphore that is fair between clients: who waits is served in rounds, one turn a client.
//!
//! It bounds the threads that slow logic keeps busy. A plain semaphore is served in the order of arrival, so a client
//! that asks a hundred times at once delays everyone behind it by a hundred turns. Here the next turn goes to the client
//! that had its last turn the longest ago, and within one client to the oldest request. This is round-robin fair
//! queueing as in Nagle, "On packet switches with infinite storage" (RFC 970), with clients in the place of hosts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The most requests that wait for a turn, of all clients together.
pub const MAX_WAITING: usize = 4_096;

/// The most requests of one client that wait for a turn. Many, because a version is slow until it has shown otherwise: a
/// client may use many lists at once after a start.
pub const MAX_WAITING_OF_ONE: usize = 1_024;

/// Turns for work that keeps a thread busy.
pub struct Turns {
    state: Mutex<State>,
}

/// Why a request gets no turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoTurn {
    /// As many requests wait as may wait.
    #[error("{limit} requests wait for a turn, which is the limit")]
    TooManyWait {
        /// The limit that was reached, that of one client or that of all.
        limit: usize,
    },
    /// No more turns are given, because the server stops.
    #[error("no more turns are given, because the server stops")]
    Closed,
}

/// Permission to keep a thread busy, until it is dropped.
pub struct Turn(Option<Arc<Turns>>);

struct State {
    /// How many turns may be given at once. Nothing waits unless this is 0.
    free: usize,
    is_closed: bool,
    waiting: usize,
    /// The clients that wait. The next turn goes to the first.
    round: VecDeque<Arc<str>>,
    /// The requests of each client in `round`, the oldest first. None is empty.
    requests: BTreeMap<Arc<str>, VecDeque<oneshot::Sender<Turn>>>,
}

impl Turns {
    /// Turns of which `at_once` are given at a time, at least one.
    pub fn new(at_once: usize) -> Arc<Self> {
        let state = State {
            free: at_once.max(1),
            is_closed: false,
            waiting: 0,
            round: VecDeque::new(),
            requests: BTreeMap::new(),
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Waits for a turn of a client. A caller that stops waiting takes no turn.
    ///
    /// # Errors
    ///
    /// Too many requests wait, of this client or of all, or the server stops.
    pub async fn wait(self: &Arc<Self>, client: &Arc<str>) -> Result<Turn, NoTurn> {
        let turn = {
            let mut state = self.state.lock();
            if state.is_closed {
                return Err(NoTurn::Closed);
            }
            if state.free > 0 {
                state.free -= 1;
                return Ok(Turn(Some(self.clone())));
            }
            state.enqueue(client)?
        };
        turn.await.map_err(|_| NoTurn::Closed)
    }

    /// Gives no more turns, also to the requests that wait.
    pub fn close(&self) {
        let abandoned = {
            let mut state = self.state.lock();
            (state.is_closed, state.waiting) = (true, 0);
            state.round.clear();
            std::mem::take(&mut state.requests)
        };
        // Each request is woken, which needs no lock to be held.
        drop(abandoned);
    }

    /// The number of requests that wait for a turn.
    pub fn waiting(&self) -> usize {
        self.state.lock().waiting
    }

    /// Gives a turn that became free to the next request.
    fn pass_on(self: Arc<Self>) {
        loop {
            let next = self.state.lock().next();
            let Some(next) = next else { return };
            match next.send(Turn(Some(self.clone()))) {
                Ok(()) => return,
                // This request is not waited for any more. The turn goes to the next one, and is not given back as well.
                Err(mut unused) => unused.0 = None,
            }
        }
    }
}

impl State {
    fn enqueue(&mut self, client: &Arc<str>) -> Result<oneshot::Receiver<Turn>, NoTurn> {
        let of_one = |state: &Self| state.requests.get(client).map_or(0, VecDeque::len);
        let is_full = |state: &Self| state.waiting >= MAX_WAITING || of_one(state) >= MAX_WAITING_OF_ONE;
        if is_full(self) {
            self.drop_abandoned();
        }
        if of_one(self) >= MAX_WAITING_OF_ONE {
            return Err(NoTurn::TooManyWait { limit: MAX_WAITING_OF_ONE });
        }
        if self.waiting >= MAX_WAITING {
            return Err(NoTurn::TooManyWait { limit: MAX_WAITING });
        }
        let (sender, receiver) = oneshot::channel();
        let requests = self.requests.entry(client.clone()).or_default();
        if requests.is_empty() {
            self.round.push_back(client.clone());
        }
        requests.push_back(sender);
        self.waiting += 1;
        Ok(receiver)
    }

    /// The request that gets the next turn. Counts a free turn where none waits.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let Some(client) = self.round.pop_front() else {
            self.free += 1;
            return None;
        };
        let requests = self.requests.get_mut(&client).expect("a client in the round waits");
        let next = requests.pop_front().expect("a client in the round waits");
        self.waiting -= 1;
        if requests.is_empty() {
            self.requests.remove(&client);
        } else {
            self.round.push_back(client);
        }
        Some(next)
    }

    /// Drops the requests that are not waited for any more.
    fn drop_abandoned(&mut self) {
        for requests in self.requests.values_mut() {
            requests.retain(|request| !request.is_closed());
        }
        self.requests.retain(|_, requests| !requests.is_empty());
        self.round.retain(|client| self.requests.contains_key(client));
        self.waiting = self.requests.values().map(VecDeque::len).sum();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    use super::*;

    type Waiting = BoxFuture<'static, Result<Turn, NoTurn>>;

    /// A request that is in the queue.
    fn ask(turns: &Arc<Turns>, client: &str) -> Waiting {
        let (turns, client) = (turns.clone(), Arc::from(client));
        let mut waiting = async move { turns.wait(&client).await }.boxed();
        assert!((&mut waiting).now_or_never().is_none(), "no turn is free");
        waiting
    }

    fn take(turns: &Arc<Turns>, client: &str) -> Option<Result<Turn, NoTurn>> {
        turns.wait(&client.into()).now_or_never()
    }

    /// Names of the requests in the order in which they get the one turn.
    fn order(first: Turn, mut waiting: Vec<(&'static str, Waiting)>) -> Vec<&'static str> {
        let mut order = Vec::new();
        let mut held = Some(first);
        while !waiting.is_empty() {
            drop(held.take());
            let served = waiting.iter_mut().position(|(_, request)| match request.now_or_never() {
                Some(turn) => {
                    held = turn.ok();
                    true
                }
                None => false,
            });
            order.push(waiting.remove(served.expect("a turn that is free is given")).0);
        }
        order
    }

    #[test]
    fn clients_that_wait_are_served_in_rounds_and_each_client_in_its_order() {
        let turns = Turns::new(1);
        let first = take(&turns, "busy").unwrap().unwrap();
        let waiting = [("busy 1", "busy"), ("busy 2", "busy"), ("busy 3", "busy"), ("ann 1", "ann"), ("ann 2", "ann")];
        let waiting = waiting.map(|(name, client)| (name, ask(&turns, client))).into();
        assert_eq!(turns.waiting(), 5);
        assert_eq!(order(first, waiting), ["busy 1", "ann 1", "busy 2", "ann 2", "busy 3"]);
        assert_eq!(turns.waiting(), 0);
        assert!(take(&turns, "ann").is_some(), "the turn is free again");
    }

    #[test]
    fn a_request_that_is_not_waited_for_takes_no_turn() {
        let turns = Turns::new(1);
        let held = take(&turns, "ann").unwrap().unwrap();
        let (gone, next) = (ask(&turns, "ann"), ask(&turns, "bob"));
        drop(gone);
        drop(held);
        assert!(take(&turns, "eve").is_none(), "bob has the turn");
        // A turn that was given and not taken is free again, too.
        drop(next);
        assert!(take(&turns, "eve").is_some());
    }

    #[test]
    fn nothing_waits_for_a_turn_of_a_server_that_stops() {
        let turns = Turns::new(1);
        let held = take(&turns, "ann").unwrap().unwrap();
        let waiting = ask(&turns, "bob");
        turns.close();
        assert_eq!(waiting.now_or_never().unwrap().err(), Some(NoTurn::Closed));
        drop(held);
        assert_eq!(take(&turns, "eve").unwrap().err(), Some(NoTurn::Closed));
    }

    #[test]
    fn one_client_cannot_fill_the_queue_of_all() {
        let turns = Turns::new(1);
        let _held = take(&turns, "busy").unwrap().unwrap();
        let mut waiting: Vec<_> = (0..MAX_WAITING_OF_ONE).map(|_| ask(&turns, "busy")).collect();
        assert_eq!(take(&turns, "busy").unwrap().err(), Some(NoTurn::TooManyWait { limit: MAX_WAITING_OF_ONE }));
        drop(ask(&turns, "ann"));
        for client in 1..MAX_WAITING / MAX_WAITING_OF_ONE {
            waiting.extend((0..MAX_WAITING_OF_ONE).map(|_| ask(&turns, &client.to_string())));
        }
        assert_eq!(take(&turns, "eve").unwrap().err(), Some(NoTurn::TooManyWait { limit: MAX_WAITING }));
        waiting.truncate(MAX_WAITING - 1);
        drop(ask(&turns, "eve"));
    }
}
