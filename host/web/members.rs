//! Types of members that several bodies have.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::schemas::MAX_EXACT;
use crate::list::date::Date;
use crate::list::selector::LogicSelector;
use crate::rollout::{OnFault, Then, VersionSelector};

/// Reads a member that may be absent, but not `null`.
pub(super) fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(member: D) -> Result<Option<T>, D::Error> {
    T::deserialize(member).map(Some)
}

/// A value that is written as a text.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Parsed<T>(pub(super) T);

/// A type that [`Parsed`] reads.
pub(super) trait FromText: FromStr<Err: fmt::Display> {
    /// What a body must have instead of another type.
    const EXPECTED: &str;
}

impl FromText for Date {
    const EXPECTED: &str = "a date, written as a text,";
}

impl FromText for VersionSelector {
    const EXPECTED: &str = "a text";
}

impl FromText for Then {
    const EXPECTED: &str = "a text";
}

impl FromText for Span {
    const EXPECTED: &str = "a text";
}

impl FromText for OnFault {
    const EXPECTED: &str = "a text";
}

impl FromText for LogicSelector {
    const EXPECTED: &str = "a text";
}

impl<'de, T: FromText> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<T: FromText> Visitor<'_> for Reader<T> {
            type Value = Parsed<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Parsed<T>, E> {
                text.parse().map(Parsed).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Reader(PhantomData))
    }
}

/// The longest span of time that a body may name.
const MAX_SPAN: Duration = Duration::from_secs(30 * 86_400);

/// A span of time, from a second on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span(pub(super) Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("{text:?} is not a duration; write it as 60s, 5m or 24h");
        let span: jiff::SignedDuration = text.parse().map_err(|_| form())?;
        let span = Duration::try_from(span).map_err(|_| form())?;
        let is_within = (Duration::from_secs(1)..=MAX_SPAN).contains(&span);
        if is_within {
            Ok(Self(span))
        } else {
            Err(format!("{text} is not from 1s to {} days", MAX_SPAN.as_secs() / 86_400))
        }
    }
}

/// The number of a revision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RevisionNumber(pub(super) u64);

impl<'de> Deserialize<'de> for RevisionNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        let refused =
            || D::Error::custom(format_args!("{number} is not a revision; those are whole numbers from 1 on"));
        whole(number).map(Self).ok_or_else(refused)
    }
}

/// A share in per cent, 0 to 100.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Percent(pub(super) u8);

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        let percent = (0..=100).find(|percent| f64::from(*percent) == number);
        percent.map(Self).ok_or_else(|| D::Error::custom("it is not a whole number from 0 to 100"))
    }
}

/// A whole number from 1 on, if a double represents it exactly.
pub(super) fn whole(number: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and within the range")]
    (number.fract() == 0.0 && (1.0..=MAX_EXACT).contains(&number)).then_some(number as u64)
}
