//! Content codings: which ones a client takes, and how they show in an entity tag.

use axum::http::{HeaderMap, HeaderValue, header};

/// A content coding (RFC 9110, section 8.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Coding {
    Brotli,
    Gzip,
    Identity,
}

/// What a representation in a coding has at the end of its tag. Representations in different codings have different bytes,
/// so that their strong tags differ (RFC 9110, section 8.8.3.3).
const SUFFIXES: [&str; 2] = [Coding::Brotli.suffix(), Coding::Gzip.suffix()];

impl Coding {
    /// The name in `Content-Encoding`.
    pub(super) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => "-br",
            Self::Gzip => "-gzip",
            Self::Identity => "",
        }
    }

    /// The tag of a representation in this coding.
    pub(super) fn tag(self, tag: &HeaderValue) -> HeaderValue {
        let text = tag.to_str().unwrap_or_default().trim_end_matches('"');
        HeaderValue::from_str(&format!("{text}{}\"", self.suffix())).unwrap_or_else(|_| tag.clone())
    }

    /// The coding that the client of a request prefers, of the offered ones. The first of them counts if it likes two the same.
    /// Without coding only if the client likes that better than all of them.
    pub(super) fn preferred(headers: &HeaderMap, offered: &[Self]) -> Self {
        let accepted: Vec<_> =
            headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).collect();
        let plain = weight(&accepted, "identity");
        let mut best = (Self::Identity, 0.0);
        for coding in offered {
            let weight = coding.name().map_or(0.0, |name| weight(&accepted, name));
            if weight > best.1 && weight >= plain {
                best = (*coding, weight);
            }
        }
        best.0
    }
}

/// What a tag is without the coding at its end.
pub(super) fn without_coding(opaque: &str) -> &str {
    SUFFIXES.iter().find_map(|suffix| opaque.strip_suffix(suffix)).unwrap_or(opaque)
}

/// How much a client wants a coding, from 0 to 1. 0 if it does not take the coding.
fn weight(accepted: &[&str], name: &str) -> f32 {
    let items =
        || accepted.iter().flat_map(|value| value.split(',')).map(|item| item.split_once(';').unwrap_or((item, "")));
    let of = |wanted: &str| items().find(|(coding, _)| coding.trim().eq_ignore_ascii_case(wanted));
    let Some((_, parameters)) = of(name).or_else(|| of("*")) else { return 0.0 };
    let quality = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let quality =
        quality.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("q")).map(|(_, quality)| quality);
    quality.map_or(1.0, |quality| quality.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_the_coding_that_it_likes_best() {
        let both = [Coding::Brotli, Coding::Gzip];
        for (accepted, preferred) in [
            ("", Coding::Identity),
            ("gzip, deflate, br, zstd", Coding::Brotli),
            ("GZIP", Coding::Gzip),
            ("br;q=0.5, gzip;q=0.8", Coding::Gzip),
            ("br;q=0, *", Coding::Gzip),
            ("*;q=0", Coding::Identity),
            ("identity", Coding::Identity),
            ("gzip; q=x", Coding::Identity),
            ("gzip;Q=0", Coding::Identity),
            ("identity;q=1, gzip;q=0.5", Coding::Identity),
            ("gzip;q=0.5, *", Coding::Brotli),
            ("br;q=0, gzip;q=0.5, *", Coding::Identity),
            ("identity;q=0.5, gzip;q=0.5", Coding::Gzip),
            ("identity;q=0", Coding::Identity),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            assert_eq!(Coding::preferred(&headers, &both), preferred, "{accepted}");
        }
        assert_eq!(Coding::preferred(&HeaderMap::new(), &both), Coding::Identity);
    }

    #[test]
    fn the_tag_of_each_coding_is_another_one() {
        let tag = HeaderValue::from_static("\"12\"");
        assert_eq!(
            (Coding::Gzip.tag(&tag), Coding::Identity.tag(&tag)),
            (HeaderValue::from_static("\"12-gzip\""), tag)
        );
        assert_eq!(["12-gzip", "12-br", "12", "gzip"].map(without_coding), ["12", "12", "12", "gzip"]);
    }
}
