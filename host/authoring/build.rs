//! Builds the component of a plugin: `hotlist plugin build`.
//!
//! The language follows from the project file in the folder. The first build installs the tools of the project with the
//! package manager of the language. A custom section of the component records the digest of the sources.

mod digest;
mod error;
mod javascript;
mod language;
mod names;
mod package;
mod project;
mod python;
mod rust;
mod sources;
mod standard_library;
mod toolchain;
mod tools;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::files::{self, Durability};
use package::Package;
use tools::Tools;

pub use error::BuildError;
pub use language::Language;
pub use names::{GUEST_CARGO, PROJECT_PREFIX, SCRATCH, plugin_name};
pub use project::Project;
pub use sources::{embedded_source_digest, source_digest};

/// The options of a build.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The file of the component. The default is `<DIR>/<name>.wasm`.
    pub output: Option<PathBuf>,
    /// The cargo to build with, see [`GUEST_CARGO`]. The default is the usual one.
    pub guest_cargo: Option<PathBuf>,
    /// Whether to build fast instead of small.
    pub quick: bool,
}

/// A component that was built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Built {
    /// The name of the plugin: its project's name without `hotlist-`.
    pub name: String,
    /// The file of the component.
    pub path: PathBuf,
    /// The size of the component.
    pub bytes: usize,
    /// The time that the language's tools took.
    pub tools: Duration,
}

/// The name of the plugin in a folder: its project's name without `hotlist-`.
pub fn name(dir: &Path) -> Result<String, BuildError> {
    let name = match Language::of(dir)? {
        Language::Rust => Package::read(dir)?.name,
        Language::JavaScript => javascript::Manifest::read(dir)?.name,
        Language::Python => python::Manifest::read(dir)?.project.name,
    };
    Ok(plugin_name(&name))
}

/// Builds the plugin in the folder `dir`.
pub fn build(dir: &Path, options: &Options) -> Result<Built, BuildError> {
    let language = Language::of(dir)?;
    // Tools run in this folder, where a relative path would mean another folder.
    let here = dir.canonicalize().map_err(|error| BuildError::File { path: dir.to_owned(), error })?;
    let mut tools = Tools { dir: &here, spent: Duration::ZERO };
    let (name, mut component) = match language {
        Language::Rust => rust::build(&mut tools, options.guest_cargo.as_deref(), options.quick)?,
        Language::JavaScript => javascript::build(&mut tools)?,
        Language::Python => python::build(&mut tools)?,
    };
    let name = plugin_name(&name);
    let path = options.output.clone().unwrap_or_else(|| dir.join(format!("{name}.wasm")));
    if !options.quick {
        let digest = source_digest(dir).map_err(|error| BuildError::File { path: dir.to_owned(), error })?;
        sources::embed(&mut component, digest);
    }
    files::replace_shared(&path, &component, Durability::Crash)
        .map_err(|error| BuildError::File { path: path.clone(), error })?;
    Ok(Built { name, path, bytes: component.len(), tools: tools.spent })
}

/// Builds all Rust plugins of Hotlist's workspace into its `plugins/built`, ordered by name.
pub fn build_all(workspace_root: &Path, guest_cargo: Option<&Path>) -> Result<Vec<Built>, BuildError> {
    let built = workspace_root.join("plugins/built");
    let mut results = Vec::new();
    for package in Package::plugins_of(workspace_root)? {
        let output = Some(built.join(format!("{}.wasm", plugin_name(&package.name))));
        let options = Options { output, guest_cargo: guest_cargo.map(Path::to_owned), quick: false };
        results.push(build(&package.dir, &options)?);
    }
    Ok(results)
}
