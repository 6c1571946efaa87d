//! Whether the server wants requests.

use std::sync::atomic::{AtomicU8, Ordering};

/// Phase of the server's life, as load balancers see it.
#[derive(Default, Debug)]
pub struct Readiness(AtomicU8);

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

impl Readiness {
    /// Asks for requests from now on, unless the server is stopping already.
    pub fn ready(&self) {
        // A failed exchange means that `drain` came first, which wins.
        let _ = self.0.compare_exchange(STARTING, READY, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Asks for no further requests. There is no way back.
    pub fn drain(&self) {
        self.0.store(DRAINING, Ordering::Release);
    }

    /// Whether the server is starting, so that requests will be wanted soon.
    pub(super) fn is_starting(&self) -> bool {
        self.0.load(Ordering::Acquire) == STARTING
    }

    /// Whether requests are wanted now.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire) == READY
    }
}
