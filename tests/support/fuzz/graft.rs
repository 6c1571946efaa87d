//! Replaces functions of a core module, adds functions, and writes data into its memory.
//!
//! A module of wasm-smith is valid and has no meaning: it neither describes itself nor allocates memory, so the host
//! would rarely call its other functions. A few meaningful functions let the others be called.

use std::collections::BTreeMap;

use wasm_encoder::{Encode, Instruction, MemArg, MemArgTarget, ValType};
use wasmparser::{ExternalKind, FunctionBody, Parser, Payload, TypeRef};

use super::sections::{self, push_number};

/// Where [`Body::Bump`] notes which address it gives out next.
pub(super) const BUMP: u32 = 16;

/// The sections of a core module that are written anew.
const FUNCTIONS: u8 = 3;
const DATA_COUNT: u8 = 12;
const CODE: u8 = 10;
const DATA: u8 = 11;

/// The new body of a function.
pub(super) enum Body {
    /// Returns this number for all arguments.
    Answer(u32),
    /// The old body, of whose result only these bits remain.
    Masked(u32),
    /// A `realloc` that returns new memory each time.
    Bump,
    /// Nothing.
    Nothing,
}

/// The replacements and additions for a module.
#[derive(Default)]
pub(super) struct Graft {
    /// Other bodies, by the name under which a function is exported.
    pub(super) bodies: BTreeMap<String, Body>,
    /// More functions, without arguments and results.
    pub(super) more: Vec<Vec<u8>>,
    /// Data, by its address in the first memory.
    pub(super) data: Vec<(u32, Vec<u8>)>,
}

/// The parts of a module that matter here.
#[derive(Default)]
struct Parts<'a> {
    /// The number of imported functions. The indexes of the others begin with it.
    imported: usize,
    /// The types of the others.
    types: Vec<u32>,
    /// The functions that are exported.
    exported: BTreeMap<&'a str, usize>,
    bodies: Vec<FunctionBody<'a>>,
    data: Vec<&'a [u8]>,
}

/// Makes another module of one that exports `_initialize`. Custom sections are left out.
pub(super) fn graft(module: &[u8], graft: &Graft) -> Result<Vec<u8>, String> {
    let parts = Parts::read(module).map_err(|error| format!("graft: {error}"))?;
    let nothing = parts.defined("_initialize").ok_or("graft: there is no function without parameters")?;
    let types = parts.types.iter().copied().chain(graft.more.iter().map(|_| parts.types[nothing]));
    let functions = row(types.map(|kind| number(kind as usize)));
    let mut bodies: Vec<Vec<u8>> = parts.bodies.iter().map(|body| body.as_bytes().to_vec()).collect();
    for (name, body) in &graft.bodies {
        if let Some(at) = parts.defined(name) {
            bodies[at] = body.written(&parts.bodies[at]);
        }
    }
    let code = row(bodies.iter().chain(&graft.more).map(|body| [number(body.len()), body.clone()].concat()));
    let more = graft.data.iter().map(|(address, bytes)| segment(*address, bytes));
    let data = row(parts.data.iter().map(|segment| segment.to_vec()).chain(more));

    let mut grafted = module[..sections::COMPONENT.len()].to_vec();
    for section in sections::split(module) {
        match section.id {
            0 | DATA => {}
            FUNCTIONS => sections::push(&mut grafted, FUNCTIONS, &functions),
            DATA_COUNT => sections::push(&mut grafted, DATA_COUNT, &number(parts.data.len() + graft.data.len())),
            CODE => sections::push(&mut grafted, CODE, &code),
            id => sections::push(&mut grafted, id, &module[section.contents]),
        }
    }
    sections::push(&mut grafted, DATA, &data);
    Ok(grafted)
}

/// Which function a module exports under a name.
pub(super) fn index(module: &[u8], name: &str) -> Option<u32> {
    let parts = Parts::read(module).ok()?;
    parts.exported.get(name).and_then(|index| u32::try_from(*index).ok())
}

