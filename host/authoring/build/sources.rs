//! The digest of the sources that a component was built from, recorded in the component.

use std::path::Path;
use std::{fs, io};

use wasm_encoder::{ComponentSection, CustomSection};
use wasmparser::{Parser, Payload};

use super::digest::{Files, digest};
use super::language::Language;
use super::package::Package;
use super::project::{is_left_over, sources_in};
use super::python;

/// The custom section that holds the 32 bytes of the digest.
const SECTION: &str = "hotlist-source";

/// The digest of all files that decide what the plugin in `dir` does. For Rust: the manifests, build scripts, sources
/// and contracts of its crate and of its path dependencies. For other languages: the project and the SDK.
pub fn source_digest(dir: &Path) -> io::Result<[u8; 32]> {
    let language = Language::of(dir).map_err(io::Error::other)?;
    let sdk = match language {
        Language::Rust => return rust_digest(dir),
        Language::JavaScript => dir.join("node_modules/hotlist-plugin"),
        Language::Python => dir.join(python::Manifest::read(dir).map_err(io::Error::other)?.sdk()),
    };
    let mut files = Files::new();
    for (name, dir) in [("project", dir), ("sdk", &sdk)] {
        files.extend(sources_in(dir, language)?.into_iter().map(|(file, text)| (format!("{name}/{file}"), text)));
    }
    Ok(digest(&files))
}

fn rust_digest(dir: &Path) -> io::Result<[u8; 32]> {
    let mut files = Files::new();
    let package = Package::read(dir).map_err(io::Error::other)?;
    for package in package.with_dependencies().map_err(io::Error::other)? {
        for part in ["Cargo.toml", "build.rs", "src", "wit"] {
            collect(&package.dir.join(part), &format!("{}/{part}", package.name), &mut files)?;
        }
    }
    Ok(digest(&files))
}

/// Reads a file, or all files of a folder. A path that does not exist adds nothing.
fn collect(path: &Path, name: &str, files: &mut Files) -> io::Result<()> {
    if path.is_dir() {
        for item in fs::read_dir(path)? {
            let item = item?;
            let file = item.file_name();
            if !is_left_over(&file.to_string_lossy()) {
                collect(&item.path(), &format!("{name}/{}", file.to_string_lossy()), files)?;
            }
        }
    } else if path.exists() {
        files.insert(name.to_owned(), fs::read(path)?);
    }
    Ok(())
}

/// Records a digest in a component.
pub(super) fn embed(component: &mut Vec<u8>, digest: [u8; 32]) {
    CustomSection { name: SECTION.into(), data: digest.as_slice().into() }.append_to_component(component);
}

/// The digest of the sources that a component was built from. `None` if the component records none.
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
