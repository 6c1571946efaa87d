//! Estimates the work of compiling a component from its bytes, before anything is compiled.
//!
//! A running compiler cannot be stopped, and its time and memory grow faster than the size of its input. Without these
//! limits, 70 KB of nested components used all memory of the machine, and one function of 1 MB compiled for a minute.
//! Each limit is about three times what CPython and SpiderMonkey need, the largest useful components that are known.

use wasmparser::{ComponentInstance, FunctionBody, Instance, Operator, Payload};

use super::engine::{HEAVY_MEMORIES, HEAVY_PARTS, HEAVY_TABLE_ELEMENTS};
use super::error::LoadError;

/// The most instances of nested components. Each may consist of several instances of another component, so the total
/// is up to three to the power of a third of this number.
const MAX_NESTED: u64 = 8;

/// The most functions.
const MAX_FUNCTIONS: u64 = 50_000;

/// The most bytes of all functions together. CPython has 6.6 million.
const MAX_CODE_BYTES: u64 = 12 << 20;

/// The most bytes of one function. The one that moves CPython into place has 427,000.
const MAX_FUNCTION_BYTES: u64 = 512 << 10;

/// The most parameters, and the most results, of one function or block.
const MAX_PARAMETERS: u64 = 100;

/// The most jumps, targets of jumps, and calls in one function. CPython has one with 16,000.
const MAX_JUMPS: u64 = 32_000;

/// The same over all functions. SpiderMonkey has 510,000.
const MAX_ALL_JUMPS: u64 = 2_000_000;

/// The most squares of a function's jumps, over all functions. The compiler's control-flow analysis takes that long.
/// SpiderMonkey has 490 million.
const MAX_JUMP_PAIRS: u64 = 2_000_000_000;

/// The deepest nesting of blocks. CPython nests 781.
const MAX_DEPTH: u64 = 2_000;

/// The deepest nesting of loops.
const MAX_LOOP_DEPTH: u64 = 50;

/// The most instructions of one function, times its locals. The compiler's register allocation takes that long.
/// SpiderMonkey has a function with 4.2 million.
const MAX_FUNCTION_WORK: u64 = 16_000_000;

/// The same over all functions. SpiderMonkey has 61 million.
const MAX_WORK: u64 = 200_000_000;

/// The most jumps of one function, times its locals. The compiler holds that many in memory. SpiderMonkey has a
/// function with 500,000.
const MAX_FUNCTION_EDGES: u64 = 4_000_000;

/// The same over all functions. SpiderMonkey has 7.5 million.
const MAX_EDGES: u64 = 20_000_000;

/// The counts of a component, as far as it was read.
#[derive(Default)]
pub(super) struct CompileEstimate {
    nested: u64,
    modules: u64,
    instances: u64,
    memories: u64,
    tables: u64,
    functions: u64,
    code_bytes: u64,
    jumps: u64,
    jump_pairs: u64,
    work: u64,
    edges: u64,
}

/// The counts of one function.
#[derive(Default)]
struct FunctionEstimate {
    instructions: u64,
    jumps: u64,
    depth: u64,
    /// The depth of each open loop.
    loops: Vec<u64>,
}

