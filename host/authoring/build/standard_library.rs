//! Rust's standard library for guests, built from its sources once for a machine.
//!
//! Cargo builds it anew for each project and each profile, because it keeps what it builds in the project. So it is built with a
//! crate of its own, and its libraries are copied to a folder in the user's cache. There the compiler takes them from for all
//! projects, as it takes those that rustup downloads from its own folder.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

use super::digest::{Files, digest};
use super::error::BuildError;
use super::names::TARGET;
use super::toolchain::Toolchain;
use super::tools::Tools;
use crate::list::digest::hex;

/// The folder in the user's cache.
const FOLDER: &str = "hotlist/guest-std";

/// The name of the crate with which the library is built.
const CRATE: &str = "guest-std";

/// The profile of the library. It is small. Its crates hold bitcode beside code, so that both profiles of guests can use them:
/// with link-time optimisation and without.
const PROFILE: [&str; 5] =
    ["opt-level=\"s\"", "codegen-units=1", "panic=\"abort\"", "debug=false", "incremental=false"];

/// The flag that keeps the bitcode, which cargo leaves out of crates without link-time optimisation.
const BITCODE: &str = "-Cembed-bitcode=yes";

/// Returns the folder that the compiler takes the library from. Builds it if no project did.
pub(super) fn sysroot(tools: &mut Tools<'_>, toolchain: &Toolchain, flags: &[OsString]) -> Result<PathBuf, BuildError> {
    let cache = cache_dir().ok_or_else(|| BuildError::Package("neither XDG_CACHE_HOME nor HOME is set".into()))?;
    sysroot_in(&cache.join(FOLDER), tools, toolchain, flags)
}

fn sysroot_in(
    folder: &Path,
    tools: &mut Tools<'_>,
    toolchain: &Toolchain,
    flags: &[OsString],
) -> Result<PathBuf, BuildError> {
    let flags: Vec<OsString> = flags.iter().cloned().chain([BITCODE.into()]).collect();
    let key = key(&toolchain.version(tools.dir)?, &flags);
    let sysroot = folder.join(&key);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| BuildError::File { path, error }
    };
    if sysroot.is_dir() {
        return Ok(sysroot);
    }
    fs::create_dir_all(folder).map_err(failed(folder))?;
    // Another build of this machine may be at it. Its library is as good.
    let lock = folder.join(format!("{key}.lock"));
    let locked = File::create(&lock).and_then(|file| file.lock().map(|()| file));
    let _locked = locked.map_err(failed(&lock))?;
    if sysroot.is_dir() {
        return Ok(sysroot);
    }
    tracing::info!(folder = %sysroot.display(), "cargo builds Rust's standard library for guests, once for this machine; that takes a minute or more");
    let work = folder.join(format!("{key}.build"));
    remove(&work).map_err(failed(&work))?;
    build(&work, tools, toolchain, &flags)?;
    collect(&work, &sysroot).map_err(failed(&work))?;
    // What is left of it is not needed, and the next build begins with its removal.
    let _ = remove(&work);
    Ok(sysroot)
}

/// Builds the library with an empty crate in a folder.
fn build(work: &Path, tools: &mut Tools<'_>, toolchain: &Toolchain, flags: &[OsString]) -> Result<(), BuildError> {
    let manifest = work.join("Cargo.toml");
    let text = format!("[package]\nname = \"{CRATE}\"\nedition = \"2024\"\n\n[workspace]\n");
    let written = fs::create_dir_all(work.join("src"))
        .and_then(|()| fs::write(work.join("src/lib.rs"), ""))
        .and_then(|()| fs::write(&manifest, text));
    written.map_err(|error| BuildError::File { path: work.to_owned(), error })?;
    let mut cargo = Command::new(&toolchain.cargo);
    cargo.args(["build", "--release", "--target", TARGET, "--manifest-path"]).arg(&manifest);
    cargo.arg("--target-dir").arg(work.join("target"));
    for setting in PROFILE {
        cargo.arg("--config").arg(format!("profile.release.{setting}"));
    }
    toolchain.prepare(&mut cargo);
    cargo.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=std,panic_abort");
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join(&OsString::from("\u{1f}")));
    tools.run(&mut cargo)
}

/// Copies the crates of the library to a new folder, all or none.
fn collect(work: &Path, sysroot: &Path) -> io::Result<()> {
    let built = work.join("target").join(TARGET).join("release/deps");
    let whole = work.join("sysroot");
    let libraries = whole.join("lib/rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&libraries)?;
    let own = format!("lib{}-", CRATE.replace('-', "_"));
    for item in fs::read_dir(&built)? {
        let file = item?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with(&own) {
            fs::copy(&file, libraries.join(name))?;
        }
    }
    fs::rename(&whole, sysroot)
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The name of the folder for a compiler and its flags. Another compiler cannot read the library.
fn key(version: &str, flags: &[OsString]) -> String {
    let flags: Vec<_> = flags.iter().map(|flag| flag.to_string_lossy()).collect();
    let profile = PROFILE.join("\n");
    let parts = [("version", version), ("flags", &flags.join("\n")), ("profile", &profile)];
    let parts: Files = parts.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into();
    hex(&digest(&parts))[..16].to_owned()
}

/// The user's cache, by the XDG Base Directory Specification: a relative path is ignored.
fn cache_dir() -> Option<PathBuf> {
    let given = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    given.or_else(|| Some(env::home_dir()?.join(".cache")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_compiler_or_other_flags_have_a_library_of_their_own() {
        let flags = |flags: &[&str]| flags.iter().map(OsString::from).collect::<Vec<_>>();
        let one = key("rustc 1.95.0", &flags(&["-a", "-b"]));
        assert_eq!(one, key("rustc 1.95.0", &flags(&["-a", "-b"])));
        assert_ne!(one, key("rustc 1.96.0", &flags(&["-a", "-b"])));
        assert_ne!(one, key("rustc 1.95.0", &flags(&["-a"])));
    }

    #[test]
    fn the_crates_of_the_library_are_collected_without_the_one_that_it_is_built_with() {
        let folder = tempfile::tempdir().expect("a folder");
        let (work, sysroot) = (folder.path().join("work"), folder.path().join("sysroot"));
        let deps = work.join("target").join(TARGET).join("release/deps");
        fs::create_dir_all(&deps).expect("made");
        for file in ["libstd-1.rlib", "libcore-2.rlib", "libcore-2.rmeta", "libguest_std-3.rlib", "std-1.d"] {
            fs::write(deps.join(file), file).expect("written");
        }
        collect(&work, &sysroot).expect("collected");
        let found = fs::read_dir(sysroot.join("lib/rustlib").join(TARGET).join("lib")).expect("a folder");
        let mut found: Vec<_> = found.map(|item| item.expect("an item").file_name()).collect();
        found.sort();
        assert_eq!(found, ["libcore-2.rlib", "libstd-1.rlib"]);
    }
}
