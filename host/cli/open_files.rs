//! Limit of the operating system on open files. Each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The files that a server may have open besides the connections of clients: the store, components, the listener for probes
/// and its connections.
const OTHER_FILES: u64 = 256;

/// Raises the limit of this process as far as it may go, and returns it. `None` is no limit.
pub(super) fn raise_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::debug!(%error, ?current, ?maximum, "cannot raise the limit of open files");
            current
        }
    }
}

/// Returns how many of these connections a limit of open files leaves room for. Connections beyond it would take the files that
/// the store needs.
pub(super) fn fit(connections: usize, limit: Option<u64>) -> usize {
    let Some(files) = limit else { return connections };
    let room = files.saturating_sub(OTHER_FILES).max(files / 2).max(1);
    let fitting = connections.min(usize::try_from(room).unwrap_or(usize::MAX));
    if fitting < connections {
        tracing::warn!(
            files,
            "--max-connections {connections} is too many for the limit of open files, so it is {fitting}; raise the limit \
             (LimitNOFILE, ulimit -n)"
        );
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_to_the_rest_of_the_server() {
        assert_eq!(fit(10_000, None), 10_000);
        assert_eq!(fit(10_000, Some(20_000)), 10_000);
        assert_eq!(fit(10_000, Some(10_256)), 10_000);
        assert_eq!(fit(10_000, Some(10_255)), 9_999);
        assert_eq!(fit(10_000, Some(1_024)), 768);
        assert_eq!(fit(10_000, Some(256)), 128);
        assert_eq!(fit(10, Some(256)), 10);
    }

    #[test]
    fn the_limit_is_as_high_as_it_may_be() {
        let limit = raise_limit();
        let now = getrlimit(Resource::Nofile);
        assert_eq!((limit, now.current), (now.maximum, now.maximum));
    }
}
