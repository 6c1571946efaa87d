//! A scan of SQLite's write-ahead log before SQLite opens it.
//!
//! SQLite ends the log at the first frame that does not fit, and forgets what is behind it. That is right after a power
//! failure, which leaves a torn transaction at the end, and wrong after damage in the middle. The scan tells the two
//! apart: each transaction is synchronized with the disk before the next one begins, so a torn tail holds the end of one
//! transaction at most. Two ends of transactions at or behind a frame that does not fit are damage.
//!
//! Frames of an earlier use of the file are normal behind the end. They have other salts than the header.
//!
//! The format is described at <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// The size of the header, in bytes.
const HEADER_BYTES: usize = 32;

/// The size of a frame's header, in bytes.
const FRAME_HEADER_BYTES: usize = 24;

/// The first number of the file, whose lowest bit says whether checksums read big-endian numbers.
const MAGIC: u32 = 0x377f_0682;

/// The smallest and the largest page, in bytes. Pages are powers of two.
const PAGE_BYTES: (usize, usize) = (512, 65_536);

/// The part of a file that a disk writes as a whole, in bytes.
const SECTOR_BYTES: u64 = 512;

/// Damage in a write-ahead log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct WalDamage {
    /// Where the part begins that does not fit, in bytes.
    pub(super) offset: u64,
    /// The part that does not fit.
    pub(super) part: String,
    /// How many transactions SQLite would forget, as far as that is known.
    pub(super) transactions: Option<u64>,
}

/// A checksum of the file: a pair of numbers. The checksum of a frame continues that of the frame before it.
type Checksum = (u32, u32);

/// The header of the file.
struct Header {
    bytes: [u8; HEADER_BYTES],
    is_big_endian: bool,
    page_bytes: usize,
}

/// A frame as it is in the file.
struct Frame<'a> {
    offset: u64,
    page: u32,
    /// Whether a transaction ends here.
    is_commit: bool,
    salts: [u8; 8],
    stored: Checksum,
    bytes: &'a [u8],
}

/// The state of a scan.
struct Scan {
    is_big_endian: bool,
    salts: [u8; 8],
    /// The checksum in the header of the frame before, and the one that its content has. They differ after damage.
    before: [Checksum; 2],
    /// The first frame that does not fit: its number and its place.
    unfit: Option<(u64, u64)>,
    /// The transactions that end at or behind that frame.
    transactions: u64,
    /// Whether the frame before ends a transaction, unless it is of an earlier use of the file.
    may_be_commit: bool,
}

/// Reads the write-ahead log at a path, which may be absent. Returns the damage for which SQLite would forget
/// transactions.
pub(super) fn scan(path: &Path) -> io::Result<Option<WalDamage>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = [0; HEADER_BYTES];
    if !read_whole(&mut file, &mut bytes)? {
        return Ok(None);
    }
    match Header::parse(bytes) {
        Some(header) => scan_frames(file, &header),
        None => scan_without_header(&mut file, bytes),
    }
}

fn scan_frames(file: File, header: &Header) -> io::Result<Option<WalDamage>> {
    let mut scan = Scan {
        is_big_endian: header.is_big_endian,
        salts: header.salts(),
        before: [header.stored(); 2],
        unfit: None,
        transactions: 0,
        may_be_commit: false,
    };
    let mut number = 0;
    each_frame(file, header.page_bytes, |frame| {
        number += 1;
        scan.frame(number, frame);
        true
    })?;
    let damage = scan.unfit.filter(|_| scan.transactions >= 2).map(|(number, offset)| WalDamage {
        offset,
        part: format!("frame {number}"),
        transactions: Some(scan.transactions),
    });
    Ok(damage)
}

/// Judges a file whose header does not fit. SQLite takes such a file for an empty log.
///
/// The header is within a sector and synchronized before the first frame, so a power failure leaves it whole, or it
/// leaves zeros.
fn scan_without_header(file: &mut File, bytes: [u8; HEADER_BYTES]) -> io::Result<Option<WalDamage>> {
    let damage = WalDamage { offset: 0, part: "the header".into(), transactions: None };
    if bytes != [0; HEADER_BYTES] {
        return Ok(Some(damage));
    }
    let sizes = std::iter::successors(Some(PAGE_BYTES.0), |size| Some(size * 2));
    for page_bytes in sizes.take_while(|size| *size <= PAGE_BYTES.1) {
        for is_big_endian in [false, true] {
            if has_fitting_frames(file, page_bytes, is_big_endian)? {
                return Ok(Some(damage));
            }
        }
    }
    Ok(None)
}

