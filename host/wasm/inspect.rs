//! What a component is, read from its bytes: neither compiled nor run.

use wasmparser::{Encoding, Instance, Parser, Payload};

use super::LoadError;
use super::compile_limits::Effort;
use super::engine::{InstanceClass, Settings};
use crate::list::excerpt::excerpt;

/// The version of the contract that this host speaks.
pub const CONTRACT: &str = "0.1.0";

/// Where all that belongs to the contract is.
const PACKAGE: &str = "hotlist:logic/";

/// The unit in which a memory is declared.
const PAGE_BYTES: u64 = 65_536;

/// What every WebAssembly binary begins with.
const MAGIC: &[u8] = b"\0asm";

/// What plugins may import: the list at hand, the types it is made of, and the log.
const ALLOWED_IMPORTS: [&str; 3] = ["current-list", "types", "log"];

/// Where all that belongs to WASI is.
pub(super) const WASI: &str = "wasi:";

/// The parts of WASI that the engines of languages import. All of it is pretended, see
/// [`super::wasi`].
const PRETENDED: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// The version of WASI that is pretended.
const WASI_VERSION: &str = "0.2.";

/// What plugins must export.
const EXPORT: &str = "todo-list-logic";

/// What a component wants and what it gives.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Contents {
    /// The names of its imports.
    pub imports: Vec<String>,
    /// The names of its exports.
    pub exports: Vec<String>,
    /// What its parts need.
    pub needs: Needs,
}

/// What the core modules in a component need, as far as their declarations tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Needs {
    /// How many core instances are made.
    pub instances: usize,
    /// The largest table at its beginning, in elements.
    pub table_elements: u64,
    /// The largest memory at its beginning, in bytes.
    pub memory_bytes: u64,
}

/// Reads the names of a component's imports and exports. Refuses one that would be too much work.
pub(super) fn inspect(bytes: &[u8]) -> Result<Contents, LoadError> {
    if !bytes.starts_with(MAGIC) {
        return Err(LoadError::NotAComponent("it does not begin with the bytes that WebAssembly begins with".into()));
    }
    let mut contents = Contents::default();
    let mut effort = Effort::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        effort.note(&payload)?;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(LoadError::NotAComponent(
                    "it is a core module; `hotlist plugin build` makes a component of one".into(),
                ));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::InstanceSection(section) => {
                for instance in section {
                    let instance = instance?;
                    contents.needs.instances += usize::from(matches!(instance, Instance::Instantiate { .. }));
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let elements = table?.ty.initial;
                    contents.needs.table_elements = contents.needs.table_elements.max(elements);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let bytes = memory?.initial.saturating_mul(PAGE_BYTES);
                    contents.needs.memory_bytes = contents.needs.memory_bytes.max(bytes);
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    contents.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    contents.exports.push(export?.name.name.to_owned());
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
        let theirs = excerpt(&self.contract()).into_owned();
        let refuse = |import: &String| {
            Err(LoadError::ForeignImport { import: excerpt(import).into_owned(), theirs: theirs.clone() })
        };
        if let Some(import) = self.imports.iter().find(|import| !import.starts_with(PACKAGE) && !is_pretended(import)) {
            return refuse(import);
        }
        // A component of another version imports that version's list: say the version, which is
        // the reason, and not the import, which is its consequence.
        if !self.exports.contains(&format!("{PACKAGE}{EXPORT}@{CONTRACT}")) {
            return Err(LoadError::OtherWorld { theirs });
        }
        match self.imports.iter().find(|import| !allowed.contains(import) && !is_pretended(import)) {
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

/// Whether an import is a part of WASI that is pretended.
fn is_pretended(import: &str) -> bool {
    let parts = import.strip_prefix(WASI).and_then(|rest| rest.split_once('/'));
    let Some((package, interface)) = parts else { return false };
    let version = interface.split_once('@').map(|(_, version)| version);
    PRETENDED.contains(&package) && version.is_some_and(|version| version.starts_with(WASI_VERSION))
}

impl Needs {
    /// The lightest weight that gives as much.
    pub(super) fn weight(self, settings: &Settings) -> InstanceClass {
        let light = settings.room(InstanceClass::Light);
        // The compiler adds instances of its own between those that it finds.
        let fits = self.instances <= light.parts as usize / 2
            && self.table_elements <= light.table_elements as u64
            && self.memory_bytes <= settings.memory as u64;
        if fits { InstanceClass::Light } else { InstanceClass::Heavy }
    }
}
