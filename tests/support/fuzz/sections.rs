//! WebAssembly binaries as rows of sections, which is all that modules and components have in common.

use std::ops::Range;

/// What a component begins with.
pub(super) const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// How many bytes stand before the first section.
const PREAMBLE: usize = COMPONENT.len();

/// One section.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// What it is; 0 is custom, and in a component 1 is a core module and 4 a component.
    pub(super) id: u8,
    /// Where its contents are.
    pub(super) contents: Range<usize>,
    /// Where it is, with id and length.
    pub(super) whole: Range<usize>,
}

/// The sections of well-formed bytes; of others those up to the first that is none.
pub(super) fn split(bytes: &[u8]) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut at = PREAMBLE;
    while let Some(section) = section_at(bytes, at) {
        at = section.whole.end;
        sections.push(section);
    }
    sections
}

fn section_at(bytes: &[u8], start: usize) -> Option<Section> {
    let id = *bytes.get(start)?;
    let mut length = 0_usize;
    for (place, byte) in bytes.get(start + 1..)?.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let begin = start + 2 + place;
            let contents = begin..begin.checked_add(length).filter(|end| *end <= bytes.len())?;
            return Some(Section { id, whole: start..contents.end, contents });
        }
    }
    None
}

/// Writes a section with the length that its contents have.
pub(super) fn push(bytes: &mut Vec<u8>, id: u8, contents: &[u8]) {
    bytes.push(id);
    push_number(bytes, contents.len());
    bytes.extend_from_slice(contents);
}

/// Writes a number as lengths and counts are written.
pub(super) fn push_number(bytes: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

/// Appends a custom section so that there are `size` bytes.
pub(super) fn pad(bytes: &mut Vec<u8>, size: usize) {
    let length_bytes = 5; // as many as lengths have at most
    let contents = size - bytes.len() - 1 - length_bytes;
    bytes.push(0);
    for place in 0..length_bytes {
        let more = if place + 1 < length_bytes { 0x80 } else { 0 };
        bytes.push((contents >> (7 * place) & 0x7f) as u8 | more);
    }
    bytes.resize(size, 0); // its name is the empty one
}
