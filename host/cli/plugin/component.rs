//! Reads components from files and loads them as a server would.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::authoring::build::GUEST_CARGO;
use crate::list::name::LogicName;
use crate::logic::Logic;
use crate::wasm::{self, Engine, Isolation, Settings};

/// The cargo to build guests with, where the environment names one.
pub(super) fn guest_cargo() -> Option<PathBuf> {
    std::env::var_os(GUEST_CARGO).map(PathBuf::from)
}

/// Reads a file whole. An error names the file.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The logic that a component is a version of, by the name of its file.
pub(super) fn logic_of(file: &Path) -> anyhow::Result<LogicName> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    LogicName::new(stem)
        .with_context(|| format!("{stem:?} is no name for a logic: call the file NAME.wasm, such as todo.wasm"))
}

/// Loads a component as a server would, under the default limits.
pub(super) fn load(file: &Path, bytes: &[u8]) -> anyhow::Result<Box<dyn Logic>> {
    let name = logic_of(file)?;
    let engine = Engine::new(Settings::default())?;
    Ok(wasm::load(&engine, name, bytes, Isolation::Shared)?)
}
