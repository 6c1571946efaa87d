//! Real components with bytes flipped, cut and spliced, and sections doubled, swapped and left out.

use fastrand::Rng;

use super::sections::{self, push};

/// The most changes that are made to one component.
const MAX_CHANGES: usize = 8;

/// The most bytes that are written over, cut out or put in at once.
const MAX_RUN: usize = 64;

/// Changes a component. Another one is what is spliced from.
pub(super) fn change(rng: &mut Rng, component: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = component.to_vec();
    for _ in 0..rng.usize(1..=MAX_CHANGES) {
        if bytes.len() <= MAX_RUN {
            break;
        }
        bytes = change_once(rng, bytes, other);
    }
    bytes
}

fn change_once(rng: &mut Rng, mut bytes: Vec<u8>, other: &[u8]) -> Vec<u8> {
    let at = rng.usize(..bytes.len() - MAX_RUN);
    let run = at..at + rng.usize(1..=MAX_RUN);
    match rng.u8(0..12) {
        0..4 => bytes[at] ^= 1 << rng.u8(0..8),
        4 => bytes[at] = *rng.choice(&[0, 1, 0x7f, 0x80, 0xff]).expect("there are some"),
        5 => rng.fill(&mut bytes[run]),
        6 => bytes.truncate(at),
        7 => drop(bytes.drain(run)),
        8 => {
            let from = rng.usize(..other.len() - MAX_RUN);
            let put = &other[from..from + run.len()];
            bytes.splice(at..at, put.iter().copied());
        }
        9 => {
            // The head of one and the tail of the other.
            bytes.truncate(at);
            bytes.extend_from_slice(&other[rng.usize(..other.len())..]);
        }
        _ => return change_sections(rng, &bytes, other),
    }
    bytes
}

/// Doubles, swaps, leaves out or borrows sections; every length stays right.
fn change_sections(rng: &mut Rng, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let contents = |bytes: &[u8]| -> Vec<(u8, Vec<u8>)> {
        sections::split(bytes).into_iter().map(|section| (section.id, bytes[section.contents].to_vec())).collect()
    };
    let mut kept = contents(bytes);
    let theirs = contents(other);
    if kept.is_empty() || theirs.is_empty() {
        return bytes.to_vec();
    }
    let (one, two) = (rng.usize(..kept.len()), rng.usize(..kept.len()));
    match rng.u8(0..4) {
        0 => kept.insert(two, kept[one].clone()),
        1 => kept.swap(one, two),
        2 => drop(kept.remove(one)),
        _ => kept[one] = theirs[rng.usize(..theirs.len())].clone(),
    }
    let mut changed = sections::COMPONENT.to_vec();
    for (id, contents) in &kept {
        push(&mut changed, *id, contents);
    }
    changed
}
