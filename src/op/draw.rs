//! Draws: numbers that look random and depend on nothing but their purpose, seed and identity.

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
        finish(finish(identity as u64 ^ self.0).wrapping_add(self.0))
    }
}

/// The finaliser of splitmix64 (Steele, Lea and Flood 2014): every input bit moves every output bit.
pub(super) fn finish(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
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
