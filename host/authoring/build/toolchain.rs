//! The Rust toolchain that compiles guests.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::BuildError;
use super::names::TARGET;
use super::package::usual_cargo;

/// A cargo that can compile guests, with its settings.
#[derive(Debug)]
pub(super) struct Toolchain {
    /// The cargo.
    pub(super) cargo: PathBuf,
    rustc: PathBuf,
    sysroot: PathBuf,
    /// The linker, if the standard library must be built from source.
    linker: Option<PathBuf>,
}

impl Toolchain {
    /// Finds the toolchain of the named cargo, or of the usual one, in the folder of the plugin.
    ///
    /// Only a named cargo may build the standard library, because that takes a minute and enables unstable features.
    pub(super) fn find(named: Option<&Path>, dir: &Path) -> Result<Self, BuildError> {
        let cargo = named.map_or_else(usual_cargo, Path::to_owned);
        let beside = cargo.with_file_name("rustc");
        let rustc = if beside.is_file() { beside } else { "rustc".into() };
        let sysroot = sysroot(&rustc, dir)?;
        let rustlib = sysroot.join("lib/rustlib");
        let linker = if rustlib.join(TARGET).is_dir() {
            None
        } else if named.is_some() && rustlib.join("src/rust/library").is_dir() {
            Some(find_linker(&rustlib, dir).ok_or(BuildError::NoLinker)?)
        } else {
            return Err(BuildError::NoTarget { sysroot });
        };
        Ok(Self { cargo, rustc, sysroot, linker })
    }

    /// Adds the settings of this toolchain to a command of cargo.
    pub(super) fn prepare(&self, cargo: &mut Command) {
        cargo.env("RUSTC", &self.rustc);
        if let Some(linker) = &self.linker {
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
    }

    /// Whether the standard library must be built from source.
    pub(super) fn builds_library(&self) -> bool {
        self.linker.is_some()
    }

    /// The version of the compiler with its commit, and the machine.
    pub(super) fn version(&self, dir: &Path) -> Result<String, BuildError> {
        let run = |error| BuildError::Run { program: self.rustc.clone(), error };
        let output = Command::new(&self.rustc).arg("-vV").current_dir(dir).output().map_err(run)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The folders of the sources of crates from registries.
    pub(super) fn registry_dirs(&self) -> Vec<PathBuf> {
        let home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(env::home_dir()?.join(".cargo")));
        let Some(sources) = home.map(|home| home.join("registry/src")) else { return Vec::new() };
        let Ok(registries) = sources.read_dir() else { return Vec::new() };
        registries.filter_map(|registry| Some(registry.ok()?.path())).collect()
    }

    /// The folder of the standard library's sources, as named and with links resolved.
    pub(super) fn library_sources(&self) -> Vec<PathBuf> {
        let sources = self.sysroot.join("lib/rustlib/src/rust");
        let real = sources.canonicalize().ok();
        [Some(sources), real].into_iter().flatten().collect()
    }
}

fn sysroot(rustc: &Path, dir: &Path) -> Result<PathBuf, BuildError> {
    let run = |error| BuildError::Run { program: rustc.to_owned(), error };
    let output = Command::new(rustc).args(["--print", "sysroot"]).current_dir(dir).output().map_err(run)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}

/// Finds a linker for WebAssembly in this toolchain, in the usual Rust, or in the search path, in this order.
fn find_linker(rustlib: &Path, dir: &Path) -> Option<PathBuf> {
    let usual = || Some(sysroot(Path::new("rustc"), dir).ok()?.join("lib/rustlib"));
    let on_path = || {
        let path = env::var_os("PATH")?;
        let found = env::split_paths(&path).flat_map(|dir| [dir.join("rust-lld"), dir.join("wasm-ld")]);
        found.into_iter().find(|file| file.is_file())
    };
    lld_in(rustlib).or_else(|| lld_in(&usual()?)).or_else(on_path)
}

/// Finds the linker that comes with Rust, in the folder of the host machine.
fn lld_in(rustlib: &Path) -> Option<PathBuf> {
    let hosts = rustlib.read_dir().ok()?;
    hosts.filter_map(|host| Some(host.ok()?.path().join("bin/rust-lld"))).find(|file| file.is_file())
}
