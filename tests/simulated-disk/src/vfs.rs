//! The layer between SQLite and the files: a virtual file system that passes everything on to SQLite's own.
#![allow(unsafe_code)] // The only place: SQLite calls it through pointers.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::size_of;
use std::ptr;
use std::sync::Once;

use rusqlite::ffi;

use crate::disk::{Disk, OpenFile, Refused};

/// A file as SQLite holds it. SQLite's own file follows it in the same allocation.
#[repr(C)]
struct LayeredFile {
    /// What SQLite sees of a file.
    face: ffi::sqlite3_file,
    /// The file of a disk, or null if no disk has it. Owned.
    opened: *mut OpenFile,
}

/// The kinds of files whose directory SQLite synchronizes with the file.
const DIRECTORY_SYNCED: c_int = ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL;

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Without the memory mapping of version 3, which would hide writes.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Makes SQLite use simulated disks in this process. Files in a directory without a disk are as before.
///
/// # Panics
///
/// When SQLite does not take the layer.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: SQLite may be initialized at any time. The default file system that it returns is never freed. Its
        // functions that are copied below ignore their first argument, and the others get it through `base`. What is
        // registered is never freed either.
        let registered = unsafe {
            ffi::sqlite3_initialize();
            let base = ffi::sqlite3_vfs_find(ptr::null());
            assert!(!base.is_null(), "SQLite has a file system");
            let layer = ffi::sqlite3_vfs {
                // Version 3 would let SQLite exchange system calls, which belong to its own file system.
                iVersion: 2,
                szOsFile: c_int::try_from(size_of::<LayeredFile>()).expect("it is small") + (*base).szOsFile,
                zName: c"simulated-disk".as_ptr(),
                pNext: ptr::null_mut(),
                pAppData: base.cast(),
                xOpen: Some(open),
                xDelete: Some(delete),
                xAccess: Some(access),
                xFullPathname: Some(full_pathname),
                ..*base
            };
            ffi::sqlite3_vfs_register(Box::into_raw(Box::new(layer)), 1)
        };
        assert_eq!(registered, ffi::SQLITE_OK, "SQLite takes the file system");
    });
}

/// SQLite's own file system.
///
/// # Safety
///
/// `vfs` is what [`install`] registered.
unsafe fn base(vfs: *mut ffi::sqlite3_vfs) -> *mut ffi::sqlite3_vfs {
    // SAFETY: as above.
    unsafe { (*vfs).pAppData.cast() }
}

/// SQLite's own file.
///
/// # Safety
///
/// `file` points to the memory for a file of this layer, which SQLite allocates with `szOsFile` bytes.
unsafe fn under(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: as above, so the allocation goes on behind the layered file.
    unsafe { file.cast::<LayeredFile>().add(1).cast() }
}

/// The file of a disk, if a disk has it.
///
/// # Safety
///
/// `file` is an open file of this layer, and SQLite uses it on one thread at a time.
unsafe fn opened<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a mut OpenFile> {
    // SAFETY: `open` set the pointer, and `close` frees what it points to.
    unsafe { (*file.cast::<LayeredFile>()).opened.as_mut() }
}

/// Calls a method of SQLite's own file.
macro_rules! pass_on {
    ($method:ident($file:expr $(, $argument:expr)*)) => {{
        // SAFETY: SQLite calls this with an open file of this layer and with arguments for the method. SQLite's own file
        // behind it is open too, and has all methods of version 2.
        unsafe {
            let file = under($file);
            (*(*file).pMethods).$method.expect("SQLite's own files have all methods")(file $(, $argument)*)
        }
    }};
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls this with a name that is null or ends with a zero, and with memory for a file.
    let (on_disk, layered) = unsafe { (find(name), file.cast::<LayeredFile>()) };
    if let Some((disk, _)) = &on_disk {
        disk.interrupt();
    }
    // SAFETY: the memory is for a file of this layer, which has a file of SQLite's own behind it.
    unsafe {
        ptr::write(layered, LayeredFile { face: ffi::sqlite3_file { pMethods: ptr::null() }, opened: ptr::null_mut() });
        let own = base(vfs);
        let code = (*own).xOpen.expect("it opens files")(own, name, under(file), flags, out_flags);
        if code != ffi::SQLITE_OK {
            return code;
        }
        (*layered).face.pMethods = &raw const METHODS;
        let is_temporary = flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0;
        if let Some((disk, name)) = on_disk.filter(|_| !is_temporary) {
            let syncs_directory = flags & ffi::SQLITE_OPEN_CREATE != 0 && flags & DIRECTORY_SYNCED != 0;
            (*layered).opened = Box::into_raw(Box::new(disk.open(name, syncs_directory)));
        }
        code
    }
}

