//! Confidence intervals: between which two numbers the value of a larger sample would be expected.

use super::super::cells::Fault;
use super::super::value::Value;
use super::acc::{Acc, Kind, Of};
use super::table::{Fold, at_rank, count};
use crate::table::Type;
use serde::{Deserialize, Serialize};

/// The level where it is not said.
pub const LEVEL: f64 = 0.95;

pub const TABLE: &[Fold] = &[
    Fold {
        name: "ci_low",
        also: &[],
        forms: &[
            ("x: bool -> float", Kind::Ints, low),
            ("x: float -> float", Kind::Moments, low),
            ("x: bool, level: float -> float", Kind::Ints, low),
            ("x: float, level: float -> float", Kind::Moments, low),
        ],
        doc: "Gives the lower end of the confidence interval of the mean, at a level of 0.95 unless another is given: of bools after Wilson 1927, of numbers mean ∓ t · s/√n with Student's t (null for fewer than two). It holds for rows that do not depend on each other.",
        example: ("round(ci_low(ok), 4)", "0.3006"),
    },
    Fold {
        name: "ci_high",
        also: &[],
        forms: &[
            ("x: bool -> float", Kind::Ints, high),
            ("x: float -> float", Kind::Moments, high),
            ("x: bool, level: float -> float", Kind::Ints, high),
            ("x: float, level: float -> float", Kind::Moments, high),
        ],
        doc: "Gives the upper end of the confidence interval of the mean; see `ci_low`.",
        example: ("round(ci_high(ok), 4)", "0.9544"),
    },
    Fold {
        name: "quantile_low",
        also: &[],
        forms: &[
            ("x: int, q: float -> float", Kind::Tally, |acc, of| rank(acc, of, false)),
            ("x: float, q: float -> float", Kind::Tally, |acc, of| rank(acc, of, false)),
            ("x: int, q: float, level: float -> float", Kind::Tally, |acc, of| rank(acc, of, false)),
            ("x: float, q: float, level: float -> float", Kind::Tally, |acc, of| rank(acc, of, false)),
        ],
        doc: "Gives the lower end of the confidence interval of a quantile, at a level of 0.95 unless another is given: the value that so many others are below with the binomial distribution (Conover 1999, 3.2; as scipy's `quantile_test`), whatever the values are distributed like. Null where there are too few.",
        example: ("quantile_low(x, 0.5, 0.5)", "1.0"),
    },
    Fold {
        name: "quantile_high",
        also: &[],
        forms: &[
            ("x: int, q: float -> float", Kind::Tally, |acc, of| rank(acc, of, true)),
            ("x: float, q: float -> float", Kind::Tally, |acc, of| rank(acc, of, true)),
            ("x: int, q: float, level: float -> float", Kind::Tally, |acc, of| rank(acc, of, true)),
            ("x: float, q: float, level: float -> float", Kind::Tally, |acc, of| rank(acc, of, true)),
        ],
        doc: "Gives the upper end of the confidence interval of a quantile; see `quantile_low`.",
        example: ("quantile_high(x, 0.5, 0.5)", "2.0"),
    },
];

/// Gives the value at the rank that is an end of the interval of a quantile.
fn rank(acc: &Acc, of: &Of, upper: bool) -> Result<Value, Fault> {
    let (n, q) = (count(acc), of.number(0).unwrap_or(0.5));
    let rest = (1.0 - of.number(1).unwrap_or(LEVEL)) / 2.0;
    // How probable it is that at most `k` of `n` values are below the quantile; so the least `k` for which it is enough.
    let at_most = |k: u64| match (k >= n, q) {
        (true, _) => 1.0,
        (false, 1.0) => 0.0,
        (false, q) => beta(1.0 - q, (n - k) as f64, (k + 1) as f64),
    };
    let enough = if upper { 1.0 - rest } else { rest };
    let (mut none, mut some) = (0, n);
    while none < some {
        let k = none + (some - none) / 2;
        if at_most(k) >= enough { some = k } else { none = k + 1 }
    }
    let rank = if upper { Some(some) } else { some.checked_sub(1) };
    Ok(rank.and_then(|rank| at_rank(acc, of, rank)).map_or(Value::Null, Value::Float))
}

