//! Builds a plugin in Rust: cargo compiles a module, [`wit_component`] encodes it as a component.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wit_component::ComponentEncoder;

use super::error::BuildError;
use super::names::TARGET;
use super::package::Package;
use super::standard_library;
use super::toolchain::Toolchain;
use super::tools::Tools;

/// The profile of a guest's release. It is small, because the host compiles all code that is there. Function names were
/// a seventh of a component and are of no use, because a panic logs its line.
const PROFILE: [&str; 7] = [
    "opt-level=\"s\"",
    "lto=\"fat\"",
    "codegen-units=1",
    "panic=\"abort\"",
    "debug=false",
    "strip=\"symbols\"",
    "incremental=false",
];

/// The profile of a guest in `plugin dev`. It builds fast: no optimisation across crates, and incremental.
const QUICK_PROFILE: [&str; 7] = [
    "opt-level=1",
    "lto=false",
    "codegen-units=16",
    "panic=\"abort\"",
    "debug=false",
    "strip=\"symbols\"",
    "incremental=true",
];

/// The stack of a guest in bytes. With the linker's default of 1 MiB, the data would be beyond the memory that stays
/// resident between two instances, and each new instance would start with page faults.
const STACK_BYTES: usize = 65_536;

/// Builds the component of a crate. Returns the crate's name with it.
pub(super) fn build(
    tools: &mut Tools<'_>,
    guest_cargo: Option<&Path>,
    quick: bool,
) -> Result<(String, Vec<u8>), BuildError> {
    let dir = tools.dir;
    let package = Package::read(dir)?;
    let toolchain = Toolchain::find(guest_cargo, dir)?;
    let module = compile(tools, &package, &toolchain, quick)?;
    let module = fs::read(&module).map_err(|error| BuildError::File { path: module, error })?;
    let component = encode(&module).map_err(|error| BuildError::Encode(format!("{error:#}")))?;
    Ok((package.name, component))
}

/// Compiles the crate with cargo. Returns the path of the core module.
fn compile(
    tools: &mut Tools<'_>,
    package: &Package,
    toolchain: &Toolchain,
    quick: bool,
) -> Result<PathBuf, BuildError> {
    let target_dir = package.target_dir.join("guests");
    let mut cargo = Command::new(&toolchain.cargo);
    cargo.arg("rustc").arg("--manifest-path").arg(package.dir.join("Cargo.toml"));
    // As a cdylib, whatever the manifest says. Authors need no setting for it, and link-time optimisation works for a
    // crate that other crates depend on.
    cargo.args(["--lib", "--crate-type", "cdylib", "--release", "--target", TARGET]);
    cargo.arg("--target-dir").arg(&target_dir);
    for setting in if quick { QUICK_PROFILE } else { PROFILE } {
        cargo.arg("--config").arg(format!("profile.release.{setting}"));
    }
    let mut flags = flags(package, toolchain)?;
    if toolchain.builds_library() {
        let mut flag = OsString::from("--sysroot=");
        flag.push(standard_library::sysroot(tools, toolchain, &library_flags(toolchain))?);
        flags.push(flag);
    }
    // This variable replaces all other flags that the machine may set.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join(&OsString::from("\u{1f}")));
    toolchain.prepare(&mut cargo);

    tools.run(&mut cargo)?;
    Ok(target_dir.join(TARGET).join("release").join(format!("{}.wasm", package.library)))
}

/// The flags of the compiler: a small stack, and no path of this machine in the component.
fn flags(package: &Package, toolchain: &Toolchain) -> Result<Vec<OsString>, BuildError> {
    let mut flags = vec![OsString::from(format!("-Clink-arg=-zstack-size={STACK_BYTES}"))];
    // The same flags for all plugins of a workspace, because cargo rebuilds all crates when the flags change.
    flags.push(remap(&package.workspace_root, "/source"));
    for elsewhere in package.with_dependencies()?.iter().filter(|other| !other.dir.starts_with(&package.workspace_root))
    {
        flags.push(remap(&elsewhere.dir, &format!("/source/{}", elsewhere.name)));
    }
    flags.extend(library_flags(toolchain));
    Ok(flags)
}

/// The flags for crates that do not belong to a project: no path of this machine in them.
fn library_flags(toolchain: &Toolchain) -> Vec<OsString> {
    let registries = toolchain.registry_dirs().into_iter().map(|home| remap(&home, "/registry"));
    registries.chain(toolchain.library_sources().iter().map(|library| remap(library, "/library"))).collect()
}

/// The flag that writes another path into a component than that of a folder.
fn remap(from: &Path, to: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(from);
    flag.push("=");
    flag.push(to);
    flag
}

fn encode(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    ComponentEncoder::default().module(module)?.validate(true).encode()
}
