//! Small components that take much work to compile.

use std::fmt::Write as _;

use fastrand::Rng;
use wasm_encoder::{Encode, Instruction, MemArg, MemArgTarget, ValType};

use super::made::Contract;
use super::sections;

/// The most bytes of all functions together: a little more than the host accepts.
const MAX_CODE_BYTES: usize = 16 << 20;

/// The most locals of a function.
const MAX_LOCALS: u32 = 512;

/// The section of a component that is another one.
const NESTED: u8 = 4;

/// The section that makes instances of components.
const INSTANCES: u8 = 5;

/// The instructions that fill a function.
#[derive(Clone, Copy, Debug)]
enum Filling {
    /// Sums over locals.
    Sums,
    /// Branches around assignments to many locals, so that each local may have many values.
    Branches,
    /// Blocks in blocks, with a jump to each.
    Blocks,
    /// Calls.
    Calls,
    /// Loops in loops.
    Loops,
}

const FILLINGS: [Filling; 5] = [Filling::Sums, Filling::Branches, Filling::Blocks, Filling::Calls, Filling::Loops];

impl Contract {
    /// A component with functions that are huge, or very many.
    pub(super) fn huge(&self, rng: &mut Rng) -> Result<Vec<u8>, String> {
        let filling = *rng.choice(&FILLINGS).expect("there are some");
        // Every order of magnitude is as likely as the next, and most are within the limits.
        let code = (1 << 10) << rng.u32(0..=(MAX_CODE_BYTES >> 10).ilog2());
        let each = (64 << rng.u32(0..14)).min(code);
        let bits = rng.u32(0..=MAX_LOCALS.ilog2());
        let locals = 1 + rng.u32(0..1 << bits);
        let body = filling.body(rng, each, locals, self.initialize);
        self.component_with(rng, vec![body; code / each])
    }
}

impl Filling {
    /// The body of a function, of about `bytes` bytes. Function `nothing` has no arguments and no results.
    fn body(self, rng: &mut Rng, bytes: usize, locals: u32, nothing: u32) -> Vec<u8> {
        let mut body = Vec::new();
        sections::push_number(&mut body, 1);
        sections::push_number(&mut body, locals as usize);
        ValType::I32.encode(&mut body);
        let mut open = 0;
        while body.len() + 2 * open < bytes {
            let (one, two) = (rng.u32(0..locals), rng.u32(0..locals));
            open += self.step(&mut body, one, two, nothing);
        }
        for _ in 0..=open {
            Instruction::End.encode(&mut body);
        }
        body
    }

    /// Writes a few instructions. Returns how many blocks they leave open.
    fn step(self, body: &mut Vec<u8>, one: u32, two: u32, nothing: u32) -> usize {
        use Instruction::{Block, BrIf, Call, End, I32Add, I32Load, If, LocalGet, LocalSet, Loop};
        let empty = wasm_encoder::BlockType::Empty;
        let memory = MemArg { offset: 0, align: 2, target: MemArgTarget::default(), ordering: None };
        let (steps, open): (&[Instruction<'_>], usize) = match self {
            Self::Sums => (&[LocalGet(one), LocalGet(two), I32Add, I32Load(memory), LocalSet(one)], 0),
            Self::Branches => (&[LocalGet(one), If(empty), LocalGet(one), LocalSet(two), End], 0),
            Self::Blocks => (&[Block(empty), LocalGet(one), BrIf(0), LocalGet(two), LocalSet(one)], 1),
            Self::Calls => (&[Call(nothing)], 0),
            Self::Loops => (&[Loop(empty), LocalGet(one), LocalSet(two)], 1),
        };
        for step in steps {
            step.encode(body);
        }
        open
    }
}

/// A real component with others inside, each of which is made of several of the one before.
pub(super) fn nested(rng: &mut Rng, real: &[u8]) -> Result<Vec<u8>, String> {
    tower(real, rng.usize(1..24), rng.usize(1..4))
}

/// A tower of `height` components, each made of `width` of the component below.
pub(super) fn tower(real: &[u8], height: usize, width: usize) -> Result<Vec<u8>, String> {
    let mut text = String::from("(component $all (component $c0 (core module $m) (core instance (instantiate $m)))");
    for floor in 1..=height {
        write!(text, "(component $c{floor} (alias outer $all $c{} (component $below))", floor - 1).expect("memory");
        text.extend(std::iter::repeat_n("(instance (instantiate $below))", width));
        text.push(')');
    }
    write!(text, "(instance (instantiate $c{height})))").expect("memory");
    let tower = wat::parse_str(&text).map_err(|error| format!("wat: {error}"))?;
    let before = sections::split(real).iter().filter(|section| section.id == NESTED).count();
    let mut bytes = real.to_vec();
    sections::push(&mut bytes, NESTED, &tower);
    let mut instance = vec![1, 0]; // one instance, of a component
    sections::push_number(&mut instance, before);
    instance.push(0); // which is given nothing
    sections::push(&mut bytes, INSTANCES, &instance);
    Ok(bytes)
}
