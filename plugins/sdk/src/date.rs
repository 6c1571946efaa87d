//! Calendar arithmetic on dates.

use std::fmt;

use crate::Date;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// Milliseconds of a minute.
const MINUTE: i64 = 60_000;

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_EPOCH: i64 = 719_468;

/// Days of four hundred years, the period of the calendar.
const DAYS_OF_ERA: i64 = 146_097;

impl Date {
    /// A date, which need not exist in the calendar; see [`Date::is_real`].
    pub const fn new(year: i32, month: u8, day: u8) -> Self {
        Self { year, month, day }
    }

    /// Whether this day exists in the calendar and the host accepts it. The host accepts the years 0 to 9999.
    pub fn is_real(&self) -> bool {
        (0..=9999).contains(&self.year) && (1..=days_of(self.year, self.month)).contains(&self.day)
    }

    /// The date `days` later, or earlier if `days` is negative.
    ///
    /// ```
    /// # use hotlist_plugin::Date;
    /// assert_eq!(Date::new(2026, 12, 31).plus_days(1), Date::new(2027, 1, 1));
    /// assert_eq!(Date::new(2026, 3, 1).plus_days(-1), Date::new(2026, 2, 28));
    /// ```
    #[must_use]
    pub fn plus_days(self, days: i64) -> Self {
        Self::from_days(self.days().saturating_add(days))
    }

    /// The same day `months` later, or that month's last day if it is shorter.
    ///
    /// ```
    /// # use hotlist_plugin::Date;
    /// assert_eq!(Date::new(2026, 1, 31).plus_months(1), Date::new(2026, 2, 28));
    /// ```
    #[must_use]
    pub fn plus_months(self, months: u32) -> Self {
        let months = i64::from(self.year) * 12 + i64::from(self.month) - 1 + i64::from(months);
        let year = i32::try_from(months.div_euclid(12)).unwrap_or(i32::MAX);
        let month = (months.rem_euclid(12) + 1) as u8;
        Self { year, month, day: self.day.min(days_of(year, month)) }
    }

    /// The day of the week in ISO 8601: 1 for Monday to 7 for Sunday.
    ///
    /// ```
    /// # use hotlist_plugin::Date;
    /// assert_eq!(Date::new(2026, 11, 23).weekday(), 1);
    /// ```
    pub fn weekday(self) -> u8 {
        // The first of January 1970 was a Thursday.
        ((self.days() + 3).rem_euclid(7) + 1) as u8
    }

    /// The start of the day in milliseconds since the epoch, in a zone `utc_offset` minutes ahead of
    /// UTC. A start before the epoch is 0.
    ///
    /// ```
    /// # use hotlist_plugin::Date;
    /// assert_eq!(Date::new(1970, 1, 2).begins(60), 23 * 60 * 60 * 1_000);
    /// ```
    pub fn begins(self, utc_offset: i32) -> u64 {
        let local = self.days().saturating_mul(DAY);
        u64::try_from(local.saturating_sub(i64::from(utc_offset) * MINUTE)).unwrap_or(0)
    }

    /// The date at `now`, in milliseconds since the epoch, in a zone `utc_offset` minutes ahead of UTC.
    ///
    /// ```
    /// # use hotlist_plugin::Date;
    /// let late = Date::new(2026, 11, 24).begins(0) - 1;
    /// assert_eq!(Date::at(late, 0), Date::new(2026, 11, 23));
    /// assert_eq!(Date::at(late, 60), Date::new(2026, 11, 24));
    /// ```
    pub fn at(now: u64, utc_offset: i32) -> Self {
        let local = i64::try_from(now).unwrap_or(i64::MAX).saturating_add(i64::from(utc_offset) * MINUTE);
        Self::from_days(local.div_euclid(DAY))
    }

    /// Days since 1970-01-01; negative before. This function and its inverse are from Howard Hinnant's
    /// "chrono-Compatible Low-Level Date Algorithms". Years begin in March, so that the leap day is the
    /// last day of a year.
    pub fn days(self) -> i64 {
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let year = i64::from(self.year) - i64::from(month <= 2);
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * DAYS_OF_ERA + day_of_era - DAYS_BEFORE_EPOCH
    }

    /// The date `days` after 1970-01-01; the inverse of [`Date::days`].
    pub fn from_days(days: i64) -> Self {
        let days = days.saturating_add(DAYS_BEFORE_EPOCH);
        let (era, day_of_era) = (days.div_euclid(DAYS_OF_ERA), days.rem_euclid(DAYS_OF_ERA));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153; // 0 for March
        let month = (shifted + 2) % 12 + 1;
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        Self { year: i32::try_from(year).unwrap_or(i32::MAX), month: month as u8, day: day as u8 }
    }
}

/// The number of days of a month; 0 for a month that does not exist.
fn days_of(year: i32, month: u8) -> u8 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_outside_the_calendar_are_not_real() {
        let real = |year, month, day| Date { year, month, day }.is_real();
        for (year, month, day) in [(2024, 2, 29), (2000, 2, 29), (0, 1, 1), (9999, 12, 31), (2026, 11, 30)] {
            assert!(real(year, month, day), "{year}-{month}-{day}");
        }
        for (year, month, day) in [(2026, 2, 29), (1900, 2, 29), (2026, 4, 31), (2026, 13, 1), (2026, 1, 0), (-1, 1, 1)]
        {
            assert!(!real(year, month, day), "{year}-{month}-{day}");
        }
    }

    #[test]
    fn every_day_of_eight_hundred_years_follows_the_one_before() {
        let mut date = Date::new(1600, 2, 28);
        for days in date.days()..date.days() + 2 * DAYS_OF_ERA {
            assert_eq!(date.days(), days, "{date}");
            assert_eq!(Date::from_days(days), date);
            assert!(date.is_real(), "{date}");
            let next = date.plus_days(1);
            assert!(next > date && next.weekday() == date.weekday() % 7 + 1, "{date} {next}");
            date = next;
        }
        assert_eq!(date, Date::new(2400, 2, 28));
    }

    #[test]
    fn a_month_later_is_the_same_day_or_the_last() {
        let later = |year, month, day, months| Date::new(year, month, day).plus_months(months).to_string();
        assert_eq!(later(2026, 11, 30, 3), "2027-02-28");
        assert_eq!(later(2023, 12, 29, 2), "2024-02-29");
        assert_eq!(later(2026, 11, 23, 0), "2026-11-23");
        assert_eq!(later(2026, 11, 23, 13), "2027-12-23");
    }
}
