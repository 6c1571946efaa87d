//! Retries of work that failed because the machine was busy.

/// How often work is tried whose failure may be the machine's: its processor was busy, or it had no memory left.
const MAX_TRIES: usize = 3;

/// Tries again while the failure may be the machine's. A failure of the logic itself occurs again.
pub(super) fn retry_if_busy<T, E>(
    mut work: impl FnMut() -> Result<T, E>,
    is_busy: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let mut outcome = work();
    for _ in 1..MAX_TRIES {
        if !outcome.as_ref().is_err_and(&is_busy) {
            break;
        }
        outcome = work();
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails a number of times, and returns the outcome with the number of tries.
    fn tries(failures: usize, is_busy: bool) -> (Result<(), bool>, usize) {
        let mut tried = 0;
        let work = || {
            tried += 1;
            if tried > failures { Ok(()) } else { Err(is_busy) }
        };
        (retry_if_busy(work, |is_busy| *is_busy), tried)
    }

    #[test]
    fn only_a_busy_machine_is_tried_again_and_not_without_end() {
        assert_eq!(tries(0, true), (Ok(()), 1));
        assert_eq!(tries(2, true), (Ok(()), 3));
        assert_eq!(tries(9, true), (Err(true), MAX_TRIES));
        assert_eq!(tries(1, false), (Err(false), 1));
    }
}
