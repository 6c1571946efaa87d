//! `Idempotency-Key`: what makes a repeated request recognisable, so that it is carried out once.

use axum::http::{HeaderMap, Method};
use sha2::{Digest, Sha256};

use super::problem::{Problem, ProblemKind};
use crate::list::revision::{Idempotency, MAX_KEY_BYTES};

const HEADER: &str = "idempotency-key";

/// The key of a request, if it has one, with the digest of all that makes it that request.
pub(super) fn of(
    headers: &HeaderMap,
    method: &Method,
    path: &str,
    caller: &str,
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
    let text = value.to_str().map_err(|_| wrong("it holds other than printable ASCII characters"))?;
    let key = key(text).ok_or_else(|| wrong("it is neither a quoted string nor a bare word"))?;
    if key.len() > MAX_KEY_BYTES {
        let problem = wrong(&format!("it has {} bytes, the limit is {MAX_KEY_BYTES}", key.len()));
        return Err(problem.with_limit("idempotency key bytes", MAX_KEY_BYTES));
    }
    let mut digest = Sha256::new();
    for part in [method.as_str().as_bytes(), path.as_bytes(), body] {
        // With its length before it, no part can pass for the end of the one before.
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    // Callers cannot meet in each other's keys: no name holds a line break.
    let key = format!("{caller}\n{key}");
    Ok(Some(Idempotency { key, fingerprint: digest.finalize().into() }))
}

/// A quoted string of structured fields (RFC 8941), or a bare word for those who leave the quotes out.
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
