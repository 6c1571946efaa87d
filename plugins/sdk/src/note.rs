//! Log lines.

#[cfg(target_arch = "wasm32")]
use crate::bindings::hotlist::logic::log;

/// Writes a line to the server's log under the name of this logic, or to standard error in a native
/// test. Callers do not see it. One command may write 4,096 bytes; the rest is dropped. The macro
/// [`note!`](crate::note!) takes a format.
///
/// ```
/// hotlist_plugin::note("looking for the next day");
/// ```
pub fn note(text: &str) {
    #[cfg(target_arch = "wasm32")]
    log::note(text);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{text}");
}

/// Writes a line to the server's log, with the arguments of [`format!`].
///
/// ```
/// # let title = "Milk";
/// hotlist_plugin::note!("looking for an entry like {title:?}");
/// ```
#[macro_export]
macro_rules! note {
    ($($argument:tt)*) => {
        $crate::note(&::std::format!($($argument)*))
    };
}
