//! The number of a word: its bytes are the digits of a number, modulo 2^64.
//!
//! So the number of letters put together follows from those of their parts (as of Karp and Rabin 1987), and eight bytes are taken at once.

use std::ops::Range;

/// What a byte's place multiplies it with. A byte of a text is below 245, so eight digits are a number that no others are; and the base is
/// such that the digits of two, of four and of eight bytes have room in 16, 32 and 64 bits.
const BASE: u64 = 251;
/// No byte counts as nothing, so that none can stand before a word unseen.
const ONES: u64 = 0x0101_0101_0101_0101;

const SQUARE: u64 = BASE * BASE;
const FOURTH: u64 = SQUARE * SQUARE;
const EIGHTH: u64 = FOURTH.wrapping_mul(FOURTH);

/// The powers of usual lengths.
static POWERS: [u64; 512] = {
    let (mut powers, mut at) = ([1_u64; 512], 1);
    while at < powers.len() {
        powers[at] = powers[at - 1].wrapping_mul(BASE);
        at += 1;
    }
    powers
};

/// Returns the number of a word.
pub fn number_of(word: &str) -> u64 {
    of(word.as_bytes(), 0..word.len())
}

/// Returns by what a number is multiplied when so many bytes follow.
#[inline]
pub fn power(bytes: usize) -> u64 {
    POWERS.get(bytes).copied().unwrap_or_else(|| BASE.wrapping_pow(bytes as u32))
}

/// Returns the number of a part of a text.
#[inline]
pub fn of(text: &[u8], part: Range<usize>) -> u64 {
    let (mut number, mut at) = (0_u64, part.start);
    while part.end - at >= 8 {
        number = number.wrapping_mul(EIGHTH).wrapping_add(digits(block(text, at).wrapping_add(ONES)));
        at += 8;
    }
    let rest = part.end - at;
    if rest == 0 {
        return number;
    }
    // What is behind the word falls out, and noughts stand before it.
    let last = block(text, at).wrapping_add(ONES) << (64 - 8 * rest);
    number.wrapping_mul(POWERS[rest]).wrapping_add(digits(last))
}

/// Returns the number whose digits are eight bytes, the first of which counts most.
#[inline]
fn digits(eight: u64) -> u64 {
    const BYTES: u64 = 0x00ff_00ff_00ff_00ff;
    const PAIRS: u64 = 0x0000_ffff_0000_ffff;
    let pairs = (eight & BYTES).wrapping_mul(BASE).wrapping_add(eight >> 8 & BYTES);
    let fours = (pairs & PAIRS).wrapping_mul(SQUARE).wrapping_add(pairs >> 16 & PAIRS);
    (fours & 0xffff_ffff).wrapping_mul(FOURTH).wrapping_add(fours >> 32)
}

/// Returns eight bytes of a text; behind its end there are noughts.
#[inline]
fn block(text: &[u8], at: usize) -> u64 {
    match text[at..].first_chunk::<8>() {
        Some(block) => u64::from_le_bytes(*block),
        None => text[at..].iter().rev().fold(0, |block, byte| block << 8 | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_numbers_never_change() {
        assert_eq!(number_of(""), 0);
        assert_eq!(number_of("a"), 98);
        assert_eq!(number_of("datamake"), 6_363_866_081_096_164_832);
    }

    proptest! {
        #[test]
        fn a_number_has_the_bytes_as_digits(text in "[ -~\0é中𐍈]{0,40}") {
            let slow = text.bytes().fold(0_u64, |number, byte| number.wrapping_mul(BASE).wrapping_add(u64::from(byte) + 1));
            prop_assert_eq!(number_of(&text), slow);
            let around = format!("xy{text}zzzzzzzzz");
            prop_assert_eq!(of(around.as_bytes(), 2..2 + text.len()), slow);
        }

        #[test]
        fn the_number_of_a_text_follows_from_those_of_its_parts(a in "[a-z中]{0,600}", b in "[a-z中]{0,600}") {
            let whole = number_of(&a).wrapping_mul(power(b.len())).wrapping_add(number_of(&b));
            prop_assert_eq!(whole, number_of(&(a + &b)));
        }
    }
}
