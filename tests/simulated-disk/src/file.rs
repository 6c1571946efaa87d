//! The content of a file as it is on the disk, and what was written since.

use std::collections::HashSet;

use fastrand::Rng;

/// The part of a file that a disk writes as a whole, in bytes.
pub(crate) const SECTOR_BYTES: usize = 512;

/// The part of a file that the kernel counts as clean or dirty, in bytes.
const PAGE_BYTES: usize = 4_096;

/// How writes that were not synchronized came out of power failures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WriteFates {
    /// Writes of which nothing was left.
    pub lost: u64,
    /// Writes of which some sectors were left.
    pub torn: u64,
    /// Writes that were left although an earlier one was lost.
    pub reordered: u64,
}

/// A file.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimulatedFile {
    durable: Vec<u8>,
    /// What changed since, in order.
    pending: Vec<Pending>,
    /// The number of the last write.
    writes: u64,
    /// How many synchronizations failed.
    failures: u64,
}

#[derive(Clone, Debug)]
enum Pending {
    /// A part of a write, within one page.
    Write { number: u64, offset: usize, bytes: Vec<u8>, is_clean: bool },
    /// A change of the size.
    Resize { number: u64, size: usize },
}

/// What a power failure leaves of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Lost,
    Torn,
    Kept,
}

/// Which writes a power failure leaves.
#[derive(Clone, Copy, Debug)]
enum Pattern {
    None,
    All,
    /// The first ones. The last of these is torn.
    First(u64),
    /// The last ones. The first of these is torn.
    Last(u64),
    /// Any, with a share in 8 of writes that are kept.
    Any(u8),
}

impl SimulatedFile {
    /// A file that is on the disk as it is.
    pub(crate) fn durable(bytes: Vec<u8>) -> Self {
        Self { durable: bytes, ..Self::default() }
    }

    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.writes += 1;
        let (number, mut at) = (self.writes, 0);
        while at < bytes.len() {
            let offset = offset + at;
            let end = bytes.len().min(at + PAGE_BYTES - offset % PAGE_BYTES);
            let bytes = bytes[at..end].to_vec();
            self.pending.push(Pending::Write { number, offset, bytes, is_clean: false });
            at = end;
        }
    }

    pub(crate) fn resize(&mut self, size: usize) {
        self.writes += 1;
        self.pending.push(Pending::Resize { number: self.writes, size });
    }

    /// The content as reads see it.
    pub(crate) fn current(&self) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for change in &self.pending {
            match change {
                Pending::Write { offset, bytes: written, .. } => put(&mut bytes, *offset, written),
                Pending::Resize { size, .. } => bytes.resize(*size, 0),
            }
        }
        bytes
    }

    /// Makes everything durable except pages that are wrongly clean.
    pub(crate) fn sync(&mut self) {
        let current = self.current();
        let dirty: HashSet<usize> = self.pending.iter().filter_map(Pending::dirty_page).collect();
        let cut = self.pending.iter().rposition(|change| matches!(change, Pending::Resize { .. }));
        let sizes = self.pending.iter().filter_map(|change| match change {
            Pending::Resize { size, .. } => Some(*size),
            Pending::Write { .. } => None,
        });
        let cut_to = sizes.min().unwrap_or(usize::MAX);
        let mut at = 0;
        self.pending.retain(|change| {
            at += 1;
            let Pending::Write { offset, is_clean: true, .. } = change else { return false };
            let is_cut = cut.is_some_and(|cut| at - 1 < cut) && *offset >= cut_to;
            !is_cut && !dirty.contains(&(offset / PAGE_BYTES))
        });
        if self.pending.is_empty() {
            self.durable = current;
            return;
        }
        self.durable.truncate(cut_to);
        self.durable.resize(current.len(), 0);
        for page in dirty {
            let begin = (page * PAGE_BYTES).min(current.len());
            let end = (begin + PAGE_BYTES).min(current.len());
            self.durable[begin..end].copy_from_slice(&current[begin..end]);
        }
    }

    /// Counts every page as clean, though it may not be on the disk.
    pub(crate) fn fail_sync(&mut self) {
        self.failures += 1;
        for change in &mut self.pending {
            if let Pending::Write { is_clean, .. } = change {
                *is_clean = true;
            }
        }
    }

    /// How many synchronizations failed.
    pub(crate) fn failures(&self) -> u64 {
        self.failures
    }

    /// What a power failure leaves.
    pub(crate) fn image(&self, chance: &mut Rng, fates: &mut WriteFates) -> Vec<u8> {
        if self.pending.is_empty() {
            return self.durable.clone();
        }
        let first = self.pending.first().map_or(0, Pending::number);
        let pattern = Pattern::draw(chance, first, self.writes);
        let decided: Vec<Fate> = (first..=self.writes).map(|number| pattern.fate(number, chance)).collect();
        count(&decided, fates);
        // A sector that is left of a later write has everything that was written to it before.
        let mut left = HashSet::new();
        let mut segments = Vec::new();
        for change in self.pending.iter().rev() {
            let fate = decided[(change.number() - first) as usize];
            match change {
                Pending::Write { offset, bytes, .. } => {
                    for (offset, part) in sectors(*offset, bytes) {
                        let is_kept = fate == Fate::Kept || fate == Fate::Torn && chance.bool();
                        if is_kept || left.contains(&(offset / SECTOR_BYTES)) {
                            left.insert(offset / SECTOR_BYTES);
                            segments.push((offset, Some(part)));
                        }
                    }
                }
                Pending::Resize { size, .. } if fate != Fate::Lost => segments.push((*size, None)),
                Pending::Resize { .. } => {}
            }
        }
        let mut image = self.durable.clone();
        for (at, part) in segments.into_iter().rev() {
            match part {
                Some(part) => put(&mut image, at, part),
                None => image.resize(at, 0),
            }
        }
        // The new size may be on the disk before what was written.
        let size = self.current().len();
        if size > image.len() && chance.u8(..4) == 0 {
            image.resize(size, 0);
        }
        image
    }
}

