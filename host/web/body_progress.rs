//! Progress of a response's body: how fast the client takes it.
//!
//! A connection that answers pings and reads other responses may still leave one unread, on HTTP/2 with a window of 0. So
//! what counts is whether the body is asked for more. Hyper asks for a frame once the one before has room to be sent.

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
    /// The bytes of the last frame, which is taken once the next one is asked for.
    in_hand: usize,
}

impl BodyProgress {
    /// Records that a body begins, and has something to take.
    pub(super) fn begin(&self) {
        *self.0.lock() = TakenBytes { since: Some(Instant::now()), ..TakenBytes::default() };
    }

    /// Records that the body is asked for a frame.
    pub(super) fn asked(&self) {
        self.0.lock().asked();
    }

    /// Records that the body gives a frame of so many bytes.
    pub(super) fn gave(&self, bytes: usize) {
        self.0.lock().gave(bytes, Instant::now());
    }

    /// Records that there is nothing to take: the body has nothing to give yet, or has ended.
    pub(super) fn rest(&self) {
        *self.0.lock() = TakenBytes::default();
    }

    /// Waits until the client has taken too few bytes.
    pub(super) async fn too_slow(&self, least: LeastSpeed) {
        loop {
            let now = Instant::now();
            // What begins from now on has a later deadline.
            let next_check = self.0.lock().next_check(least, now).unwrap_or_else(|| now + least.time);
            if next_check <= now {
                return;
            }
            tokio::time::sleep_until(next_check).await;
        }
    }
}

impl TakenBytes {
    fn asked(&mut self) {
        self.taken += std::mem::take(&mut self.in_hand);
    }

    fn gave(&mut self, bytes: usize, now: Instant) {
        self.in_hand = bytes;
        self.since.get_or_insert(now);
    }

    /// When the speed is to be checked, which is not after `now` if the client was too slow.
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
    fn a_body_that_is_not_asked_for_more_is_ended() {
        assert_eq!(ended_after(|_, _, _| {}), Some(30));
        let first_frame_only = |second, taking: &mut TakenBytes, now| {
            if second == 0 {
                taking.asked();
                taking.gave(1 << 20, now);
            }
        };
        assert_eq!(ended_after(first_frame_only), Some(30), "a frame in hand is not taken");
    }

    #[test]
    fn a_body_that_is_taken_slowly_is_ended_and_one_that_is_fast_enough_is_not() {
        for (bytes, ended) in [(1_000, Some(30)), (1_100, None)] {
            let client = |_, taking: &mut TakenBytes, now| {
                taking.asked();
                taking.gave(bytes, now);
            };
            assert_eq!(ended_after(client), ended, "{bytes} bytes a second");
        }
    }

    #[test]
    fn a_stream_with_nothing_to_take_is_not_ended_and_one_that_stops_taking_is() {
        let client = |second: u64, taking: &mut TakenBytes, now| match second {
            // A comment every 15 seconds, which is taken at once.
            0..=600 if second.is_multiple_of(15) => {
                taking.asked();
                taking.gave(3, now);
                taking.asked();
                *taking = TakenBytes::default();
            }
            // One that is not.
            615 => taking.gave(3, now),
            _ => {}
        };
        assert_eq!(ended_after(client), Some(645));
    }
}
