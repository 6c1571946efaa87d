//! A plugin in Rust: cargo compiles it, [`wit_component`] wraps the module.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wit_component::ComponentEncoder;

use super::package::Package;
use super::toolchain::{TARGET, Toolchain};
use super::{BuildError, Options, Tools};

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

/// How a guest is compiled while somebody waits for it: nothing is optimised across crates, and what
/// did not change is not compiled again.
const QUICK_PROFILE: [&str; 7] = [
    "opt-level=1",
    "lto=false",
    "codegen-units=16",
    "panic=\"abort\"",
    "debug=false",
    "strip=\"symbols\"",
    "incremental=true",
];

/// The stack of a guest in bytes. The linker's 1 MiB would put the data beyond the memory that the
/// host keeps resident between two instances, and each new one would begin with page faults.
const STACK_BYTES: usize = 65_536;

/// Builds the component of a crate; answers with the crate's name.
pub(super) fn build(tools: &mut Tools<'_>, options: &Options) -> Result<(String, Vec<u8>), BuildError> {
    let dir = tools.dir;
    let package = Package::read(dir)?;
    let toolchain = Toolchain::find(options.guest_cargo.as_deref(), dir)?;
    let module = compile(tools, &package, &toolchain, options.quick)?;
    let module = fs::read(&module).map_err(|error| BuildError::File { path: module, error })?;
    let component = encode(&module).map_err(|error| BuildError::Encode(format!("{error:#}")))?;
    Ok((package.name, component))
}

/// Has cargo compile the crate; gives the place of the core module.
fn compile(
    tools: &mut Tools<'_>,
    package: &Package,
    toolchain: &Toolchain,
    quick: bool,
) -> Result<PathBuf, BuildError> {
    let target_dir = package.target_dir.join("guests");
    let mut cargo = Command::new(&toolchain.cargo);
    cargo.arg("rustc").arg("--manifest-path").arg(package.dir.join("Cargo.toml"));
    // As a cdylib, whatever else the crate is, so that authors need not say so, and so that
    // link-time optimisation is possible for a crate that others build upon.
    cargo.args(["--lib", "--crate-type", "cdylib", "--release", "--target", TARGET]);
    cargo.arg("--target-dir").arg(&target_dir);
    for setting in if quick { QUICK_PROFILE } else { PROFILE } {
        cargo.arg("--config").arg(format!("profile.release.{setting}"));
    }
    // In this variable they take the place of all other flags, whatever the machine has set.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(package, toolchain)?.join(&OsString::from("\u{1f}")));
    toolchain.prepare(&mut cargo);

    tools.run(&mut cargo)?;
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
