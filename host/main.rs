//! The `hotlist` program.
fn main() {}
