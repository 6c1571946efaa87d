//! Client at the other end of a connection. Its address tells clients without a name apart.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::Extensions;

/// Client of a connection, as an extension of each request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Peer {
    /// A client with an address.
    Address(IpAddr),
    /// A process on this machine that may open the server's socket file.
    Local,
}

/// The name of requests through the server's socket file.
const LOCAL: &str = "local";

/// The name of requests without a known client.
const UNKNOWN: &str = "unknown";

/// The client of a request.
pub(super) fn of(extensions: &Extensions) -> Option<Peer> {
    extensions.get::<Peer>().copied()
}

/// Returns the client of a request as a name. One client often has all addresses of an IPv6 network with a prefix of 64
/// bits, so these have one name.
pub(super) fn name(extensions: &Extensions) -> String {
    match of(extensions) {
        Some(Peer::Address(peer)) => match peer.to_canonical() {
            IpAddr::V4(peer) => peer.to_string(),
            IpAddr::V6(peer) => {
                let [a, b, c, d, ..] = peer.segments();
                format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        },
        Some(Peer::Local) => LOCAL.to_owned(),
        None => UNKNOWN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_one_client_may_have_all_of_have_one_name() {
        let name = |address: &str| {
            let mut extensions = Extensions::new();
            extensions.insert(Peer::Address(address.parse().expect("an address")));
            name(&extensions)
        };
        assert_eq!(name("192.0.2.7"), "192.0.2.7");
        assert_eq!(name("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(name("2001:db8::1"), "2001:db8::/64");
        assert_eq!(name("2001:db8::2"), name("2001:db8::1"));
        assert_ne!(name("2001:db8:0:1::2"), name("2001:db8::1"));
        assert_eq!(super::name(&Extensions::new()), UNKNOWN);
    }
}
