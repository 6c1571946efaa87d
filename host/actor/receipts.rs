//! The receipts of a list in memory.
//!
//! A batch works on a clone of the list's receipts, which costs a reference count. The receipts that the batch adds are
//! added to the list's once they are durable.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::list::receipt::{Idempotency, Receipt};
use crate::store::receipt_room::{ListShare, NoReceiptRoom, ReceiptAccount, ReceiptRoom, Reservation};

/// The durable receipts of a list.
#[derive(Clone, Default)]
pub(super) struct ListReceipts(Option<Arc<Indexed>>);

#[derive(Clone, Default)]
struct Indexed {
    /// The oldest first.
    by_time: VecDeque<Arc<Receipt>>,
    by_key: BTreeSet<ByKey>,
    bytes: u64,
}

/// A receipt, as its key.
#[derive(Clone)]
struct ByKey(Arc<Receipt>);

impl ListReceipts {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The time of the newest receipt.
    pub(super) fn last_time(&self) -> Option<u64> {
        self.0.as_ref().and_then(|indexed| indexed.by_time.back()).map(|receipt| receipt.time)
    }

    fn get(&self, key: &str) -> Option<&Arc<Receipt>> {
        self.0.as_ref()?.by_key.get(key).map(|by_key| &by_key.0)
    }

    fn share(&self) -> ListShare {
        self.0.as_ref().map_or_else(ListShare::default, |indexed| ListShare {
            bytes: indexed.bytes,
            oldest: indexed.by_time.front().map(|receipt| receipt.time),
            held: 0,
        })
    }

    /// The bytes of the receipts of a caller or address. Reads all of them.
    fn bytes_of(&self, holder: &str) -> u64 {
        self.0.as_ref().map_or(0, |indexed| bytes_of(&indexed.by_time, holder))
    }

    /// Drops the receipts before a time. Costs as much as it drops, as long as no batch holds a clone.
    pub(super) fn expire(&mut self, horizon: u64) {
        let Some(indexed) = &mut self.0 else { return };
        let is_expired = |receipt: &Arc<Receipt>| receipt.time < horizon;
        if !indexed.by_time.front().is_some_and(is_expired) {
            return;
        }
        let indexed = Arc::make_mut(indexed);
        while indexed.by_time.front().is_some_and(is_expired) {
            let Some(receipt) = indexed.by_time.pop_front() else { break };
            indexed.bytes = indexed.bytes.saturating_sub(receipt.bytes() as u64);
            // The key may have a newer receipt, when a clock that was set back brought the older one back.
            if indexed.by_key.get(receipt.request.key.as_str()).is_some_and(|held| Arc::ptr_eq(&held.0, &receipt)) {
                indexed.by_key.remove(receipt.request.key.as_str());
            }
        }
        if indexed.by_time.is_empty() {
            self.0 = None;
        }
    }

    /// Adds receipts that are newer than the others. Costs as much as it adds, as long as no batch holds a clone.
    pub(super) fn add(&mut self, receipts: Vec<Arc<Receipt>>) {
        if receipts.is_empty() {
            return;
        }
        let indexed = Arc::make_mut(self.0.get_or_insert_default());
        for receipt in receipts {
            indexed.bytes += receipt.bytes() as u64;
            indexed.by_key.replace(ByKey(receipt.clone()));
            indexed.by_time.push_back(receipt);
        }
    }
}

/// The receipts of a batch, and the room that is reserved for them.
pub(super) struct NewReceipts {
    room: Arc<ReceiptRoom>,
    receipts: Vec<Arc<Receipt>>,
    bytes: u64,
    reservations: Vec<Reservation>,
}

impl NewReceipts {
    pub(super) fn new(room: &Arc<ReceiptRoom>) -> Self {
        Self { room: room.clone(), receipts: Vec::new(), bytes: 0, reservations: Vec::new() }
    }

    /// The receipt of a key, a new one or one of the list's.
    pub(super) fn find<'a>(&'a self, durable: &'a ListReceipts, key: &str) -> Option<&'a Receipt> {
        let new = self.receipts.iter().find(|receipt| receipt.request.key == key);
        new.or_else(|| durable.get(key)).map(|receipt| &**receipt)
    }

    /// Checks whether there is room for the smallest receipt of a request.
    ///
    /// # Errors
    ///
    /// There is no room.
    pub(super) fn check(&self, durable: &ListReceipts, request: &Idempotency, now: u64) -> Result<(), NoReceiptRoom> {
        let bytes = request.least_receipt_bytes() as u64;
        self.room.check(self.share(durable, &request.holder, bytes), &request.holder, bytes, now)
    }

    /// Adds a receipt, and reserves room for it.
    ///
    /// # Errors
    ///
    /// There is no room.
    pub(super) fn add(&mut self, durable: &ListReceipts, receipt: Receipt, now: u64) -> Result<(), NoReceiptRoom> {
        let bytes = receipt.bytes() as u64;
        let account = ReceiptAccount { time: receipt.time, holder: receipt.request.holder.as_str().into(), bytes };
        let share = self.share(durable, &account.holder, bytes);
        self.reservations.push(self.room.reserve(share, account, now)?);
        self.receipts.push(Arc::new(receipt));
        self.bytes += bytes;
        Ok(())
    }

    pub(super) fn receipts(&self) -> &[Arc<Receipt>] {
        &self.receipts
    }

    pub(super) fn into_receipts(self) -> Vec<Arc<Receipt>> {
        self.receipts
    }

    /// Retains the reserved room, because the receipts are handed to the store.
    pub(super) fn hand_to_store(&mut self) -> HandedOver {
        let accounts = self.reservations.drain(..).map(Reservation::hand_over).collect();
        HandedOver { room: self.room.clone(), accounts }
    }

    /// What the list has when a receipt of `new` bytes comes.
    fn share(&self, durable: &ListReceipts, holder: &str, new: u64) -> ListShare {
        let ListShare { bytes, oldest, .. } = durable.share();
        let bytes = bytes + self.bytes;
        // Read where the room is nearly full only, so that the lists with room need no sums by holder.
        let is_needed = bytes + new > self.room.limits().open_list_bytes();
        let held = if is_needed { durable.bytes_of(holder) + bytes_of(&self.receipts, holder) } else { 0 };
        ListShare { bytes, oldest, held }
    }
}

fn bytes_of<'a>(receipts: impl IntoIterator<Item = &'a Arc<Receipt>>, holder: &str) -> u64 {
    let own = receipts.into_iter().filter(|receipt| receipt.request.holder == holder);
    own.map(|receipt| receipt.bytes() as u64).sum()
}

/// The room of receipts that the store has. It stays reserved where the outcome of the commit is not known.
pub(super) struct HandedOver {
    room: Arc<ReceiptRoom>,
    accounts: Vec<ReceiptAccount>,
}

impl HandedOver {
    /// Releases the room, because the commit was certainly not carried out.
    pub(super) fn release(self) {
        self.accounts.iter().for_each(|account| self.room.release(account));
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.request.key == other.0.request.key
    }
}

impl Eq for ByKey {}

impl PartialOrd for ByKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.request.key.cmp(&other.0.request.key)
    }
}

impl Borrow<str> for ByKey {
    fn borrow(&self) -> &str {
        &self.0.request.key
    }
}
