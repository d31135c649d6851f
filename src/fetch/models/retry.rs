//! When to try again: what an endpoint asks for, and what we wait by ourselves.

use crate::hash::mix64;
use crate::time::{Civil, days};
use hyper::HeaderMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);

/// Returns how long to wait before a further attempt, when so many (at least one) have failed: between half and all of a time
/// that doubles, so that what failed together does not come back together.
pub(super) fn backoff(failures: u32, salt: u64) -> Duration {
    let full = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST);
    let share = (mix64(salt) >> 11) as f64 / (1u64 << 53) as f64;
    full.mul_f64(0.5 + share / 2.0)
}

/// Reads how long an endpoint asks us to wait: milliseconds, seconds or a date.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0);
    if let Some(millis) = text("retry-after-ms").and_then(number) {
        return Some(Duration::from_secs_f64((millis / 1e3).min(1e9)));
    }
    let after = text("retry-after")?;
    if let Some(seconds) = number(after) {
        return Some(Duration::from_secs_f64(seconds.min(1e9)));
    }
    let at = UNIX_EPOCH + Duration::from_secs(http_date(after)?);
    Some(at.duration_since(now).unwrap_or_default())
}

/// Reads a date such as `Sun, 06 Nov 1994 08:49:37 GMT`, as seconds since 1970.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.split_once(", ")?.1.split(' ');
    let day: i64 = parts.next()?.parse().ok()?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let year: i64 = parts.next()?.parse().ok()?;
    let mut clock = parts.next()?.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let sane = (1..=31).contains(&day) && (1970..10_000).contains(&year) && hour < 24 && minute < 60 && second <= 60;
    let seconds = days(Civil { year, month, day }) * 86_400 + hour * 3600 + minute * 60 + second;
    u64::try_from(seconds).ok().filter(|_| sane)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &'static str, value: &str, expect: Option<f64>) {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let now = UNIX_EPOCH + Duration::from_secs(784_111_770);
        assert_eq!(retry_after(&headers, now).map(|wait| wait.as_secs_f64()), expect, "{value}");
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        check("retry-after", "12", Some(12.0));
        check("retry-after", "0.25", Some(0.25));
        check("retry-after-ms", "250", Some(0.25));
        check("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", Some(7.0));
        check("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT", Some(0.0));
        check("retry-after", "-1", None);
        check("retry-after", "soon", None);
        check("retry-after", "Sun, 99 Nov 1994 08:49:37 GMT", None);
        check("retry-after", "1e300", Some(1e9));
    }

    #[test]
    fn a_pause_doubles_up_to_a_limit_and_is_never_less_than_half() {
        for failures in 1..40 {
            let full = (0.5 * 2f64.powi(failures as i32 - 1)).min(30.0);
            let pause = backoff(failures, u64::from(failures)).as_secs_f64();
            assert!(pause >= full / 2.0 && pause <= full, "{failures}: {pause}");
        }
    }
}
