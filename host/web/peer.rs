//! Client at the other end of a connection. Its address tells clients without a name apart.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::Extensions;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::slots::Holder;

/// Client of a connection.
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

/// The length of the prefix of IPv6 networks of which one client often has all addresses.
const OWN_V6: u8 = 64;

/// The lengths of the prefixes of networks that one client can easily have: what a provider of IPv6 gives to a customer, and
/// what of IPv4 is small enough.
const NETWORK_V6: u8 = 48;
const NETWORK_V4: u8 = 24;

/// Client of a connection with its name, as an extension of each request. The name is made once for all of them.
#[derive(Clone)]
pub(super) struct NamedPeer {
    peer: Peer,
    name: Arc<str>,
}

/// The client of a request.
pub(super) fn of(extensions: &Extensions) -> Option<Peer> {
    extensions.get::<NamedPeer>().map(|named| named.peer)
}

/// Returns the client of a request as a name. One client often has all addresses of an IPv6 network with a prefix of 64
/// bits, so these have one name.
pub(super) fn name(extensions: &Extensions) -> Arc<str> {
    extensions.get::<NamedPeer>().map_or_else(|| UNKNOWN.into(), |named| named.name.clone())
}

impl From<Peer> for NamedPeer {
    fn from(peer: Peer) -> Self {
        Self { peer, name: peer.name().into() }
    }
}

impl Peer {
    /// The client as a name.
    pub(super) fn name(self) -> String {
        match self {
            Self::Address(peer) => match own(peer) {
                IpNet::V4(own) => own.addr().to_string(),
                IpNet::V6(own) => own.to_string(),
            },
            Self::Local => LOCAL.to_owned(),
        }
    }

    /// The client as a holder of slots. A process that may open the socket file is a proxy.
    pub(super) fn holder(self) -> Holder {
        match self {
            Self::Address(peer) => Holder::Client { own: own(peer), network: network(peer, NETWORK_V4, NETWORK_V6) },
            Self::Local => Holder::Proxy,
        }
    }
}

/// The addresses that are those of one client.
fn own(peer: IpAddr) -> IpNet {
    network(peer, 32, OWN_V6)
}

/// The network of an address with a prefix of this length.
fn network(peer: IpAddr, v4: u8, v6: u8) -> IpNet {
    match peer.to_canonical() {
        IpAddr::V4(peer) => Ipv4Net::new_assert(peer, v4).trunc().into(),
        IpAddr::V6(peer) => Ipv6Net::new_assert(peer, v6).trunc().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_one_client_may_have_all_of_have_one_name() {
        let name = |address: &str| {
            let mut extensions = Extensions::new();
            extensions.insert(NamedPeer::from(Peer::Address(address.parse().expect("an address"))));
            name(&extensions).to_string()
        };
        assert_eq!(name("192.0.2.7"), "192.0.2.7");
        assert_eq!(name("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(name("2001:db8::1"), "2001:db8::/64");
        assert_eq!(name("2001:db8::2"), name("2001:db8::1"));
        assert_ne!(name("2001:db8:0:1::2"), name("2001:db8::1"));
        assert_eq!(&*super::name(&Extensions::new()), UNKNOWN);
    }

    #[test]
    fn a_client_with_an_address_holds_slots_by_its_address_and_by_its_network() {
        let holder = |address: &str| Peer::Address(address.parse().expect("an address")).holder();
        let expected = |own: &str, network: &str| {
            let parse = |text: &str| text.parse().expect("a network");
            Holder::Client { own: parse(own), network: parse(network) }
        };
        assert_eq!(holder("192.0.2.7"), expected("192.0.2.7/32", "192.0.2.0/24"));
        assert_eq!(holder("::ffff:192.0.2.7"), holder("192.0.2.7"));
        assert_eq!(holder("2001:db8:1:2::3"), expected("2001:db8:1:2::/64", "2001:db8:1::/48"));
        assert_eq!(Peer::Local.holder(), Holder::Proxy);
    }
}
