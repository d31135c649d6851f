//! Dates and times: days and microseconds since 1970-01-01, their parts, and ISO 8601, in the proleptic Gregorian calendar and UTC.
//!
//! This is the only reader and the only writer of them, so a text means the same in a file, an expression and a manifest.
//! Day numbers after Howard Hinnant, "chrono-compatible low-level date algorithms".

/// Microseconds of a day.
pub const DAY: i64 = 86_400_000_000;

/// A day of the calendar; the year before 1 is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
}

/// Reads `YYYY-MM-DD`; a year of more than four digits has a sign.
pub fn read_date(text: &str) -> Option<i32> {
    let (days, rest) = date(text.as_bytes())?;
    if rest.is_empty() { i32::try_from(days).ok() } else { None }
}

/// Reads a date, or a date and a time of day with `T` or a space between; without a zone it is UTC.
///
/// Digits after the microseconds are dropped.
pub fn read_timestamp(text: &str) -> Option<i64> {
    let (days, rest) = date(text.as_bytes())?;
    let midnight = days.checked_mul(DAY)?;
    match rest.split_first() {
        None => Some(midnight),
        Some((b'T' | b't' | b' ', rest)) => midnight.checked_add(time_of_day(rest)?),
        Some(_) => None,
    }
}

fn date(text: &[u8]) -> Option<(i64, &[u8])> {
    let signed = matches!(text.first()?, b'+' | b'-');
    let digits = &text[usize::from(signed)..];
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(length == 4 || (signed && (5..=7).contains(&length))) {
        return None;
    }
    let (year, rest) = number(digits, length)?;
    let (month, rest) = number(rest.strip_prefix(b"-")?, 2)?;
    let (day, rest) = number(rest.strip_prefix(b"-")?, 2)?;
    let year = if text[0] == b'-' { -year } else { year };
    ((1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day))
        .then(|| (days(Civil { year, month, day }), rest))
}

