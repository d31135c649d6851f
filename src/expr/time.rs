//! Dates and timestamps as texts and as parts, in the proleptic Gregorian calendar and UTC.
//!
//! Day numbers after Howard Hinnant, "chrono-compatible low-level date algorithms".

/// Microseconds of a day.
pub const DAY: i64 = 86_400_000_000;

/// A date of years 0001 to 9999, the range that its text form can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
}

/// Returns the date of a day number (days since 1970-01-01).
pub fn civil(days: i64) -> Civil {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    Civil { year: year + era * 400 + i64::from(month <= 2), month, day }
}

/// Returns the day number of a date.
pub fn days(date: Civil) -> i64 {
    let year = date.year - i64::from(date.month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (date.month + if date.month > 2 { -3 } else { 9 }) + 2) / 5 + date.day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Reads `YYYY-MM-DD`.
pub fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let date = Civil { year: digits(bytes, 0..4)?, month: digits(bytes, 5..7)?, day: digits(bytes, 8..10)? };
    let number = days(date);
    // A date that does not exist, such as 30 February, comes back as another.
    (date.year > 0 && (1..=12).contains(&date.month) && civil(number) == date).then_some(number as i32)
}

/// Reads `YYYY-MM-DD`, then perhaps `T` or a blank and `HH:MM[:SS[.ffffff]]`, then perhaps `Z` or `±HH:MM`.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let day = i64::from(parse_date(text.get(..10)?)?) * DAY;
    let Some(rest) = text.get(10..).filter(|rest| !rest.is_empty()) else { return Some(day) };
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let zone = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(zone);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let bytes = clock.as_bytes();
    let (hour, minute) = (digits(bytes, 0..2)?, digits(bytes, 3..5)?);
    let second = if bytes.len() > 5 { digits(bytes, 6..8)? } else { 0 };
    let shaped = bytes[2] == b':' && (bytes.len() == 5 || bytes.len() == 8 && bytes[5] == b':');
    if !shaped || hour > 23 || minute > 59 || second > 59 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Below a microsecond nothing is kept.
    let micros = format!("{fraction:0<6}").get(..6)?.parse::<i64>().ok()?;
    let offset = match zone.as_bytes() {
        [] | [b'Z' | b'z'] => 0,
        [sign, rest @ ..] if rest.len() == 5 && rest[2] == b':' => {
            let minutes = digits(rest, 0..2)? * 60 + digits(rest, 3..5)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    Some(day + (hour * 3600 + (minute - offset) * 60 + second) * 1_000_000 + micros)
}

fn digits(bytes: &[u8], range: std::ops::Range<usize>) -> Option<i64> {
    bytes.get(range)?.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

/// Writes `YYYY-MM-DD`.
pub fn format_date(days: i32) -> String {
    let Civil { year, month, day } = civil(i64::from(days));
    format!("{year:04}-{month:02}-{day:02}")
}

/// Writes `YYYY-MM-DDTHH:MM:SSZ`, with six digits of fraction where there is one.
pub fn format_timestamp(micros: i64) -> String {
    let Civil { year, month, day } = civil(micros.div_euclid(DAY));
    let of_day = micros.rem_euclid(DAY);
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        let check = |text, expect| assert_eq!(parse_date(text), expect, "{text}");
        check("1970-01-01", Some(0));
        check("2024-02-29", Some(19_782));
        check("2023-02-29", None);
        check("2023-13-01", None);
        check("2023-1-1", None);
        check("0000-01-01", None);
    }

    #[test]
    fn timestamps_are_read_in_any_zone() {
        let check = |text, expect| assert_eq!(parse_timestamp(text), expect, "{text}");
        check("1970-01-01", Some(0));
        check("1970-01-01T00:00:01.5Z", Some(1_500_000));
        check("1970-01-01 01:00+01:00", Some(0));
        check("1970-01-01T00:00:61Z", None);
        check("1970-01-01T", None);
        check("1970-01-01Tx", None);
        check("1970-01-01T00:00:00+1", None);
    }

    proptest! {
        #[test]
        fn a_written_time_reads_back(micros in -62_135_596_800_000_000i64..253_402_300_800_000_000) {
            prop_assert_eq!(parse_timestamp(&format_timestamp(micros)), Some(micros));
            let days = micros.div_euclid(DAY) as i32;
            prop_assert_eq!(parse_date(&format_date(days)), Some(days));
        }

        #[test]
        fn any_text_can_be_tried(text in "[-0-9T:.Z+ é]{0,30}", any in any::<String>()) {
            parse_timestamp(&text);
            parse_timestamp(&any);
        }
    }
}
