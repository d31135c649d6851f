//! `mix`: rows of several inputs in fixed shares.

use super::draw::parts;
use super::sample::smallest_of;
use crate::table::Take;
use std::fmt;

/// Why inputs cannot be mixed.
#[derive(Clone, Debug, PartialEq)]
pub enum MixError {
    /// A share is not a number above 0.
    Share { input: usize, share: f64 },
    /// An input has fewer rows than its share of the total; `largest` total is the most that fits all inputs.
    TooFew { input: usize, available: u64, wanted: u64, largest: u64 },
}

impl fmt::Display for MixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MixError::Share { share, .. } => write!(f, "a share is {share}; it is a number above 0"),
            MixError::TooFew { available, wanted, largest, .. } => {
                write!(
                    f,
                    "there are {available} rows, and the mix wants {wanted}; the largest `rows` with these shares is {largest}"
                )
            }
        }
    }
}

/// Returns one take per group of each input. Shares are relative to their sum.
///
/// An input gives its share of `rows`, rounded by largest remainder (ties to the earlier input); without `rows` the total
/// is the largest for which every share can be met. Each input gives the rows that draw the smallest numbers, so a
/// changed share only adds rows of an input or only takes some away.
pub fn mix(inputs: &[(f64, Vec<&[i64]>)], rows: Option<u64>, seed: i64) -> Result<Vec<Vec<Take>>, MixError> {
    let mut shares = Vec::with_capacity(inputs.len());
    for (input, (share, _)) in inputs.iter().enumerate() {
        let error = MixError::Share { input, share: *share };
        shares.push(parts(*share).filter(|parts| *parts > 0).ok_or(error)?);
    }
    let available: Vec<u64> =
        inputs.iter().map(|(_, groups)| groups.iter().map(|group| group.len() as u64).sum()).collect();
    let largest = largest(&shares, &available);
    let wanted = counts(&shares, rows.unwrap_or(largest));
    for (input, (available, wanted)) in available.iter().zip(&wanted).enumerate() {
        if wanted > available {
            return Err(MixError::TooFew { input, available: *available, wanted: *wanted, largest });
        }
    }
    Ok(inputs.iter().zip(wanted).map(|((_, groups), n)| smallest_of("mix", groups, seed, n)).collect())
}

/// Returns the largest total whose exact shares do not exceed what is available.
fn largest(shares: &[u128], available: &[u64]) -> u64 {
    let sum: u128 = shares.iter().sum();
    let most = shares.iter().zip(available).map(|(share, available)| u128::from(*available) * sum / share).min();
    u64::try_from(most.unwrap_or(0)).unwrap_or(u64::MAX)
}

/// Returns how many of `rows` each share gets: the whole part of its quota, and what is left to the largest remainders.
fn counts(shares: &[u128], rows: u64) -> Vec<u64> {
    let sum: u128 = shares.iter().sum();
    let quotas: Vec<u128> = shares.iter().map(|share| share * u128::from(rows)).collect();
    let mut counts: Vec<u64> = quotas.iter().map(|quota| (quota / sum) as u64).collect();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|i| (std::cmp::Reverse(quotas[*i] % sum), *i));
    let left = rows - counts.iter().sum::<u64>();
    order.iter().cycle().take(left as usize).for_each(|i| counts[*i] += 1);
    counts
}
