//! Components of the contract with functions of wasm-smith. A few meaningful functions are added, so that the host
//! describes, probes and calls them.

use std::path::Path;

use fastrand::Rng;
use wasm_smith::{Config, Module};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve, SizeAlign, Type, WorldId, WorldItem};

use super::graft::{BUMP, Body, Graft, graft, index};
use super::values::Values;
use super::{choices, sections};

/// How much memory a module begins with, in pages of 64 KiB.
const PAGES: u8 = 4;

/// An address whose memory is zero at the beginning: an answer without changes.
const NO_CHANGES: u32 = 32 << 10;

/// The address of the generated answers.
const ANSWERS: u32 = 64 << 10;

/// The bits of an address that a value may have: in the memory, and a multiple of eight.
const ADDRESS: u32 = (PAGES as u32 * (64 << 10) - 1) & !7;

/// The section that declares a module's memories.
const MEMORIES: u8 = 5;

/// The world's one export.
const EXPORT: &str = "hotlist:logic/todo-list-logic@0.1.0";

/// The shape of a module of the contract.
pub(super) struct Contract {
    resolve: Resolve,
    world: WorldId,
    sizes: SizeAlign,
    /// A module with all imports and exports of the contract, which does nothing.
    shape: Vec<u8>,
    /// The function of that module that is called `_initialize`: it takes and gives nothing.
    pub(super) initialize: u32,
    /// The exported functions, with the types of their results.
    functions: Vec<(String, Type)>,
}

impl Contract {
    pub(super) fn read(wit: &Path) -> Self {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(wit).expect("the contract can be read");
        let world = resolve.select_world(&[package], Some("list-plugin")).expect("the contract has its world");
        let mut sizes = SizeAlign::default();
        sizes.fill(&resolve).expect("the contract's types have sizes");
        let shape = with_memory(&dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync)));
        let mut functions = Vec::new();
        for export in resolve.worlds[world].exports.values() {
            let WorldItem::Interface { id, .. } = export else { continue };
            for (name, function) in &resolve.interfaces[*id].functions {
                functions.push((name.clone(), function.result.expect("every function answers")));
            }
        }
        let initialize = index(&shape, "_initialize").expect("every module has it");
        Self { resolve, world, sizes, shape, initialize, functions }
    }

    /// A component with random functions.
    pub(super) fn component(&self, rng: &mut Rng) -> Result<Vec<u8>, String> {
        let most = *rng.choice(&[1_024, 8_192, 65_536]).expect("there are some");
        let choices = choices(rng, most);
        let config = Config { module_shape: Some(self.shape.clone()), ..config(rng) };
        let module = Module::new(config, &mut arbitrary::Unstructured::new(&choices));
        let module = module.map_err(|error| format!("wasm-smith: {error}"))?.to_bytes();
        let graft_in = self.sense(rng);
        self.wrap(rng, &graft(&module, &graft_in)?)
    }

    /// A component with these functions besides those of the contract, which do little.
    pub(super) fn component_with(&self, rng: &mut Rng, more: Vec<Vec<u8>>) -> Result<Vec<u8>, String> {
        let graft_in = Graft { more, ..self.sense(rng) };
        self.wrap(rng, &graft(&self.shape, &graft_in)?)
    }

    /// The functions that make a module describe itself, allocate memory, and answer now and then.
    fn sense(&self, rng: &mut Rng) -> Graft {
        let mut graft = Graft::default();
        let wild = *rng.choice(&[0, 0, 500, 30]).expect("there are some");
        let mut values = Values {
            resolve: &self.resolve,
            sizes: &self.sizes,
            rng,
            base: ANSWERS,
            memory: Vec::new(),
            wild,
            given: None,
        };
        for (name, answer) in &self.functions {
            values.given = (name == "describe").then_some(0);
            let made_up = values.place(answer);
            let body = match values.rng.u8(0..8) {
                // Without a description, the host calls nothing else.
                _ if name == "describe" => Some(Body::Answer(made_up)),
                // A generated answer seldom fits a list without entries. An answer without changes always does.
                0..3 if name == "add-entry" => Some(Body::Answer(NO_CHANGES)),
                0..5 => Some(Body::Answer(made_up)),
                5..7 => Some(Body::Masked(ADDRESS)),
                _ => None,
            };
            graft.bodies.extend(body.map(|body| (export(name), body)));
            let cleans_up = values.rng.u8(0..16) == 0;
            graft.bodies.extend((!cleans_up).then(|| (format!("cabi_post_{}", export(name)), Body::Nothing)));
        }
        let (free, memory) = (values.end(), values.memory);
        for (name, body) in [("cabi_realloc", Body::Bump), ("_initialize", Body::Nothing)] {
            if rng.u8(0..16) > 0 {
                graft.bodies.insert(name.to_owned(), body);
            }
        }
        graft.data = vec![(ANSWERS, memory), (BUMP, free.to_le_bytes().to_vec())];
        graft
    }

    fn wrap(&self, rng: &mut Rng, module: &[u8]) -> Result<Vec<u8>, String> {
        let encoding = match rng.u8(0..16) {
            0 => StringEncoding::UTF16,
            1 => StringEncoding::CompactUTF16,
            _ => StringEncoding::UTF8,
        };
        let mut module = module.to_vec();
        let said = embed_component_metadata(&mut module, &self.resolve, self.world, encoding, false);
        let mut encoder = ComponentEncoder::default();
        said.and_then(|()| encoder.module(&module)?.validate(false).encode())
            .map_err(|error| format!("wit-component: {error:#}"))
    }
}

/// The name under which a core module exports a function of the contract.
fn export(function: &str) -> String {
    format!("{EXPORT}#{function}")
}

/// Enlarges the memory of a module to what the answers need.
fn with_memory(module: &[u8]) -> Vec<u8> {
    let mut larger = module[..sections::COMPONENT.len()].to_vec();
    for section in sections::split(module) {
        match section.id {
            MEMORIES => sections::push(&mut larger, MEMORIES, &[1, 0, PAGES]),
            id => sections::push(&mut larger, id, &module[section.contents]),
        }
    }
    larger
}

/// The features that wasm-smith may use: mostly those that the engine accepts.
fn config(rng: &mut Rng) -> Config {
    let all = Config {
        max_instructions: *rng.choice(&[10, 100, 1_000]).expect("there are some"),
        max_funcs: rng.usize(0..40),
        max_memories: if rng.u8(0..16) == 0 { 3 } else { 1 },
        max_tables: rng.usize(0..3),
        max_table_elements: *rng.choice(&[10, 1_000, 100_000]).expect("there are some"),
        max_memory32_bytes: *rng.choice(&[1 << 18, 1 << 20, 1 << 32]).expect("there are some"),
        disallow_traps: rng.bool(),
        allow_start_export: rng.u8(0..8) == 0,
        ..Config::default()
    };
    if rng.u8(0..16) == 0 {
        return all;
    }
    Config {
        compact_imports_enabled: false,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..all
    }
}
