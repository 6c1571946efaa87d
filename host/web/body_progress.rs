//! Progress of a response's body: how fast the client takes it.
//!
//! A connection that answers pings and reads other responses may still leave one unread, on HTTP/2 with a small window. So
//! what counts are the bytes of each response that are written to the connection. That hyper asks a body for more says
//! little: it asks for a frame before there is a window, and takes all of it for a window of one byte.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

tokio::task_local! {
    /// The progress of the response of the HTTP/2 request that a task serves.
    pub(super) static RESPONSE: Arc<BodyProgress>;
}

/// How fast a client has to take a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeastSpeed {
    /// The fewest bytes.
    pub(super) bytes: usize,
    /// The time in which they are taken.
    pub(super) time: Duration,
}

/// How fast a client takes a body. On HTTP/1, one progress is that of one response after the other.
#[derive(Debug, Default)]
pub(super) struct BodyProgress(Mutex<TakenBytes>);

#[derive(Debug, Default)]
struct TakenBytes {
    /// Since when the bytes are counted. `None` while there is nothing to take.
    since: Option<Instant>,
    /// The bytes that the client took since then.
    taken: usize,
    /// The bytes that the body gave, and that are not written to the connection.
    unsent: usize,
    /// Whether the body has more to give.
    has_more: bool,
}

impl BodyProgress {
    /// Records that a body begins, and has something to take.
    pub(super) fn begin(&self) {
        self.0.lock().gave(0, Instant::now());
    }

    /// Records that the body gives a frame of so many bytes.
    pub(super) fn gave(&self, bytes: usize) {
        self.0.lock().gave(bytes, Instant::now());
    }

    /// Records that bytes were written to the connection.
    pub(super) fn took(&self, bytes: usize) {
        self.0.lock().took(bytes);
    }

    /// Records that bytes were dropped, and not written.
    pub(super) fn dropped(&self, bytes: usize) {
        self.0.lock().dropped(bytes);
    }

    /// Records that the body has nothing to give now.
    pub(super) fn has_nothing(&self) {
        self.0.lock().has_nothing();
    }

    /// Records that the body has ended. The frames that it gave may not be sent yet, and their time begins anew: a response
    /// that was too slow is ended as a stream before its connection is.
    pub(super) fn ended(&self) {
        let mut taken = self.0.lock();
        taken.has_nothing();
        if taken.since.is_some() {
            (taken.since, taken.taken) = (Some(Instant::now()), 0);
        }
    }

    /// Whether there is nothing to take.
    pub(super) fn is_resting(&self) -> bool {
        self.0.lock().since.is_none()
    }

    /// When the speed is to be checked, which is not after `now` if the client was too slow.
    pub(super) fn next_check(&self, least: LeastSpeed, now: Instant) -> Option<Instant> {
        self.0.lock().next_check(least, now)
    }

    /// Waits until the client has taken too few bytes.
    pub(super) async fn too_slow(&self, least: LeastSpeed) {
        loop {
            let now = Instant::now();
            // What begins from now on has a later deadline.
            let next_check = self.next_check(least, now).unwrap_or_else(|| now + least.time);
            if next_check <= now {
                return;
            }
            tokio::time::sleep_until(next_check).await;
        }
    }
}

impl TakenBytes {
    fn gave(&mut self, bytes: usize, now: Instant) {
        self.unsent += bytes;
        self.has_more = true;
        self.since.get_or_insert(now);
    }

    fn took(&mut self, bytes: usize) {
        self.taken += bytes;
        self.dropped(bytes);
    }

    fn dropped(&mut self, bytes: usize) {
        self.unsent -= bytes;
        self.rest_if_done();
    }

    fn has_nothing(&mut self) {
        self.has_more = false;
        self.rest_if_done();
    }

    fn rest_if_done(&mut self) {
        if self.unsent == 0 && !self.has_more {
            *self = Self::default();
        }
    }

    fn next_check(&mut self, least: LeastSpeed, now: Instant) -> Option<Instant> {
        let deadline = self.since? + least.time;
        if deadline <= now && self.taken >= least.bytes {
            (self.since, self.taken) = (Some(now), 0);
            return Some(now + least.time);
        }
        Some(deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: LeastSpeed = LeastSpeed { bytes: 30 << 10, time: Duration::from_secs(30) };

    /// The seconds after which a body is ended whose client does this each second, or `None` after 1,000 seconds.
    fn ended_after(mut each_second: impl FnMut(u64, &mut TakenBytes, Instant)) -> Option<u64> {
        let begun = Instant::now();
        let mut taking = TakenBytes { since: Some(begun), ..TakenBytes::default() };
        (0..1_000).find(|second| {
            let now = begun + Duration::from_secs(*second);
            let is_ended = taking.next_check(LEAST, now).is_some_and(|check| check <= now);
            each_second(*second, &mut taking, now);
            is_ended
        })
    }

    #[test]
    fn a_body_that_is_not_taken_is_ended() {
        assert_eq!(ended_after(|_, _, _| {}), Some(30));
        let first_frame_only = |second, taking: &mut TakenBytes, now| {
            if second == 0 {
                taking.gave(1 << 20, now);
                taking.has_nothing();
            }
        };
        assert_eq!(ended_after(first_frame_only), Some(30), "what was given is not taken");
    }

    #[test]
    fn a_body_that_is_taken_slowly_is_ended_and_one_that_is_fast_enough_is_not() {
        for (bytes, ended) in [(1_000, Some(30)), (1_100, None)] {
            let client = |_, taking: &mut TakenBytes, now| {
                taking.gave(bytes, now);
                taking.took(bytes);
            };
            assert_eq!(ended_after(client), ended, "{bytes} bytes a second");
        }
    }

    #[test]
    fn a_stream_with_nothing_to_take_is_not_ended_and_one_that_stops_taking_is() {
        let client = |second: u64, taking: &mut TakenBytes, now| match second {
            // A comment every 15 seconds, which is taken at once.
            0..=600 if second.is_multiple_of(15) => {
                taking.gave(3, now);
                taking.has_nothing();
                taking.took(3);
            }
            // One that is not.
            615 => {
                taking.gave(3, now);
                taking.has_nothing();
            }
            _ => {}
        };
        assert_eq!(ended_after(client), Some(645));
    }
}
