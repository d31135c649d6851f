//! The inverse of the normal distribution function, the same to the last bit on every machine.
//!
//! Only operations that IEEE 754 rounds exactly are used (+, −, ×, ÷, √); the logarithm of the platform's library is not
//! among them, so there is one here.

/// Returns the `z` below which a standard normal number falls with probability `p`, for 0 < p < 1.
///
/// Algorithm AS 241 (PPND16; Wichura 1988): about 1 part in 10^16. Its middle, 85 % of all draws, needs no logarithm.
pub(super) fn quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * ratio(r, &A, &B);
    }
    let r = (-ln(if q < 0.0 { p } else { 1.0 - p })).sqrt();
    let z = if r <= 5.0 { ratio(r - 1.6, &C, &D) } else { ratio(r - 5.0, &E, &F) };
    if q < 0.0 { -z } else { z }
}

fn ratio(x: f64, above: &[f64; 8], below: &[f64; 8]) -> f64 {
    let polynomial = |terms: &[f64; 8]| terms.iter().rev().fold(0.0, |sum, term| sum * x + term);
    polynomial(above) / polynomial(below)
}

/// Returns the natural logarithm of a normal number above 0.
///
/// `x = m · 2^e` with `m` around 1, and `ln m = 2 artanh s` with `s = (m − 1) / (m + 1)`, at most 0.172: twelve terms of
/// its series are exact to 2^-60.
pub(super) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut m = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if m > std::f64::consts::SQRT_2 {
        m *= 0.5;
        exponent += 1;
    }
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let series = (0..12).rev().fold(0.0, |sum, n| sum * square + 1.0 / f64::from(2 * n + 1));
    // ln 2 in two halves: the first times an exponent is exact.
    let e = exponent as f64;
    e * 6.931_471_803_691_238e-1 + (2.0 * s * series + e * 1.908_214_929_270_587_7e-10)
}

const A: [f64; 8] = [
    3.387_132_872_796_366_5,
    1.331_416_678_917_843_8e2,
    1.971_590_950_306_551_3e3,
    1.373_169_376_550_946e4,
    4.592_195_393_154_987e4,
    6.726_577_092_700_87e4,
    3.343_057_558_358_813e4,
    2.509_080_928_730_122_7e3,
];
const B: [f64; 8] = [
    1.0,
    4.231_333_070_160_091e1,
    6.871_870_074_920_579e2,
    5.394_196_021_424_751e3,
    2.121_379_430_158_659_7e4,
    3.930_789_580_009_271e4,
    2.872_908_573_572_194_3e4,
    5.226_495_278_852_854e3,
];
const C: [f64; 8] = [
    1.423_437_110_749_683_5,
    4.630_337_846_156_546,
    5.769_497_221_460_691,
    3.647_848_324_763_204_5,
    1.270_458_252_452_368_4,
    2.417_807_251_774_506e-1,
    2.272_384_498_926_918_4e-2,
    7.745_450_142_783_414e-4,
];
const D: [f64; 8] = [
    1.0,
    2.053_191_626_637_759,
    1.676_384_830_183_803_8,
    6.897_673_349_851e-1,
    1.481_039_764_274_800_8e-1,
    1.519_866_656_361_645_7e-2,
    5.475_938_084_995_345e-4,
    1.050_750_071_644_416_9e-9,
];
const E: [f64; 8] = [
    6.657_904_643_501_103,
    5.463_784_911_164_114,
    1.784_826_539_917_291_3,
    2.965_605_718_285_048_7e-1,
    2.653_218_952_657_612_4e-2,
    1.242_660_947_388_078_4e-3,
    2.711_555_568_743_487_6e-5,
    2.010_334_399_292_288_1e-7,
];
const F: [f64; 8] = [
    1.0,
    5.998_322_065_558_88e-1,
    1.369_298_809_227_358e-1,
    1.487_536_129_085_061_5e-2,
    7.868_691_311_456_133e-4,
    1.846_318_317_510_054_8e-5,
    1.421_511_758_316_446e-7,
    2.044_263_103_389_939_8e-15,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_known_ones() {
        let known = [
            (0.5, 0.0),
            (0.75, 0.674_489_750_196_081_7),
            (0.9, 1.281_551_565_544_600_4),
            (0.975, 1.959_963_984_540_054),
            (0.99, 2.326_347_874_040_840_8),
            (0.999, 3.090_232_306_167_813),
            (1e-5, -4.264_890_793_922_825),
            (1e-10, -6.361_340_902_404_056),
            (1e-12, -7.034_483_825_301_131),
        ];
        for (p, z) in known {
            assert!((quantile(p) - z).abs() <= 1e-12, "{p}: {} and not {z}", quantile(p));
        }
    }

    #[test]
    fn the_logarithm_is_that_of_the_platform_to_the_last_digits() {
        for i in 1..20_000 {
            for x in [f64::from(i) / 20_000.0, f64::from(i) * 17.3, 1.0 / (f64::from(i) * 1e9)] {
                assert!((ln(x) - x.ln()).abs() <= 4e-16 * x.ln().abs().max(1.0), "{x}");
            }
        }
    }

    #[test]
    fn the_distribution_is_symmetric() {
        for p in [0.25, 0.125, 0.0625, 1.0 / 1024.0] {
            assert_eq!(quantile(p), -quantile(1.0 - p));
        }
    }
}
