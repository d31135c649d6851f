//! Draws: numbers that look random and depend on nothing but their purpose, seed and identity.

use crate::hash::mix64;

/// Draws a number for each identity; another purpose or seed gives independent ones.
#[derive(Clone, Copy)]
pub(super) struct Draw(u64);

impl Draw {
    /// Prepares the draws of `purpose`. Two ops with the same seed must not draw alike, hence the purpose.
    pub(super) fn new(purpose: &str, seed: i64) -> Draw {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(purpose.as_bytes());
        Draw(u64::from_le_bytes(hasher.finalize().as_bytes()[..8].try_into().expect("a hash has 32 bytes")))
    }

    /// Returns the draw for a row, uniform over all of `u64` for identities that are hashes.
    pub(super) fn of(self, identity: i64) -> u64 {
        mix64(mix64(identity as u64 ^ self.0).wrapping_add(self.0))
    }
}

/// Shares are counted in parts of this: exact in whole numbers, so that equal decimals make equal bounds.
pub(super) const WHOLE: u128 = 1_000_000_000_000;

/// Returns a share in parts of [`WHOLE`], if it is a number from 0 to a million.
pub(super) fn parts(share: f64) -> Option<u128> {
    (0.0..=1e6).contains(&share).then(|| (share * WHOLE as f64).round() as u128)
}

/// Returns the bound below which a draw falls with a probability of `parts` of [`WHOLE`].
pub(super) fn bound(parts: u128) -> u128 {
    (parts << 64) / WHOLE
}
