//! Problems of a client that gets no slot.

use super::Problem;
use super::kind::ProblemKind;
use crate::web::slots::{NoSlot, Resource, SlotLimit};

impl From<NoSlot> for Problem {
    fn from(NoSlot { resource, limit, value }: NoSlot) -> Self {
        let things = match resource {
            Resource::Connections => "connections",
            Resource::EventStreams => "event streams",
        };
        let name = match (resource, limit) {
            (Resource::Connections, SlotLimit::Total) => "max connections",
            (Resource::Connections, SlotLimit::Holder) => "max connections per peer",
            (Resource::Connections, SlotLimit::Reserve) => "connections of a network in the reserve",
            (Resource::EventStreams, SlotLimit::Total) => "max event streams",
            (Resource::EventStreams, SlotLimit::Holder) => "max event streams per client",
            (Resource::EventStreams, SlotLimit::Reserve) => "event streams of a network in the reserve",
        };
        match limit {
            SlotLimit::Total => Self::overloaded(format!("{value} {things} are open, which is the limit"), name, value),
            SlotLimit::Reserve => {
                let detail = format!("few {things} are left, and they are for networks that have fewer than {value}");
                Self::overloaded(detail, name, value)
            }
            // It concerns this client and not the operator. A repetition works once the client closes one.
            SlotLimit::Holder => {
                let detail = format!("you have {value} {things} open, which is the limit; close one first");
                let mut problem = Self::new(ProblemKind::Overloaded, detail).with_limit(name, value);
                problem.0.retry_after = None;
                problem
            }
        }
    }
}
