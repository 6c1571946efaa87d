//! `Idempotency-Key` of a request: a repetition with the same key is recognised and not carried out again.

use axum::http::{HeaderMap, Method};
use sha2::{Digest, Sha256};

use super::problem::{Problem, ProblemKind};
use crate::list::receipt::{Idempotency, MAX_KEY_BYTES};

const HEADER: &str = "idempotency-key";

/// Reads the key of a request, if it has one, and computes the digest that tells a repetition from another request.
/// The receipt takes room on the account of `client`.
pub(super) fn of(
    headers: &HeaderMap,
    method: &Method,
    path: &str,
    caller: &str,
    client: &str,
    body: &[u8],
) -> Result<Option<Idempotency>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let wrong = |detail: &str| {
        Problem::new(ProblemKind::BadHeader, format!("Idempotency-Key: {detail}")).with_field("Idempotency-Key")
    };
    if values.next().is_some() {
        return Err(wrong("it is there twice"));
    }
    let text = value.to_str().map_err(|_| wrong("it contains characters that are not printable ASCII"))?;
    let key = key(text).ok_or_else(|| wrong("it is neither a quoted string nor a bare word"))?;
    if key.len() > MAX_KEY_BYTES {
        let problem = wrong(&format!("it has {} bytes, the limit is {MAX_KEY_BYTES}", key.len()));
        return Err(problem.with_limit("idempotency key bytes", MAX_KEY_BYTES));
    }
    let mut digest = Sha256::new();
    for part in [method.as_str().as_bytes(), path.as_bytes(), body] {
        // Each part is preceded by its length, so that no part can be moved into the one before it.
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    // No caller's name contains a line break, so two callers cannot share a key.
    let key = format!("{caller}\n{key}");
    Ok(Some(Idempotency { key, holder: client.to_owned(), fingerprint: digest.finalize().into() }))
}

/// Parses a quoted string of structured fields (RFC 8941). A bare word is accepted, too, because many clients omit the
/// quotes.
fn key(text: &str) -> Option<String> {
    let text = text.trim();
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None if text.contains(|c: char| c.is_whitespace() || c == '"') => return None,
        None => text.to_owned(),
    };
    (!key.is_empty()).then_some(key)
}

fn unquote(quoted: &str) -> Option<String> {
    let mut key = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return chars.as_str().is_empty().then_some(key),
            '\\' => key.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            c => key.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn a_key_is_a_quoted_string_or_a_bare_word() {
        for (text, read) in [("\"a b\"", "a b"), ("abc", "abc"), (r#""a\"\\b""#, r#"a"\b"#), (" \"x\" ", "x")] {
            assert_eq!(key(text).as_deref(), Some(read), "{text}");
        }
        for bad in ["", "\"\"", "\"a", "\"a\"b", "a b", "a\"b", r#""a\n""#, "\""] {
            assert_eq!(key(bad), None, "{bad}");
        }
    }
}
