//! International bank account numbers (ISO 13616), by length of the country and remainder.

use super::edge::{closes, opens, scan};
use std::ops::Range;

/// How many characters a number has in each country, as the IBAN registry of SWIFT says (release 99).
const COUNTRIES: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 \
GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 \
NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30";

/// Finds numbers of capital letters and digits, in one piece or with single blanks, whose remainder by 97 is 1 (ISO 7064).
pub fn find(text: &str) -> Vec<Range<usize>> {
    let begins = |at: usize| {
        let four = &text.as_bytes()[at..at + 4];
        four[..2].iter().all(u8::is_ascii_uppercase) && four[2..].iter().all(u8::is_ascii_digit)
    };
    scan(text.len().saturating_sub(4), |at| if begins(at) { number(text, at) } else { None })
}

/// Returns where the number ends that starts here.
fn number(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let country = &text[from..from + 2];
    let length: usize = COUNTRIES.split(' ').find_map(|entry| entry.strip_prefix(country))?.parse().ok()?;
    let (mut at, mut characters) = (from, Vec::with_capacity(length));
    while characters.len() < length {
        if at > from && bytes.get(at) == Some(&b' ') {
            at += 1;
        }
        characters.push(*bytes.get(at).filter(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())?);
        at += 1;
    }
    (opens(text, from) && closes(text, at) && remainder(&characters) == 1).then_some(at)
}

/// Returns the remainder by 97 of the number that the characters are, the first four at the end, letters as 10 to 35.
fn remainder(characters: &[u8]) -> u32 {
    characters[4..].iter().chain(&characters[..4]).fold(0, |rest, byte| {
        let value = char::from(*byte).to_digit(36).expect("characters are digits and letters");
        (rest * if value > 9 { 100 } else { 10 } + value) % 97
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::finds;
    use super::*;

    #[test]
    fn only_numbers_with_the_right_check_digits_are_found() {
        let check = |text: &str, expect: &[&str]| finds(find, text, expect);
        // Those of the registry.
        check("GB29NWBK60161331926819 NO9386011117947", &["GB29NWBK60161331926819", "NO9386011117947"]);
        check("IBAN: DE89 3704 0044 0532 0130 00 IS MINE", &["DE89 3704 0044 0532 0130 00"]);
        check(
            "FR1420041010050500013M02606, MT84MALT011000012345MTLCAST001S",
            &["FR1420041010050500013M02606", "MT84MALT011000012345MTLCAST001S"],
        );
        check(
            "DE88370400440532013000, de89370400440532013000, XDE89370400440532013000, DE893704004405320130001, ZZ89370400440532013000",
            &[],
        );
    }
}
