//! Slots of what the server holds for its clients, such as connections. No client takes all of them.
//!
//! Three limits hold, and each is a number of slots:
//!
//! - *All* slots.
//! - The slots of one *holder*: a caller, or the addresses that one client has.
//! - The *reserve*, which is the last tenth of all slots. Only holders whose network has few slots take slots of the reserve,
//!   so clients with many addresses in one network leave slots to others.
//!
//! A proxy carries many clients, so only the limit on all slots holds for it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use ipnet::IpNet;
use parking_lot::Mutex;

/// The part of all slots that is the reserve: one of so many.
const RESERVE: usize = 10;

/// The most slots of a network that may take one of the reserve: two more than the connections of a browser.
pub(super) const RESERVE_SLOTS: usize = 8;

/// What the slots are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Resource {
    Connections,
    EventStreams,
}

/// A limit on slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SlotLimit {
    /// On all slots.
    Total,
    /// On the slots of one holder.
    Holder,
    /// On the slots of one network, of those that may take a slot of the reserve.
    Reserve,
}

/// Holder of slots.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Holder {
    /// A proxy, which carries many clients.
    Proxy,
    /// A caller whom a proxy names.
    Caller(Arc<str>),
    /// A client that is known by its address.
    Client {
        /// All addresses that are certainly those of one client.
        own: IpNet,
        /// A network whose addresses may be those of one client.
        network: IpNet,
    },
}

/// There is no slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoSlot {
    /// What there is no slot for.
    pub(super) resource: Resource,
    /// The limit that is reached.
    pub(super) limit: SlotLimit,
    /// The number of slots that the limit allows.
    pub(super) value: usize,
}

/// The slots of a server for one resource.
pub(super) struct Slots {
    resource: Resource,
    total: usize,
    per_holder: usize,
    taken: Mutex<TakenSlots>,
}

#[derive(Default)]
struct TakenSlots {
    all: usize,
    /// By holder, and by network.
    by_key: HashMap<Key, usize>,
}

/// What slots are counted by. The length of its prefix tells a network from the addresses of one client.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Caller(Arc<str>),
    Network(IpNet),
}

/// One slot, which is free again when this is dropped.
pub(super) struct Slot {
    slots: Arc<Slots>,
    holder: Holder,
}

impl Holder {
    /// What the slots of the holder are counted by, and those of its network.
    fn keys(&self) -> Option<(Key, Key)> {
        match self {
            Self::Proxy => None,
            // Callers have no network. Each is one.
            Self::Caller(name) => Some((Key::Caller(name.clone()), Key::Caller(name.clone()))),
            Self::Client { own, network } => Some((Key::Network(*own), Key::Network(*network))),
        }
    }
}

impl Slots {
    /// Free slots, and how many of them one holder may take.
    pub(super) fn new(resource: Resource, total: usize, per_holder: usize) -> Arc<Self> {
        Arc::new(Self { resource, total, per_holder, taken: Mutex::default() })
    }

    /// Takes a slot, or says which limit is reached. Never waits.
    pub(super) fn take(self: &Arc<Self>, holder: Holder) -> Result<Slot, NoSlot> {
        let keys = holder.keys();
        let mut taken = self.taken.lock();
        self.limit_reached(&taken, keys.as_ref()).map_or(Ok(()), |limit| Err(self.no_slot(limit)))?;
        taken.all += 1;
        for key in keys.into_iter().flat_map(distinct) {
            *taken.by_key.entry(key).or_default() += 1;
        }
        drop(taken);
        Ok(Slot { slots: self.clone(), holder })
    }

    /// What is said when a limit is reached.
    pub(super) fn no_slot(&self, limit: SlotLimit) -> NoSlot {
        let value = match limit {
            SlotLimit::Total => self.total,
            SlotLimit::Holder => self.per_holder,
            SlotLimit::Reserve => RESERVE_SLOTS,
        };
        NoSlot { resource: self.resource, limit, value }
    }

