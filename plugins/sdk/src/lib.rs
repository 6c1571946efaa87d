//! Write list logic for Hotlist in Rust.
//!
//! A logic defines which commands a list accepts and what they change. It implements [`Logic`]. Every
//! function but `describe` has a default, so a logic contains only what differs. This is a complete
//! plugin:
//!
//! ```
//! use hotlist_plugin::{Context, Description, Entry, List, Logic, Rejection, export};
//!
//! struct Tidy;
//!
//! impl Logic for Tidy {
//!     fn describe() -> Description {
//!         Description::new("Tidy", "Refuses entries without a title.", env!("CARGO_PKG_VERSION"))
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
//! `hotlist plugin build` builds a component. The crate is an ordinary library that depends only on
//! `hotlist-plugin`. Plain `cargo test` tests its rules on a [`testing::TestList`].
//!
//! Logic is pure: an answer depends on the arguments and the [`List`], and no state outlives a call. The
//! host decides some commands twice. If the answers differ, the last-good version decides the command. If
//! there is none, the command fails with an error. A version that fails too often is quarantined.

#[doc(hidden)] // named only by the expansion of `export!`
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
mod schema;
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
pub use schema::without_undeclared;
pub use types::Fields;

/// Exports a [`Logic`] as this crate's component. A component has exactly one.
///
/// On native targets it exports nothing, so that the crate can be tested.
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
            // Makes a type that does not implement `Logic` an error in native tests, too.
            fn provides<L: $crate::Logic>() {}
            provides::<$logic>();
        };
    };
}
