//! The room for receipts: how long they are retained, how many bytes they may take, and who takes how many.
//!
//! A request with an idempotency key is only carried out when there is room for its receipt. The actor reserves the room
//! before the commit. A receipt takes room until it expires, so nothing has to be read or deleted for the room to become
//! free. A store accounts for the receipts that it finds when it is opened.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// The part of the room that one caller or address may take: an eighth. The last eighth of the room of a list is for
/// those who have taken less than that of it.
const HOLDERS: u64 = 8;

/// The milliseconds in a minute. Receipts of one minute are accounted for together.
const MINUTE: u64 = 60_000;

/// The longest time after which a refused request is told to try again, in milliseconds.
pub const MAX_RETRY_AFTER: u64 = 60 * MINUTE;

/// The limits on receipts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiptLimits {
    /// How long a receipt is retained.
    pub time: Duration,
    /// The most bytes of the receipts of one list.
    pub list_bytes: usize,
    /// The most bytes of the receipts of all lists. One caller or address may take an eighth of them.
    pub total_bytes: usize,
}

impl Default for ReceiptLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(24 * 60 * 60), list_bytes: 1 << 20, total_bytes: 256 << 20 }
    }
}

impl ReceiptLimits {
    fn time_ms(&self) -> u64 {
        u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX)
    }

    /// The bytes of the receipts of one list that a caller or address may take alone. Most lists have one user, so an
    /// eighth would be too few. The rest is for the keys of others.
    pub fn open_list_bytes(&self) -> u64 {
        self.list_bytes as u64 - self.list_holder_bytes()
    }

    /// The most bytes of the receipts of one caller or address in one list, beyond [`ReceiptLimits::open_list_bytes`].
    pub fn list_holder_bytes(&self) -> u64 {
        self.list_bytes as u64 / HOLDERS
    }

    /// The most bytes of the receipts of one caller or address.
    pub fn holder_bytes(&self) -> u64 {
        self.total_bytes as u64 / HOLDERS
    }
}

/// A limit of the room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReceiptLimit {
    /// [`ReceiptLimits::list_bytes`]
    List,
    /// [`ReceiptLimits::list_holder_bytes`]
    ListHolder,
    /// [`ReceiptLimits::holder_bytes`]
    Holder,
    /// [`ReceiptLimits::total_bytes`]
    Total,
}

/// There is no room for a receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", self.text())]
pub struct NoReceiptRoom {
    /// The limit that would be exceeded.
    pub limit: ReceiptLimit,
    /// The value of the limit in bytes.
    pub bytes: u64,
    /// After how many milliseconds the oldest receipt expires, if that is within [`MAX_RETRY_AFTER`].
    pub retry_after: Option<u64>,
}

impl NoReceiptRoom {
    fn text(&self) -> String {
        let Self { limit, bytes, .. } = self;
        let why = match limit {
            ReceiptLimit::List => format!("the receipts of the list may take {bytes} bytes until they expire"),
            ReceiptLimit::ListHolder => format!(
                "the list is full of receipts but for its last {bytes} bytes, which are for callers and addresses whose \
                 receipts in it take less than that"
            ),
            ReceiptLimit::Holder => {
                format!("the receipts of one caller or address may take {bytes} bytes until they expire")
            }
            ReceiptLimit::Total => format!("all receipts may take {bytes} bytes until they expire"),
        };
        format!(
            "there is no room for a receipt of the idempotency key: {why}; nothing was changed; send the request later, or \
             without a key"
        )
    }
}

/// The share of one receipt in the room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceiptAccount {
    /// The time of the receipt, in milliseconds since the epoch.
    pub time: u64,
    /// The caller or the address on whose account the receipt takes room.
    pub holder: Arc<str>,
    /// The bytes of the receipt.
    pub bytes: u64,
}

/// What the receipts of one list take.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListShare {
    /// The bytes of the receipts.
    pub bytes: u64,
    /// The time of the oldest receipt.
    pub oldest: Option<u64>,
    /// The bytes of those of the caller or address that asks for room. Needed only where the list has more than
    /// [`ReceiptLimits::open_list_bytes`].
    pub held: u64,
}

/// The room for receipts of a store.
#[derive(Debug)]
pub struct ReceiptRoom {
    limits: ReceiptLimits,
    /// Receipts before this time are expired.
    horizon: AtomicU64,
    used: Mutex<UsedRoom>,
}

#[derive(Debug, Default)]
struct UsedRoom {
    total: u64,
    holders: HashMap<Arc<str>, u64>,
    /// The bytes by minute and by holder, so that a minute of receipts expires at once.
    minutes: BTreeMap<u64, HashMap<Arc<str>, u64>>,
}

/// Reserved room, which is released when this is dropped.
#[must_use]
#[derive(Debug)]
pub struct Reservation {
    room: Arc<ReceiptRoom>,
    account: Option<ReceiptAccount>,
}

impl ReceiptRoom {
    /// An empty room.
    pub fn new(limits: ReceiptLimits) -> Arc<Self> {
        Arc::new(Self { limits, horizon: AtomicU64::new(0), used: Mutex::default() })
    }

    /// The limits of the room.
    pub fn limits(&self) -> &ReceiptLimits {
        &self.limits
    }

    /// Whether a receipt of this time is expired.
    pub fn is_expired(&self, time: u64) -> bool {
        time < self.horizon()
    }

    /// The time before which receipts are expired.
    pub fn horizon(&self) -> u64 {
        self.horizon.load(Ordering::Acquire)
    }

