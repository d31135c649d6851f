//! Personal data and secrets in texts: found by their form, and by their checksum where they have one.
//!
//! Names, postal addresses and dates of birth have no form of their own, and are not found.

mod address;
mod card;
mod edge;
mod email;
mod iban;
mod mask;
mod phone;
mod secret;

pub use mask::{Mask, mask};

use std::ops::Range;

/// What is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A token, password or private key.
    Secret,
    /// An e-mail address.
    Email,
    /// The number of a bank account.
    Iban,
    /// The number of a payment card.
    Card,
    /// An address of the Internet Protocol, version 4 or 6.
    Ip,
    /// A telephone number.
    Phone,
}

impl Kind {
    /// All kinds. Where two claim the same characters, the first of them has them.
    pub const ALL: [Kind; 6] = [Kind::Secret, Kind::Email, Kind::Iban, Kind::Card, Kind::Ip, Kind::Phone];

    /// Returns the name by which expressions call it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Secret => "secret",
            Kind::Email => "email",
            Kind::Iban => "iban",
            Kind::Card => "card",
            Kind::Ip => "ip",
            Kind::Phone => "phone",
        }
    }

    fn find(self, text: &str) -> Vec<Range<usize>> {
        match self {
            Kind::Secret => secret::find(text),
            Kind::Email => email::find(text),
            Kind::Iban => iban::find(text),
            Kind::Card => card::find(text),
            Kind::Ip => address::find(text),
            Kind::Phone => phone::find(text),
        }
    }
}

/// One place in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub kind: Kind,
    /// Bytes of the text.
    pub range: Range<usize>,
}

/// Finds all kinds, from left to right; what is found does not overlap.
///
/// What is left between is looked through again until nothing is found: so a text whose finds are masked has none.
pub fn find(text: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut gaps: Vec<Range<usize>> = std::iter::once(0..text.len()).collect();
    loop {
        let before = found.len();
        for kind in Kind::ALL {
            let mut left = Vec::with_capacity(gaps.len());
            for gap in gaps {
                let mut from = gap.start;
                for at in kind.find(&text[gap.clone()]) {
                    let range = gap.start + at.start..gap.start + at.end;
                    left.push(from..range.start);
                    from = range.end;
                    found.push(Found { kind, range });
                }
                left.push(from..gap.end);
            }
            gaps = left;
        }
        if found.len() == before {
            break;
        }
        gaps.retain(|gap| !gap.is_empty());
    }
    found.sort_by_key(|found| found.range.start);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Checks what is found in a text, in order.
    pub(super) fn finds(find: fn(&str) -> Vec<Range<usize>>, text: &str, expect: &[&str]) {
        assert_eq!(find(text).into_iter().map(|range| &text[range]).collect::<Vec<_>>(), expect, "{text:?}");
    }

    fn found(text: &str) -> String {
        let word = |found: Found| format!("{} {}", found.kind.name(), &text[found.range]);
        find(text).into_iter().map(word).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn each_kind_is_found_once_and_the_surest_kind_has_it() {
        let text = "Ann <ann.lee+x@mail.example.org>, +49 (30) 1234-5678, DE89 3704 0044 0532 0130 00, 4111 1111 1111 1111, 10.0.0.1 and fe80::1.";
        assert_eq!(
            found(text),
            "email ann.lee+x@mail.example.org | phone +49 (30) 1234-5678 | iban DE89 3704 0044 0532 0130 00 | card 4111 1111 1111 1111 | ip 10.0.0.1 | ip fe80::1"
        );
        assert_eq!(found("postgres://me:hunter22@db.example.org/x"), "secret hunter22");
        assert_eq!(found("nothing but words, 3.14 and 2024-05-06T07:08:09"), "");
    }

    proptest! {
        #[test]
        fn what_is_masked_is_found_no_more(text in "[a@.:+( )0-9DE-]{0,60}") {
            let found = find(&text);
            for pair in found.windows(2) {
                prop_assert!(pair[0].range.end <= pair[1].range.start);
            }
            for style in [Mask::Label, Mask::Pseudonym(7)] {
                let masked = mask(&text, None, style);
                prop_assert_eq!(find(&masked), vec![], "{} of {}", masked, text);
                prop_assert_eq!(mask(&masked, None, style), masked.clone());
            }
        }

        #[test]
        fn any_text_can_be_looked_through(text in "\\PC{0,80}") {
            for found in find(&text) {
                prop_assert!(text.is_char_boundary(found.range.start) && text.is_char_boundary(found.range.end));
            }
        }
    }
}
