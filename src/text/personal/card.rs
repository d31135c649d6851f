//! Numbers of payment cards (ISO/IEC 7812), by prefix, length and check digit.

use super::edge::{closes, digits, opens, scan};
use std::ops::Range;

/// Finds numbers in one piece or with single blanks or hyphens, of the lengths and prefixes of the large networks, whose check digit is
/// right by the formula of Luhn (one of ten numbers is by chance).
pub fn find(text: &str) -> Vec<Range<usize>> {
    let begins = |at: usize| text.as_bytes()[at].is_ascii_digit() && opens(text, at);
    scan(text.len(), |at| if begins(at) { number(text, at) } else { None })
}

/// Returns where the longest number ends that starts here.
fn number(text: &str, from: usize) -> Option<usize> {
    let (mut ends, mut read) = (Vec::new(), Vec::new());
    for (digit, end) in digits(text, from, b" -").take(19) {
        read.push(digit);
        ends.push(end);
    }
    let lengths = lengths(&read);
    let right = |length: &&usize| {
        let end = length.checked_sub(1).and_then(|last| ends.get(last));
        end.is_some_and(|end| closes(text, *end)) && luhn(&read[..**length])
    };
    lengths.iter().find(right).map(|length| ends[length - 1])
}

/// Returns the lengths, the longest first, of the network whose prefix this is.
fn lengths(digits: &[u8]) -> &'static [usize] {
    if digits.len() < 13 {
        return &[];
    }
    let prefix = digits[..4].iter().fold(0, |prefix, digit| prefix * 10 + u32::from(*digit));
    match prefix {
        // Visa.
        4000..=4999 => &[19, 16, 13],
        // Mastercard.
        5100..=5599 | 2221..=2720 => &[16],
        // American Express.
        3400..=3499 | 3700..=3799 => &[15],
        // Discover, UnionPay, Maestro.
        6011 | 6440..=6499 | 6500..=6599 | 6200..=6299 | 6304 | 6759 | 6761..=6763 => &[19, 16],
        // JCB.
        3528..=3589 => &[19, 16],
        // Diners Club.
        3000..=3059 | 3600..=3699 | 3800..=3999 => &[16, 14],
        _ => &[],
    }
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, digit)| match (i % 2, u32::from(*digit) * 2) {
            (0, double) => double / 2,
            (_, double) => double / 10 + double % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::super::tests::finds;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_test_numbers_of_the_networks_are_found() {
        let check = |text: &str, expect: &[&str]| finds(find, text, expect);
        for number in [
            "4111111111111111",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "6011111111111117",
            "3530111333300000",
            "30569309025904",
        ] {
            check(&format!("card {number}."), &[number]);
        }
        check("4111-1111-1111-1111 12/29", &["4111-1111-1111-1111"]);
        check("4111 1111 1111 1111 123", &["4111 1111 1111 1111"]);
        check("4111111111111112, 0000000000000000, 14111111111111111, 41111111111111110, 4111  1111 1111 1111", &[]);
    }

    proptest! {
        #[test]
        fn one_check_digit_of_ten_is_right(number in "4[0-9]{14}") {
            let right = (0..10).filter(|digit| !find(&format!("{number}{digit}")).is_empty()).count();
            prop_assert_eq!(right, 1);
        }
    }
}
