//! The encoding of a list with its history for a network: pages of a version byte, a checksum, and postcard.
//!
//! A page holds some of the revisions, oldest first. The page that reaches the list's last revision holds the list too.
//! All pages up to that one are the list and its history at one revision.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::list::name::ListName;
use crate::list::revision::Revision;
use crate::list::{List, ListSnapshot};

/// The media type of a page.
pub const MEDIA_TYPE: &str = "application/vnd.hotlist.recording";

/// The version of the encoding. A change to any type in it is a new version.
const VERSION: u8 = 1;

/// The version byte and the checksum, little-endian.
const PREFIX_BYTES: usize = 5;

/// The size at which a page is closed, in bytes of revisions. A page has one revision at least, whatever its size, and
/// may have the list besides.
pub const PAGE_BYTES: usize = 4 << 20;

/// A page of a list's recording.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Page {
    /// Consecutive revisions of the list.
    pub revisions: Vec<Arc<Revision>>,
    /// The list after these revisions, if they reach its last one.
    pub list: Option<ListSnapshot>,
}

/// Encodes a page of a list, with as many of the revisions after `after` as fit. Revisions that are newer than the list
/// are left for the next page.
pub fn page(name: &ListName, list: &List, after: u64, revisions: &[Arc<Revision>]) -> Vec<u8> {
    let mut encoded = Vec::new();
    let (mut count, mut last) = (0, after);
    for revision in revisions.iter().filter(|revision| revision.number <= list.revision()) {
        if encoded.len() >= PAGE_BYTES {
            break;
        }
        encoded = append(encoded, revision);
        (count, last) = (count + 1, revision.number);
    }
    let snapshot = (last >= list.revision()).then(|| list.snapshot());
    // The layout is that of a `Page` in postcard: the number of revisions, the revisions, the list.
    let mut bytes = append(vec![0; PREFIX_BYTES], &(count as u64));
    bytes.extend_from_slice(&encoded);
    let mut bytes = append(bytes, &snapshot);
    let sum = checksum(name, &bytes[PREFIX_BYTES..]);
    bytes[0] = VERSION;
    bytes[1..PREFIX_BYTES].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// Decodes a page of that list.
///
/// # Errors
///
/// The damage, as a text for people.
pub fn take(name: &ListName, bytes: &[u8]) -> Result<Page, String> {
    match bytes {
        [VERSION, a, b, c, d, content @ ..] => {
            if checksum(name, content) != u32::from_le_bytes([*a, *b, *c, *d]) {
                return Err("its checksum is wrong".into());
            }
            decode(content)
        }
        [version, ..] if *version != VERSION => {
            Err(format!("it has version {version}, this program reads {VERSION}; use the program of the server"))
        }
        _ => Err("it is cut off".into()),
    }
}

fn decode<T: DeserializeOwned>(content: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes(content) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("it has {} bytes too many", rest.len())),
        Err(error) => Err(format!("it does not decode: {error}")),
    }
}

fn append<T: Serialize + ?Sized>(bytes: Vec<u8>, value: &T) -> Vec<u8> {
    postcard::to_extend(value, bytes).expect("plain data, sequences of known length: postcard encodes all of it")
}

fn checksum(name: &ListName, content: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    // The length comes first, so that the end of a name cannot pass for the beginning of the content.
    sum.update(&(name.as_str().len() as u64).to_le_bytes());
    sum.update(name.as_str().as_bytes());
    sum.update(content);
    sum.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::digest::hex;
    use crate::store::fixtures;

    #[test]
    fn the_bytes_of_a_page_are_pinned() {
        let commit = fixtures::Writer::new("bob").create().add("Dentist").commit();
        let bytes = page(&commit.name, &commit.state, 0, &commit.revisions);
        assert_eq!(hex(&bytes), include_str!("golden/recording-1.hex").trim(), "a type changed: raise VERSION");
        let back = take(&commit.name, &bytes).expect("it is whole");
        assert_eq!(back, Page { revisions: commit.revisions, list: Some(commit.state.snapshot()) });
    }

    #[test]
    fn the_list_comes_with_the_page_that_reaches_it() {
        let first = fixtures::Writer::new("bob").create().add("Dentist");
        let list = first.list.clone();
        let commit = first.add("Later").commit();
        let taken = |after: u64, revisions: &[Arc<Revision>]| {
            let page = take(&commit.name, &page(&commit.name, &list, after, revisions)).expect("it is whole");
            (page.revisions.iter().map(|revision| revision.number).collect::<Vec<_>>(), page.list.is_some())
        };
        assert_eq!(taken(0, &commit.revisions[..1]), (vec![1], false));
        assert_eq!(taken(1, &commit.revisions[1..]), (vec![2], true), "what is later than the list is left out");
        assert_eq!(taken(2, &[]), (vec![], true));
        assert_eq!(taken(0, &[]), (vec![], false), "the page does not reach the list");
    }

    #[test]
    fn a_large_page_is_closed_and_never_empty() {
        let title = "x".repeat(PAGE_BYTES);
        let commit = fixtures::Writer::new("bob").create().add(&title).add("y").commit();
        let taken = |after: usize| {
            let bytes = page(&commit.name, &commit.state, after as u64, &commit.revisions[after..]);
            take(&commit.name, &bytes).expect("it is whole").revisions.len()
        };
        assert_eq!((taken(0), taken(1), taken(2)), (2, 1, 1));
    }

    #[test]
    fn a_page_is_refused_after_any_flipped_bit_and_for_another_list() {
        let commit = fixtures::Writer::new("bob").create().commit();
        let bytes = page(&commit.name, &commit.state, 0, &commit.revisions);
        assert!(take(&fixtures::name("bop"), &bytes).is_err());
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(take(&commit.name, &flipped).is_err(), "byte {at} bit {bit}");
            }
            assert!(take(&commit.name, &bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
