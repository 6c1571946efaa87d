//! Signals to a server: the first SIGTERM or SIGINT stops it, the second one at once, and SIGHUP reloads.
//!
//! A thread with a runtime of its own listens, because the threads of the server's runtime may be blocked by a disk that
//! hangs. It also ends the process when the server does not stop in time.

use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::output::{flush, print_error};

/// The exit code after a second signal, which is the code of a shell for an interrupted program.
const INTERRUPTED: i32 = 130;

/// The exit code of a server that did not stop in time.
const FAILED: i32 = 1;

/// How long after the first signal another one is taken for the same. `npm`, `timeout` and a terminal send a signal to the
/// process and once more to its group.
const SAME_SIGNAL: Duration = Duration::from_millis(100);

/// How much longer than its stop may take the process waits for a server before it ends by itself.
const STOP_SLACK: Duration = Duration::from_secs(5);

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    Stop,
    Reload,
}

/// Why the process ends without the server's consent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Forced {
    /// A second signal asked for it.
    Interrupted,
    /// The server did not stop in time.
    Late,
}

/// What SIGHUP does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HangUp {
    /// It ends the process, as it does when a terminal is closed.
    Ends,
    /// It reloads.
    Reloads,
}

/// The signals that the process gets.
pub(super) struct Signals {
    /// Cancelled by the first signal that stops.
    pub(super) stop: CancellationToken,
    /// One message for each reload that was asked for. Several that come at once are one.
    pub(super) reloads: mpsc::Receiver<()>,
}

impl Signals {
    /// Listens from now on. The process of a server that was told to stop is ended [`STOP_SLACK`] after `stop_limit`.
    pub(super) fn listen(hang_up: HangUp, stop_limit: Duration) -> anyhow::Result<Self> {
        let limit = stop_limit + STOP_SLACK;
        let stop = CancellationToken::new();
        let (reload, reloads) = mpsc::channel(1);
        let (installed, is_installed) = std::sync::mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start the runtime that listens for signals")?;
        let stopping = stop.clone();
        let listen = move || {
            runtime.block_on(async {
                let mut sources = match Sources::install(hang_up) {
                    Ok(sources) => sources,
                    Err(error) => return drop(installed.send(Err(error))),
                };
                drop(installed.send(Ok(())));
                let late = async || sleep(limit).await;
                let forced = watch(async || sources.next().await, SAME_SIGNAL, &stopping, &reload, late).await;
                force(forced, limit);
            });
        };
        std::thread::Builder::new().name("signals".into()).spawn(listen).context("cannot start the signal thread")?;
        is_installed.recv().context("the signal thread ended")?.context("cannot listen for signals")?;
        Ok(Self { stop, reloads })
    }
}

/// The streams of signals.
struct Sources {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Option<Signal>,
}

impl Sources {
    fn install(hang_up: HangUp) -> std::io::Result<Self> {
        let hang_up = (hang_up == HangUp::Reloads).then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())?, hang_up })
    }

    async fn next(&mut self) -> Asked {
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = hang_up => Asked::Reload,
        }
    }
}

/// Passes signals on until the process has to be ended by force. A second signal counts after `same`. `late` begins with the first signal that stops, and ends
/// when the server should have stopped.
async fn watch(
    mut next: impl AsyncFnMut() -> Asked,
    same: Duration,
    stop: &CancellationToken,
    reload: &mpsc::Sender<()>,
    late: impl AsyncFnOnce(),
) -> Forced {
    while next().await == Asked::Reload {
        // A full channel holds a reload that has not begun, which will see what this one would.
        let _ = reload.try_send(());
    }
    tracing::info!("stopping; a second signal stops at once");
    stop.cancel();
    let first = Instant::now();
    let second = async { while next().await == Asked::Reload || first.elapsed() < same {} };
    tokio::select! {
        () = second => Forced::Interrupted,
        () = late() => Forced::Late,
    }
}

/// Ends the process. Every acknowledged change is durable, so only replies are lost.
fn force(forced: Forced, limit: Duration) {
    let code = match forced {
        Forced::Interrupted => {
            print_error("stopped at once; requests in progress got no reply");
            INTERRUPTED
        }
        Forced::Late => {
            print_error(&format!("the server did not stop within {limit:?}; what it acknowledged is durable"));
            FAILED
        }
    };
    flush();
    std::process::exit(code);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What some signals lead to, after which no more come, and whether a reload was passed on.
    async fn after(signals: &[Asked], same: Duration, late: impl AsyncFnOnce()) -> (Forced, bool) {
        let (stop, (reload, mut reloads)) = (CancellationToken::new(), mpsc::channel(1));
        let mut signals = signals.iter();
        let next = async || match signals.next() {
            Some(asked) => *asked,
            None => std::future::pending().await,
        };
        let late = async || {
            assert!(stop.is_cancelled(), "the time begins with the first signal");
            late().await;
        };
        let forced = watch(next, same, &stop, &reload, late).await;
        (forced, reloads.try_recv().is_ok())
    }

    #[tokio::test]
    async fn a_second_signal_ends_the_process_at_once() {
        let never = async || std::future::pending().await;
        assert_eq!(after(&[Asked::Stop, Asked::Stop], Duration::ZERO, never).await, (Forced::Interrupted, false));
    }

    #[tokio::test]
    async fn a_signal_that_comes_twice_at_once_is_one_signal() {
        let soon = async || tokio::task::yield_now().await;
        let hour = Duration::from_secs(3_600);
        assert_eq!(after(&[Asked::Stop, Asked::Stop], hour, soon).await, (Forced::Late, false));
    }

    #[tokio::test]
    async fn a_server_that_does_not_stop_in_time_is_ended() {
        assert_eq!(after(&[Asked::Stop], Duration::ZERO, async || ()).await, (Forced::Late, false));
    }

    #[tokio::test]
    async fn a_reload_ends_nothing_and_does_not_count_as_a_second_signal() {
        let signals = [Asked::Reload, Asked::Reload, Asked::Stop, Asked::Reload];
        let soon = async || tokio::task::yield_now().await;
        assert_eq!(after(&signals, Duration::ZERO, soon).await, (Forced::Late, true));
    }
}
