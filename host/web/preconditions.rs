//! Preconditions of requests (RFC 9110, section 13). The entity tag of a list is its revision.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::coding::without_coding;
use super::headers::{TAG_SEPARATOR, written_name};
use super::problem::{Problem, ProblemKind};
use crate::actor::Expect;

/// Value of an `If-Match` or `If-None-Match`.
#[derive(PartialEq, Debug)]
enum Tags {
    /// `*`: any tag.
    Any,
    /// One of these tags.
    Listed(Vec<Tag>),
}

#[derive(PartialEq, Debug)]
struct Tag {
    weak: bool,
    opaque: String,
}

/// Whether a reader needs a new representation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Freshness {
    /// The reader has the current representation.
    Fresh,
    /// The reader has none, or an old one.
    Stale,
}

/// The precondition of a request that writes. The actor checks it when it decides the command.
pub(super) fn expect(headers: &HeaderMap) -> Result<Expect, Problem> {
    if headers.contains_key(header::IF_NONE_MATCH) {
        // Refused instead of ignored, because the actor has no precondition that a list does not exist.
        let detail = "If-None-Match applies to reads only; use If-Match on a write";
        return Err(Problem::new(ProblemKind::BadHeader, detail).with_field("If-None-Match"));
    }
    Ok(match tags(headers, &header::IF_MATCH)? {
        None => Expect::Anything,
        Some(Tags::Any) => Expect::Exists,
        // A weak tag never matches in If-Match, and a tag that is not a revision matches no list.
        Some(Tags::Listed(tags)) => Expect::Revision(tags.iter().filter_map(Tag::revision).collect()),
    })
}

/// Evaluates the preconditions of a request that reads something with this tag.
pub(super) fn freshness(headers: &HeaderMap, tag: &HeaderValue) -> Result<Freshness, Problem> {
    let current = tag.to_str().unwrap_or_default().trim_matches('"');
    let is_current = |tag: &Tag| tag.opaque == current || without_coding(&tag.opaque) == current;
    if let Some(Tags::Listed(tags)) = tags(headers, &header::IF_MATCH)?
        && !tags.iter().any(|tag| !tag.weak && is_current(tag))
    {
        return Err(Problem::new(ProblemKind::Stale, "the current entity tag does not match If-Match"));
    }
    let fresh = match tags(headers, &header::IF_NONE_MATCH)? {
        None => false,
        Some(Tags::Any) => true,
        Some(Tags::Listed(tags)) => tags.iter().any(is_current),
    };
    Ok(if fresh { Freshness::Fresh } else { Freshness::Stale })
}

/// Whether a request with these headers names exactly this tag in `If-None-Match`.
pub(super) fn is_named(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let wanted = tag.to_str().unwrap_or_default().trim_start_matches("W/").trim_matches('"');
    let named = |named: Tags| matches!(named, Tags::Listed(named) if named.iter().any(|tag| tag.opaque == wanted));
    tags(headers, &header::IF_NONE_MATCH).ok().flatten().is_some_and(named)
}

impl Tag {
    /// The revision, if the tag is written exactly as [`super::headers`] writes it. A compressed form of it is at the same
    /// revision.
    fn revision(&self) -> Option<u64> {
        let opaque = without_coding(&self.opaque);
        // The tag of a list's description may name a version, too.
        let written = opaque.split_once(TAG_SEPARATOR).map_or(opaque, |(revision, _)| revision);
        let revision: u64 = written.parse().ok()?;
        (!self.weak && revision.to_string() == written).then_some(revision)
    }
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Problem> {
    let mut found = None;
    for value in headers.get_all(name) {
        let wrong = || {
            let name = written_name(name);
            let detail = format!("{name}: it is neither * nor a list of entity tags such as \"7\"");
            Problem::new(ProblemKind::BadHeader, detail).with_field(name)
        };
        let text = value.to_str().map_err(|_| wrong())?.trim();
        match (&mut found, text) {
            (None, "*") => found = Some(Tags::Any),
            (Some(_), "*") | (Some(Tags::Any), _) => return Err(wrong()),
            (None, _) => found = Some(Tags::Listed(parse_list(text).ok_or_else(wrong)?)),
            (Some(Tags::Listed(tags)), _) => tags.extend(parse_list(text).ok_or_else(wrong)?),
        }
    }
    Ok(found)
}

/// Parses a list such as `"1", W/"2"`. A tag may contain a comma, so the list cannot be split at commas.
fn parse_list(mut text: &str) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    loop {
        text = text.trim_start_matches([' ', '\t', ',']);
        if text.is_empty() {
            return (!tags.is_empty()).then_some(tags);
        }
        let (weak, quoted) = match text.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (opaque, rest) = quoted.strip_prefix('"')?.split_once('"')?;
        if !opaque.bytes().all(|byte| byte > b' ' && byte != 0x7f) {
            return None;
        }
        tags.push(Tag { weak, opaque: opaque.to_owned() });
        text = rest.trim_start_matches([' ', '\t']);
        if !text.is_empty() && !text.starts_with(',') {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: HeaderName, values: &[&str]) -> Result<Option<Tags>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), value.parse().expect("a header value"));
        }
        tags(&headers, &name)
    }

    #[test]
    fn a_list_of_tags_is_read_over_lines_and_commas() {
        let strong = |opaque: &str| Tag { weak: false, opaque: opaque.into() };
        let weak = Tag { weak: true, opaque: "2".into() };
        let listed = read(header::IF_MATCH, &[r#" "1" ,, W/"2""#, r#""a,b""#]).expect("tags");
        assert_eq!(listed, Some(Tags::Listed(vec![strong("1"), weak, strong("a,b")])));
    }

    #[test]
    fn a_malformed_list_of_tags_is_refused() {
        for bad in ["", "7", r#""7"#, r#""7" "8""#, r#""a b""#, "*, \"7\"", "w/\"7\"", ","] {
            assert!(read(header::IF_NONE_MATCH, &[bad]).is_err(), "{bad}");
        }
        assert!(read(header::IF_MATCH, &["*", "\"7\""]).is_err());
    }

    #[test]
    fn a_write_matches_only_strong_tags_that_are_revisions() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::IF_MATCH,
            HeaderValue::from_static(r#""7", W/"8", "09", "x", "+8", "9+ab", "10-gzip", "18446744073709551615""#),
        );
        assert_eq!(expect(&headers).expect("a condition"), Expect::Revision(vec![7, 9, 10, u64::MAX]));
    }
}