/// Whether a frame continues the frame before it.
fn has_fitting_frames(file: &mut File, page_bytes: usize, is_big_endian: bool) -> io::Result<bool> {
    file.seek(SeekFrom::Start(HEADER_BYTES as u64))?;
    let (mut before, mut found): (Option<(Checksum, [u8; 8])>, _) = (None, false);
    each_frame(file, page_bytes, |frame| {
        let continues = |(stored, salts)| salts == frame.salts && frame.checksum(stored, is_big_endian) == frame.stored;
        found = frame.page > 0 && before.is_some_and(continues);
        before = Some((frame.stored, frame.salts));
        !found
    })?;
    Ok(found)
}

/// Reads the frames behind the header until `visit` returns false. A part of a frame at the end is no frame.
fn each_frame(file: impl Read, page_bytes: usize, mut visit: impl FnMut(&Frame<'_>) -> bool) -> io::Result<()> {
    let mut bytes = vec![0; FRAME_HEADER_BYTES + page_bytes];
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut offset = HEADER_BYTES as u64;
    while read_whole(&mut file, &mut bytes)? {
        if !visit(&Frame::parse(offset, &bytes)) {
            break;
        }
        offset += bytes.len() as u64;
    }
    Ok(())
}

impl Scan {
    fn frame(&mut self, number: u64, frame: &Frame<'_>) {
        let is_current = frame.salts == self.salts && frame.page > 0;
        // Only the checksum in the header of the frame before may be damaged, so that its content counts too.
        let continues = |before| frame.checksum(before, self.is_big_endian) == frame.stored;
        let continues_stored = is_current && continues(self.before[0]);
        let fits = continues_stored || is_current && self.before[1] != self.before[0] && continues(self.before[1]);
        // A frame that another one continues is no frame of an earlier use of the file.
        if self.may_be_commit && continues_stored {
            self.transactions += 1;
        }
        if self.unfit.is_none() && !fits {
            self.unfit = Some((number, frame.offset));
        }
        let ends_here = frame.is_commit && self.unfit.is_some();
        let is_commit = ends_here && is_current && (fits || !frame.is_header_split());
        if is_commit {
            self.transactions += 1;
        }
        self.may_be_commit = ends_here && !is_commit;
        self.before = [frame.stored, frame.checksum(self.before[0], self.is_big_endian)];
    }
}

impl Header {
    /// The header, if SQLite would take it for one.
    fn parse(bytes: [u8; HEADER_BYTES]) -> Option<Self> {
        let magic = number(&bytes, 0);
        let page_bytes = usize::try_from(number(&bytes, 8)).ok()?;
        let is_size = page_bytes.is_power_of_two() && (PAGE_BYTES.0..=PAGE_BYTES.1).contains(&page_bytes);
        let header = Self { bytes, is_big_endian: magic & 1 == 1, page_bytes };
        let fits = checksum((0, 0), &bytes[..24], header.is_big_endian) == header.stored();
        (magic & !1 == MAGIC && is_size && fits).then_some(header)
    }

    fn salts(&self) -> [u8; 8] {
        salts(&self.bytes, 16)
    }

    fn stored(&self) -> Checksum {
        (number(&self.bytes, 24), number(&self.bytes, 28))
    }
}

impl<'a> Frame<'a> {
    fn parse(offset: u64, bytes: &'a [u8]) -> Self {
        Self {
            offset,
            page: number(bytes, 0),
            is_commit: number(bytes, 4) != 0,
            salts: salts(bytes, 8),
            stored: (number(bytes, 16), number(bytes, 20)),
            bytes,
        }
    }

    /// The checksum that the frame has behind a frame with the checksum `before`.
    fn checksum(&self, before: Checksum, is_big_endian: bool) -> Checksum {
        let head = checksum(before, &self.bytes[..8], is_big_endian);
        checksum(head, &self.bytes[FRAME_HEADER_BYTES..], is_big_endian)
    }

    /// Whether a power failure may leave new salts behind an old mark of a transaction's end.
    fn is_header_split(&self) -> bool {
        (self.offset + 8).is_multiple_of(SECTOR_BYTES)
    }
}

/// Continues a checksum over bytes, whose number is a multiple of 8.
fn checksum(before: Checksum, bytes: &[u8], is_big_endian: bool) -> Checksum {
    let (mut first, mut second) = before;
    let read = if is_big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
    for pair in bytes.chunks_exact(8) {
        first = first.wrapping_add(read([pair[0], pair[1], pair[2], pair[3]])).wrapping_add(second);
        second = second.wrapping_add(read([pair[4], pair[5], pair[6], pair[7]])).wrapping_add(first);
    }
    (first, second)
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn salts(bytes: &[u8], at: usize) -> [u8; 8] {
    std::array::from_fn(|place| bytes[at + place])
}

/// Fills a buffer. Returns false when the file ends before.
fn read_whole(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
