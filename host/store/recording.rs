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

/// A page of a list's recording.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Page {
    /// Consecutive revisions of the list.
    pub revisions: Vec<Arc<Revision>>,
    /// The list after these revisions, if they reach its last one.
    pub list: Option<ListSnapshot>,
}

/// Encodes a page of revisions, and of the list if it is the last page. Revisions after `end`, the revision of the list, are
/// left out.
pub fn page(name: &ListName, list: Option<&List>, end: u64, revisions: &[Arc<Revision>]) -> Vec<u8> {
    let count = revisions.partition_point(|revision| revision.number <= end);
    let bytes = append(vec![0; PREFIX_BYTES], &revisions[..count]);
    let mut bytes = append(bytes, &list.map(List::snapshot));
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
        let bytes = page(&commit.name, Some(&commit.state), 2, &commit.revisions);
        assert_eq!(hex(&bytes), include_str!("golden/recording-1.hex").trim(), "a type changed: raise VERSION");
        let back = take(&commit.name, &bytes).expect("it is whole");
        assert_eq!(back, Page { revisions: commit.revisions, list: Some(commit.state.snapshot()) });
    }

    #[test]
    fn revisions_that_are_newer_than_the_list_are_left_out() {
        let first = fixtures::Writer::new("bob").create().add("Dentist");
        let list = first.list.clone();
        let commit = first.add("Later").commit();
        for with_list in [Some(&list), None] {
            let page = page(&commit.name, with_list, list.revision(), &commit.revisions);
            let page = take(&commit.name, &page).expect("it is whole");
            assert_eq!((page.revisions.len(), page.list.is_some()), (2, with_list.is_some()));
        }
    }

    #[test]
    fn a_page_is_refused_after_any_flipped_bit_and_for_another_list() {
        let commit = fixtures::Writer::new("bob").create().commit();
        let bytes = page(&commit.name, Some(&commit.state), 2, &commit.revisions);
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
