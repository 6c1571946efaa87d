//! Counts the parts of a component from its bytes, before anything is compiled.
//!
//! The limits on the compiler's memory and time are what protects a server, see [`compile`](super::compile). These counts
//! come first because they cost almost nothing. A component with more parts than a slot of a pool has room for is refused
//! at once and by the name of the part. So are components made of components, whose size doubles with each floor.

use wasmparser::{ComponentInstance, Instance, Payload};

use super::engine::{HEAVY_MEMORIES, HEAVY_PARTS, HEAVY_TABLE_ELEMENTS};
use super::error::LoadError;

/// The most instances of nested components. Each may consist of several instances of another component, so the total
/// is up to three to the power of a third of this number.
const MAX_NESTED: u64 = 8;

/// The counts of a component, as far as it was read.
#[derive(Default)]
pub(super) struct PartCounts {
    nested: u64,
    modules: u64,
    instances: u64,
    memories: u64,
    tables: u64,
}

impl PartCounts {
    /// Adds a part of a component. Fails at the first count above its limit.
    pub(super) fn add(&mut self, payload: &Payload<'_>) -> Result<(), LoadError> {
        match payload {
            Payload::ModuleSection { .. } => self.modules += 1,
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    self.nested += u64::from(matches!(instance?, ComponentInstance::Instantiate { .. }));
                }
            }
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    self.instances += u64::from(matches!(instance?, Instance::Instantiate { .. }));
                }
            }
            Payload::MemorySection(section) => self.memories += u64::from(section.count()),
            Payload::TableSection(section) => {
                for table in section.clone() {
                    self.tables += 1;
                    let (elements, limit) = (table?.ty.initial, HEAVY_TABLE_ELEMENTS as u64);
                    within("one of its tables", "elements", elements, limit)?;
                }
            }
            _ => return Ok(()),
        }
        within("it", "instances of nested components", self.nested, MAX_NESTED)?;
        within("it", "core modules", self.modules, HEAVY_PARTS.into())?;
        within("it", "core instances", self.instances, HEAVY_PARTS.into())?;
        within("it", "memories", self.memories, HEAVY_MEMORIES.into())?;
        within("it", "tables", self.tables, HEAVY_PARTS.into())
    }
}

fn within(place: &'static str, what: &'static str, count: u64, limit: u64) -> Result<(), LoadError> {
    if count <= limit { Ok(()) } else { Err(LoadError::TooMuch { place, what, count, limit }) }
}

#[cfg(test)]
mod tests {
    use crate::wasm::inspect::inspect;

    /// The error of a component, which is given as text.
    fn refused(text: &str) -> String {
        inspect(&wat::parse_str(text).unwrap()).expect_err("it is too much").to_string()
    }

    #[test]
    fn components_made_of_components_are_counted() {
        let tower = |floors: usize| {
            let floor = |at: usize| {
                let twice = "(instance (instantiate $below))".repeat(2);
                format!("(component $c{at} (alias outer $all $c{} (component $below)) {twice})", at - 1)
            };
            let floors: String = (1..=floors).map(floor).collect();
            format!("(component $all (component $c0) {floors})")
        };
        assert!(inspect(&wat::parse_str(tower(4)).unwrap()).is_ok());
        assert!(refused(&tower(30)).starts_with("it has 10 instances of nested components"));
    }

    #[test]
    fn a_component_that_fits_no_pool_is_refused_before_it_is_compiled() {
        let modules =
            |contents: &str, count| format!("(component {})", format!("(core module {contents})").repeat(count));
        assert_eq!(refused(&modules("", 65)), "it has 65 core modules, and 64 is the most that is compiled");
        assert!(refused(&modules("(memory 1)", 5)).starts_with("it has 5 memories"));
        assert!(
            refused(&modules("(table 1 funcref)", 64).replace("(table", "(table 1 funcref) (table")).contains("tables")
        );
        assert!(refused(&modules("(table 1000000 funcref)", 1)).starts_with("one of its tables has 1000000 elements"));
        let instances = "(core instance (instantiate $m))".repeat(65);
        assert!(refused(&format!("(component (core module $m) {instances})")).starts_with("it has 65 core instances"));
    }
}