    fn limit_reached(&self, taken: &TakenSlots, keys: Option<&(Key, Key)>) -> Option<SlotLimit> {
        let count = |key: &Key| taken.by_key.get(key).copied().unwrap_or_default();
        let is_reserve_next = taken.all >= self.total - self.total / RESERVE;
        match keys {
            // A share that is not smaller than all slots is no limit.
            Some((own, _)) if self.per_holder < self.total && count(own) >= self.per_holder => Some(SlotLimit::Holder),
            _ if taken.all >= self.total => Some(SlotLimit::Total),
            Some((_, network)) if is_reserve_next && count(network) >= RESERVE_SLOTS => Some(SlotLimit::Reserve),
            _ => None,
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock();
        taken.all -= 1;
        for key in self.holder.keys().into_iter().flat_map(distinct) {
            if let Entry::Occupied(mut count) = taken.by_key.entry(key) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }
}

/// The keys, or one of them if they are the same.
fn distinct((own, network): (Key, Key)) -> impl Iterator<Item = Key> {
    let network = (network != own).then_some(network);
    std::iter::once(own).chain(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(own: &str, network: &str) -> Holder {
        let parse = |text: &str| text.parse().expect("a network");
        Holder::Client { own: parse(own), network: parse(network) }
    }

    fn caller(name: &str) -> Holder {
        Holder::Caller(name.into())
    }

    /// Takes slots until a limit is reached, and returns them with the limit.
    fn take_all(slots: &Arc<Slots>, mut holder: impl FnMut(usize) -> Holder) -> (Vec<Slot>, SlotLimit) {
        let mut taken = Vec::new();
        loop {
            match slots.take(holder(taken.len())) {
                Ok(slot) => taken.push(slot),
                Err(no_slot) => return (taken, no_slot.limit),
            }
        }
    }

    #[test]
    fn a_holder_at_its_limit_gets_no_slot_and_another_one_does() {
        let slots = Slots::new(Resource::Connections, 100, 5);
        let (taken, limit) = take_all(&slots, |_| client("192.0.2.7/32", "192.0.2.0/24"));
        assert_eq!((taken.len(), limit), (5, SlotLimit::Holder));
        let neighbour = slots.take(client("192.0.2.8/32", "192.0.2.0/24"));
        assert!(neighbour.is_ok());
        let (named, limit) = take_all(&slots, |_| caller("ann"));
        assert_eq!((named.len(), limit), (5, SlotLimit::Holder));
        assert!(slots.take(caller("bob")).is_ok());
    }

    #[test]
    fn a_slot_that_is_dropped_is_free_again_and_leaves_nothing_behind() {
        let slots = Slots::new(Resource::EventStreams, 2, 1);
        for holder in [caller("ann"), client("192.0.2.7/32", "192.0.2.0/24"), Holder::Proxy] {
            for _ in 0..3 {
                let slot = slots.take(holder.clone());
                assert!(slot.is_ok(), "{holder:?}");
            }
        }
        assert!(slots.taken.lock().by_key.is_empty());
        assert_eq!(slots.taken.lock().all, 0);
    }

    #[test]
    fn no_client_takes_more_than_all_slots_and_a_proxy_takes_all_of_them() {
        let slots = Slots::new(Resource::Connections, 50, 5);
        let (taken, limit) = take_all(&slots, |_| Holder::Proxy);
        assert_eq!((taken.len(), limit), (50, SlotLimit::Total));
        let full = slots.take(caller("ann")).err().expect("all are taken");
        assert_eq!(full, NoSlot { resource: Resource::Connections, limit: SlotLimit::Total, value: 50 });
    }

    #[test]
    fn a_network_with_many_addresses_leaves_the_reserve_to_others() {
        let slots = Slots::new(Resource::Connections, 1_000, 125);
        let many = |number: usize| client(&format!("2001:db8:0:{number:x}::/64"), "2001:db8::/48");
        let (attack, limit) = take_all(&slots, many);
        assert_eq!((attack.len(), limit), (900, SlotLimit::Reserve));
        let (other, limit) = take_all(&slots, |_| client("192.0.2.7/32", "192.0.2.0/24"));
        assert_eq!((other.len(), limit), (RESERVE_SLOTS, SlotLimit::Reserve));
        // A network with few slots goes on until all are taken.
        let networks = |number: usize| {
            client(&format!("10.0.{number}.1/32", number = number / 8), &format!("10.0.{}.0/24", number / 8))
        };
        let (rest, limit) = take_all(&slots, networks);
        assert_eq!((rest.len(), limit), (100 - RESERVE_SLOTS, SlotLimit::Total));
        // A slot that is free again is one of the reserve.
        drop(other);
        assert!(slots.take(many(1_000)).is_err());
        assert!(slots.take(caller("ann")).is_ok());
    }

    #[test]
    fn few_slots_have_no_reserve() {
        let slots = Slots::new(Resource::EventStreams, 9, 9);
        let (taken, limit) = take_all(&slots, |_| caller("ann"));
        assert_eq!((taken.len(), limit), (9, SlotLimit::Total));
        assert!(Slots::new(Resource::EventStreams, 0, 1).take(Holder::Proxy).is_err());
    }
}
