//! What a component is, read from its bytes: neither compiled nor run.

use wasmparser::{Encoding, Parser, Payload};

use super::LoadError;

/// The version of the contract that this host speaks.
pub const CONTRACT: &str = "0.1.0";

/// Where all that belongs to the contract is.
const PACKAGE: &str = "hotlist:logic/";

/// What every WebAssembly binary begins with.
const MAGIC: &[u8] = b"\0asm";

/// What plugins may import: the list at hand, and the types it is made of.
const ALLOWED_IMPORTS: [&str; 2] = ["current-list", "types"];

/// What plugins must export.
const EXPORT: &str = "todo-list-logic";

/// What a component wants and what it gives.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Contents {
    /// The names of its imports.
    pub imports: Vec<String>,
    /// The names of its exports.
    pub exports: Vec<String>,
}

/// Reads the names of a component's imports and exports.
pub(super) fn inspect(bytes: &[u8]) -> Result<Contents, LoadError> {
    let malformed = |error: wasmparser::BinaryReaderError| LoadError::NotAComponent(error.to_string());
    if !bytes.starts_with(MAGIC) {
        return Err(LoadError::NotAComponent("it does not begin with the bytes that WebAssembly begins with".into()));
    }
    let mut contents = Contents::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(malformed)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(LoadError::NotAComponent(
                    "it is a core module; `hotlist plugin build` makes a component of one".into(),
                ));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    contents.imports.push(import.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    contents.exports.push(export.map_err(malformed)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(contents)
}

impl Contents {
    /// Checks that the component is one of this contract and wants nothing else.
    pub(super) fn check(&self) -> Result<(), LoadError> {
        let allowed = ALLOWED_IMPORTS.map(|import| format!("{PACKAGE}{import}@{CONTRACT}"));
        let theirs = self.contract();
        let refuse = |import: &String| Err(LoadError::ForeignImport { import: import.clone(), theirs: theirs.clone() });
        if let Some(import) = self.imports.iter().find(|import| !import.starts_with(PACKAGE)) {
            return refuse(import);
        }
        // A component of another version imports that version's list: say the version, which is
        // the reason, and not the import, which is its consequence.
        if !self.exports.contains(&format!("{PACKAGE}{EXPORT}@{CONTRACT}")) {
            return Err(LoadError::OtherWorld { theirs });
        }
        match self.imports.iter().find(|import| !allowed.contains(import)) {
            Some(import) => refuse(import),
            None => Ok(()),
        }
    }

    /// The version of the contract that the component speaks, or `none`.
    pub fn contract(&self) -> String {
        let version = |name: &String| Some(name.strip_prefix(PACKAGE)?.split_once('@')?.1.to_owned());
        self.exports.iter().chain(&self.imports).find_map(version).unwrap_or_else(|| "none".into())
    }
}
