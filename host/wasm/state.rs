//! The host's state beside an instance: what the imported functions read and what its limits count.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use super::deadline::Deadline;
use super::guest_log::GuestLog;
use super::log_bucket::LogBucket;
use crate::list::List;

/// The state of one instance on the host's side.
pub(super) struct InstanceState {
    /// The list of the current call.
    pub(super) list: Arc<List>,
    /// The time of the current call, in milliseconds since the epoch.
    pub(super) now: u64,
    /// The state of the random number generator of the current call.
    random: u64,
    pub(super) guest_log: GuestLog,
    /// The deadline of the current command.
    pub(super) deadline: Deadline,
    /// The fuel that the current part of the command began with.
    pub(super) fuel: u64,
    /// The fuel that the finished parts of the current command used.
    pub(super) parts_fuel: u64,
    /// The bytes of all memories of the instance.
    pub(super) memory: usize,
    pub(super) memory_limit: usize,
    /// Whether a memory was refused to grow.
    pub(super) refused_memory: bool,
}

impl InstanceState {
    /// The state of a new instance.
    pub(super) fn new(log: Arc<LogBucket>, list: Arc<List>, memory_limit: usize) -> Self {
        Self {
            list,
            now: 0,
            random: 0,
            guest_log: GuestLog::new(log),
            deadline: Deadline::default(),
            fuel: 0,
            parts_fuel: 0,
            memory: 0,
            memory_limit,
            refused_memory: false,
        }
    }

    /// Sets the time and the seed of the next call.
    pub(super) fn begin_call(&mut self, now: u64, seed: u64) {
        self.now = now;
        self.random = seed;
    }

    /// The next random number of the current call. The generator is splitmix64 by Steele, Lea and Flood, started with
    /// the command's seed, so that the same call draws the same numbers on any instance.
    pub(super) fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Logs what the component prints.
    pub(super) fn print(&mut self, is_error: bool, bytes: &[u8]) {
        self.guest_log.print(is_error, bytes);
    }
}

impl ResourceLimiter for InstanceState {
    /// Limits the sum of all memories, so that many small ones gain nothing.
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        let allowed = total <= self.memory_limit;
        if allowed {
            self.memory = total;
        } else {
            self.refused_memory = true;
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, _current: usize, _desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true) // the pool limits the elements of each table
    }
}
