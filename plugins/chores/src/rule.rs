//! Rules: a small language for when a chore is due, and its days.

use hotlist_plugin::{Date, Rejection};

use crate::chore::RULE;

/// The largest number in a rule.
const MAX_NUMBER: u32 = 1_000;

/// The days of the week, Monday first. A rule names one in full or by its first three letters.
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// A parsed rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// A number of days after it was due: `daily`, `every 3 days`, `every 2 weeks`, `weekly`.
    Days(u32),
    /// A number of days after it was done: `after 10 days`.
    After(u32),
    /// On days of the week, one bit for each, Monday's lowest: `weekly on mon, thu`.
    Weekly(u8),
    /// On a day of every nth month, by default the day of the last time: `monthly on 15`. In a shorter month
    /// it is the last day.
    Monthly(u32, Option<u8>),
}

impl Rule {
    /// Parses a rule. Case and commas are ignored.
    pub(crate) fn parse(text: &str) -> Result<Self, Rejection> {
        let lower = text.to_ascii_lowercase();
        let words: Vec<&str> = lower.split([' ', ',']).filter(|word| !word.is_empty() && *word != "and").collect();
        let rule = match words.as_slice() {
            ["daily"] => Some(Self::Days(1)),
            ["weekly"] => Some(Self::Days(7)),
            ["weekly", "on", days @ ..] => weekdays(days).map(Self::Weekly),
            ["monthly"] => Some(Self::Monthly(1, None)),
            ["monthly", "on", day] => number(day, 31).map(|day| Self::Monthly(1, Some(day as u8))),
            ["every", count, unit] => number(count, MAX_NUMBER).and_then(|count| match *unit {
                "month" | "months" => Some(Self::Monthly(count, None)),
                unit => days(count, unit).map(Self::Days),
            }),
            ["after", count, unit] => number(count, MAX_NUMBER).and_then(|n| days(n, unit)).map(Self::After),
            _ => None,
        };
        rule.ok_or_else(|| {
            let message = format!(
                "“{text}” is no rule. Write one such as: daily, every 3 days, every 2 weeks, weekly on mon, thu, \
                 monthly on 15, every 6 months, after 10 days."
            );
            Rejection::new("rule-unclear", message).at(RULE)
        })
    }

    /// The first day of the rule, from `today` on.
    pub(crate) fn first(self, today: Date) -> Date {
        match self {
            Self::Weekly(_) => self.next(today.plus_days(-1), today.plus_days(-1)),
            Self::Monthly(_, Some(day)) => {
                let this = Date { day, ..today }.plus_months(0); // Clamps to the month's last day.
                if this < today { Date { day, ..today }.plus_months(1) } else { this }
            }
            Self::Days(_) | Self::After(_) | Self::Monthly(_, None) => today,
        }
    }

    /// The next due day of a chore that was due on `due` and is done on `today`. It is after both.
    pub(crate) fn next(self, due: Date, today: Date) -> Date {
        let last = due.max(today);
        match self {
            Self::Days(days) => {
                let days = i64::from(days);
                let passed = (last.days() - due.days()) / days;
                due.plus_days((passed + 1) * days)
            }
            Self::After(days) => today.plus_days(days.into()),
            Self::Weekly(days) => {
                let on = |date: &Date| days & (1 << (date.weekday() - 1)) != 0;
                let week = (1..=7).map(|ahead| last.plus_days(ahead));
                week.into_iter().find(on).unwrap_or(last.plus_days(7))
            }
            Self::Monthly(months, day) => {
                let due = Date { day: day.unwrap_or(due.day), ..due };
                let passed = (last.year - due.year) * 12 + i32::from(last.month) - i32::from(due.month);
                let passed = u32::try_from(passed).unwrap_or(0) / months * months;
                let candidate = due.plus_months(passed);
                if candidate > last { candidate } else { due.plus_months(passed + months) }
            }
        }
    }
}

/// A number from 1 to a limit.
fn number(word: &str, limit: u32) -> Option<u32> {
    word.parse().ok().filter(|number| (1..=limit).contains(number))
}

/// The number of days in a number of units.
fn days(count: u32, unit: &str) -> Option<u32> {
    match unit {
        "day" | "days" => Some(count),
        "week" | "weeks" => Some(count * 7),
        _ => None,
    }
}

