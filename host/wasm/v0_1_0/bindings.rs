//! The bindings that wasmtime generates of the contract.
#![allow(missing_docs, unused_qualifications, unreachable_pub, clippy::wildcard_imports)]

wasmtime::component::bindgen!({ path: "wit/0.1.0", world: "list-plugin" });