impl CompileEstimate {
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
            Payload::TypeSection(section) => {
                for function in section.clone().into_iter_err_on_gc_types() {
                    let Ok(function) = function else { break }; // the compiler names what is wrong with it
                    let most = function.params().len().max(function.results().len());
                    within("one of its functions", "parameters or results", most as u64, MAX_PARAMETERS)?;
                }
            }
            Payload::CodeSectionEntry(body) => return self.add_function(body),
            _ => return Ok(()),
        }
        within("it", "instances of nested components", self.nested, MAX_NESTED)?;
        within("it", "core modules", self.modules, HEAVY_PARTS.into())?;
        within("it", "core instances", self.instances, HEAVY_PARTS.into())?;
        within("it", "memories", self.memories, HEAVY_MEMORIES.into())?;
        within("it", "tables", self.tables, HEAVY_PARTS.into())
    }

    fn add_function(&mut self, code: &FunctionBody<'_>) -> Result<(), LoadError> {
        const ONE: &str = "one of its functions";
        self.functions += 1;
        self.code_bytes += code.as_bytes().len() as u64;
        within("it", "functions", self.functions, MAX_FUNCTIONS)?;
        within("it", "bytes of code", self.code_bytes, MAX_CODE_BYTES)?;
        within(ONE, "bytes", code.as_bytes().len() as u64, MAX_FUNCTION_BYTES)?;
        let mut locals = 1; // for the values on the stack
        for group in code.get_locals_reader()? {
            locals += u64::from(group?.0);
        }
        let mut body = FunctionEstimate::default();
        for operator in code.get_operators_reader()? {
            body.add(&operator?)?;
        }
        let (work, edges) = (body.instructions * locals, body.jumps * locals);
        self.jumps += body.jumps;
        self.jump_pairs += body.jumps * body.jumps;
        self.work += work;
        self.edges += edges;
        within(ONE, "jumps and calls", body.jumps, MAX_JUMPS)?;
        within("it", "jumps and calls", self.jumps, MAX_ALL_JUMPS)?;
        within("it", "jumps times jumps of the same function", self.jump_pairs, MAX_JUMP_PAIRS)?;
        within(ONE, "instructions times locals", work, MAX_FUNCTION_WORK)?;
        within("it", "instructions times locals", self.work, MAX_WORK)?;
        within(ONE, "jumps times locals", edges, MAX_FUNCTION_EDGES)?;
        within("it", "jumps times locals", self.edges, MAX_EDGES)
    }
}

impl FunctionEstimate {
    fn add(&mut self, operator: &Operator<'_>) -> Result<(), LoadError> {
        self.instructions += 1;
        match operator {
            Operator::Loop { .. } => {
                self.jumps += 1;
                self.depth += 1;
                self.loops.push(self.depth);
                within("one of its functions", "nested loops", self.loops.len() as u64, MAX_LOOP_DEPTH)?;
            }
            Operator::Block { .. } | Operator::If { .. } => {
                self.jumps += 1;
                self.depth += 1;
            }
            Operator::End => {
                self.loops.pop_if(|depth| *depth == self.depth);
                self.depth = self.depth.saturating_sub(1);
            }
            Operator::BrTable { targets } => self.jumps += u64::from(targets.len()) + 1,
            Operator::Else
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. } => self.jumps += 1,
            _ => {}
        }
        within("one of its functions", "nested blocks", self.depth, MAX_DEPTH)
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

    /// A component with one function in a core module.
    fn function(body: &str) -> String {
        format!("(component (core module (func {body})))")
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

    #[test]
    fn a_function_that_is_hard_to_compile_is_refused_for_what_makes_it_so() {
        let nested = |open: &str, count: usize| function(&format!("{}{}", open.repeat(count), "end ".repeat(count)));
        for (component, why) in [
            (function(&"nop ".repeat(600_000)), "bytes"),
            (function(&format!("(param{})", " i32".repeat(101))), "parameters or results"),
            (function(&"block end ".repeat(33_000)), "jumps and calls"),
            (function(&format!("block i32.const 0 br_table{} end", " 0".repeat(33_000))), "jumps and calls"),
            (nested("block ", 2_001), "nested blocks"),
            (nested("loop ", 51), "nested loops"),
            (function(&format!("(local{}) {}", " i32".repeat(200), "block end ".repeat(21_000))), "jumps times locals"),
            (
                function(&format!("(local{}) {}", " i32".repeat(400), "nop ".repeat(41_000))),
                "instructions times locals",
            ),
        ] {
            let error = refused(&component);
            assert!(error.starts_with("one of its functions has") && error.contains(why), "{why}: {error}");
        }
        assert!(inspect(&wat::parse_str(nested("block ", 900)).unwrap()).is_ok());
        assert!(inspect(&wat::parse_str(function(&"loop end ".repeat(1_000))).unwrap()).is_ok());
    }

    #[test]
    fn many_functions_together_are_refused_too() {
        let many = |body: &str, count| format!("(component (core module {}))", format!("(func {body})").repeat(count));
        assert!(refused(&many("", 50_001)).starts_with("it has 50001 functions"));
        assert!(refused(&many(&"nop ".repeat(500_000), 26)).contains("bytes of code"));
        assert!(refused(&many(&"call 0 ".repeat(500), 4_001)).contains("jumps and calls"));
        assert!(refused(&many(&"call 0 ".repeat(30_000), 3)).contains("jumps times jumps"));
    }
}