/// The bits of the named days, at least one.
fn weekdays(words: &[&str]) -> Option<u8> {
    let mut days = 0;
    for word in words {
        days |= 1 << WEEKDAYS.iter().position(|day| day == word || day[..3] == **word)?;
    }
    (days != 0).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        let mut parts = text.split('-').map(|part| part.parse::<i32>().unwrap());
        let mut next = || parts.next().unwrap();
        Date::new(next(), next() as u8, next() as u8)
    }

    fn next(rule: &str, due: &str, today: &str) -> String {
        Rule::parse(rule).expect("a rule").next(day(due), day(today)).to_string()
    }

    fn first(rule: &str, today: &str) -> String {
        Rule::parse(rule).expect("a rule").first(day(today)).to_string()
    }

    #[test]
    fn rules_are_read_however_they_are_written() {
        for (text, rule) in [
            ("daily", Rule::Days(1)),
            (" Every 3 Days ", Rule::Days(3)),
            ("every 1 day", Rule::Days(1)),
            ("weekly", Rule::Days(7)),
            ("every 2 weeks", Rule::Days(14)),
            ("after 10 days", Rule::After(10)),
            ("after 1 week", Rule::After(7)),
            ("weekly on mon, thu", Rule::Weekly(0b1001)),
            ("weekly on Monday and Sunday,tue", Rule::Weekly(0b100_0011)),
            ("monthly", Rule::Monthly(1, None)),
            ("monthly on 15", Rule::Monthly(1, Some(15))),
            ("every 6 months", Rule::Monthly(6, None)),
            ("every 1000 months", Rule::Monthly(1_000, None)),
        ] {
            assert_eq!(Rule::parse(text), Ok(rule), "{text}");
        }
    }

    #[test]
    fn what_is_no_rule_is_refused_with_examples() {
        for text in [
            "",
            "fortnightly",
            "every days",
            "every 0 days",
            "every 1001 days",
            "every 3 moons",
            "after 2 months",
            "weekly on",
            "weekly on mo",
            "weekly on 3",
            "monthly on 0",
            "monthly on 32",
            "monthly on mon",
            "daily 2",
        ] {
            let rejection = Rule::parse(text).expect_err(text);
            assert_eq!((rejection.code.as_str(), rejection.field.as_deref()), ("rule-unclear", Some("rule")));
        }
        let message = "“fortnightly” is no rule. Write one such as: daily, every 3 days, every 2 weeks, \
                       weekly on mon, thu, monthly on 15, every 6 months, after 10 days.";
        assert_eq!(Rule::parse("fortnightly").expect_err("no rule").message, message);
    }

    #[test]
    fn days_are_counted_from_the_day_it_was_due() {
        assert_eq!(next("daily", "2026-11-23", "2026-11-23"), "2026-11-24");
        assert_eq!(next("daily", "2026-11-01", "2026-11-23"), "2026-11-24");
        assert_eq!(next("every 3 days", "2026-11-20", "2026-11-22"), "2026-11-23");
        assert_eq!(next("every 3 days", "2026-11-20", "2026-11-23"), "2026-11-26");
        assert_eq!(next("every 2 weeks", "2026-11-23", "2026-11-30"), "2026-12-07");
        assert_eq!(next("every 3 days", "2026-11-26", "2026-11-23"), "2026-11-29", "done before it was due");
    }

    #[test]
    fn after_is_counted_from_the_day_it_was_done() {
        assert_eq!(next("after 3 days", "2026-11-20", "2026-11-22"), "2026-11-25");
        assert_eq!(next("after 2 weeks", "2026-11-26", "2026-11-23"), "2026-12-07");
    }

    #[test]
    fn weekdays_are_the_next_ones() {
        // The 23rd of November 2026 is a Monday.
        assert_eq!(next("weekly on mon, thu", "2026-11-23", "2026-11-23"), "2026-11-26");
        assert_eq!(next("weekly on mon, thu", "2026-11-23", "2026-11-27"), "2026-11-30");
        assert_eq!(next("weekly on mon", "2026-11-23", "2026-11-23"), "2026-11-30");
        assert_eq!(next("weekly on sun", "2026-11-29", "2026-11-23"), "2026-12-06", "done before it was due");
    }

    #[test]
    fn months_have_the_day_or_their_last() {
        assert_eq!(next("monthly", "2026-11-15", "2026-11-23"), "2026-12-15");
        assert_eq!(next("monthly on 15", "2026-11-23", "2026-11-23"), "2026-12-15");
        assert_eq!(next("monthly on 31", "2027-01-31", "2027-02-01"), "2027-02-28");
        assert_eq!(next("monthly on 31", "2027-02-28", "2027-02-28"), "2027-03-31");
        assert_eq!(next("every 6 months", "2026-01-10", "2026-11-23"), "2027-01-10");
        assert_eq!(next("every 6 months", "2020-11-30", "2026-11-23"), "2026-11-30");
        assert_eq!(next("monthly", "2027-01-10", "2026-11-23"), "2027-02-10", "done before it was due");
    }

    #[test]
    fn the_first_day_is_today_or_the_next_that_fits() {
        assert_eq!(first("daily", "2026-11-23"), "2026-11-23");
        assert_eq!(first("after 3 days", "2026-11-23"), "2026-11-23");
        assert_eq!(first("weekly on mon", "2026-11-23"), "2026-11-23");
        assert_eq!(first("weekly on sun", "2026-11-23"), "2026-11-29");
        assert_eq!(first("monthly on 23", "2026-11-23"), "2026-11-23");
        assert_eq!(first("monthly on 22", "2026-11-23"), "2026-12-22");
        assert_eq!(first("monthly on 31", "2026-11-23"), "2026-11-30");
        assert_eq!(first("monthly on 31", "2027-02-28"), "2027-02-28");
    }

    #[test]
    fn the_next_day_is_after_today_and_after_the_day_it_was_due() {
        let rules =
            ["daily", "every 3 days", "weekly", "weekly on tue, sun", "monthly", "monthly on 31", "every 5 months"];
        for rule in rules.map(|text| Rule::parse(text).expect("a rule")) {
            for due in (0..800).step_by(3).map(|days| day("2026-01-01").plus_days(days)) {
                for today in (0..800).step_by(7).map(|days| day("2026-01-02").plus_days(days)) {
                    let next = rule.next(due, today);
                    assert!(next.is_real() && next > due && next > today, "{rule:?} {due} {today}: {next}");
                }
            }
        }
    }
}
