//! The time zone of the list, and the date in it.

use hotlist_plugin::{Context, Date, Fields, List, Rejection, Value};

/// The setting with the offset from UTC; the server's zone if it is not set.
pub(crate) const TIME_ZONE: &str = "time-zone";

/// The largest offset from UTC, in minutes.
const MAX_OFFSET: i32 = 14 * 60;

/// The local time of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Local {
    /// The local date.
    pub(crate) today: Date,
    /// The offset from UTC, in minutes.
    pub(crate) offset: i32,
}

impl Local {
    /// The time in the list's zone, or in the server's.
    pub(crate) fn of(list: &impl List, cx: &Context) -> Self {
        let setting = list.settings();
        Self::at(setting.text(TIME_ZONE).and_then(offset), cx)
    }

    /// The time at an offset in minutes, or in the server's zone.
    pub(crate) fn at(offset: Option<i32>, cx: &Context) -> Self {
        match offset {
            Some(offset) => Self { today: Date::at(cx.now, offset), offset },
            None => Self { today: cx.today, offset: cx.utc_offset },
        }
    }
}

/// The offset of a new value of the setting.
pub(crate) fn check(value: &Value) -> Result<i32, Rejection> {
    let text = if let Value::Text(text) = value { text } else { "" };
    offset(text).ok_or_else(|| {
        let message =
            format!("“{text}” is no offset. Write +01:00, -05:30 or +00:00, or nothing for the server's zone.");
        Rejection::new("time-zone-unclear", message).at(TIME_ZONE)
    })
}

/// Parses an offset such as `+01:00` into minutes.
fn offset(text: &str) -> Option<i32> {
    let (hours, minutes) = text.split_once(':')?;
    let (sign, hours) = match hours.split_at_checked(1)? {
        ("+", hours) => (1, hours),
        ("-", hours) => (-1, hours),
        _ => return None,
    };
    let two_digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (hours, minutes) =
        (Some(hours).filter(|text| two_digits(text))?, Some(minutes).filter(|text| two_digits(text))?);
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let offset = hours * 60 + minutes;
    (minutes < 60 && offset <= MAX_OFFSET).then_some(sign * offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_a_sign_hours_and_minutes() {
        for (text, minutes) in [("+01:00", 60), ("-05:30", -330), ("+00:00", 0), ("+14:00", 840)] {
            assert_eq!(check(&text.into()), Ok(minutes));
        }
        for text in ["", "01:00", "+1:00", "+01:60", "+14:01", "+0100", "Europe/Berlin", "+0a:00", "++1:00", "é1:00"] {
            assert!(check(&text.into()).is_err(), "{text}");
        }
    }
}
