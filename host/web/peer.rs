//! Address of the client at the other end of a connection, by which clients without a name are told apart.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::Extensions;

/// Address of the client, as an extension of each request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// The name of requests without a known address.
const UNKNOWN: &str = "unknown";

/// Returns the address of a request as a name. One client often has all addresses of an IPv6 network with a prefix of 64
/// bits, so these have one name.
pub(super) fn name(extensions: &Extensions) -> String {
    match extensions.get::<Peer>().map(|Peer(address)| address.to_canonical()) {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
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
            extensions.insert(Peer(address.parse().expect("an address")));
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
