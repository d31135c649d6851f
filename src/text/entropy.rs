//! Entropy: how hard it is to guess which of several things comes.

/// Returns Shannon's entropy of what comes so often, in bits; `None` of nothing.
pub fn entropy(mut counts: Vec<u64>) -> Option<f64> {
    let all: u64 = counts.iter().sum();
    // In the order of the counts, so that the sum is the same every time.
    counts.sort_unstable();
    let share = |count: u64| count as f64 / all as f64;
    (all > 0).then(|| counts.into_iter().map(|count| -share(count) * libm::log2(share(count))).sum::<f64>().abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_always_comes_is_no_surprise() {
        assert_eq!(entropy(vec![]), None);
        assert_eq!(entropy(vec![7]), Some(0.0));
        assert_eq!(entropy(vec![2, 2, 2, 2]), Some(2.0));
    }

    proptest! {
        #[test]
        fn it_is_between_none_and_that_of_things_that_come_alike(counts in proptest::collection::vec(1_u64..90, 1..40)) {
            let most = libm::log2(counts.len() as f64) + 1e-9;
            prop_assert!((0.0..=most).contains(&entropy(counts).unwrap()));
        }
    }
}
