//! Which day it is where the chores are done.

use hotlist_plugin::{Context, Date, Fields, List, Rejection};

/// The setting that holds the offset from UTC, or [`SERVER`].
pub(crate) const TIME_ZONE: &str = "time-zone";

/// The value for the server's own zone, as if the setting was never made: a setting cannot be unmade.
const SERVER: &str = "server";

/// The minutes that clocks may be ahead of UTC, or behind.
const MAX_OFFSET: i32 = 14 * 60;

/// The local time of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Local {
    /// The day that it is.
    pub(crate) today: Date,
    /// How many minutes clocks are ahead of UTC.
    pub(crate) offset: i32,
}

impl Local {
    /// The time in the list's zone, or in the server's.
    pub(crate) fn of(list: &impl List, cx: &Context) -> Self {
        let setting = list.settings();
        Self::at(setting.text(TIME_ZONE).and_then(offset), cx)
    }

    /// The time where clocks are so many minutes ahead, or in the server's zone.
    pub(crate) fn at(offset: Option<i32>, cx: &Context) -> Self {
        match offset {
            Some(offset) => Self { today: Date::at(cx.now, offset), offset },
            None => Self { today: cx.today, offset: cx.utc_offset },
        }
    }
}

/// The offset that a new value of the setting means; none for the server's.
pub(crate) fn check(text: &str) -> Result<Option<i32>, Rejection> {
    let offset = offset(text);
    if offset.is_some() || text == SERVER {
        return Ok(offset);
    }
    let message =
        format!("“{text}” is no offset. Write +01:00, -05:30 or +00:00, or “{SERVER}” for the server's zone.");
    Err(Rejection::new("time-zone-unclear", message).at(TIME_ZONE))
}

/// Reads an offset such as `+01:00`, in minutes.
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
        assert_eq!(check("+01:00"), Ok(Some(60)));
        assert_eq!(check("-05:30"), Ok(Some(-330)));
        assert_eq!(check("+00:00"), Ok(Some(0)));
        assert_eq!(check("+14:00"), Ok(Some(840)));
        assert_eq!(check("server"), Ok(None));
        for text in ["", "01:00", "+1:00", "+01:60", "+14:01", "+0100", "Europe/Berlin", "+0a:00", "++1:00", "é1:00"] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
