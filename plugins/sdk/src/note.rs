//! Words for the log.

#[cfg(target_arch = "wasm32")]
use crate::bindings::hotlist::logic::log;

/// Puts a line on the server's log, with the name of this logic; in a native test, on the standard
/// error. No caller sees it. One command may say 4,096 bytes; what is more is dropped.
///
/// ```
/// # let title = "Milk";
/// hotlist_plugin::note(&format!("looking for an entry like {title:?}"));
/// ```
pub fn note(text: &str) {
    #[cfg(target_arch = "wasm32")]
    log::note(text);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{text}");
}
