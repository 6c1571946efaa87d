//! Caller of a request: named by a header that a trusted proxy sets, or anonymous.

use std::sync::Arc;

use axum::http::{Extensions, HeaderMap, HeaderName};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::headers::written_name;
use super::peer::{self, Peer};
use super::problem::{Problem, ProblemKind};
use super::slots::Holder;
use super::state::{ANONYMOUS, Web};
use crate::cache::UndoRight;

/// The most bytes a caller's name may have.
const MAX_CALLER_BYTES: usize = 200;

/// The names that histories give to requests without a caller and to what the server does by itself.
const RESERVED: [&str; 2] = [ANONYMOUS, "hotlist"];

impl Web {
    /// Which revisions a caller may undo.
    pub(super) fn undo_right(&self) -> UndoRight {
        match self.options.caller_header {
            Some(_) => UndoRight::Own,
            None => UndoRight::All,
        }
    }

    /// The caller of a request with these headers, from the client in these extensions.
    pub(super) fn caller(&self, headers: &HeaderMap, extensions: &Extensions) -> Result<Arc<str>, Problem> {
        let Some(header) = &self.options.caller_header else { return Ok(self.anonymous.clone()) };
        if !self.is_trusted(peer::of(extensions)) {
            return Err(Problem::untrusted_peer(header, &peer::name(extensions)));
        }
        let mut values = headers.get_all(header).iter();
        let Some(value) = values.next() else {
            let detail = format!(
                "the header {header}, which names the caller, is missing; send requests through the proxy that sets it"
            );
            // Not a 401: that needs a challenge which a client can answer, and only the proxy can set this header.
            return Err(Problem::new(ProblemKind::NoCaller, detail).with_field(written_name(header)));
        };
        if values.next().is_some() {
            return Err(bad(header, "is there twice"));
        }
        let name = std::str::from_utf8(value.as_bytes()).map_err(|_| bad(header, "is not UTF-8"))?;
        if name.len() > MAX_CALLER_BYTES {
            let detail = format!("has {} bytes, the limit is {MAX_CALLER_BYTES}", name.len());
            return Err(bad(header, &detail).with_limit("caller bytes", MAX_CALLER_BYTES));
        }
        check_name(name).map_err(|problem| bad(header, problem))?;
        Ok(name.into())
    }

    /// The holder of a connection of this client. A proxy that names callers carries the connections of all of them.
    pub(super) fn holder(&self, peer: Peer) -> Holder {
        match self.options.caller_header {
            Some(_) if self.is_trusted(Some(peer)) => Holder::Proxy,
            _ => peer.holder(),
        }
    }

    /// Whether a client may name the caller: it has a network of the trusted proxies, or it opened the server's socket file.
    fn is_trusted(&self, peer: Option<Peer>) -> bool {
        match peer {
            Some(Peer::Local) => true,
            Some(Peer::Address(address)) => {
                let address = address.to_canonical();
                self.options.trusted_proxies.iter().any(|network| network.contains(&address))
            }
            None => false,
        }
    }
}

/// The problem of a header that names no caller.
fn bad(header: &HeaderName, problem: &str) -> Problem {
    Problem::new(ProblemKind::BadHeader, format!("the header {header} {problem}")).with_field(written_name(header))
}

/// Refuses names that people could take for another name, or for several.
fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("is empty");
    }
    // A comma separates the values of a header that was there twice.
    if name.contains(',') {
        return Err("holds a comma");
    }
    if name.trim() != name {
        return Err("begins or ends with white space");
    }
    if name.chars().any(is_invisible) {
        return Err("holds a control or format character");
    }
    // In upper case, as letters that are only one of two in lower case are the same there.
    let is_same =
        |reserved: &str| name.chars().flat_map(char::to_uppercase).eq(reserved.chars().flat_map(char::to_uppercase));
    if RESERVED.into_iter().any(is_same) {
        return Err("holds a name that the server gives to others");
    }
    Ok(())
}

/// Whether a character changes a text without being seen: controls, line breaks, and format characters such as those
/// without width and those that turn the direction of writing.
fn is_invisible(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    let category = character.general_category();
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    matches!(category, Control | Format | LineSeparator | ParagraphSeparator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_be_taken_for_another_is_refused() {
        for good in ["ann", "Ann Müller", "ann@example.com", "李雷", "hotlist2", "anonymous coward", "a\u{301}"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for reserved in ["hotlist", "HotList", "anonymous", "ANONYMOUS", "hotli\u{17f}t"] {
            assert!(check_name(reserved).is_err_and(|problem| problem.contains("gives to others")), "{reserved}");
        }
        for spaced in [" ann", "ann ", "\u{a0}ann", "ann\u{3000}", "ann\t"] {
            assert!(check_name(spaced).is_err_and(|problem| problem.contains("white space")), "{spaced:?}");
        }
        for (name, why) in [("", "empty"), ("ann,bob", "comma"), ("ann, bob", "comma")] {
            assert!(check_name(name).is_err_and(|problem| problem.contains(why)), "{name:?}");
        }
        for character in "\0\u{7}\t\u{7f}\u{85}\u{ad}\u{200b}\u{200d}\u{202e}\u{2028}\u{2066}\u{feff}\u{e0041}".chars()
        {
            let name = format!("an{character}n");
            assert!(check_name(&name).is_err_and(|problem| problem.contains("format")), "{name:?}");
        }
    }
}