    /// Lets receipts expire as of the time of the wall clock. A clock that was set back by less than the time of a receipt
    /// brings no receipt back. After a larger correction the time before which receipts are expired is set back, too:
    /// otherwise the receipts of the corrected time would be expired from the beginning.
    pub fn advance(&self, now: u64) {
        let mut used = self.used.lock();
        let (before, after) = (self.horizon(), now.saturating_sub(self.limits.time_ms()));
        if after > before || now < before {
            self.horizon.store(after, Ordering::Release);
            used.expire(after);
        }
    }

    /// Checks whether there is room for a receipt of `bytes` bytes, besides those that its list has.
    ///
    /// # Errors
    ///
    /// There is no room.
    pub fn check(&self, list: ListShare, holder: &str, bytes: u64, now: u64) -> Result<(), NoReceiptRoom> {
        self.check_used(&self.used.lock(), list, holder, bytes, now)
    }

    /// Reserves room for a receipt, besides those that its list has.
    ///
    /// # Errors
    ///
    /// There is no room.
    pub fn reserve(
        self: &Arc<Self>,
        list: ListShare,
        account: ReceiptAccount,
        now: u64,
    ) -> Result<Reservation, NoReceiptRoom> {
        let mut used = self.used.lock();
        self.check_used(&used, list, &account.holder, account.bytes, now)?;
        used.add(&account);
        Ok(Reservation { room: self.clone(), account: Some(account) })
    }

    /// Accounts for a receipt that a store found when it was opened, also when there is no room for it.
    pub fn account(&self, account: &ReceiptAccount) {
        self.used.lock().add(account);
    }

    /// Releases the room of a receipt that was not committed.
    pub fn release(&self, account: &ReceiptAccount) {
        self.used.lock().remove(account);
    }

    /// The bytes of all receipts that are not expired. Those of the first minute may be expired in part.
    pub fn used(&self) -> u64 {
        self.used.lock().total
    }

    /// The bytes of the receipts of a caller or address.
    pub fn used_by(&self, holder: &str) -> u64 {
        self.used.lock().holders.get(holder).copied().unwrap_or(0)
    }

    fn check_used(
        &self,
        used: &UsedRoom,
        list: ListShare,
        holder: &str,
        bytes: u64,
        now: u64,
    ) -> Result<(), NoReceiptRoom> {
        let (list_bytes, total_bytes) = (self.limits.list_bytes as u64, self.limits.total_bytes as u64);
        let holder_bytes = self.limits.holder_bytes();
        let held = used.holders.get(holder).copied().unwrap_or(0);
        let wait = |time: u64| time.saturating_add(self.limits.time_ms()).saturating_sub(now);
        let (limit, bytes, wait) = if list.bytes + bytes > list_bytes {
            (ReceiptLimit::List, list_bytes, list.oldest.map(wait))
        } else if list.bytes + bytes > self.limits.open_list_bytes()
            && list.held + bytes > self.limits.list_holder_bytes()
        {
            (ReceiptLimit::ListHolder, self.limits.list_holder_bytes(), list.oldest.map(wait))
        } else if held + bytes > holder_bytes {
            let last = now.saturating_add(MAX_RETRY_AFTER).saturating_sub(self.limits.time_ms()) / MINUTE;
            let oldest = used.minutes.range(..=last).find(|(_, holders)| holders.contains_key(holder));
            (ReceiptLimit::Holder, holder_bytes, oldest.map(|(minute, _)| wait((minute + 1) * MINUTE)))
        } else if used.total + bytes > total_bytes {
            let oldest = used.minutes.keys().next();
            (ReceiptLimit::Total, total_bytes, oldest.map(|minute| wait((minute + 1) * MINUTE)))
        } else {
            return Ok(());
        };
        Err(NoReceiptRoom { limit, bytes, retry_after: wait.filter(|wait| *wait <= MAX_RETRY_AFTER) })
    }
}

impl UsedRoom {
    fn add(&mut self, ReceiptAccount { time, holder, bytes }: &ReceiptAccount) {
        self.total += bytes;
        *self.holders.entry(holder.clone()).or_default() += bytes;
        *self.minutes.entry(time / MINUTE).or_default().entry(holder.clone()).or_default() += bytes;
    }

    fn remove(&mut self, ReceiptAccount { time, holder, bytes }: &ReceiptAccount) {
        let minute = time / MINUTE;
        let Some(holders) = self.minutes.get_mut(&minute) else {
            // It expired meanwhile.
            return;
        };
        subtract(holders, holder, *bytes);
        if holders.is_empty() {
            self.minutes.remove(&minute);
        }
        subtract(&mut self.holders, holder, *bytes);
        self.total -= bytes;
    }

    /// Frees the minutes that end before the horizon.
    fn expire(&mut self, horizon: u64) {
        while let Some(first) = self.minutes.first_entry()
            && (first.key() + 1).saturating_mul(MINUTE) <= horizon
        {
            for (holder, bytes) in first.remove() {
                subtract(&mut self.holders, &holder, bytes);
                self.total -= bytes;
            }
        }
    }
}

fn subtract(holders: &mut HashMap<Arc<str>, u64>, holder: &str, bytes: u64) {
    let Some(held) = holders.get_mut(holder) else { return };
    *held = held.saturating_sub(bytes);
    if *held == 0 {
        holders.remove(holder);
    }
}

impl Reservation {
    /// Retains the room, because the receipt is handed to the store. The caller releases the account when the commit was
    /// certainly not carried out.
    pub fn hand_over(mut self) -> ReceiptAccount {
        self.account.take().expect("an account is taken once, because this consumes the reservation")
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(account) = self.account.take() {
            self.room.release(&account);
        }
    }
}

#[cfg(test)]
mod tests;
