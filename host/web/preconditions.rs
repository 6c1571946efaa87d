//! Entity tags: a list's revision as one, and the conditions that requests make with them.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::problem::{Kind, Problem};
use crate::actor::Expect;

/// The tags of one `If-Match` or `If-None-Match`.
#[derive(PartialEq, Debug)]
enum Tags {
    /// `*`: whatever there is.
    Any,
    /// These.
    Listed(Vec<Tag>),
}

#[derive(PartialEq, Debug)]
struct Tag {
    weak: bool,
    opaque: String,
}

/// Whether a reader needs an answer at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Freshness {
    /// What the reader has is still right.
    Fresh,
    /// The reader has nothing, or something old.
    Stale,
}

/// A revision as a strong entity tag.
pub(super) fn etag(revision: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{revision}\"")).expect("quotes and digits may stand in a header")
}

/// The condition of a writing request. The actor checks it in the moment in which it decides.
pub(super) fn expect(headers: &HeaderMap) -> Result<Expect, Problem> {
    if headers.contains_key(header::IF_NONE_MATCH) {
        // Better refused than ignored: the list has no atomic "only if it is not there".
        let detail = "If-None-Match is for reading; a request that writes may say If-Match";
        return Err(Problem::new(Kind::BadHeader, detail).with_field("If-None-Match"));
    }
    Ok(match tags(headers, &header::IF_MATCH)? {
        None => Expect::Anything,
        Some(Tags::Any) => Expect::Exists,
        // A weak tag, or one that is not a revision's, matches nothing; so it does here.
        Some(Tags::Listed(tags)) => Expect::Revision(tags.iter().filter_map(Tag::revision).collect()),
    })
}

/// The conditions of a reading request, of something with this tag at this revision.
pub(super) fn freshness(headers: &HeaderMap, tag: &HeaderValue) -> Result<Freshness, Problem> {
    let current = tag.as_bytes();
    let current = &current[1..current.len().saturating_sub(1).max(1)];
    if let Some(Tags::Listed(tags)) = tags(headers, &header::IF_MATCH)?
        && !tags.iter().any(|tag| !tag.weak && tag.opaque.as_bytes() == current)
    {
        return Err(Problem::new(Kind::Stale, "what is here does not match the request's If-Match"));
    }
    let fresh = match tags(headers, &header::IF_NONE_MATCH)? {
        None => false,
        Some(Tags::Any) => true,
        Some(Tags::Listed(tags)) => tags.iter().any(|tag| tag.opaque.as_bytes() == current),
    };
    Ok(if fresh { Freshness::Fresh } else { Freshness::Stale })
}

impl Tag {
    /// The revision that the tag stands for, exactly as [`etag`] writes it.
    fn revision(&self) -> Option<u64> {
        let revision: u64 = self.opaque.parse().ok()?;
        (!self.weak && revision.to_string() == self.opaque).then_some(revision)
    }
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Problem> {
    let mut found = None;
    for value in headers.get_all(name) {
        let wrong = || {
            let detail = format!("{name}: it is neither * nor a list of entity tags such as \"7\"");
            Problem::new(Kind::BadHeader, detail).with_field(name.as_str())
        };
        let text = value.to_str().map_err(|_| wrong())?.trim();
        match (&mut found, text) {
            (None, "*") => found = Some(Tags::Any),
            (Some(_), "*") | (Some(Tags::Any), _) => return Err(wrong()),
            (None, _) => found = Some(Tags::Listed(listed(text).ok_or_else(wrong)?)),
            (Some(Tags::Listed(tags)), _) => tags.extend(listed(text).ok_or_else(wrong)?),
        }
    }
    Ok(found)
}

/// Reads a list such as `"1", W/"2"`. A tag may hold a comma, so the list cannot just be split.
fn listed(mut text: &str) -> Option<Vec<Tag>> {
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
    fn what_is_no_list_of_tags_is_refused() {
        for bad in ["", "7", r#""7"#, r#""7" "8""#, r#""a b""#, "*, \"7\"", "w/\"7\"", ","] {
            assert!(read(header::IF_NONE_MATCH, &[bad]).is_err(), "{bad}");
        }
        assert!(read(header::IF_MATCH, &["*", "\"7\""]).is_err());
    }

    #[test]
    fn a_write_expects_only_strong_tags_that_are_revisions() {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, HeaderValue::from_static(r#""7", W/"8", "09", "x", "18446744073709551615""#));
        assert_eq!(expect(&headers).expect("a condition"), Expect::Revision(vec![7, u64::MAX]));
    }
}
