//! The guest's allocator. It is small and cheap to start, because an instance may live for one call.
//!
//! Blocks have 16, 32, 64 ... bytes and are allocated upwards from the end of the data, so that a first
//! call touches a page or two. A freed block goes to the free list of its size. The arguments and results
//! of a call are freed when it returns, so an instance needs no more memory after a hundred thousand
//! calls than its largest call needed.
//!
//! An arena that is reset before each call would be faster, but unsound: a `static` of a plugin that holds
//! a `String` would point to reused bytes, in safe Rust.
#![allow(unsafe_code)] // The only place: a global allocator is an unsafe trait.

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::{memory_grow, memory_size};
use std::cell::Cell;
use std::ptr;

/// The smallest block, and the alignment of all blocks: that of the widest type of wasm32.
const SMALLEST: usize = 16;

/// The number of block sizes: from 16 bytes to 1 GiB.
const SIZES: usize = 27;

/// The unit in which a WebAssembly memory grows.
const PAGE: usize = 65_536;

/// The fewest pages to grow by, because the call to grow costs more than the pages.
const GROW_PAGES: usize = 4;

#[global_allocator]
static HEAP: Heap = Heap {
    free: [const { Cell::new(ptr::null_mut()) }; SIZES],
    next: Cell::new(&raw const __heap_base as *mut u8),
    end: Cell::new(0),
};

unsafe extern "C" {
    /// The end of data and stack. The linker defines it; only its address has a meaning.
    static __heap_base: u8;
}

struct Heap {
    /// For each size, the first free block. A free block holds the address of the next one.
    free: [Cell<*mut u8>; SIZES],
    /// The start of memory that was never allocated.
    next: Cell<*mut u8>,
    /// The known end of the memory; zero before the first allocation.
    end: Cell<usize>,
}

// SAFETY: this target has one thread.
unsafe impl Sync for Heap {}

/// The index of a layout's block size, or none if no block is large enough or aligned enough.
fn size_of(layout: Layout) -> Option<usize> {
    let bytes = layout.size().max(SMALLEST).checked_next_power_of_two()?;
    let size = (bytes / SMALLEST).trailing_zeros() as usize;
    (layout.align() <= SMALLEST && size < SIZES).then_some(size)
}

impl Heap {
    /// Allocates a block from memory that was never allocated; null if there is no more.
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

// SAFETY: an allocated block is either beyond all blocks allocated before, or was freed since. Its size
// is at least the layout's, and it is aligned to 16.
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
        // SAFETY: the caller no longer uses the block, which has at least 16 bytes and is aligned to 16.
        unsafe { block.cast::<*mut u8>().write(self.free[size].get()) };
        self.free[size].set(block);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        let Ok(wanted) = Layout::from_size_align(bytes, layout.align()) else { return ptr::null_mut() };
        if size_of(layout) == size_of(wanted) {
            return block;
        }
        // SAFETY: by this trait's contract the old block is as large as its layout, and the new one as
        // large as requested. They do not overlap.
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
