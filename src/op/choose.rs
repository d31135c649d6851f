//! `sample` of a number of rows: decided over hashes and ranks of all rows, in all or by group.

use super::draw::Draw;
use super::rank::weight_of_bits;
use super::shares::apportion;
use super::strata::Strata;
use super::takes;
use crate::hash::KeyWriter;
use crate::table::Take;

/// Which rows are taken of a whole table.
///
/// It reads these columns of ints, in this order: the identity of the row; by rank or weight, what a [`super::Ranking`] makes; by
/// group, a hash of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    pub quota: Quota,
    pub order: By,
    pub grouped: Grouped,
    pub seed: i64,
}

/// How many rows are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Of all groups together, in proportion to their sizes.
    Rows(u64),
    /// Of each group.
    PerGroup(u64),
}

/// Which rows come first. Rows that are equal in it come by draws of their identities, and then by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Draw,
    /// The largest first.
    Rank,
    /// By chance in proportion to a weight, without replacement: `−ln u / w` of a uniform draw `u`, the smallest first (algorithm A-ES
    /// of Efraimidis and Spirakis 2006, whose keys are `u^(1/w)`).
    Weight,
}

/// Whether rows are taken by group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouped {
    Yes,
    No,
}

impl Sampling {
    /// Takes `rows` rows by chance.
    pub fn of(rows: u64, seed: i64) -> Sampling {
        Sampling { quota: Quota::Rows(rows), order: By::Draw, grouped: Grouped::No, seed }
    }

    /// Writes the parameters in canonical form.
    pub fn write_key(&self, key: &mut KeyWriter) {
        match self.quota {
            Quota::Rows(rows) => key.int("rows", rows as i64),
            Quota::PerGroup(rows) => key.int("per group", rows as i64),
        };
        key.text(
            "order",
            match self.order {
                By::Draw => "draw",
                By::Rank => "rank",
                By::Weight => "weight",
            },
        );
        key.int("grouped", i64::from(self.grouped == Grouped::Yes)).int("seed", self.seed);
    }

    /// Returns one take per row group. A group of a sample by proportion has its quota, rounded by largest remainder; equal remainders go by
    /// the hash of the group, so that no order of rows counts.
    pub fn takes(&self, groups: &[Vec<&[i64]>]) -> Vec<Take> {
        let rows: usize = groups.iter().map(|group| group[0].len()).sum();
        let by_group = 1 + usize::from(self.order != By::Draw);
        let strata = (self.grouped == Grouped::Yes).then(|| Strata::of(groups.iter().map(|group| group[by_group])));
        let draw = Draw::new("sample", self.seed);
        let mut bins: Vec<Vec<(u64, usize)>> = match &strata {
            Some(strata) => strata.sizes.iter().map(|size| Vec::with_capacity(*size as usize)).collect(),
            None => vec![Vec::with_capacity(rows)],
        };
        let mut at = 0;
        for group in groups {
            for (row, identity) in group[0].iter().enumerate() {
                let drawn = draw.of(*identity);
                let place = match self.order {
                    By::Draw => Some(drawn),
                    // Larger ranks are smaller places.
                    By::Rank => Some((!group[1][row]) as u64 ^ (1 << 63)),
                    By::Weight => weighted(drawn, weight_of_bits(group[1][row])),
                };
                let bin = strata.as_ref().and_then(|strata| strata.find(group[by_group][row])).unwrap_or(0);
                bins[bin].extend(place.map(|place| (place, at)));
                at += 1;
            }
        }
        let sizes: Vec<u64> = bins.iter().map(|bin| bin.len() as u64).collect();
        let quotas = match self.quota {
            Quota::PerGroup(n) => sizes.iter().map(|size| n.min(*size)).collect(),
            Quota::Rows(n) => {
                let shares: Vec<u128> = sizes.iter().map(|size| u128::from(*size)).collect();
                apportion(&shares, n.min(sizes.iter().sum()))
            }
        };
        let mut keep = vec![false; rows];
        // Ranks may be equal for many rows: the draws of these decide.
        let identities: Vec<i64> = match self.order {
            By::Rank => groups.iter().flat_map(|group| group[0].iter().copied()).collect(),
            By::Draw | By::Weight => Vec::new(),
        };
        for (bin, n) in bins.iter_mut().zip(quotas) {
            let n = n as usize;
            if n < bin.len() {
                match self.order {
                    By::Rank => drop(
                        bin.select_nth_unstable_by_key(n, |(place, row)| (*place, draw.of(identities[*row]), *row)),
                    ),
                    By::Draw | By::Weight => drop(bin.select_nth_unstable(n)),
                }
            }
            bin[..n].iter().for_each(|(_, row)| keep[*row] = true);
        }
        takes(groups.iter().map(|group| group[0].len()), &keep)
    }
}

/// Returns the place of a row among those taken by weight; none for one that is never taken.
fn weighted(drawn: u64, weight: f64) -> Option<u64> {
    let uniform = ((drawn >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64);
    // Positive floats are in the order of their bits. This logarithm is the same on every machine.
    (weight > 0.0).then(|| (-libm::log(uniform) / weight).to_bits())
}
