//! Parts of dates and timestamps, in UTC. There is no `now()`: results depend on rows alone.

use super::super::cells::{Args, Day, Micros, Outcome, map1};
use super::Run::Rows;
use super::{Function, f};
use crate::time::{Civil, DAY, civil};

pub const TABLE: &[Function] = &[
    f(
        "year",
        &[],
        &[
            ("day: date -> int", Rows(|a| of_date(a, |c| c.year))),
            ("time: timestamp -> int", Rows(|a| of_time(a, |c| c.year))),
        ],
        "Gives the year; also `extract(year from day)`, and so for the others.",
        ("year(date '2024-05-06')", "2024"),
    ),
    f(
        "month",
        &[],
        &[
            ("day: date -> int", Rows(|a| of_date(a, |c| c.month))),
            ("time: timestamp -> int", Rows(|a| of_time(a, |c| c.month))),
        ],
        "Gives the month, 1 to 12.",
        ("extract(month from date '2024-05-06')", "5"),
    ),
    f(
        "day",
        &[],
        &[
            ("day: date -> int", Rows(|a| of_date(a, |c| c.day))),
            ("time: timestamp -> int", Rows(|a| of_time(a, |c| c.day))),
        ],
        "Gives the day of the month.",
        ("day(date '2024-05-06')", "6"),
    ),
    f(
        "weekday",
        &["isodow"],
        &[
            ("day: date -> int", Rows(|a| map1(a, |Day(x)| weekday(i64::from(x))))),
            ("time: timestamp -> int", Rows(|a| map1(a, |Micros(x)| weekday(x.div_euclid(DAY))))),
        ],
        "Gives the day of the week, 1 for Monday to 7 for Sunday.",
        ("weekday(date '2024-05-06')", "1"),
    ),
    f(
        "hour",
        &[],
        &[("time: timestamp -> int", Rows(|a| of_clock(a, 3_600_000_000, 24)))],
        "Gives the hour, 0 to 23.",
        ("hour(timestamp '2024-05-06 07:08:09')", "7"),
    ),
    f(
        "minute",
        &[],
        &[("time: timestamp -> int", Rows(|a| of_clock(a, 60_000_000, 60)))],
        "Gives the minute.",
        ("minute(timestamp '2024-05-06 07:08:09')", "8"),
    ),
    f(
        "second",
        &[],
        &[("time: timestamp -> int", Rows(|a| of_clock(a, 1_000_000, 60)))],
        "Gives the second, without its fraction.",
        ("second(timestamp '2024-05-06 07:08:09')", "9"),
    ),
    f(
        "epoch",
        &[],
        &[("time: timestamp -> float", Rows(|a| map1(a, |Micros(x)| x as f64 / 1e6)))],
        "Gives the seconds since 1970-01-01T00:00:00Z.",
        ("epoch(timestamp '1970-01-02')", "86400.0"),
    ),
];

fn of_date(args: &Args, part: fn(Civil) -> i64) -> Outcome {
    map1(args, |Day(x)| part(civil(i64::from(x))))
}

fn of_time(args: &Args, part: fn(Civil) -> i64) -> Outcome {
    map1(args, |Micros(x)| part(civil(x.div_euclid(DAY))))
}

fn of_clock(args: &Args, unit: i64, of: i64) -> Outcome {
    map1(args, |Micros(x)| x.rem_euclid(DAY) / unit % of)
}

fn weekday(days: i64) -> i64 {
    // 1970-01-01 was a Thursday.
    (days + 3).rem_euclid(7) + 1
}
