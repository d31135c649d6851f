//! Where white space begins and ends, looked for in eight bytes at once.

/// Bytes whose white space is told by one number.
const BLOCK: usize = 64;
/// A bit in each of eight bytes.
const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Appends where each run of characters between white space begins and where it ends.
pub fn edges(text: &[u8], edges: &mut Vec<u32>) {
    let begun = edges.len();
    each_block(text, |at, _, mut changes| {
        while changes != 0 {
            edges.push(at as u32 + changes.trailing_zeros());
            changes &= changes - 1;
        }
    });
    if (edges.len() - begun) % 2 == 1 {
        edges.push(text.len() as u32);
    }
}

/// Counts the runs of characters between white space.
pub fn count(text: &[u8]) -> usize {
    let mut runs = 0;
    each_block(text, |_, blank, changes| runs += (changes & !blank).count_ones() as usize);
    runs
}

/// Hands over where each block of a text begins, and a bit for each byte: what is white space, and where that changes.
#[inline]
fn each_block(text: &[u8], mut each: impl FnMut(usize, u64, u64)) {
    // Whether what is before is white space, and what of the next block is known to be.
    let (mut before, mut known) = (1, 0);
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let mut take = |block: &[u8; BLOCK], at: usize| {
        let (blank, more) = blanks(block, text, at);
        let blank = blank | known;
        each(at, blank, blank ^ (blank << 1 | before));
        (before, known) = (blank >> 63, more);
    };
    blocks.iter().enumerate().for_each(|(at, block)| take(block, at * BLOCK));
    if !rest.is_empty() {
        // Behind the end all is white space.
        let mut block = [b' '; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        take(&block, text.len() - rest.len());
    }
}

/// Returns a bit for each byte of a block of a text that is white space, and such bits of the next one.
#[inline]
fn blanks(block: &[u8; BLOCK], text: &[u8], at: usize) -> (u64, u64) {
    let (mut blank, mut wide) = (0, 0);
    for (i, eight) in block.as_chunks::<8>().0.iter().enumerate() {
        let eight = u64::from_le_bytes(*eight);
        blank |= gathered(ascii_blanks(eight)) << (8 * i);
        wide |= eight;
    }
    if wide & HIGH == 0 { (blank, 0) } else { wide_blanks(blank, block, text, at) }
}

/// Returns the highest bit of each of eight bytes that is white space of ASCII.
#[inline]
fn ascii_blanks(eight: u64) -> u64 {
    let seven = eight & !HIGH;
    // The highest bit of a byte is set by what is at least so much.
    let least = |n: u64| seven + LOW * (0x80 - n);
    least(0x09) & !least(0x21) & (!least(0x0e) | least(0x20)) & !eight & HIGH
}

/// Brings the highest bits of eight bytes together.
#[inline]
fn gathered(high: u64) -> u64 {
    (high >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Adds white space beyond ASCII.
fn wide_blanks(mut blank: u64, block: &[u8; BLOCK], text: &[u8], at: usize) -> (u64, u64) {
    let mut more = 0;
    for (i, byte) in block.iter().enumerate() {
        if !matches!(byte, 0xc2 | 0xe1..=0xe3) {
            continue;
        }
        let bits = match text[at + i..] {
            [0xc2, 0x85 | 0xa0, ..] => 0b11,
            [0xe1, 0x9a, 0x80, ..] | [0xe3, 0x80, 0x80, ..] => 0b111,
            [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf, ..] | [0xe2, 0x81, 0x9f, ..] => 0b111,
            _ => continue,
        };
        let bits: u128 = bits << i;
        blank |= bits as u64;
        more |= (bits >> BLOCK) as u64;
    }
    (blank, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_that_of_unicode_wherever_it_stands() {
        for character in (0..0x11_0000).filter_map(char::from_u32) {
            // Across two blocks, too.
            for before in [3, 61, 62, 63, 64] {
                let word = "x".repeat(before);
                let text = format!("{word}{character}yz");
                let mut found = Vec::new();
                edges(text.as_bytes(), &mut found);
                let end = text.len() as u32;
                let expect =
                    if character.is_whitespace() { vec![0, before as u32, end - 2, end] } else { vec![0, end] };
                assert_eq!(found, expect, "{character:?} behind {before}");
                assert_eq!(count(text.as_bytes()), expect.len() / 2);
                if !matches!(character as u32, 0..0x3100) {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_text_ends_its_last_word() {
        for length in [0, 1, 63, 64, 65, 128] {
            let mut found = Vec::new();
            edges("x".repeat(length).as_bytes(), &mut found);
            assert_eq!(found, if length == 0 { vec![] } else { vec![0, length as u32] });
            assert_eq!(count("x".repeat(length).as_bytes()), length.min(1));
            found.clear();
            edges(" ".repeat(length).as_bytes(), &mut found);
            assert!(found.is_empty());
        }
    }
}
