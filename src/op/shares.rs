//! Whole numbers in given proportions, by largest remainder.

/// Divides `total` in proportion to `shares`: each gets the whole part of its quota, and what is left goes to the largest remainders,
/// of equal ones to the earlier. Shares that come to 0 get nothing.
///
/// No part is more than its quota rounded up: where shares are sizes and `total` is at most their sum, none is more than its size.
pub(super) fn apportion(shares: &[u128], total: u64) -> Vec<u64> {
    let sum: u128 = shares.iter().sum();
    if sum == 0 {
        return vec![0; shares.len()];
    }
    let quotas: Vec<u128> = shares.iter().map(|share| share * u128::from(total)).collect();
    let mut counts: Vec<u64> = quotas.iter().map(|quota| (quota / sum) as u64).collect();
    let left = total - counts.iter().sum::<u64>();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|i| (std::cmp::Reverse(quotas[*i] % sum), *i));
    order.iter().take(left as usize).for_each(|i| counts[*i] += 1);
    counts
}

/// Divides all shares by what divides all of them, so that products of them stay small.
pub(super) fn reduced(shares: &[u128]) -> Vec<u128> {
    let divisor = shares.iter().fold(0, |a, b| gcd(a, *b)).max(1);
    shares.iter().map(|share| share / divisor).collect()
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}
