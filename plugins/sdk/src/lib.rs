//! Write list logic for Hotlist in Rust.
//!
//! A logic says what a list means: which commands it takes and what they change. It implements
//! [`Logic`], whose every function has a default that does the obvious, so that a logic is as long
//! as it is unusual. This is a whole plugin:
//!
//! ```
//! use hotlist_plugin::{Context, Description, Entry, List, Logic, Rejection, export};
//!
//! struct Tidy;
//!
//! impl Logic for Tidy {
//!     fn describe() -> Description {
//!         Description::new("Tidy", "Takes no entry without a title.", env!("CARGO_PKG_VERSION"))
//!     }
//!
//!     fn check(_: &impl List, _: &Context, new: &Entry, _: Option<&Entry>) -> Result<(), Rejection> {
//!         let reason = Rejection::new("title-empty", "Give the entry a title.").at("title");
//!         if new.title.is_empty() { Err(reason) } else { Ok(()) }
//!     }
//! }
//!
//! export!(Tidy);
//! ```
//!
//! `hotlist plugin build` makes a component of it. The crate is an ordinary library with no more
//! than `hotlist-plugin` to depend on, and its rules are tested by plain `cargo test`, on a
//! [`testing::TestList`].
//!
//! Logic is pure: it knows its arguments and the [`List`], and keeps nothing between two calls. The
//! host decides some commands twice. Where a logic answers differently, that command fails with an
//! error, or is decided by the last good version of the rules where there is one; a version that fails
//! too often is taken out of service by itself (quarantined).

#[doc(hidden)] // what `export!` expands to names these two; nobody else does
pub mod bindings;
#[doc(hidden)]
pub mod component;
mod date;
mod describe;
#[cfg(target_arch = "wasm32")]
mod heap;
mod list;
mod logic;
mod note;
mod page;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod types;

pub use bindings::hotlist::logic::types::{
    Change, CommandSchema, Context, Date, DatePatch, Description, Draft, Entry, EntryId, Field, FieldPatch, Group,
    Kind, OrderPatch, Page, Patch, Query, Reading, Rejection, Row, Schema, Value, ViewSchema,
};
pub use list::{All, List};
pub use logic::{Decision, Logic};
pub use note::note;
pub use page::{least, matches, plain_page};
pub use types::Fields;

/// Makes a [`Logic`] the one that this crate's component provides. A component has one.
///
/// Natively this does nothing, so that the crate can be tested.
#[macro_export]
macro_rules! export {
    ($logic:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::component::Component<$logic>;
    $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = || {
            // A type that is no logic is an error in native tests, too.
            fn provides<L: $crate::Logic>() {}
            provides::<$logic>();
        };
    };
}
