//! Loop that accepts connections. It refuses at once those for which there is no slot.
//!
//! A connection that is not accepted waits in the kernel, behind all others. So the loop accepts each one, whatever limit is
//! reached, and never waits for a client.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::io::Errno;

use super::failure_log::{Failure, FailureClass, FailureLog, REFUSAL_INTERVAL};
use super::listen::{Listener, Stream};
use super::peer::Peer;
use super::problem::Problem;
use super::refusal;
use super::slots::{NoSlot, Resource, Slot, SlotLimit, Slots};
use super::state::Web;

/// How long the loop pauses after an error of `accept`: the operating system lacks a resource, which another
/// connection has to release.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// The most connections that are accepted before other tasks of the runtime get a turn.
const ACCEPTS_PER_TURN: usize = 32;

/// A listener with the slots of its connections.
pub(super) struct AcceptLoop {
    listener: Listener,
    web: Arc<Web>,
    slots: Arc<Slots>,
    refusals: [Refusal; 3],
    /// Logs refused connections, once a minute for each limit.
    log: FailureLog,
    /// Connections that were accepted in this turn.
    accepted: usize,
}

/// What is sent to a connection that is refused because of a limit.
struct Refusal {
    limit: SlotLimit,
    response: Vec<u8>,
}

impl AcceptLoop {
    /// The loop of a listener. None of its slots is taken.
    pub(super) fn new(listener: Listener, web: Arc<Web>) -> Self {
        let options = &web.options;
        let slots = Slots::new(Resource::Connections, options.max_connections, options.connections_per_peer());
        let refusals = [SlotLimit::Total, SlotLimit::Holder, SlotLimit::Reserve].map(|limit| {
            let problem = Problem::from(slots.no_slot(limit));
            Refusal { limit, response: refusal::response(&problem) }
        });
        Self { listener, web, slots, refusals, log: FailureLog::every(REFUSAL_INTERVAL), accepted: 0 }
    }

    /// Waits for the next connection that gets a slot.
    pub(super) async fn next(&mut self) -> (Stream, Peer, Slot) {
        loop {
            if self.accepted >= ACCEPTS_PER_TURN {
                self.accepted = 0;
                tokio::task::yield_now().await;
            }
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    self.accepted += 1;
                    match self.slots.take(self.web.holder(peer)) {
                        Ok(slot) => return (stream, peer, slot),
                        Err(no_slot) => self.refuse(stream, peer, no_slot),
                    }
                }
                Err(error) if concerns_one_connection(&error) => {
                    tracing::debug!(%error, "a connection ended before it was accepted");
                }
                Err(error) => {
                    self.log_error(&error);
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
    }

    fn refuse(&self, stream: Stream, peer: Peer, no_slot: NoSlot) {
        if let Some(refusal) = self.refusals.iter().find(|refusal| refusal.limit == no_slot.limit) {
            refusal::refuse(stream, &refusal.response);
        }
        let refused = &self.web.services.metrics.refused_connections;
        let (count, limit, why) = match no_slot.limit {
            SlotLimit::Total => (&refused.total, "--max-connections", "all connections are taken"),
            SlotLimit::Holder => {
                (&refused.peer, "--max-connections-per-peer", "the peer has as many as one peer may have")
            }
            SlotLimit::Reserve => (&refused.reserve, "reserve", "the last connections are for networks that have few"),
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.log(limit, format!("{why}; the limit is {}, and the peer is {}", no_slot.value, peer.name()));
    }

    fn log_error(&self, error: &io::Error) {
        let advice = match Errno::from_io_error(error) {
            Some(Errno::MFILE) => {
                "; raise the limit of open files (LimitNOFILE, ulimit -n), or lower --max-connections"
            }
            Some(Errno::NFILE) => "; the whole machine has too many open files (fs.file-max)",
            _ => "",
        };
        self.log("accept", format!("{error}{advice}; trying again"));
    }

    fn log(&self, limit: &'static str, cause: String) {
        let failure = Failure { problem: "overloaded", class: FailureClass::Connections, limit: Some(limit), cause };
        self.log.record(self.web.services.clock.monotonic(), &failure);
    }
}

/// Whether an error of `accept` concerns only the connection that was to be accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