fn time_of_day(text: &[u8]) -> Option<i64> {
    let (hour, rest) = number(text, 2)?;
    let (minute, mut rest) = number(rest.strip_prefix(b":")?, 2)?;
    let (mut second, mut micros) = (0, 0);
    if let Some(after) = rest.strip_prefix(b":") {
        (second, rest) = number(after, 2)?;
        if let Some(after) = rest.strip_prefix(b".").or(rest.strip_prefix(b",")) {
            let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if length == 0 {
                return None;
            }
            for place in 0..6 {
                micros = micros * 10 + after[..length].get(place).map_or(0, |digit| i64::from(digit - b'0'));
            }
            rest = &after[length..];
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = (hour * 60 + minute) * 60 + second - 60 * zone(rest)?;
    Some(seconds * 1_000_000 + micros)
}

/// Reads a zone as minutes east of Greenwich.
fn zone(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text.split_first() {
        None => return Some(0),
        Some((b'Z' | b'z', rest)) => return rest.is_empty().then_some(0),
        Some((b'+', rest)) => (1, rest),
        Some((b'-', rest)) => (-1, rest),
        Some(_) => return None,
    };
    let (hours, rest) = number(rest, 2)?;
    let (minutes, rest) = match rest.strip_prefix(b":").unwrap_or(rest) {
        [] => (0, rest),
        rest => number(rest, 2)?,
    };
    (rest.is_empty() && hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

fn number(text: &[u8], length: usize) -> Option<(i64, &[u8])> {
    let (digits, rest) = text.split_at_checked(length)?;
    let add = |sum: i64, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'));
    Some((digits.iter().try_fold(0, add)?, rest))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Returns the day number of a date. Years begin in March here, so that the leap day is the last.
pub fn days(Civil { year, month, day }: Civil) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Returns the date of a day number: the inverse of [`days`].
pub fn civil(days: i64) -> Civil {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    Civil { year: year + era * 400 + i64::from(month <= 2), month, day }
}

/// Returns what [`write_date`] writes.
pub fn format_date(days: i32) -> String {
    written(|out| write_date(out, days.into()))
}

/// Returns what [`write_timestamp`] writes.
pub fn format_timestamp(micros: i64) -> String {
    written(|out| write_timestamp(out, micros))
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::with_capacity(32);
    write(&mut out);
    String::from_utf8(out).expect("digits and signs are ASCII")
}

/// Writes `YYYY-MM-DD`; a year that has not four digits with a sign and at least six.
pub fn write_date(out: &mut Vec<u8>, days: i64) {
    let Civil { year, month, day } = civil(days);
    match year {
        0..=9999 => digits(out, year, 4),
        _ => {
            out.push(if year < 0 { b'-' } else { b'+' });
            digits(out, year.abs(), if year.abs() > 999_999 { 7 } else { 6 });
        }
    }
    for part in [month, day] {
        out.push(b'-');
        digits(out, part, 2);
    }
}

/// Writes `YYYY-MM-DDTHH:MM:SSZ`, with microseconds if there are any.
pub fn write_timestamp(out: &mut Vec<u8>, micros: i64) {
    write_date(out, micros.div_euclid(DAY));
    let of_day = micros.rem_euclid(DAY);
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    for (before, part) in [(b'T', seconds / 3600), (b':', seconds / 60 % 60), (b':', seconds % 60)] {
        out.push(before);
        digits(out, part, 2);
    }
    if fraction > 0 {
        out.push(b'.');
        digits(out, fraction, 6);
    }
    out.push(b'Z');
}

fn digits(out: &mut Vec<u8>, value: i64, width: u32) {
    (0..width).rev().for_each(|place| out.push(b'0' + (value / 10i64.pow(place) % 10) as u8));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let cases = [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2024-12-31", 20_088),
            ("0000-01-01", -719_528),
            ("-000001-12-31", -719_529),
            ("9999-12-31", 2_932_896),
            ("+010000-01-01", 2_932_897),
        ];
        for (text, days) in cases {
            assert_eq!(read_date(text), Some(days), "{text}");
            assert_eq!(format_date(days), text);
        }
    }

    #[test]
    fn what_is_not_a_date_is_refused() {
        for text in [
            "",
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-1-1",
            "24-01-01",
            "2024-01-01x",
            "20240101",
            "２０２４-01-01",
            "12345-01-01",
        ] {
            assert_eq!(read_date(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_brought_to_utc() {
        let cases = [
            ("1970-01-01", 0),
            ("1970-01-01T00:00", 0),
            ("1970-01-01 00:00:01", 1_000_000),
            ("1970-01-01T00:00:00.5Z", 500_000),
            ("1970-01-01T00:00:00.123456789Z", 123_456),
            ("1970-01-01T02:00:00+02:00", 0),
            ("1970-01-01T02:00:00+02", 0),
            ("1969-12-31T19:00:00-0500", 0),
        ];
        for (text, micros) in cases {
            assert_eq!(read_timestamp(text), Some(micros), "{text}");
        }
        for text in [
            "1970-01-01T",
            "1970-01-01T24:00:00",
            "1970-01-01T00:00:60",
            "1970-01-01T00:00:00.",
            "1970-01-01T00:00:00+2",
            "1970-01-01T00:00Zx",
        ] {
            assert_eq!(read_timestamp(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn dates_and_times_read_back(days: i32, micros: i64) {
            prop_assert_eq!(read_date(&format_date(days)), Some(days));
            prop_assert_eq!(read_timestamp(&format_timestamp(micros)), Some(micros));
            prop_assert_eq!(super::days(civil(days.into())), i64::from(days));
        }

        #[test]
        fn any_text_can_be_tried(text in "[-0-9T:.Z+ é]{0,30}", any in any::<String>()) {
            read_timestamp(&text);
            read_timestamp(&any);
        }
    }
}
