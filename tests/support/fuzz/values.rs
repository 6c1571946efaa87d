//! Random values of the contract's types in the layout of the canonical ABI.

use fastrand::Rng;
use wit_parser::{Field, Int, Resolve, SizeAlign, Type, TypeDefKind};

/// The number of bytes after which lists and texts are empty.
const ENOUGH: usize = 96 << 10;

/// The number of names for fields, settings, commands and views. It is small, so that answers use declared names.
const NAMES: usize = 12;

/// Words for texts.
const WORDS: [&str; 6] = ["", "milk", "Über", "日曜日", "a longer title with several words in it", "\u{0}\u{202e}"];

/// Numbers for ids and times, most of them ids of a small list.
const NUMBERS: [u64; 10] = [0, 1, 1, 1, 2, 3, 5, 1_795_435_200_000, i64::MAX as u64, u64::MAX];

/// Writes values one behind the other.
pub(super) struct Values<'a> {
    pub(super) resolve: &'a Resolve,
    pub(super) sizes: &'a SizeAlign,
    pub(super) rng: &'a mut Rng,
    /// The address of the first byte.
    pub(super) base: u32,
    pub(super) memory: Vec<u8>,
    /// One of this many places holds an invalid value of its type. 0 means none.
    pub(super) wild: u32,
    /// The number of names that a description has declared so far, or `None` where names are used.
    pub(super) given: Option<usize>,
}

impl Values<'_> {
    /// Writes a value. Returns its address.
    pub(super) fn place(&mut self, kind: &Type) -> u32 {
        let at = self.room(kind, 1);
        self.write(kind, at, "");
        self.address(at)
    }

    /// Where the next value comes.
    pub(super) fn end(&self) -> u32 {
        self.address(self.memory.len())
    }

    fn address(&self, at: usize) -> u32 {
        self.base + u32::try_from(at).expect("there is little of it")
    }

    fn room(&mut self, kind: &Type, count: usize) -> usize {
        let align = self.sizes.align(kind).align_wasm32();
        let at = self.memory.len().next_multiple_of(align);
        self.memory.resize(at + self.sizes.size(kind).size_wasm32() * count, 0);
        at
    }

    fn is_wild(&mut self) -> bool {
        self.wild > 0 && self.rng.u32(0..self.wild) == 0
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.memory[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Writes a value to allocated memory. The name of its member helps to choose a valid one.
    fn write(&mut self, kind: &Type, at: usize, called: &str) {
        let resolve = self.resolve;
        match kind {
            Type::Bool => {
                let byte = if self.is_wild() { self.rng.u8(..) } else { self.rng.u8(0..2) };
                self.put(at, &[byte]);
            }
            Type::U8 | Type::S8 => {
                let byte = if self.rng.u8(0..8) == 0 { self.rng.u8(..) } else { self.rng.u8(1..13) };
                self.put(at, &[byte]);
            }
            Type::S32 if called == "year" => self.put(at, &2026_i32.to_le_bytes()),
            Type::U16 | Type::S16 | Type::U32 | Type::S32 | Type::F32 | Type::Char | Type::ErrorContext => {
                let bytes = self.rng.u32(..).to_le_bytes();
                self.put(at, &bytes[..self.sizes.size(kind).size_wasm32()]);
            }
            Type::U64 | Type::S64 => {
                let number = *self.rng.choice(&NUMBERS).expect("there are some");
                self.put(at, &number.to_le_bytes());
            }
            Type::F64 => {
                let number = *self.rng.choice(&[0.0, 1.0, -2.5, f64::MAX, f64::NAN]).expect("there are some");
                self.put(at, &number.to_le_bytes());
            }
            Type::String => self.write_text(at, called),
            Type::Id(id) => self.write_defined(&resolve.types[*id].kind, at, called),
        }
    }

    fn write_defined(&mut self, kind: &TypeDefKind, at: usize, called: &str) {
        match kind {
            TypeDefKind::Type(kind) => self.write(kind, at, called),
            TypeDefKind::Record(record) => self.write_record(&record.fields, at),
            TypeDefKind::List(kind) => self.write_list(kind, at),
            TypeDefKind::Enum(cases) => {
                let case = self.case(cases.cases.len());
                self.put(at, &[case]);
            }
            TypeDefKind::Variant(variant) => {
                let cases: Vec<_> = variant.cases.iter().map(|case| case.ty.as_ref()).collect();
                self.write_variant(&cases, at);
            }
            TypeDefKind::Option(kind) => self.write_variant(&[None, Some(kind)], at),
            // A result more often than a rejection.
            TypeDefKind::Result(result) => {
                let (ok, err) = (result.ok.as_ref(), result.err.as_ref());
                let rejects = self.rng.u8(0..4) == 0;
                self.write_case(&[ok, err], u8::from(rejects), at);
            }
            other => unreachable!("the contract has no {}", other.as_str()),
        }
    }

    fn write_record(&mut self, fields: &[Field], at: usize) {
        let offsets = self.sizes.field_offsets(fields.iter().map(|field| &field.ty));
        for (field, (offset, kind)) in fields.iter().zip(offsets) {
            self.write(kind, at + offset.size_wasm32(), &field.name);
        }
    }

    fn case(&mut self, cases: usize) -> u8 {
        if self.is_wild() {
            return self.rng.u8(..);
        }
        self.rng.u8(0..u8::try_from(cases).expect("the contract's types have few cases"))
    }

    fn write_variant(&mut self, cases: &[Option<&Type>], at: usize) {
        let case = self.case(cases.len());
        self.write_case(cases, case, at);
    }

    fn write_case(&mut self, cases: &[Option<&Type>], case: u8, at: usize) {
        self.put(at, &[case]);
        if let Some(Some(kind)) = cases.get(usize::from(case)) {
            let offset = self.sizes.payload_offset(Int::U8, cases.iter().copied());
            self.write(kind, at + offset.size_wasm32(), "");
        }
    }

    fn write_list(&mut self, kind: &Type, at: usize) {
        let most = if self.memory.len() > ENOUGH { 0 } else { *self.rng.choice(&[0, 1, 3, 3, 6]).expect("some") };
        let count = self.rng.usize(0..=most);
        let first = self.room(kind, count);
        for number in 0..count {
            self.write(kind, first + number * self.sizes.size(kind).size_wasm32(), "");
        }
        self.write_slice(at, first, count);
    }

    fn write_text(&mut self, at: usize, called: &str) {
        let text = match (called, &mut self.given) {
            ("version", _) if self.rng.u8(0..16) == 0 => "1".into(),
            ("version", _) => self.rng.choice(&["1.0.0", "0.2.1-rc.1+build"]).expect("some").to_string(),
            ("name", Some(given)) => {
                *given += 1;
                format!("n{}", *given - 1)
            }
            ("name", None) => format!("n{}", self.rng.usize(0..NAMES)),
            _ if self.memory.len() > ENOUGH => String::new(),
            _ => self.rng.choice(&WORDS).expect("there are some").repeat(self.rng.usize(0..3)),
        };
        let first = self.memory.len();
        self.memory.extend_from_slice(text.as_bytes());
        self.write_slice(at, first, text.len());
    }

    /// Writes where a list or text begins, and how long it is.
    fn write_slice(&mut self, at: usize, first: usize, count: usize) {
        let mut slice = [self.address(first), u32::try_from(count).expect("there are few")];
        if self.is_wild() {
            slice[self.rng.usize(0..2)] = self.rng.u32(..) >> self.rng.u32(0..32);
        }
        self.put(at, &slice[0].to_le_bytes());
        self.put(at + 4, &slice[1].to_le_bytes());
    }
}