impl<'a> Parts<'a> {
    fn read(module: &'a [u8]) -> wasmparser::Result<Self> {
        let mut parts = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        parts.imported += usize::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::FunctionSection(section) => parts.types = section.into_iter().collect::<Result<_, _>>()?,
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            parts.exported.insert(export.name, export.index as usize);
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => parts.bodies.push(body),
                Payload::DataSection(section) => {
                    for data in section {
                        let range = data?.range;
                        let place = |offset| usize::try_from(offset).expect("the module is in memory");
                        parts.data.push(&module[place(range.start)..place(range.end)]);
                    }
                }
                _ => {}
            }
        }
        Ok(parts)
    }

    /// Which of the functions that are not imported is exported under a name.
    fn defined(&self, name: &str) -> Option<usize> {
        self.exported.get(name)?.checked_sub(self.imported)
    }
}

impl Body {
    fn written(&self, old: &FunctionBody<'_>) -> Vec<u8> {
        let none: [(u32, ValType); 0] = [];
        match self {
            Self::Answer(number) => function(none, &[Instruction::I32Const(number.cast_signed())]),
            Self::Nothing => function(none, &[]),
            Self::Masked(bits) => masked(old, *bits),
            Self::Bump => bump(),
        }
    }
}

/// Puts a function's code into a block, and cuts what the block leaves.
fn masked(old: &FunctionBody<'_>, bits: u32) -> Vec<u8> {
    const BLOCK_OF_I32: [u8; 2] = [0x02, 0x7f];
    let begin = old.get_operators_reader().map_or(0, |code| code.original_position() - old.range().start);
    let (locals, code) = old.as_bytes().split_at(usize::try_from(begin).expect("the body is in memory"));
    let mut body = [locals, &BLOCK_OF_I32, code].concat();
    for instruction in [Instruction::I32Const(bits.cast_signed()), Instruction::I32And, Instruction::End] {
        instruction.encode(&mut body);
    }
    body
}

/// `realloc(old, old size, align, new size)`, which forgets what it gave before.
fn bump() -> Vec<u8> {
    let note = MemArg { offset: BUMP.into(), align: 2, target: MemArgTarget::default(), ordering: None };
    let (align, size, given) = (2, 3, 4);
    function(
        [(1, ValType::I32)],
        &[
            Instruction::I32Const(0),
            Instruction::I32Load(note),
            Instruction::LocalGet(align),
            Instruction::I32Add,
            Instruction::I32Const(-1),
            Instruction::I32Add,
            Instruction::I32Const(0),
            Instruction::LocalGet(align),
            Instruction::I32Sub,
            Instruction::I32And,
            Instruction::LocalSet(given),
            Instruction::I32Const(0),
            Instruction::LocalGet(given),
            Instruction::LocalGet(size),
            Instruction::I32Add,
            Instruction::I32Store(note),
            Instruction::LocalGet(given),
        ],
    )
}

/// The body of a function, without its length.
fn function<const N: usize>(locals: [(u32, ValType); N], code: &[Instruction<'_>]) -> Vec<u8> {
    let mut function = wasm_encoder::Function::new(locals);
    for instruction in code.iter().chain(&[Instruction::End]) {
        function.instruction(instruction);
    }
    function.into_raw_body()
}

/// A data segment that is written to memory when the module is instantiated.
fn segment(address: u32, bytes: &[u8]) -> Vec<u8> {
    let mut segment = vec![0]; // active, in memory 0
    for instruction in [Instruction::I32Const(address.cast_signed()), Instruction::End] {
        instruction.encode(&mut segment);
    }
    push_number(&mut segment, bytes.len());
    segment.extend_from_slice(bytes);
    segment
}

/// The contents of a section: how many there are, and each of them.
fn row(items: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let items: Vec<Vec<u8>> = items.collect();
    let mut contents = number(items.len());
    items.iter().for_each(|item| contents.extend_from_slice(item));
    contents
}

fn number(number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    push_number(&mut bytes, number);
    bytes
}
