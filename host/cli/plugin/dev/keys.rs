//! What an author types while a session runs: a letter and Enter.
//!
//! Only a process in the foreground of its terminal reads it. The system stops one in the background that does.

use std::io::{self, BufRead, IsTerminal};
use std::time::Duration;

use tokio::sync::mpsc;

/// What an author asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    /// Delete the lists of the session and begin anew.
    Fresh,
    /// Set the clock to the next wake-up.
    Wake,
}

/// How long a process in the background waits until it looks whether it is in the foreground.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// What can be typed, for people.
pub(super) const HELP: &str = "type r and Enter to begin anew without lists, w and Enter to go to the next wake-up";

impl Key {
    fn of(line: &str) -> Option<Self> {
        match line.trim() {
            "r" => Some(Self::Fresh),
            "w" => Some(Self::Wake),
            _ => None,
        }
    }
}

/// Reads keys on a thread of its own until the input or the session ends.
pub(super) fn read_keys() -> io::Result<mpsc::Receiver<Key>> {
    let (typed, keys) = mpsc::channel(1);
    let read = move || {
        let stdin = io::stdin();
        let mut line = String::new();
        while !typed.is_closed() {
            if !may_read() {
                wait();
                continue;
            }
            line.clear();
            match stdin.lock().read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            if let Some(key) = Key::of(&line)
                && typed.blocking_send(key).is_err()
            {
                return;
            }
        }
    };
    std::thread::Builder::new().name("keys".into()).spawn(read)?;
    Ok(keys)
}

#[expect(clippy::disallowed_methods, reason = "nothing says when a process comes to the foreground")]
fn wait() {
    std::thread::sleep(POLL_INTERVAL);
}

/// Whether the process may read its input without being stopped.
fn may_read() -> bool {
    !io::stdin().is_terminal()
        || std::fs::read_to_string("/proc/self/stat").map_or(true, |stat| is_in_foreground(&stat))
}

/// Whether a process is in the foreground of its terminal, by its line in `/proc`. The fields after the name are the state,
/// the parent, the group, the session, the terminal, and the group in the foreground of the terminal.
fn is_in_foreground(stat: &str) -> bool {
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.get(2).is_none_or(|group| fields.get(5).is_none_or(|foreground| group == foreground))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_letter_on_a_line_of_its_own() {
        let typed = ["r\n", " w \n", "\n", "rw\n", "R\n"].map(Key::of);
        assert_eq!(typed, [Some(Key::Fresh), Some(Key::Wake), None, None, None]);
    }

    #[test]
    fn only_the_foreground_of_a_terminal_reads_it() {
        assert!(is_in_foreground("71 (hot (list) S 60 71 60 34816 71 4194304 0"));
        assert!(!is_in_foreground("71 (hotlist) S 60 71 60 34816 60 4194304 0"));
        assert!(is_in_foreground(""), "a system without such lines");
    }
}
