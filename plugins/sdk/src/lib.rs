//! Write list logic for Hotlist in Rust.
