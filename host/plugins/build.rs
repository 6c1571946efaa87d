//! From a plugin's crate to a component: what `hotlist plugin build` does.
//!
//! Cargo compiles the crate, [`wit_component`] wraps the module, and a custom section notes what
//! it was made of. The settings of the compiler are given here, so that an author needs none, and
//! so that the same sources make the same bytes wherever they lie.

mod package;
mod sources;
mod toolchain;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use wit_component::ComponentEncoder;

use package::Package;
pub use sources::{embedded_source_digest, source_digest};
use toolchain::{TARGET, Toolchain};

/// The environment variable that names the cargo to build guests with, where that is not the usual one.
pub const GUEST_CARGO: &str = "HOTLIST_GUEST_CARGO";

/// How a release of a guest is compiled: small, for the host compiles what is there. The names of
/// functions were a seventh of a component, and nobody reads them: a panic says on the log which line
/// it is on.
const PROFILE: [&str; 7] = [
    "opt-level=\"s\"",
    "lto=\"fat\"",
    "codegen-units=1",
    "panic=\"abort\"",
    "debug=false",
    "strip=\"symbols\"",
    "incremental=false",
];

/// The stack of a guest in bytes. The linker's 1 MiB would put the data beyond the memory that the
/// host keeps resident between two instances, and each new one would begin with page faults.
const STACK_BYTES: usize = 65_536;

/// How to build.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the component goes; `<DIR>/<name>.wasm` where there is none.
    pub output: Option<PathBuf>,
    /// The cargo to build with, see [`GUEST_CARGO`]; the usual one where there is none.
    pub guest_cargo: Option<PathBuf>,
}

/// A component that was built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Built {
    /// The name of the plugin: that of its crate, without `hotlist-`.
    pub name: String,
    /// Where the component is.
    pub path: PathBuf,
    /// How large it is.
    pub bytes: usize,
}

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Cargo knows no library there.
    #[error("{0}")]
    Package(String),
    /// The toolchain cannot compile for WebAssembly.
    #[error(
        "the Rust toolchain in {} cannot compile for {TARGET}. With rustup, run\n\
         \n    rustup target add {TARGET}\n\n\
         Where rustup cannot download it, Debian's Rust can build it from source; run\n\
         \n    apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src\n    \
         export {GUEST_CARGO}=/usr/bin/cargo\n\n\
         and then this command again.", .sysroot.display()
    )]
    NoTarget {
        /// Where the toolchain lies.
        sysroot: PathBuf,
    },
    /// The toolchain would have to build the standard library, and there is no linker to do it with.
    #[error(
        "there is no linker for {TARGET}: neither rust-lld nor wasm-ld. Run\n\n    apt-get install -y lld\n\nand then this command again."
    )]
    NoLinker,
    /// A program that is needed cannot be run.
    #[error("cannot run {}: {error}", .program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The compiler has said why on standard error.
    #[error("cargo could not compile the plugin")]
    Compile,
    /// The module is none that a component can be made of.
    #[error("the module is no plugin: {0}. Does the crate call `hotlist_plugin::export!`?")]
    Encode(String),
    /// A file cannot be read or written.
    #[error("{}: {error}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
}

/// Builds the plugin whose crate lies in `dir`.
pub fn build(dir: &Path, options: &Options) -> Result<Built, BuildError> {
    let package = Package::read(dir)?;
    let toolchain = Toolchain::find(options.guest_cargo.as_deref(), dir)?;
    let digest = source_digest(dir).map_err(|error| BuildError::File { path: dir.to_owned(), error })?;

    let module = compile(&package, &toolchain)?;
    let module = fs::read(&module).map_err(|error| BuildError::File { path: module, error })?;
    let mut component = encode(&module).map_err(|error| BuildError::Encode(format!("{error:#}")))?;
    sources::embed(&mut component, digest);

    let name = package.plugin_name().to_owned();
    let path = options.output.clone().unwrap_or_else(|| dir.join(format!("{name}.wasm")));
    write(&path, &component).map_err(|error| BuildError::File { path: path.clone(), error })?;
    Ok(Built { name, path, bytes: component.len() })
}

/// Builds all plugins of Hotlist's own workspace into its `plugins/built`, names ascending.
pub fn build_all(workspace_root: &Path, guest_cargo: Option<&Path>) -> Result<Vec<Built>, BuildError> {
    let built = workspace_root.join("plugins/built");
    let mut results = Vec::new();
    for package in Package::plugins_of(workspace_root)? {
        let output = Some(built.join(format!("{}.wasm", package.plugin_name())));
        let options = Options { output, guest_cargo: guest_cargo.map(Path::to_owned) };
        results.push(build(&package.dir, &options)?);
    }
    Ok(results)
}

/// Has cargo compile the crate; gives the place of the core module.
fn compile(package: &Package, toolchain: &Toolchain) -> Result<PathBuf, BuildError> {
    let target_dir = package.target_dir.join("guests");
    let mut cargo = Command::new(&toolchain.cargo);
    cargo.arg("rustc").arg("--manifest-path").arg(package.dir.join("Cargo.toml"));
    // As a cdylib, whatever else the crate is, so that authors need not say so, and so that
    // link-time optimisation is possible for a crate that others build upon.
    cargo.args(["--lib", "--crate-type", "cdylib", "--release", "--target", TARGET]);
    cargo.arg("--target-dir").arg(&target_dir);
    for setting in PROFILE {
        cargo.arg("--config").arg(format!("profile.release.{setting}"));
    }
    // In this variable they take the place of all other flags, whatever the machine has set.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(package, toolchain)?.join(&OsString::from("\u{1f}")));
    toolchain.prepare(&mut cargo);

    let run = |error| BuildError::Run { program: toolchain.cargo.clone(), error };
    if !cargo.status().map_err(run)?.success() {
        return Err(BuildError::Compile);
    }
    Ok(target_dir.join(TARGET).join("release").join(format!("{}.wasm", package.library)))
}

/// Flags of the compiler: a small stack, and no path of this machine in the component.
fn flags(package: &Package, toolchain: &Toolchain) -> Result<Vec<OsString>, BuildError> {
    let mut flags = vec![OsString::from(format!("-Clink-arg=-zstack-size={STACK_BYTES}"))];
    let mut remap = |from: &Path, to: &str| {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(from);
        flag.push("=");
        flag.push(to);
        flags.push(flag);
    };
    // The same for all plugins of a workspace, for cargo builds anew what has other flags.
    remap(&package.workspace_root, "/source");
    for elsewhere in package.with_dependencies()?.iter().filter(|other| !other.dir.starts_with(&package.workspace_root))
    {
        remap(&elsewhere.dir, &format!("/source/{}", elsewhere.name));
    }
    for home in toolchain.registry_dirs() {
        remap(&home, "/registry");
    }
    for library in toolchain.library_sources() {
        remap(&library, "/library");
    }
    Ok(flags)
}

fn encode(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    ComponentEncoder::default().module(module)?.validate(true).encode()
}

/// Writes a file so that whoever looks sees the old one or the new one, and nothing in between.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let unfinished = path.with_extension(format!("wasm.{}.tmp", std::process::id()));
    fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path)).inspect_err(|_| {
        let _ = fs::remove_file(&unfinished); // The first error is the one to report.
    })
}
