//! Misbehaviours that take more than a line.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use hotlist_plugin::{Change, Date, Entry, Value};

/// Executes WebAssembly's `unreachable`, without a panic before it.
pub(crate) fn unreachable() -> ! {
    #[cfg(target_arch = "wasm32")]
    std::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort()
}

/// Computes forever.
pub(crate) fn spin() -> ! {
    let mut rounds = 0_u64;
    loop {
        rounds = black_box(rounds).wrapping_add(1);
    }
}

/// Allocates memory forever.
pub(crate) fn allocate() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; 65_536]));
    }
}

/// Recurses until the stack overflows. Two calls in one sum prevent the compiler from making it a loop.
pub(crate) fn recurse(depth: u64) -> f64 {
    if depth == u64::MAX { 1.0 } else { recurse(depth + 1) / 2.0 + recurse(depth | 1) }
}

/// Answers 100,000 changes, each of them valid.
pub(crate) fn flood(first: &Entry) -> Vec<Change> {
    let entry = |id| Change::Put(Entry { id, title: "flood".into(), ..first.clone() });
    (first.id..first.id + 100_000).map(entry).collect()
}

/// A title that is not UTF-8.
#[expect(unsafe_code, reason = "safe Rust cannot say this, which is why a host must not rely on it")]
pub(crate) fn not_utf8() -> String {
    // SAFETY: no code in this component reads the text. It leaves the component as bytes.
    unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, 0xfe, b'z']) }
}

/// Any value.
pub(crate) fn value() -> Value {
    Value::Boolean(true)
}

/// The 30th of February.
pub(crate) fn no_day() -> Date {
    Date { year: 2026, month: 2, day: 30 }
}

/// The number of calls so far. A pure logic cannot know it, because it is not an argument.
pub(crate) fn count() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed) + 1
}
