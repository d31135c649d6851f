//! `mix`: rows of several inputs in given shares, each row once or several times.

use super::draw::{Draw, WHOLE, parts};
use super::shares::{apportion, reduced};
use super::strata::Strata;
use super::takes;
use crate::table::Take;
use std::fmt;

/// How rows are mixed.
#[derive(Clone, Debug)]
pub struct Mixing {
    /// None: as many as the shares allow.
    pub rows: Option<u64>,
    /// Shares are sizes to the power of one by this; none: each input has its own.
    pub temperature: Option<f64>,
    pub seed: i64,
}

/// One input of a mix. All that is known of its rows are hashes, by row group.
pub struct MixInput<'a> {
    /// Relative to those of the others.
    pub share: Option<f64>,
    /// How many different rows at most.
    pub cap: Option<u64>,
    /// How often a row may come.
    pub epochs: f64,
    pub identities: Vec<&'a [i64]>,
    /// What is to come in the proportions of the reference; empty where there is none.
    pub strata: Vec<&'a [i64]>,
}

/// A pass over the row groups of an input, one take each, and how often it is made. No later pass has a row that an earlier one has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    pub times: u64,
    pub takes: Vec<Take>,
}

/// Why inputs cannot be mixed.
#[derive(Clone, Debug, PartialEq)]
pub enum MixError {
    /// A share is not a number above 0.
    Share { input: usize, share: f64 },
    /// An input has fewer rows than its share of the total; `largest` total is the most that fits all inputs.
    TooFew { input: usize, stratum: Option<i64>, available: u64, wanted: u64, largest: u64 },
    /// The reference has no rows, and so no proportions.
    NoReference,
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
            MixError::NoReference => f.write_str("the dataset to be matched has no rows"),
        }
    }
}

/// The rows of an input that agree in what is matched; all rows where nothing is.
#[derive(Default)]
struct Cell {
    /// What each row draws, and its position.
    rows: Vec<(u64, usize)>,
    /// How many different rows may be taken.
    different: u64,
    /// How many may be taken, with repeats.
    available: u64,
}

impl Mixing {
    /// Returns what is taken of each input.
    ///
    /// An input gives its share of the rows, rounded by largest remainder (ties to the earlier input); without `rows` the total is the
    /// largest for which every share can be met. Of an input, the rows that draw the smallest numbers come, so a changed share only adds
    /// rows of an input or only takes some away. If it gives more than it has different rows, all come as often as goes, and those with the
    /// smallest draws once more. With a reference, what an input gives is divided in its proportions, again by largest remainder.
    pub fn passes(&self, inputs: &[MixInput], reference: Option<&[&[i64]]>) -> Result<Vec<Vec<Pass>>, MixError> {
        let strata = reference.map(|hashes| Strata::of(hashes.iter().copied()));
        let weights = match &strata {
            Some(strata) if strata.hashes.is_empty() => return Err(MixError::NoReference),
            Some(strata) => reduced(&strata.sizes.iter().map(|size| u128::from(*size)).collect::<Vec<_>>()),
            None => vec![1],
        };
        let shares = self.shares(inputs)?;
        let mut cells = Vec::with_capacity(inputs.len());
        for input in inputs {
            cells.push(self.cells(input, strata.as_ref(), &weights));
        }
        let largest = largest(&shares, &weights, &cells);
        let wanted = counts(&shares, &weights, self.rows.unwrap_or(largest));
        let too_few = |input: usize, stratum: usize, wanted: u64| MixError::TooFew {
            input,
            stratum: strata.as_ref().map(|strata| strata.hashes[stratum]),
            available: cells[input][stratum].available,
            wanted,
            largest,
        };
        if let Some((input, stratum)) = first_short(&cells, &wanted) {
            return Err(too_few(input, stratum, wanted[input][stratum]));
        }
        if strata.is_some() && self.rows.is_none() && largest == 0 {
            // Nothing of a kind leaves nothing at all: that is an error, and no empty mix.
            let one =
                shares.iter().map(|share| weights.iter().map(|_| u64::from(*share > 0)).collect()).collect::<Vec<_>>();
            if let Some((input, stratum)) = first_short(&cells, &one) {
                return Err(too_few(input, stratum, 1));
            }
        }
        Ok(inputs.iter().zip(cells).zip(wanted).map(|((input, cells), counts)| passes(input, cells, &counts)).collect())
    }

    fn shares(&self, inputs: &[MixInput]) -> Result<Vec<u128>, MixError> {
        let sizes: Vec<u64> = inputs
            .iter()
            .map(|input| input.identities.iter().map(|group| group.len() as u64).sum())
            .zip(inputs)
            .map(|(rows, input): (u64, _)| rows.min(input.cap.unwrap_or(u64::MAX)))
            .collect();
        let shares = match self.temperature {
            Some(1.0) => sizes.iter().map(|size| u128::from(*size)).collect(),
            Some(temperature) => sizes.iter().map(|size| by_size(*size, &sizes, temperature)).collect(),
            None => {
                let mut shares = Vec::with_capacity(inputs.len());
                for (input, share) in inputs.iter().map(|input| input.share.unwrap_or(f64::NAN)).enumerate() {
                    shares.push(parts(share).filter(|parts| *parts > 0).ok_or(MixError::Share { input, share })?);
                }
                shares
            }
        };
        Ok(reduced(&shares))
    }

