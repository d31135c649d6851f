//! Sums of floats without rounding, so that neither order nor grouping changes a metric.

use crate::table::{Malformed, Reader};

/// Limbs of 32 bits over the whole range of floats, and room for 2^63 of the largest above it.
const LIMBS: usize = 70;
/// The exponent of the lowest bit: the smallest float is 2^-1074.
const LOWEST: i32 = -1074;
const MASK: i64 = 0xffff_ffff;

/// A fixed-point number wide enough for every sum of floats (Kulisch's long accumulator).
///
/// Adding and merging are exact, thus associative and commutative; only reading it as a float rounds, once.
#[derive(Clone, Debug)]
pub struct Exact {
    limbs: [i64; LIMBS],
    /// Additions since carries were last passed on; each adds less than 2^32 to a limb.
    pending: u32,
    /// The sum of what is not finite: 0, an infinity or NaN.
    special: f64,
}

impl Exact {
    /// Begins at 0.
    pub fn new() -> Exact {
        Exact { limbs: [0; LIMBS], pending: 0, special: 0.0 }
    }

    /// Adds a float.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.special += value;
            return;
        }
        let bits = value.to_bits();
        let exponent = (bits >> 52 & 0x7ff) as usize;
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, place) = if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        let wide = u128::from(mantissa) << (place % 32);
        for (i, limb) in self.limbs[place / 32..place / 32 + 3].iter_mut().enumerate() {
            let part = (wide >> (32 * i)) as i64 & MASK;
            *limb += if bits >> 63 == 1 { -part } else { part };
        }
        self.pending += 1;
        if self.pending == 1 << 30 {
            self.carry();
        }
    }

    /// Adds all that `other` holds.
    pub fn merge(&mut self, mut other: Exact) {
        self.carry();
        other.carry();
        self.limbs.iter_mut().zip(other.limbs).for_each(|(limb, more)| *limb += more);
        self.special += other.special;
        self.carry();
    }

    /// Brings every limb but the highest into 0..2^32; equal sums have equal limbs then.
    fn carry(&mut self) {
        let mut carry = 0;
        for limb in &mut self.limbs[..LIMBS - 1] {
            let sum = *limb + carry;
            *limb = sum & MASK;
            carry = sum >> 32;
        }
        self.limbs[LIMBS - 1] += carry;
        self.pending = 0;
    }

    /// Returns whether the sum is negative, and its magnitude.
    fn magnitude(&self) -> (bool, [i64; LIMBS]) {
        let mut sum = self.clone();
        sum.carry();
        let negative = sum.limbs[LIMBS - 1] < 0;
        if negative {
            sum.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            sum.carry();
        }
        (negative, sum.limbs)
    }

    /// Returns the float nearest to the sum, ties to even.
    pub fn value(&self) -> f64 {
        if self.special != 0.0 {
            return self.special;
        }
        let (negative, limbs) = self.magnitude();
        let Some(top) = limbs.iter().rposition(|limb| *limb != 0) else { return 0.0 };
        let low = top.saturating_sub(2);
        let mut head = limbs[low..=top].iter().rev().fold(0u128, |head, limb| head << 32 | *limb as u128);
        // What lies below decides only ties: 96 bits hold more than a float keeps.
        head |= u128::from(limbs[..low].iter().any(|limb| *limb != 0));
        let scale = low as i32 * 32 + LOWEST;
        let value = head as f64 * power_of_two(scale / 2) * power_of_two(scale - scale / 2);
        if negative { -value } else { value }
    }

    /// Appends the canonical bytes: special, sign, place of the first limb, number of limbs, limbs.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let special = match self.special {
            0.0 => 0,
            f64::INFINITY => 1,
            f64::NEG_INFINITY => 2,
            _ => 3,
        };
        let (negative, limbs) = self.magnitude();
        let first = limbs.iter().position(|limb| *limb != 0).unwrap_or(0);
        let end = limbs.iter().rposition(|limb| *limb != 0).map_or(0, |last| last + 1);
        out.extend_from_slice(&[special, u8::from(negative), first as u8, (end - first) as u8]);
        limbs[first..end].iter().for_each(|limb| out.extend_from_slice(&(*limb as u32).to_le_bytes()));
    }

    /// Takes a sum off `from`.
    pub fn decode(from: &mut Reader) -> Result<Exact, Malformed> {
        let mut sum = Exact::new();
        sum.special = match from.u8()? {
            0 => 0.0,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            3 => f64::NAN,
            _ => return Err(Malformed("an unknown special sum")),
        };
        let sign = match from.u8()? {
            0 => 1,
            1 => -1,
            _ => return Err(Malformed("an unknown sign")),
        };
        let (first, count) = (usize::from(from.u8()?), usize::from(from.u8()?));
        let limbs = sum.limbs.get_mut(first..first + count).ok_or(Malformed("a sum out of range"))?;
        for limb in limbs {
            *limb = sign * i64::from(from.u32()?);
        }
        sum.carry();
        Ok(sum)
    }
}

/// Returns 2^`exponent`, for exponents of normal floats.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(values: &[f64]) -> Exact {
        let mut sum = Exact::new();
        values.iter().for_each(|value| sum.add(*value));
        sum
    }

    fn bytes(sum: &Exact) -> Vec<u8> {
        let mut out = Vec::new();
        sum.encode(&mut out);
        out
    }

    #[test]
    fn nothing_is_lost_beside_large_numbers() {
        let check = |values: &[f64], expect: f64| assert_eq!(sum(values).value(), expect, "{values:?}");
        check(&[], 0.0);
        check(&[1e300, 1.0, -1e300], 1.0);
        check(&[0.1; 10], 1.0);
        check(&[5e-324, -1e308, 1e308], 5e-324);
        check(&[f64::MAX, f64::MAX, -f64::MAX], f64::MAX);
        check(&[f64::MAX, f64::MAX], f64::INFINITY);
        check(&[-f64::MAX, -f64::MAX], f64::NEG_INFINITY);
        check(&[f64::INFINITY, 1.0], f64::INFINITY);
        check(&[1.0, 2f64.powi(-53)], 1.0);
        check(&[1.0, 2f64.powi(-53), 5e-324], 1.0 + f64::EPSILON);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).value().is_nan());
    }

    proptest! {
        #[test]
        fn one_float_sums_to_itself(value in any::<f64>()) {
            prop_assert!(sum(&[value]).value() == value || value.is_nan());
        }

        #[test]
        fn two_floats_sum_as_the_processor_adds_them(a in any::<f64>(), b in any::<f64>()) {
            prop_assert!(sum(&[a, b]).value() == a + b || (a + b).is_nan());
        }

        #[test]
        fn order_and_grouping_do_not_matter(values in prop::collection::vec(any::<f64>(), 0..20), cut in 0usize..20) {
            let cut = cut.min(values.len());
            let mut merged = sum(&values[cut..]);
            merged.merge(sum(&values[..cut]));
            prop_assert_eq!(bytes(&merged), bytes(&sum(&values)));
            let encoded = bytes(&merged);
            let decoded = Exact::decode(&mut Reader::new(&encoded)).expect("it reads back");
            prop_assert_eq!(bytes(&decoded), encoded);
        }
    }
}
