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

/// The logic that a component is a version of, by the name of its file: `meals` for `meals.wasm` and for
/// `meals-0.2.0.wasm`.
pub(super) fn logic_of(file: &Path) -> anyhow::Result<LogicName> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_version = |text: &str| semver::Version::parse(text.strip_prefix('v').unwrap_or(text)).is_ok();
    let hyphens = stem.match_indices('-').map(|(at, _)| at);
    let end = hyphens.into_iter().find(|at| is_version(&stem[at + 1..])).unwrap_or(stem.len());
    LogicName::new(&stem[..end]).with_context(|| {
        format!(
            "{stem:?} is no name for a logic: call the file NAME.wasm or NAME-1.0.0.wasm, or name the logic with --name"
        )
    })
}

/// Loads a component as a server would, under the default limits.
pub(super) fn load(name: LogicName, bytes: &[u8]) -> anyhow::Result<Box<dyn Logic>> {
    load_with(name, bytes, None)
}

/// Like [`load`], with the compiled code of a directory if that has it.
pub(super) fn load_with(name: LogicName, bytes: &[u8], compiled: Option<PathBuf>) -> anyhow::Result<Box<dyn Logic>> {
    let engine = Engine::new(Settings { cache: compiled, ..Settings::default() })?;
    Ok(wasm::load(&engine, name, bytes, Isolation::Shared)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_may_have_a_version() {
        let logic = |file: &str| logic_of(Path::new(file)).map(|name| name.to_string());
        for file in ["meals.wasm", "meals-0.2.0.wasm", "a/meals-v1.0.0.wasm", "meals-0.2.0-rc.1+b.wasm"] {
            assert_eq!(logic(file).unwrap(), "meals", "{file}");
        }
        assert_eq!(logic("blocked-by.wasm").unwrap(), "blocked-by");
        assert_eq!(logic("level-2.wasm").unwrap(), "level-2");
        for file in ["-0.2.0.wasm", "My meals.wasm", ".wasm"] {
            assert!(logic(file).unwrap_err().to_string().contains("--name"), "{file}");
        }
    }
}
