//! Calendar dates, without a clock and without a time zone.

use std::fmt;
use std::str::FromStr;

use jiff::civil;
use serde::{Deserialize, Serialize};

/// A day of the Gregorian calendar in the years 0 to 9999, written as `2026-11-23`.
///
/// The calendar is jiff's. The stored form is our own, the three numbers, so that it does not change with a library.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "(u16, u8, u8)", into = "(u16, u8, u8)")]
pub struct Date(civil::Date);

/// The reason why something is not a date.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DateError {
    /// The text does not have the form `YYYY-MM-DD`.
    #[error("{0:?} is not a date; write it as YYYY-MM-DD, such as 2026-11-23")]
    Form(String),
    /// The calendar has no such day.
    #[error("the calendar has no {year:04}-{month:02}-{day:02}")]
    NoSuchDay {
        /// The given year.
        year: i32,
        /// The given month.
        month: u8,
        /// The given day.
        day: u8,
    },
}

/// The most characters of a malformed date that an error repeats.
const MAX_REPEATED_CHARS: usize = 40;

impl Date {
    /// Returns the day with these numbers, if the calendar has it.
    pub fn new(year: i32, month: u8, day: u8) -> Result<Self, DateError> {
        let date = || {
            let year = i16::try_from(year).ok().filter(|year| *year >= 0)?;
            civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
        };
        date().map(Self).ok_or(DateError::NoSuchDay { year, month, day })
    }

    /// Returns the year, 0 to 9999.
    pub fn year(self) -> i32 {
        i32::from(self.0.year())
    }

    /// Returns the month, 1 to 12.
    pub fn month(self) -> u8 {
        self.0.month().unsigned_abs()
    }

    /// Returns the day of the month, 1 to 31.
    pub fn day(self) -> u8 {
        self.0.day().unsigned_abs()
    }
}

impl FromStr for Date {
    type Err = DateError;

    /// Reads exactly `YYYY-MM-DD`. jiff's own parser takes more forms.
    fn from_str(text: &str) -> Result<Self, DateError> {
        let malformed = || DateError::Form(text.chars().take(MAX_REPEATED_CHARS).collect());
        let bytes = text.as_bytes();
        let has_form = bytes.len() == 10
            && bytes.iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !has_form {
            return Err(malformed());
        }
        let two_digits = |at: usize| text[at..at + 2].parse::<u8>().map_err(|_| malformed());
        let year = text[..4].parse::<i32>().map_err(|_| malformed())?;
        Self::new(year, two_digits(5)?, two_digits(8)?)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year(), self.month(), self.day())
    }
}

impl TryFrom<(u16, u8, u8)> for Date {
    type Error = DateError;
    fn try_from((year, month, day): (u16, u8, u8)) -> Result<Self, DateError> {
        Self::new(i32::from(year), month, day)
    }
}

impl From<Date> for (u16, u8, u8) {
    fn from(date: Date) -> Self {
        (date.0.year().unsigned_abs(), date.month(), date.day())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_the_calendar_does_not_have_are_refused() {
        for bad in ["2026-02-30", "2025-02-29", "1900-02-29", "2026-04-31", "2026-13-01", "2026-00-10", "2026-01-00"] {
            assert!(matches!(bad.parse::<Date>(), Err(DateError::NoSuchDay { .. })), "{bad}");
        }
        for good in ["2024-02-29", "2000-02-29", "0000-01-01", "9999-12-31"] {
            assert_eq!(good.parse::<Date>().map(|d| d.to_string()).as_deref(), Ok(good));
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for (year, month, day) in [(-1, 1, 1), (10_000, 1, 1), (i32::MAX, 1, 1), (2026, 128, 1), (2026, 1, 255)] {
            assert_eq!(Date::new(year, month, day), Err(DateError::NoSuchDay { year, month, day }));
        }
        assert!(Date::try_from((u16::MAX, 1, 1)).is_err());
    }

    #[test]
    fn dates_are_in_the_order_of_the_calendar_and_stored_as_three_numbers() {
        let dates = ["0000-01-01", "1999-12-31", "2000-01-31", "2000-02-01", "9999-12-31"];
        let dates = dates.map(|date| date.parse::<Date>().unwrap());
        assert!(dates.is_sorted());
        for date in dates {
            let stored = postcard::to_allocvec(&date).unwrap();
            let numbers = (u16::try_from(date.year()).unwrap(), date.month(), date.day());
            assert_eq!(stored, postcard::to_allocvec(&numbers).unwrap());
            assert_eq!(postcard::from_bytes(&stored), Ok(date));
        }
    }

    #[test]
    fn other_ways_of_writing_are_refused() {
        for bad in ["", "2026-1-1", "20261123", "2026/11/23", "+026-11-23", "2026-11-23T00:00", "２026-11-2"] {
            assert!(matches!(bad.parse::<Date>(), Err(DateError::Form(_))), "{bad}");
        }
    }
}
