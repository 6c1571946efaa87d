//! Deadline of a command, in processor time of the thread that runs it.
//!
//! The engine counts ticks of the wall clock. On a busy machine other threads have the processor meanwhile, so that a command
//! of microseconds may be cut off after 50 ms in which it hardly ran. A tick is therefore only the moment to look at the
//! processor time. The first look is at the first tick, because most commands end before it and pay for no look. So a command
//! may run for one tick longer than its deadline.

use std::time::Duration;

use cpu_time::ThreadTime;

use super::ticks::TICK;

/// How many times a command that did not have its processor time goes on. It bounds the wall time of a command, which
/// nothing else does on a machine that is busy for ever.
const MAX_EXTENSIONS: u32 = 20;

/// The deadline of the current command of an instance.
#[derive(Default)]
pub(super) struct Deadline {
    limit: Duration,
    /// The processor time of the thread at the first look.
    first_look: Option<Duration>,
    extensions: u32,
}

impl Deadline {
    /// A deadline for a command that begins. The next look is after one tick.
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, first_look: None, extensions: 0 }
    }

    /// How long the command may run.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Looks at the processor time of this thread. Returns the ticks to the next look, or `None` if the deadline has passed.
    pub(super) fn look(&mut self) -> Option<u64> {
        self.look_at(ThreadTime::try_now().ok().map(|time| time.as_duration()))
    }

    /// Like [`Deadline::look`]. Where the system does not tell the processor time, the wall clock counts.
    fn look_at(&mut self, thread_time: Option<Duration>) -> Option<u64> {
        let Some(first_look) = self.first_look else {
            self.first_look = Some(thread_time.unwrap_or_default());
            return Some(ticks_of(self.limit));
        };
        let left = self.limit.checked_sub(thread_time?.saturating_sub(first_look)).filter(|left| *left >= TICK)?;
        self.extensions += 1;
        (self.extensions <= MAX_EXTENSIONS).then(|| ticks_of(left))
    }
}

/// Returns a time in ticks from now. It is one tick more than fits, because the first tick may be about to come.
fn ticks_of(time: Duration) -> u64 {
    let ticks = time.as_millis().div_ceil(TICK.as_millis());
    u64::try_from(ticks).unwrap_or(u64::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_command_that_had_its_processor_time_is_over() {
        let mut deadline = Deadline::new(ms(50));
        assert_eq!(deadline.look_at(Some(ms(1_000))), Some(11));
        assert_eq!(deadline.look_at(Some(ms(1_050))), None);
    }

    #[test]
    fn a_command_that_waited_for_the_processor_goes_on_for_the_time_that_it_lacks() {
        let mut deadline = Deadline::new(ms(50));
        deadline.look_at(Some(ms(1_000)));
        assert_eq!(deadline.look_at(Some(ms(1_020))), Some(7));
        assert_eq!(deadline.look_at(Some(ms(1_048))), None, "less than a tick is left");
    }

    #[test]
    fn a_command_on_a_machine_that_is_busy_for_ever_ends_nevertheless() {
        let mut deadline = Deadline::new(ms(50));
        let looks = std::iter::from_fn(|| deadline.look_at(Some(ms(7)))).count();
        assert_eq!(looks, 1 + MAX_EXTENSIONS as usize);
    }

    #[test]
    fn without_a_processor_time_the_wall_clock_counts() {
        let mut deadline = Deadline::new(ms(50));
        assert_eq!((deadline.look_at(None), deadline.look_at(None)), (Some(11), None));
    }
}
