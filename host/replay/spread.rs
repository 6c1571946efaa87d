//! How far many measurements are apart, in a room that does not grow with their number.

/// Of a number's binary digits, so many are kept: a percentile is wrong by one part in 32 at most.
const KEPT_BITS: u32 = 5;

/// Numbers below it have a place of their own.
const EXACT: u64 = 1 << (KEPT_BITS + 1);

/// So many places has each power of two from there on.
const PLACES_PER_POWER: usize = 1 << KEPT_BITS;

/// How many places there are: for the exact numbers, and for the powers of two that are left of 64.
const PLACES: usize = EXACT as usize + (u64::BITS - KEPT_BITS - 1) as usize * PLACES_PER_POWER;

/// Counts measurements by their size, finely where they are small.
#[derive(Clone, Debug)]
pub struct Spread {
    counts: Box<[u64]>,
    count: u64,
    max: u64,
}

impl Default for Spread {
    fn default() -> Self {
        Self { counts: vec![0; PLACES].into(), count: 0, max: 0 }
    }
}

impl Spread {
    /// Takes a measurement.
    pub fn add(&mut self, value: u64) {
        self.counts[place(value)] += 1;
        self.count += 1;
        self.max = self.max.max(value);
    }

    /// Takes the measurements of another one.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// How many measurements there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The largest, exactly.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The measurement that so many per cent of them do not exceed; at most one part in 32 too large.
    pub fn percentile(&self, per_cent: u8) -> u64 {
        let wanted = u128::from(self.count) * u128::from(per_cent);
        let mut below = 0;
        let reaches = |count: &u64| {
            below += u128::from(*count);
            below > 0 && below * 100 >= wanted
        };
        self.counts.iter().position(reaches).map_or(0, |at| largest(at).min(self.max))
    }
}

/// Where a number is counted.
fn place(value: u64) -> usize {
    if value < EXACT {
        return value as usize;
    }
    let power = value.ilog2() - KEPT_BITS;
    // Between 2^KEPT_BITS and twice that: the digits that are kept.
    let digits = (value >> power) as usize;
    EXACT as usize + (power as usize - 1) * PLACES_PER_POWER + digits - PLACES_PER_POWER
}

/// The largest number that is counted there.
fn largest(place: usize) -> u64 {
    let Some(past) = place.checked_sub(EXACT as usize) else { return place as u64 };
    let (power, digits) = (past / PLACES_PER_POWER + 1, past % PLACES_PER_POWER + PLACES_PER_POWER);
    // Behind the last place is nothing: the shift leaves 0 there, and one less is the largest number.
    ((digits as u64 + 1) << power).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn a_number_is_counted_among_its_likes(value in any::<u64>(), shift in 0..64_u32) {
            let value = value >> shift;
            let largest = largest(place(value));
            prop_assert!(value <= largest && largest - value <= value / 32, "{} as {}", value, largest);
            prop_assert_eq!(place(largest), place(value));
            prop_assert!(largest == u64::MAX || place(largest + 1) == place(value) + 1);
        }

        #[test]
        fn a_percentile_is_what_sorting_finds(mut values in vec(0..1_000_000_u64, 1..300), per_cent in 0..=100_u8) {
            let (mut one, mut other) = (Spread::default(), Spread::default());
            for (at, value) in values.iter().enumerate() {
                if at % 2 == 0 { one.add(*value) } else { other.add(*value) }
            }
            one.merge(&other);
            values.sort_unstable();
            let rank = (values.len() * usize::from(per_cent)).div_ceil(100).max(1);
            let (exact, found) = (values[rank - 1], one.percentile(per_cent));
            prop_assert!(exact <= found && found - exact <= exact / 32, "{} is {}", found, exact);
            prop_assert_eq!((one.count(), one.max()), (values.len() as u64, values[values.len() - 1]));
        }
    }

    #[test]
    fn of_nothing_everything_is_nothing() {
        let none = Spread::default();
        assert_eq!((none.count(), none.max(), none.percentile(50)), (0, 0, 0));
    }
}
