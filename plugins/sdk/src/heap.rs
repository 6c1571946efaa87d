//! The guest's heap: small, and quick to begin with, because an instance may live for one call.
//!
//! Memory is handed out in blocks of 16, 32, 64 ... bytes from the end of the data upwards, so that
//! a first call touches a page or two. A freed block waits in the list of its size for the next
//! request of that size. All that a call is given and gives back is freed by the time it has
//! returned, so an instance that has answered a hundred thousand calls needs no more memory than
//! its largest one.
//!
//! It would be quicker still to give nothing back and to start from the bottom before each call;
//! but then a `static` of a plugin that holds a `String` would, in safe Rust, come to hold
//! somebody else's bytes.
#![allow(unsafe_code)] // The only place: a global allocator is an unsafe trait.

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::{memory_grow, memory_size};
use std::cell::Cell;
use std::ptr;

/// The smallest block, and the alignment of all: what the widest type of wasm32 needs.
const SMALLEST: usize = 16;

/// How many sizes there are: from 16 bytes to 1 GiB.
const SIZES: usize = 27;

/// The unit in which a memory grows.
const PAGE: usize = 65_536;

/// The pages to ask for at least, since to ask costs more than to have.
const GROW_PAGES: usize = 4;

#[global_allocator]
static HEAP: Heap = Heap {
    free: [const { Cell::new(ptr::null_mut()) }; SIZES],
    next: Cell::new(&raw const __heap_base as *mut u8),
    end: Cell::new(0),
};

unsafe extern "C" {
    /// Where data and stack end. The linker places it; only its address means something.
    static __heap_base: u8;
}

struct Heap {
    /// For each size, the first block that is free; it holds the address of the second, and so on.
    free: [Cell<*mut u8>; SIZES],
    /// Where memory that was never handed out begins.
    next: Cell<*mut u8>,
    /// Where it ends, as far as is known; zero before anyone asked.
    end: Cell<usize>,
}

// SAFETY: this target has one thread.
unsafe impl Sync for Heap {}

/// The place of a layout's size among the sizes, or none if no block is large enough or aligned enough.
fn size_of(layout: Layout) -> Option<usize> {
    let bytes = layout.size().max(SMALLEST).checked_next_power_of_two()?;
    let size = (bytes / SMALLEST).trailing_zeros() as usize;
    (layout.align() <= SMALLEST && size < SIZES).then_some(size)
}

impl Heap {
    /// Takes a block from memory that was never handed out; null when there is no more.
    #[cold]
    fn fresh(&self, bytes: usize) -> *mut u8 {
        let block = align_up(self.next.get());
        let Some(wanted) = (block as usize).checked_add(bytes) else { return ptr::null_mut() };
        if wanted > self.end.get() {
            let have = memory_size(0) * PAGE;
            let lack = wanted.saturating_sub(have).div_ceil(PAGE);
            if lack > 0 && memory_grow(0, lack.max(GROW_PAGES)) == usize::MAX {
                return ptr::null_mut();
            }
            self.end.set(memory_size(0).saturating_mul(PAGE));
        }
        self.next.set(block.wrapping_add(bytes));
        block
    }
}

fn align_up(address: *mut u8) -> *mut u8 {
    address.wrapping_add(address.align_offset(SMALLEST))
}

// SAFETY: a block handed out comes from beyond all that were handed out before, or was given back
// since; it is as large as its size says, which is at least the layout's, and aligned to 16.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(size) = size_of(layout) else { return ptr::null_mut() };
        let first = self.free[size].get();
        if first.is_null() {
            return self.fresh(SMALLEST << size);
        }
        // SAFETY: a free block has at least 16 bytes, and `dealloc` wrote the next one's address there.
        self.free[size].set(unsafe { first.cast::<*mut u8>().read() });
        first
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(size) = size_of(layout) else { return };
        // SAFETY: the caller gives up the block, which has at least 16 bytes, aligned to 16.
        unsafe { block.cast::<*mut u8>().write(self.free[size].get()) };
        self.free[size].set(block);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        let Ok(wanted) = Layout::from_size_align(bytes, layout.align()) else { return ptr::null_mut() };
        if size_of(layout) == size_of(wanted) {
            return block;
        }
        // SAFETY: the caller keeps to this trait's rules, so the old block is as large as its layout
        // says, and the new one as large as was asked for; they do not overlap.
        unsafe {
            let new = self.alloc(wanted);
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, layout.size().min(bytes));
                self.dealloc(block, layout);
            }
            new
        }
    }
}
