//! Hostile components, generated from seeds.
//!
//! A seed makes the same bytes on any machine, so that a finding can be repeated. [`target`] is the part of the server
//! that receives them. [`watch`] uploads them and counts outcomes.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "shared by a test and an example, and none of it is seen from outside"
)]

mod broken;
mod crowd;
mod graft;
mod huge;
mod made;
mod mutated;
mod sections;
mod target;
mod values;
pub mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use fastrand::Rng;

/// The most bytes of random choices for one component of wasm-smith.
const MAX_CHOICE_BYTES: usize = 32 << 10;

/// The kinds of input, and the number of each in a thousand.
const KINDS: [(InputKind, u32); 9] = [
    (InputKind::Smith, 100),
    (InputKind::Made, 440),
    (InputKind::Broken, 200),
    (InputKind::Mutated, 200),
    (InputKind::Random, 30),
    (InputKind::AtLimit, 1),
    (InputKind::Huge, 9),
    (InputKind::Nested, 10),
    (InputKind::Crowded, 10),
];

/// The kind of an input.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum InputKind {
    /// A component of wasm-smith, without the contract.
    Smith,
    /// A component of the contract with functions of wasm-smith.
    Made,
    /// A real component with its bytes or its sections changed.
    Broken,
    /// A real component whose core module was changed into another valid one.
    Mutated,
    /// Random bytes, or none.
    Random,
    /// The most bytes that a component may have, or one more.
    AtLimit,
    /// A component of the contract that takes much work to compile.
    Huge,
    /// A real component that contains components, which contain components in turn.
    Nested,
    /// A real component with a very large number of one kind of item.
    Crowded,
}

impl InputKind {
    fn draw(rng: &mut Rng) -> Self {
        let mut left = rng.u32(0..KINDS.iter().map(|(_, share)| share).sum());
        for (kind, share) in KINDS {
            if left < share {
                return kind;
            }
            left -= share;
        }
        Self::Random
    }
}

impl fmt::Display for InputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smith => "wasm-smith's components",
            Self::Made => "of the contract, with wasm-smith's functions",
            Self::Broken => "real ones with changed bytes",
            Self::Mutated => "real ones with a mutated module",
            Self::Random => "random bytes",
            Self::AtLimit => "at the limit of size",
            Self::Huge => "of the contract, hard to compile",
            Self::Nested => "components in components",
            Self::Crowded => "real ones with many of something",
        })
    }
}

/// One input.
pub struct Input {
    pub seed: u64,
    pub kind: InputKind,
    pub bytes: Vec<u8>,
}

/// Generator of inputs.
pub struct Generator {
    /// The components in `plugins/built`, by name.
    real: BTreeMap<String, Vec<u8>>,
    contract: made::Contract,
    /// The most bytes of a component.
    limit: usize,
}

impl Generator {
    pub fn open() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut real = BTreeMap::new();
        for file in fs::read_dir(root.join("plugins/built")).expect("the components are there") {
            let path = file.expect("the folder can be read").path();
            if let (Some(name), true) = (path.file_stem(), path.extension().is_some_and(|ext| ext == "wasm")) {
                real.insert(name.to_string_lossy().into_owned(), fs::read(&path).expect("a component can be read"));
            }
        }
        let limit = hotlist::wasm::Settings::default().component_bytes;
        Self { real, contract: made::Contract::read(&root.join("wit/0.1.0")), limit }
    }

    /// Generates the input of a seed. An `Err` has the reason why a tool could not generate it.
    pub fn make(&self, seed: u64) -> Result<Input, String> {
        let mut rng = Rng::with_seed(seed);
        let kind = InputKind::draw(&mut rng);
        let bytes = match kind {
            InputKind::Smith => smith(&mut rng)?,
            InputKind::Made => self.contract.component(&mut rng)?,
            InputKind::Broken => broken::change(&mut rng, self.one(seed), self.one(seed / 7)),
            InputKind::Mutated => mutated::mutate(&mut rng, self.one(seed))?,
            InputKind::Random => random(&mut rng),
            InputKind::AtLimit => {
                let mut bytes = self.one(seed).to_vec();
                sections::pad(&mut bytes, self.limit + rng.usize(0..2));
                bytes
            }
            InputKind::Huge => self.contract.huge(&mut rng)?,
            InputKind::Crowded => crowd::crowd(&mut rng, self.one(seed))?,
            InputKind::Nested => huge::nested(&mut rng, &self.real["todo"])?,
        };
        Ok(Input { seed, kind, bytes })
    }

    /// One of the real components.
    fn one(&self, number: u64) -> &[u8] {
        let at = usize::try_from(number % self.real.len() as u64).expect("there are few");
        self.real.values().nth(at).expect("the remainder is in range")
    }
}

/// A component of wasm-smith alone.
fn smith(rng: &mut Rng) -> Result<Vec<u8>, String> {
    let choices = choices(rng, MAX_CHOICE_BYTES);
    let mut choices = arbitrary::Unstructured::new(&choices);
    let component = wasm_smith::Component::new(wasm_smith::Config::default(), &mut choices);
    component.map(|component| component.to_bytes()).map_err(|error| format!("wasm-smith: {error}"))
}

/// Random bytes, from which a tool makes its choices.
fn choices(rng: &mut Rng, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; rng.usize(..most)];
    rng.fill(&mut bytes);
    bytes
}

/// Random bytes, half of them behind the first eight bytes of a component.
fn random(rng: &mut Rng) -> Vec<u8> {
    let most = *rng.choice(&[1, 16, 256, 4_096, 1 << 20]).expect("there are some");
    let bytes = choices(rng, most);
    if rng.bool() { [sections::COMPONENT.as_slice(), &bytes].concat() } else { bytes }
}