/// What a mean is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// How many values.
    pub n: u64,
    /// Of bools: how many of them are true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<u64>,
}

impl Sample {
    pub(super) fn of(acc: &Acc, ty: &Type) -> Option<Sample> {
        match acc {
            Acc::Ints { n, sum } => {
                Some(Sample { n: *n, hits: (*ty == Type::Bool).then(|| u64::try_from(*sum).ok()).flatten() })
            }
            Acc::Floats { n, .. } => Some(Sample { n: *n, hits: None }),
            _ => None,
        }
    }

    /// Returns the confidence interval of a share, at a level of 0.95.
    pub fn interval(&self) -> Option<(f64, f64)> {
        (self.n > 0).then_some(())?;
        Some(wilson(self.n as f64, self.hits? as f64, point((1.0 + LEVEL) / 2.0, normal)))
    }

    /// Returns how probable it is that two shares of equal populations are as far from each other, by the two-proportion test (pooled, two-sided);
    /// none where one of them is of nothing, or both are all or nothing.
    pub fn chance(&self, other: &Sample) -> Option<f64> {
        if self.n == 0 || other.n == 0 {
            return None;
        }
        let (n, m) = (self.n as f64, other.n as f64);
        let (a, b) = (self.hits? as f64, other.hits? as f64);
        let pooled = (a + b) / (n + m);
        let error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
        (error > 0.0).then(|| libm::erfc((a / n - b / m).abs() / error / std::f64::consts::SQRT_2))
    }
}

fn wilson(n: f64, hits: f64, z: f64) -> (f64, f64) {
    let share = hits / n;
    let middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    // The formula gives these ends, but for rounding.
    let low = if hits == 0.0 { 0.0 } else { middle - half };
    (low, if hits == n { 1.0 } else { middle + half })
}

fn low(acc: &Acc, of: &Of) -> Result<Value, Fault> {
    Ok(interval(acc, of).map_or(Value::Null, |(low, _)| Value::Float(low)))
}

fn high(acc: &Acc, of: &Of) -> Result<Value, Fault> {
    Ok(interval(acc, of).map_or(Value::Null, |(_, high)| Value::Float(high)))
}

fn interval(acc: &Acc, of: &Of) -> Option<(f64, f64)> {
    let upper = (1.0 + of.number(0).unwrap_or(LEVEL)) / 2.0;
    match acc {
        Acc::Ints { n: n @ 1.., sum } => Some(wilson(*n as f64, *sum as f64, point(upper, normal))),
        Acc::Moments { n: n @ 2.., mean, squares } => {
            let free = (n - 1) as f64;
            let half = point(upper, |x| student(x, free)) * (squares / free / *n as f64).sqrt();
            Some((mean - half, mean + half))
        }
        _ => None,
    }
}

/// Finds where a distribution that is symmetric about 0 reaches a share of at least a half.
fn point(share: f64, below: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while below(high) < share && high < 1e300 {
        (low, high) = (high, high * 2.0);
    }
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if below(middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// The share of a normal distribution below `x`.
fn normal(x: f64) -> f64 {
    1.0 - libm::erfc(x / std::f64::consts::SQRT_2) / 2.0
}

/// The share of Student's distribution below `x` ≥ 0, with this many degrees of freedom.
fn student(x: f64, free: f64) -> f64 {
    let square = x * x;
    // Of the two forms, the one whose fraction converges fast.
    if square < free {
        0.5 + 0.5 * beta(square / (free + square), 0.5, free / 2.0)
    } else {
        1.0 - 0.5 * beta(free / (free + square), free / 2.0, 0.5)
    }
}

/// The regularised incomplete beta function, by Lentz's continued fraction (Press et al., Numerical Recipes, 6.4).
fn beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta(1.0 - x, b, a);
    }
    let front =
        libm::exp(libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x)) / a;
    let safe = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut d = 1.0 / safe(1.0 - (a + b) * x / (a + 1.0));
    let (mut c, mut fraction) = (1.0, d);
    for m in 1..10_000 {
        let m = f64::from(m);
        for part in [
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        ] {
            d = 1.0 / safe(1.0 + part * d);
            c = safe(1.0 + part / c);
            fraction *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    front * fraction
}
