//! Real components with a very large number of one kind of item.

use fastrand::Rng;

use super::sections;

/// The most items of one kind. Each power of two up to it is equally likely.
const MAX_COUNT_BITS: u32 = 16;

/// Items of a core module, with `#` for the number of each item.
const IN_MODULES: [&str; 9] = [
    "(type (func (param i32) (result i64)))",
    "(import \"m\" \"i#\" (func))",
    "(global (mut i64) (i64.const #))",
    "(data \"x\")",
    "(elem func $f $f $f)",
    "(export \"e#\" (func $f))",
    "(func (local i64) (drop (i32.const #)))",
    "(data (i32.const #) \"x\")",
    "(elem (i32.const 0) func $f)",
];

/// Items of a component.
const IN_COMPONENTS: [&str; 7] = [
    "(type (record (field \"f#\" u32) (field \"g\" string)))",
    "(type (func (param \"p#\" (list u8)) (result string)))",
    "(type (component (import \"i#\" (func))))",
    "(core type (module (import \"m\" \"i#\" (func))))",
    "(core module)",
    "(component)",
    "(core instance (export \"e#\" (func $f)))",
];

/// How often a type is made of two of the type before it, until it is too large to be accepted.
const MAX_DOUBLINGS: usize = 40;

/// A real component with many items added.
pub(super) fn crowd(rng: &mut Rng, real: &[u8]) -> Result<Vec<u8>, String> {
    const CORE_MODULE: u8 = 1;
    const COMPONENT: u8 = 4;
    let bits = rng.u32(4..=MAX_COUNT_BITS);
    let count = rng.usize(0..1 << bits);
    let (id, text) = match rng.u8(0..16) {
        0..9 => (CORE_MODULE, format!("(module {} {MODULE})", many(rng, &IN_MODULES, count))),
        9..15 => (COMPONENT, format!("(component {COMPONENT_BEGIN} {})", many(rng, &IN_COMPONENTS, count))),
        _ => (COMPONENT, format!("(component (type $t0 u8) {})", doubled(rng.usize(1..MAX_DOUBLINGS)))),
    };
    let contents = wat::parse_str(&text).map_err(|error| format!("wat: {error}"))?;
    let mut bytes = real.to_vec();
    sections::push(&mut bytes, id, &contents);
    Ok(bytes)
}

/// What the items of modules refer to.
const MODULE: &str = "(func $f) (memory 2) (table 8 funcref)";

/// What the items of components refer to.
const COMPONENT_BEGIN: &str = "(core module $m (func (export \"f\"))) (core instance $i (instantiate $m)) (alias core export $i \"f\" (core func $f))";

fn many(rng: &mut Rng, items: &[&str], count: usize) -> String {
    let item = rng.choice(items).copied().unwrap_or_default();
    (0..count).map(|number| item.replace('#', &number.to_string())).collect()
}

fn doubled(times: usize) -> String {
    (1..=times).map(|at| format!("(type $t{at} (tuple $t{0} $t{0}))", at - 1)).collect()
}
