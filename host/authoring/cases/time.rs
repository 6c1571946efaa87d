//! Dates and times as TOML writes them.

use jiff::Timestamp;
use jiff::tz::Offset;
use serde::Deserialize;
use toml::value::Datetime;

use crate::list::date::Date;

/// A date: a TOML local date.
#[derive(Clone, Copy, Deserialize, Debug)]
#[serde(try_from = "Datetime")]
pub(super) struct CaseDate(pub(super) Date);

/// A time, in milliseconds since the epoch: a TOML offset date-time.
#[derive(Clone, Copy, Deserialize, Debug)]
#[serde(try_from = "Datetime")]
pub(super) struct CaseTime(pub(super) u64);

impl TryFrom<Datetime> for CaseDate {
    type Error = String;

    fn try_from(given: Datetime) -> Result<Self, String> {
        match given {
            Datetime { date: Some(date), time: None, offset: None } => {
                Date::new(i32::from(date.year), date.month, date.day).map(Self).map_err(|error| error.to_string())
            }
            _ => Err(format!("{given} is not a date; write it as 2026-11-23")),
        }
    }
}

impl TryFrom<Datetime> for CaseTime {
    type Error = String;

    fn try_from(given: Datetime) -> Result<Self, String> {
        let moment: Option<Timestamp> = given.to_string().parse().ok();
        let since = moment.and_then(|moment| u64::try_from(moment.as_millisecond()).ok());
        since.map(Self).ok_or_else(|| format!("{given} is not a time since 1970; write it as 2026-11-23T12:00:00Z"))
    }
}

impl CaseTime {
    /// The date at this time, where clocks are `utc_offset` minutes ahead of UTC.
    pub(super) fn date(self, utc_offset: i32) -> Date {
        let offset = Offset::from_seconds(utc_offset.saturating_mul(60)).unwrap_or(Offset::UTC);
        let day = offset.to_datetime(self.timestamp()).date();
        Date::new(i32::from(day.year()), day.month().unsigned_abs(), day.day().unsigned_abs())
            .expect("a civil date at or after the epoch is a day of the years 1970 to 9999")
    }

    /// The time as TOML writes it.
    pub(super) fn rendered(self) -> String {
        self.timestamp().to_string()
    }

    fn timestamp(self) -> Timestamp {
        let moment = i64::try_from(self.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        moment.unwrap_or(Timestamp::MAX)
    }
}
