//! Hostile components, made from seeds: what they are, and how each kind is drawn.
//!
//! The same seed always makes the same bytes, on any machine, so that whatever is found can be found
//! again. [`target`] has the server's part that they are thrown at, [`watch`] throws them and counts.
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

/// How many bytes of random choices a component of wasm-smith's is made from, at most.
const MAX_CHOICE_BYTES: usize = 32 << 10;

/// The kinds of input, and how many of a thousand are of each.
const KINDS: [(Kind, u32); 9] = [
    (Kind::Smith, 100),
    (Kind::Made, 440),
    (Kind::Broken, 200),
    (Kind::Mutated, 200),
    (Kind::Random, 30),
    (Kind::AtLimit, 1),
    (Kind::Huge, 9),
    (Kind::Nested, 10),
    (Kind::Crowded, 10),
];

/// What an input is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A component of wasm-smith's, which knows nothing of the contract.
    Smith,
    /// A component of the contract whose functions wasm-smith wrote.
    Made,
    /// A real component with its bytes or its sections changed.
    Broken,
    /// A real component whose core module was changed into another valid one.
    Mutated,
    /// Bytes by chance, or none.
    Random,
    /// As many bytes as a component may have, or one more.
    AtLimit,
    /// A component of the contract that is much work for a compiler.
    Huge,
    /// A real component with others in it, which are made of others in turn.
    Nested,
    /// A real component with very many of something.
    Crowded,
}

impl Kind {
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

impl fmt::Display for Kind {
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
    pub kind: Kind,
    pub bytes: Vec<u8>,
}

/// What inputs are made of.
pub struct DevSession {
    /// The components in `plugins/built`, by name.
    real: BTreeMap<String, Vec<u8>>,
    contract: made::Contract,
    /// How many bytes a component may have.
    limit: usize,
}

impl DevSession {
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

    /// Makes the input of a seed; `Err` says why a tool that makes inputs could not.
    pub fn make(&self, seed: u64) -> Result<Input, String> {
        let mut rng = Rng::with_seed(seed);
        let kind = Kind::draw(&mut rng);
        let bytes = match kind {
            Kind::Smith => smith(&mut rng)?,
            Kind::Made => self.contract.component(&mut rng)?,
            Kind::Broken => broken::change(&mut rng, self.one(seed), self.one(seed / 7)),
            Kind::Mutated => mutated::mutate(&mut rng, self.one(seed))?,
            Kind::Random => random(&mut rng),
            Kind::AtLimit => {
                let mut bytes = self.one(seed).to_vec();
                sections::pad(&mut bytes, self.limit + rng.usize(0..2));
                bytes
            }
            Kind::Huge => self.contract.huge(&mut rng)?,
            Kind::Crowded => crowd::crowd(&mut rng, self.one(seed))?,
            Kind::Nested => huge::nested(&mut rng, &self.real["todo"])?,
        };
        Ok(Input { seed, kind, bytes })
    }

    /// One of the real components.
    fn one(&self, number: u64) -> &[u8] {
        let at = usize::try_from(number % self.real.len() as u64).expect("there are few");
        self.real.values().nth(at).expect("the remainder is in range")
    }
}

/// A component that wasm-smith made up all by itself.
fn smith(rng: &mut Rng) -> Result<Vec<u8>, String> {
    let choices = choices(rng, MAX_CHOICE_BYTES);
    let mut choices = arbitrary::Unstructured::new(&choices);
    let component = wasm_smith::Component::new(wasm_smith::Config::default(), &mut choices);
    component.map(|component| component.to_bytes()).map_err(|error| format!("wasm-smith: {error}"))
}

/// Random bytes for whoever makes choices of them.
fn choices(rng: &mut Rng, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; rng.usize(..most)];
    rng.fill(&mut bytes);
    bytes
}

/// Bytes by chance, half of them behind the first eight of a component.
fn random(rng: &mut Rng) -> Vec<u8> {
    let most = *rng.choice(&[1, 16, 256, 4_096, 1 << 20]).expect("there are some");
    let bytes = choices(rng, most);
    if rng.bool() { [sections::COMPONENT.as_slice(), &bytes].concat() } else { bytes }
}