impl Pending {
    fn number(&self) -> u64 {
        match self {
            Self::Write { number, .. } | Self::Resize { number, .. } => *number,
        }
    }

    fn dirty_page(&self) -> Option<usize> {
        match self {
            Self::Write { offset, is_clean: false, .. } => Some(offset / PAGE_BYTES),
            _ => None,
        }
    }
}

impl Pattern {
    fn draw(chance: &mut Rng, first: u64, last: u64) -> Self {
        match chance.u8(..10) {
            0 => Self::None,
            1 => Self::All,
            2..=4 => Self::First(chance.u64(first..=last)),
            5..=6 => Self::Last(chance.u64(first..=last)),
            _ => Self::Any(chance.u8(1..8)),
        }
    }

    fn fate(self, number: u64, chance: &mut Rng) -> Fate {
        match self {
            Self::None => Fate::Lost,
            Self::All => Fate::Kept,
            Self::First(last) if number < last => Fate::Kept,
            Self::Last(first) if number > first => Fate::Kept,
            Self::First(at) | Self::Last(at) if number == at => Fate::Torn,
            Self::First(_) | Self::Last(_) => Fate::Lost,
            Self::Any(share) => match chance.u8(..8) < share {
                true if chance.u8(..4) == 0 => Fate::Torn,
                true => Fate::Kept,
                false => Fate::Lost,
            },
        }
    }
}

fn count(decided: &[Fate], fates: &mut WriteFates) {
    let mut is_lost = false;
    for fate in decided {
        match fate {
            Fate::Lost => fates.lost += 1,
            Fate::Torn => fates.torn += 1,
            Fate::Kept if is_lost => fates.reordered += 1,
            Fate::Kept => {}
        }
        is_lost |= *fate == Fate::Lost;
    }
}

/// Writes into a file in memory.
fn put(bytes: &mut Vec<u8>, offset: usize, written: &[u8]) {
    let end = offset + written.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(written);
}

/// The parts of a write by sector, each with its offset.
fn sectors(offset: usize, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let begin = offset + at;
        let end = bytes.len().min(at + SECTOR_BYTES - begin % SECTOR_BYTES);
        let part = (at < end).then(|| (begin, &bytes[at..end]));
        at = end;
        part
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(file: &SimulatedFile) -> HashSet<Vec<u8>> {
        let mut chance = Rng::with_seed(7);
        (0..2_000).map(|_| file.image(&mut chance, &mut WriteFates::default())).collect()
    }

    #[test]
    fn what_was_synchronized_stays_and_any_sectors_of_the_rest_may() {
        let mut file = SimulatedFile::default();
        file.write(0, &[1; 1_024]);
        file.sync();
        assert_eq!(images(&file), HashSet::from([vec![1; 1_024]]));
        file.write(0, &[2; 1_024]);
        file.write(512, &[3; 512]);
        let found = images(&file);
        for (first, second) in [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)] {
            assert!(found.contains(&[vec![first; 512], vec![second; 512]].concat()), "{first} {second}");
        }
        assert_eq!(found.len(), 6);
        file.sync();
        assert_eq!(images(&file).len(), 1);
    }

    #[test]
    fn bytes_beside_a_write_are_never_touched() {
        let mut file = SimulatedFile::default();
        file.write(0, &[1; 2_048]);
        file.sync();
        file.write(700, &[2; 900]);
        for image in images(&file) {
            assert_eq!((&image[..700], &image[1_600..]), ([1; 700].as_slice(), [1; 448].as_slice()));
        }
    }

    #[test]
    fn a_failed_synchronization_leaves_pages_at_risk_until_they_are_written_again() {
        let mut file = SimulatedFile::default();
        file.write(0, &[1; 2 * PAGE_BYTES]);
        file.sync();
        file.write(0, &[2; 2 * PAGE_BYTES]);
        file.fail_sync();
        file.write(PAGE_BYTES + 100, &[3]);
        file.sync();
        assert_eq!(file.current()[..PAGE_BYTES], [2; PAGE_BYTES], "reads see what is not on the disk");
        let found = images(&file);
        assert!(found.iter().all(|image| image[PAGE_BYTES] == 2 && image[PAGE_BYTES + 100] == 3));
        assert!(found.iter().any(|image| image[..PAGE_BYTES] == [1; PAGE_BYTES]));
        file.write(0, &[4]);
        file.sync();
        assert_eq!(images(&file).len(), 1);
    }

    #[test]
    fn a_new_size_may_be_lost_and_may_be_there_before_what_was_written() {
        let mut file = SimulatedFile::durable(vec![1; 100]);
        file.resize(0);
        let sizes = |file: &SimulatedFile| images(file).iter().map(Vec::len).collect::<HashSet<_>>();
        assert_eq!(sizes(&file), HashSet::from([0, 100]));
        file.sync();
        file.write(0, &[2; 600]);
        assert_eq!(sizes(&file), HashSet::from([0, 512, 600]));
        assert!(images(&file).contains(vec![0; 600].as_slice()));
    }
}
