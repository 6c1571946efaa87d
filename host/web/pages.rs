//! Pages of an answer: JSON arrays that end by their bytes, and the links from one page to the next.

use std::io::{self, Write};

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::problem::Problem;
use super::representations::json_bytes_response;
use crate::cache::MAX_STARTS;
use crate::list::command::Query;
use crate::list::id::EntryId;

/// A JSON array that ends at a number of bytes.
pub(super) struct JsonPage {
    json: Bounded,
}

impl JsonPage {
    /// An empty page that ends at about this many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { json: Bounded { bytes: vec![b'['], limit } }
    }

    /// Adds an item, unless the page is full. The first item is added whatever its size. Returns whether it was added.
    pub(super) fn push(&mut self, item: &impl Serialize) -> Result<bool, Problem> {
        let before = self.json.bytes.len();
        if before == 1 {
            return serde_json::to_writer(&mut self.json.bytes, item).map(|()| true).map_err(failed);
        }
        let written = self.json.write_all(b",").map_err(serde_json::Error::io);
        match written.and_then(|()| serde_json::to_writer(&mut self.json, item)) {
            Ok(()) => Ok(true),
            Err(error) if error.is_io() => {
                self.json.bytes.truncate(before);
                Ok(false)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Adds an item that is JSON already, unless the page is full. Returns whether it was added.
    pub(super) fn push_json(&mut self, item: &[u8]) -> bool {
        let Bounded { bytes, limit } = &mut self.json;
        let is_first = bytes.len() == 1;
        if !is_first && bytes.len() + item.len() >= *limit {
            return false;
        }
        if !is_first {
            bytes.push(b',');
        }
        bytes.extend_from_slice(item);
        true
    }

    /// The response of this page.
    pub(super) fn into_response(mut self) -> Response {
        self.json.bytes.push(b']');
        json_bytes_response(StatusCode::OK, self.json.bytes)
    }
}

/// An item as JSON, or `None` if it takes more bytes than the limit. Takes no more memory than the limit.
pub(super) fn json_within(item: &impl Serialize, limit: usize) -> Result<Option<Vec<u8>>, Problem> {
    let mut bounded = Bounded { bytes: Vec::new(), limit };
    match serde_json::to_writer(&mut bounded, item) {
        Ok(()) => Ok(Some(bounded.bytes)),
        Err(error) if error.is_io() => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// The bytes that an item takes as JSON.
pub(super) fn json_bytes(item: &impl Serialize) -> Result<usize, Problem> {
    let mut counted = Counted(0);
    serde_json::to_writer(&mut counted, item).map_err(failed)?;
    Ok(counted.0)
}

fn failed(error: serde_json::Error) -> Problem {
    Problem::internal("cannot write a response", error)
}

/// A writer that fails at a limit.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The first item of a page may be larger than the limit.
        if bytes.len() > self.limit.saturating_sub(self.bytes.len()) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer that only counts.
struct Counted(usize);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The query string of the page of entries that follows the last one of those `shown`. A page that the logic made names some
/// entries before that one, too, in case it is not in the view any more when the page is read.
pub(super) fn page_after(shown: &[EntryId], query: &Query, is_by_logic: bool) -> Option<String> {
    let (last, before) = shown.split_last()?;
    let mut next = form_urlencoded::Serializer::new(String::new());
    next.append_pair("after", &last.to_string()).append_pair("limit", &query.limit.to_string());
    if is_by_logic {
        // No entry has the id 0, so it stands for the start of the view.
        let starts = before.iter().rev().take(MAX_STARTS - 1).chain([&0]).map(ToString::to_string);
        next.append_pair("or-after", &starts.collect::<Vec<_>>().join(","));
    }
    if let Some(date) = query.date {
        next.append_pair("date", &date.to_string());
    }
    if let Some(completed) = query.completed {
        next.append_pair("completed", &completed.to_string());
    }
    if let Some(view) = &query.view {
        next.append_pair("view", view);
    }
    Some(next.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_by_its_bytes_and_has_one_item_at_least() {
        let mut page = JsonPage::new(10);
        let added: Vec<_> = ["a".repeat(20).as_str(), "b"].iter().map(|item| page.push(item).ok()).collect();
        assert_eq!(added, [Some(true), Some(false)]);
        let mut page = JsonPage::new(10);
        let added: Vec<_> = ["a", "b", "c"].iter().map(|item| page.push(item).ok()).collect();
        assert_eq!(added, [Some(true), Some(true), Some(false)]);
        assert_eq!(page.json.bytes, br#"["a","b""#);
        let mut page = JsonPage::new(10);
        assert_eq!(page.push(&1).ok().zip(page.push(&"x".repeat(10_000)).ok()), Some((true, false)));
        assert!(page.json.bytes.capacity() < 100, "an item that does not fit is not written");
    }

    #[test]
    fn an_item_is_written_within_a_limit_or_not_at_all() {
        assert_eq!(json_within(&"abc", 5).ok(), Some(Some(br#""abc""#.to_vec())));
        assert_eq!(json_within(&"abc", 4).ok(), Some(None));
        assert_eq!(json_bytes(&"abc").ok(), Some(5));
    }
}
