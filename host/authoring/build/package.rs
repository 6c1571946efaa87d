//! The crate of a plugin as cargo describes it.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::error::BuildError;

/// The crate that each plugin depends on.
const SDK: &str = "hotlist-plugin";

/// A crate with a library.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Package {
    /// The name of the crate.
    pub(super) name: String,
    /// The name of its library in file names.
    pub(super) library: String,
    /// Its folder.
    pub(super) dir: PathBuf,
    /// The folder of its workspace. For most plugins this is the folder of the crate.
    pub(super) workspace_root: PathBuf,
    /// The folder of cargo's build output.
    pub(super) target_dir: PathBuf,
    /// The folders of its path dependencies.
    dependencies: Vec<PathBuf>,
    is_plugin: bool,
    /// The other crates of the workspace. They save a run of cargo for each dependency.
    siblings: Vec<Package>,
}

impl Package {
    /// Reads the crate in `dir` by running cargo.
    pub(super) fn read(dir: &Path) -> Result<Self, BuildError> {
        let dir = dir.canonicalize().map_err(|error| BuildError::File { path: dir.to_owned(), error })?;
        let mut packages = read_workspace(&dir)?;
        let none = || BuildError::Package(format!("there is no crate with a library in {}", dir.display()));
        let at = packages.iter().position(|package| package.dir == dir).ok_or_else(none)?;
        let package = packages.swap_remove(at);
        Ok(Self { siblings: packages, ..package })
    }

    /// The plugins in a workspace, ordered by name.
    pub(super) fn plugins_of(workspace_root: &Path) -> Result<Vec<Self>, BuildError> {
        let mut packages = read_workspace(workspace_root)?;
        packages.retain(|package| package.is_plugin);
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(packages)
    }

    /// This crate and all its path dependencies, direct and indirect, ordered by name.
    pub(super) fn with_dependencies(&self) -> Result<Vec<Self>, BuildError> {
        let mut seen = BTreeSet::from([self.dir.clone()]);
        let mut waiting = vec![self.clone()];
        let mut packages = Vec::new();
        while let Some(package) = waiting.pop() {
            for dir in &package.dependencies {
                if seen.insert(dir.clone()) {
                    let sibling = self.siblings.iter().find(|sibling| sibling.dir == *dir);
                    waiting.push(sibling.cloned().map_or_else(|| Self::read(dir), Ok)?);
                }
            }
            packages.push(package);
        }
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(packages)
    }
}

/// The part of `cargo metadata` that is used.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<MetadataTarget>,
    dependencies: Vec<MetadataDependency>,
}

#[derive(Deserialize)]
struct MetadataTarget {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct MetadataDependency {
    name: String,
    kind: Option<String>,
    path: Option<PathBuf>,
}

fn read_workspace(dir: &Path) -> Result<Vec<Package>, BuildError> {
    let program = usual_cargo();
    let output = Command::new(&program)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| BuildError::Run { program, error })?;
    if !output.status.success() {
        return Err(BuildError::Package(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .map_err(|error| BuildError::Package(format!("cannot parse cargo's metadata: {error}")))?;
    let Metadata { packages, workspace_root, target_directory } = metadata;
    Ok(packages.into_iter().filter_map(|package| from_metadata(package, &workspace_root, &target_directory)).collect())
}

/// Converts the description of a crate. `None` if the crate has no library.
fn from_metadata(package: MetadataPackage, workspace_root: &Path, target_dir: &Path) -> Option<Package> {
    let is_library = |kind: &String| matches!(kind.as_str(), "lib" | "rlib" | "cdylib");
    let library = package.targets.into_iter().find(|target| target.kind.iter().any(is_library))?;
    let needed = || package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"));
    Some(Package {
        library: library.name.replace('-', "_"),
        dir: package.manifest_path.parent()?.to_owned(),
        workspace_root: workspace_root.to_owned(),
        target_dir: target_dir.to_owned(),
        siblings: Vec::new(),
        is_plugin: needed().any(|dependency| dependency.name == SDK),
        dependencies: needed().filter_map(|dependency| dependency.path.clone()).collect(),
        name: package.name,
    })
}

/// The cargo that runs this program, or the one in the search path.
pub(super) fn usual_cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}
