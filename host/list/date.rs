//! A day of the calendar, with no clock and no time zone near it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A day of the Gregorian calendar in the years 0 to 9999, written `2026-11-23`. There is no value
/// of this type that is not a real day.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "(u16, u8, u8)", into = "(u16, u8, u8)")]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// Why something is not a date.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DateError {
    /// The text is not of the form `YYYY-MM-DD`.
    #[error("{0:?} is not a date; write it as YYYY-MM-DD, such as 2026-11-23")]
    Form(String),
    /// The form is right, but the calendar has no such day.
    #[error("the calendar has no {year:04}-{month:02}-{day:02}")]
    NoSuchDay {
        /// The year given.
        year: i32,
        /// The month given.
        month: u8,
        /// The day given.
        day: u8,
    },
}

impl Date {
    /// The day with these numbers, if the calendar has it.
    pub fn new(year: i32, month: u8, day: u8) -> Result<Self, DateError> {
        let none = DateError::NoSuchDay { year, month, day };
        match u16::try_from(year) {
            Ok(y) if y <= 9999 && day >= 1 && day <= days_in(y, month) => Ok(Self { year: y, month, day }),
            _ => Err(none),
        }
    }

    /// The year, 0 to 9999.
    pub fn year(self) -> i32 {
        i32::from(self.year)
    }

    /// The month, 1 to 12.
    pub fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, 1 to 31.
    pub fn day(self) -> u8 {
        self.day
    }
}

/// How many days a month has; none when there is no such month.
fn days_in(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u8::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let form = || DateError::Form(text.chars().take(40).collect());
        let bytes = text.as_bytes();
        let shaped = bytes.len() == 10
            && bytes.iter().enumerate().all(|(at, b)| match at {
                4 | 7 => *b == b'-',
                _ => b.is_ascii_digit(),
            });
        if !shaped {
            return Err(form());
        }
        let number = |range: std::ops::Range<usize>| text[range].parse::<u16>().map_err(|_| form());
        let small = |n: u16| u8::try_from(n).map_err(|_| form());
        Self::new(i32::from(number(0..4)?), small(number(5..7)?)?, small(number(8..10)?)?)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
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
        (date.year, date.month, date.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_that_the_calendar_has_not_are_refused() {
        for bad in ["2026-02-30", "2025-02-29", "1900-02-29", "2026-04-31", "2026-13-01", "2026-00-10", "2026-01-00"] {
            assert!(matches!(bad.parse::<Date>(), Err(DateError::NoSuchDay { .. })), "{bad}");
        }
        for good in ["2024-02-29", "2000-02-29", "0000-01-01", "9999-12-31"] {
            assert_eq!(good.parse::<Date>().map(|d| d.to_string()).as_deref(), Ok(good));
        }
    }

    #[test]
    fn other_ways_of_writing_are_refused() {
        for bad in ["", "2026-1-1", "20261123", "2026/11/23", "+026-11-23", "2026-11-23T00:00", "２026-11-2"] {
            assert!(matches!(bad.parse::<Date>(), Err(DateError::Form(_))), "{bad}");
        }
    }
}
