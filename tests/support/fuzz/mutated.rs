//! Real components around another core module: one that wasm-mutate made of theirs, so that it is
//! still valid, and its logic is broken.

use fastrand::Rng;
use wasm_mutate::WasmMutate;

use super::sections;

/// The most mutations of one module, each on top of the other.
const MAX_MUTATIONS: usize = 8;

/// How hard wasm-mutate tries before it gives up, in its own unit.
const EFFORT: u64 = 1_000;

/// The section of a component that is a core module.
const CORE_MODULE: u8 = 1;

/// Mutates the largest core module of a component.
pub(super) fn mutate(rng: &mut Rng, component: &[u8]) -> Result<Vec<u8>, String> {
    let sections = sections::split(component);
    let modules = sections.iter().filter(|section| section.id == CORE_MODULE);
    let largest = modules.max_by_key(|section| section.contents.len()).ok_or("the component has no core module")?;
    let mut module = component[largest.contents.clone()].to_vec();
    for _ in 0..rng.usize(1..=MAX_MUTATIONS) {
        // Not every mutation can be made of every module; what was made before stays.
        if let Some(next) = mutate_once(rng, &module) {
            module = next;
        }
    }
    let mut changed = component[..largest.whole.start].to_vec();
    sections::push(&mut changed, CORE_MODULE, &module);
    changed.extend_from_slice(&component[largest.whole.end..]);
    Ok(changed)
}

fn mutate_once(rng: &mut Rng, module: &[u8]) -> Option<Vec<u8>> {
    let mut mutate = WasmMutate::default();
    mutate.seed(rng.u64(..)).preserve_semantics(rng.u8(0..4) == 0).fuel(EFFORT);
    mutate.run(module).ok()?.next()?.ok()
}