    fn cells(&self, input: &MixInput, strata: Option<&Strata>, weights: &[u128]) -> Vec<Cell> {
        let draw = Draw::new("mix", self.seed);
        let mut cells: Vec<Cell> = weights.iter().map(|_| Cell::default()).collect();
        let mut at = 0;
        for (group, identities) in input.identities.iter().enumerate() {
            for (row, identity) in identities.iter().enumerate() {
                let cell = strata.map_or(Some(0), |strata| strata.find(input.strata[group][row]));
                if let Some(cell) = cell {
                    cells[cell].rows.push((draw.of(*identity), at));
                }
                at += 1;
            }
        }
        // What an input may give is divided as what it gives.
        let caps = input.cap.map(|cap| apportion(weights, cap));
        let epochs = parts(input.epochs).unwrap_or(0);
        for (at, cell) in cells.iter_mut().enumerate() {
            cell.different = (cell.rows.len() as u64).min(caps.as_ref().map_or(u64::MAX, |caps| caps[at]));
            cell.available = u64::try_from(u128::from(cell.different) * epochs / WHOLE).unwrap_or(u64::MAX);
        }
        cells
    }
}

/// Returns a size to the power of 1 / temperature, in parts of the largest one's.
fn by_size(size: u64, sizes: &[u64], temperature: f64) -> u128 {
    let most = sizes.iter().copied().max().unwrap_or(1);
    if size == 0 {
        return 0;
    }
    // This logarithm and this exponential are the same on every machine.
    let power = libm::exp((libm::log(size as f64) - libm::log(most as f64)) / temperature);
    ((power * WHOLE as f64).round() as u128).max(1)
}

/// Returns how many of `rows` each input gives of each stratum.
fn counts(shares: &[u128], weights: &[u128], rows: u64) -> Vec<Vec<u64>> {
    apportion(shares, rows).into_iter().map(|count| apportion(weights, count)).collect()
}

/// Returns the first input and stratum of which there are fewer than wanted.
fn first_short(cells: &[Vec<Cell>], wanted: &[Vec<u64>]) -> Option<(usize, usize)> {
    let short = |(cells, wanted): (&Vec<Cell>, &Vec<u64>)| {
        cells.iter().zip(wanted).position(|(cell, wanted)| *wanted > cell.available)
    };
    cells.iter().zip(wanted).enumerate().find_map(|(input, both)| Some((input, short(both)?)))
}

/// Returns the largest total for which there are rows enough of all.
fn largest(shares: &[u128], weights: &[u128], cells: &[Vec<Cell>]) -> u64 {
    let (all, whole): (u128, u128) = (shares.iter().sum(), weights.iter().sum());
    let mut most: Option<u128> = None;
    for (share, cells) in shares.iter().zip(cells).filter(|(share, _)| **share > 0) {
        for (weight, cell) in weights.iter().zip(cells) {
            let total = u128::from(cell.available).saturating_mul(all).saturating_mul(whole) / (share * weight);
            most = Some(most.map_or(total, |most| most.min(total)));
        }
    }
    let mut most = u64::try_from(most.unwrap_or(0)).unwrap_or(u64::MAX);
    // Exact quotas fit; rounded twice, one may have come to a row too many.
    while weights.len() > 1 && most > 0 && first_short(cells, &counts(shares, weights, most)).is_some() {
        most -= 1;
    }
    most
}

/// Takes so many rows of each cell of an input, in as many passes as it needs.
fn passes(input: &MixInput, mut cells: Vec<Cell>, counts: &[u64]) -> Vec<Pass> {
    // By cell: how often all of its rows come, and how many of them come once more.
    let plan: Vec<(u64, usize)> = cells
        .iter_mut()
        .zip(counts)
        .map(|(cell, count)| {
            let different = cell.different.max(1);
            let (full, rest) = (count / different, (count % different) as usize);
            first(&mut cell.rows, cell.different as usize);
            cell.rows.truncate(cell.different as usize);
            first(&mut cell.rows, rest);
            (full, rest)
        })
        .collect();
    let needed = plan.iter().map(|(full, rest)| full + u64::from(*rest > 0)).max().unwrap_or(0);
    let rows = input.identities.iter().map(|group| group.len()).sum();
    let one = |pass: u64| {
        let mut keep = vec![false; rows];
        for (cell, (full, rest)) in cells.iter().zip(&plan) {
            let n = if pass < *full {
                cell.rows.len()
            } else if pass == *full {
                *rest
            } else {
                0
            };
            cell.rows[..n].iter().for_each(|(_, row)| keep[*row] = true);
        }
        takes(input.identities.iter().map(|group| group.len()), &keep)
    };
    // Equal passes are made once: something changes where the rows of a cell come for the last time.
    let mut ends: Vec<u64> = plan.iter().flat_map(|(full, _)| [*full, full + 1]).filter(|end| *end < needed).collect();
    ends.extend([0, needed]);
    ends.sort_unstable();
    ends.dedup();
    ends.windows(2).map(|ends| Pass { times: ends[1] - ends[0], takes: one(ends[0]) }).collect()
}

/// Brings the `n` rows with the smallest draws to the front; equal draws go by position.
fn first(rows: &mut [(u64, usize)], n: usize) {
    if n < rows.len() {
        rows.select_nth_unstable(n);
    }
}
