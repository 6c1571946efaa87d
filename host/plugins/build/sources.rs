//! Which sources a component was built from, as a digest that travels in the component.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use sha2::{Digest, Sha256};
use wasm_encoder::{ComponentSection, CustomSection};
use wasmparser::{Parser, Payload};

use super::package::Package;
use super::{Language, python};

/// The custom section that holds the digest: its 32 bytes and nothing else.
const SECTION: &str = "hotlist-source";

/// The digest of all that decides what the plugin in `dir` does and that its author keeps: for Rust,
/// the manifests, build scripts, sources and contracts of its crate and of the crates that it needs
/// by path; for other languages, the project and the SDK. Where they lie does not matter.
pub fn source_digest(dir: &Path) -> io::Result<[u8; 32]> {
    let mut files = BTreeMap::new();
    match Language::of(dir).map_err(io::Error::other)? {
        Language::Rust => {
            let package = Package::read(dir).map_err(io::Error::other)?;
            for package in package.with_dependencies().map_err(io::Error::other)? {
                for part in ["Cargo.toml", "build.rs", "src", "wit"] {
                    collect(&package.dir.join(part), &format!("{}/{part}", package.name), &mut files)?;
                }
            }
        }
        Language::JavaScript => {
            collect_sources(dir, "project", &mut files)?;
            collect_sources(&dir.join("node_modules/hotlist-plugin"), "sdk", &mut files)?;
        }
        Language::Python => {
            let manifest = python::Manifest::read(dir).map_err(io::Error::other)?;
            collect_sources(dir, "project", &mut files)?;
            collect_sources(&dir.join(manifest.sdk()), "sdk", &mut files)?;
        }
    }
    Ok(digest(&files))
}

/// The digest of all in a project's own folder that its author edits, cases and all. Cheaper than
/// [`source_digest`]: no tool is asked what belongs to it.
pub fn project_digest(dir: &Path) -> io::Result<[u8; 32]> {
    let mut files = BTreeMap::new();
    collect_sources(dir, "project", &mut files)?;
    Ok(digest(&files))
}

fn digest(files: &BTreeMap<String, Vec<u8>>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for (name, content) in files {
        // With the lengths, no two sets of files read the same.
        for part in [name.as_bytes(), content] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    digest.finalize().into()
}

/// Reads all of a project but what is made of it, what is installed, and what says nothing to a machine.
fn collect_sources(dir: &Path, name: &str, files: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for item in fs::read_dir(dir)? {
        let path = item?.path();
        if is_source(&path) {
            collect(&path, &format!("{name}/{}", file_name(&path)), files)?;
        }
    }
    Ok(())
}

/// Whether a file or folder directly in a project's folder is a part of the plugin.
pub fn is_source(path: &Path) -> bool {
    let name = file_name(path);
    let made = ["target", "node_modules", "__pycache__", "sdk"].contains(&name.as_ref());
    !made && !name.starts_with('.') && ![".wasm", ".md", ".log"].iter().any(|ending| name.ends_with(ending))
}

fn file_name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// Reads a file, or a folder with all that is in it; what is not there is no error.
fn collect(path: &Path, name: &str, files: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    if path.is_dir() {
        for item in fs::read_dir(path)? {
            let item = item?;
            if item.file_name() != "__pycache__" {
                collect(&item.path(), &format!("{name}/{}", item.file_name().to_string_lossy()), files)?;
            }
        }
    } else if path.exists() {
        files.insert(name.to_owned(), fs::read(path)?);
    }
    Ok(())
}

/// Notes a digest in a component.
pub(super) fn embed(component: &mut Vec<u8>, digest: [u8; 32]) {
    CustomSection { name: SECTION.into(), data: digest.as_slice().into() }.append_to_component(component);
}

/// The digest of the sources that a component was built from; none when it does not say.
pub fn embedded_source_digest(wasm: &[u8]) -> Option<[u8; 32]> {
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.ok()? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 0 && section.name() == SECTION => {
                return section.data().try_into().ok();
            }
            _ => {}
        }
    }
    None
}
