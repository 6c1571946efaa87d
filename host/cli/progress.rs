//! Progress bars of long work, on the error output. A bar shows on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often a bar is drawn while nothing advances it.
const TICK: Duration = Duration::from_millis(250);

/// A bar in the syntax of indicatif's templates. The length may follow later, or be unknown.
pub(super) fn bar(template: &str, length: Option<u64>) -> ProgressBar {
    let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
    bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed").progress_chars("=> "));
    bar.enable_steady_tick(TICK);
    bar
}

/// Shows how much of all is done.
pub(super) fn show(bar: &ProgressBar, done: u64, all: u64) {
    bar.set_length(all);
    bar.set_position(done);
}