/// The disk of a file, and the name of the file in it.
///
/// # Safety
///
/// `name` is null or ends with a zero.
unsafe fn find(name: *const c_char) -> Option<(Disk, String)> {
    if name.is_null() {
        return None;
    }
    // SAFETY: as above.
    Disk::of(unsafe { CStr::from_ptr(name) }.to_str().ok()?)
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, syncs_directory: c_int) -> c_int {
    // SAFETY: SQLite calls this with a name that ends with a zero.
    let on_disk = unsafe { find(name) };
    if let Some((disk, _)) = &on_disk {
        disk.interrupt();
    }
    // SAFETY: `vfs` is this layer, and SQLite's own file system is behind it.
    let code = unsafe {
        let own = base(vfs);
        (*own).xDelete.expect("it deletes files")(own, name, syncs_directory)
    };
    if let Some((disk, name)) = on_disk.filter(|_| code == ffi::SQLITE_OK) {
        disk.removed(&name, syncs_directory != 0);
    }
    code
}

unsafe extern "C" fn access(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    // SAFETY: `vfs` is this layer, and SQLite's own file system is behind it.
    unsafe {
        let own = base(vfs);
        (*own).xAccess.expect("it looks at files")(own, name, flags, out)
    }
}

unsafe extern "C" fn full_pathname(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    size: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: `vfs` is this layer, and SQLite's own file system is behind it.
    unsafe {
        let own = base(vfs);
        (*own).xFullPathname.expect("it completes names")(own, name, size, out)
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes an open file once. `open` made the pointer from a box.
    unsafe {
        let layered = file.cast::<LayeredFile>();
        let opened = std::mem::replace(&mut (*layered).opened, ptr::null_mut());
        if !opened.is_null() {
            drop(Box::from_raw(opened));
        }
    }
    pass_on!(xClose(file))
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, count: c_int, offset: i64) -> c_int {
    pass_on!(xRead(file, to, count, offset))
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, count: c_int, offset: i64) -> c_int {
    // SAFETY: SQLite calls this with an open file, which nothing else uses meanwhile.
    let Some(opened) = (unsafe { opened(file) }) else { return pass_on!(xWrite(file, from, count, offset)) };
    opened.interrupt();
    let (Ok(at), Ok(wanted)) = (usize::try_from(offset), usize::try_from(count)) else { return ffi::SQLITE_MISUSE };
    let (allowed, refused) = opened.allow_write(at, wanted);
    if allowed > 0 {
        let code = pass_on!(xWrite(file, from, c_int::try_from(allowed).unwrap_or(count), offset));
        if code != ffi::SQLITE_OK {
            return code;
        }
        // SAFETY: SQLite passes at least `count` bytes, and `allowed` is no more.
        opened.written(at, unsafe { std::slice::from_raw_parts(from.cast::<u8>(), allowed) });
    }
    match refused {
        None => ffi::SQLITE_OK,
        Some(Refused::Failed) => ffi::SQLITE_IOERR_WRITE,
        Some(Refused::Full) => ffi::SQLITE_FULL,
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: SQLite calls this with an open file, which nothing else uses meanwhile.
    let opened = unsafe { opened(file) };
    opened.iter().for_each(|opened| opened.interrupt());
    let code = pass_on!(xTruncate(file, size));
    if let (Some(opened), ffi::SQLITE_OK, Ok(size)) = (opened, code, usize::try_from(size)) {
        opened.resized(size);
    }
    code
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite calls this with an open file, which nothing else uses meanwhile.
    let Some(opened) = (unsafe { opened(file) }) else { return pass_on!(xSync(file, flags)) };
    opened.interrupt();
    // The files need not be on a real disk.
    match opened.sync() {
        Ok(()) => ffi::SQLITE_OK,
        Err(_) => ffi::SQLITE_IOERR_FSYNC,
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    pass_on!(xFileSize(file, size))
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass_on!(xLock(file, level))
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass_on!(xUnlock(file, level))
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    pass_on!(xCheckReservedLock(file, out))
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, operation: c_int, argument: *mut c_void) -> c_int {
    pass_on!(xFileControl(file, operation, argument))
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    pass_on!(xSectorSize(file))
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    pass_on!(xDeviceCharacteristics(file))
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extends: c_int,
    out: *mut *mut c_void,
) -> c_int {
    pass_on!(xShmMap(file, region, size, extends, out))
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    pass_on!(xShmLock(file, offset, count, flags))
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    pass_on!(xShmBarrier(file));
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, deletes: c_int) -> c_int {
    pass_on!(xShmUnmap(file, deletes))
}
