//! Components of the contract that are small and take much memory and time to compile.

use wasm_encoder::{ComponentInstanceSection, ComponentSection, Encode, RawSection};
use wasmparser::{Parser, Payload};

use crate::support::component;

/// The number of an item of a component whose content is a core module, and a component.
const MODULE: u8 = 1;
const COMPONENT: u8 = 4;

/// The locals of a function.
const LOCALS: usize = 60;

/// Fields of the tuple that each adapter copies.
const FIELDS: usize = 60;

/// A component with one function of so many `memory.grow` instructions, whose results all stay in use.
pub(crate) fn memory_grows(count: usize) -> Vec<u8> {
    with_function(count, |local| format!("(local.set {local} (memory.grow (local.get {local})))"))
}

/// A component with one function of so many `memory.fill` instructions, whose arguments all stay in use.
pub(crate) fn memory_fills(count: usize) -> Vec<u8> {
    with_function(count, |local| format!("(memory.fill (local.get {local}) (local.get 0) (local.get 1))"))
}

/// A component in which one component calls so many functions of another one, each with an adapter that copies a wide tuple.
pub(crate) fn adapters(count: usize) -> Vec<u8> {
    let tuple = format!("(tuple{})", " string".repeat(FIELDS));
    let each = |text: &dyn Fn(usize) -> String| (0..count).map(text).collect::<String>();
    let options = r#"(memory (core memory $i "m")) (realloc (core func $i "r"))"#;
    let shared = r#"(memory (export "m") 1) (func (export "r") (param i32 i32 i32 i32) (result i32) i32.const 0)"#;
    let callee = format!(
        "(component $callee (core module $m {shared} {}) (core instance $i (instantiate $m)) (type $t {tuple}) {})",
        each(&|at| format!(r#"(func (export "f{at}") (param i32))"#)),
        each(&|at| format!(r#"(func (export "f{at}") (param "p" $t) (canon lift (core func $i "f{at}") {options}))"#)),
    );
    let caller = format!(
        r#"(component $caller (type $t {tuple}) {} (core module $s {shared}) (core instance $i (instantiate $s)) {}
        (core module $m {}) (core instance (instantiate $m (with "" (instance {})))))"#,
        each(&|at| format!(r#"(import "f{at}" (func $f{at} (param "p" $t)))"#)),
        each(&|at| format!("(core func $l{at} (canon lower (func $f{at}) {options}))")),
        each(&|at| format!(r#"(import "" "f{at}" (func (param i32)))"#)),
        each(&|at| format!(r#"(export "f{at}" (func $l{at}))"#)),
    );
    let arguments = each(&|at| format!(r#"(with "f{at}" (func $callee "f{at}"))"#));
    let both = format!(
        "(component {callee} {caller} (instance $callee (instantiate $callee)) (instance (instantiate $caller {arguments})))"
    );
    let both = wat::parse_str(both).expect("it parses");
    let mut bytes = component("todo");
    let before = components(&bytes);
    append(&mut bytes, COMPONENT, &both);
    let mut instances = ComponentInstanceSection::new();
    instances.instantiate(before, std::iter::empty::<(&str, wasm_encoder::ComponentExportKind, u32)>());
    bytes.push(ComponentSection::id(&instances));
    instances.encode(&mut bytes);
    bytes
}

/// A real component with another core module, which has one function of so many instructions. They take turns with the
/// locals of the function.
fn with_function(count: usize, instruction: impl Fn(usize) -> String) -> Vec<u8> {
    let body: String = (0..count).map(|at| instruction(at % LOCALS)).collect();
    let sum: String = (0..LOCALS).map(|local| format!("(i32.store (local.get {local}) (local.get {local}))")).collect();
    let locals = " i32".repeat(LOCALS);
    let module = wat::parse_str(format!("(module (memory 1) (func (param{locals}) {body} {sum}))"));
    let mut bytes = component("todo");
    append(&mut bytes, MODULE, &module.expect("it parses"));
    bytes
}

fn append(bytes: &mut Vec<u8>, id: u8, data: &[u8]) {
    bytes.push(id);
    RawSection { id, data }.encode(bytes);
}

/// The number of components within a component.
fn components(bytes: &[u8]) -> u32 {
    let mut depth = 0;
    let mut count = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.expect("it is well-formed") {
            Payload::ComponentSection { .. } => {
                count += u32::from(depth == 0);
                depth += 1;
            }
            Payload::ModuleSection { .. } => depth += 1,
            Payload::End(_) => depth -= i32::from(depth > 0),
            _ => {}
        }
    }
    count
}
