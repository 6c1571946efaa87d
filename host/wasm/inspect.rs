//! The imports, exports and sizes of a component, read from its bytes without compiling or running it.

use wasmparser::{Encoding, Instance, Parser, Payload};

use super::contract::{ALLOWED_IMPORTS, CONTRACT, EXPORT, PACKAGE, VIRTUAL_PACKAGES, WASI, WASI_VERSION};
use super::engine::{InstanceClass, Settings};
use super::error::LoadError;
use super::part_counts::PartCounts;
use crate::list::excerpt::excerpt;

/// The unit of a memory's declared size.
const PAGE_BYTES: u64 = 65_536;

/// The first bytes of every WebAssembly binary.
const MAGIC: &[u8] = b"\0asm";

/// The imports, exports and sizes of a component.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Contents {
    /// The names of its imports.
    pub imports: Vec<String>,
    /// The names of its exports.
    pub exports: Vec<String>,
    /// What its core modules need.
    pub needs: Needs,
}

/// What the core modules of a component need, as far as their declarations say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Needs {
    /// The number of core instances.
    pub instances: usize,
    /// The largest initial size of a table, in elements.
    pub table_elements: u64,
    /// The largest initial size of a memory, in bytes.
    pub memory_bytes: u64,
}

/// Reads the imports, exports and sizes of a component. Refuses a component with more parts than a pool has room for.
pub fn inspect(bytes: &[u8]) -> Result<Contents, LoadError> {
    if !bytes.starts_with(MAGIC) {
        return Err(LoadError::NotAComponent("its first bytes are not those of WebAssembly".into()));
    }
    let mut contents = Contents::default();
    let mut counts = PartCounts::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        counts.add(&payload)?;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(LoadError::NotAComponent(
                    "it is a core module; build a component with `hotlist plugin build`".into(),
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
    /// Checks that the component exports this contract and imports nothing foreign.
    pub(super) fn check(&self) -> Result<(), LoadError> {
        let allowed = ALLOWED_IMPORTS.map(|import| format!("{PACKAGE}{import}@{CONTRACT}"));
        let theirs = excerpt(&self.contract()).into_owned();
        let refuse = |import: &String| {
            Err(LoadError::ForeignImport { import: excerpt(import).into_owned(), theirs: theirs.clone() })
        };
        if let Some(import) = self.imports.iter().find(|import| !import.starts_with(PACKAGE) && !is_virtual(import)) {
            return refuse(import);
        }
        // A component of another contract version also imports that version's list. The error names the version,
        // which is the reason, and not the import, which is a consequence.
        if !self.exports.contains(&format!("{PACKAGE}{EXPORT}@{CONTRACT}")) {
            return Err(LoadError::OtherWorld { theirs });
        }
        match self.imports.iter().find(|import| !allowed.contains(import) && !is_virtual(import)) {
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

/// Whether an import is a part of WASI that the host implements virtually.
fn is_virtual(import: &str) -> bool {
    let parts = import.strip_prefix(WASI).and_then(|rest| rest.split_once('/'));
    let Some((package, interface)) = parts else { return false };
    let version = interface.split_once('@').map(|(_, version)| version);
    VIRTUAL_PACKAGES.contains(&package) && version.is_some_and(|version| version.starts_with(WASI_VERSION))
}

impl Needs {
    /// The lightest class whose limits are large enough.
    pub(super) fn class(self, settings: &Settings) -> InstanceClass {
        let light = settings.limits_of(InstanceClass::Light);
        // The compiler adds instances of its own to those that it finds.
        let fits = self.instances <= light.parts as usize / 2
            && self.table_elements <= light.table_elements as u64
            && self.memory_bytes <= settings.memory as u64;
        if fits { InstanceClass::Light } else { InstanceClass::Heavy }
    }
}
