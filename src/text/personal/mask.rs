//! Masking: labels or pseudonyms in place of what was found.

use super::{Found, Kind, find};
use crate::hash::Hash;

/// What is put in place of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Its kind: `[EMAIL]`.
    Label,
    /// Its kind and a number that only this value has under this seed: `[EMAIL-0c31f2a98d7e]`.
    Pseudonym(i64),
}

/// Masks what is found of one kind, or of all.
///
/// A pseudonym depends on the seed, the kind and the value alone, in one spelling: so it is the same in all rows, columns and datasets.
/// Nobody learns the value from it without the seed; with the seed, values can be tried out.
pub fn mask(text: &str, only: Option<Kind>, style: Mask) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for Found { kind, range } in find(text).into_iter().filter(|found| only.is_none_or(|only| only == found.kind)) {
        out.push_str(&text[from..range.start]);
        let label = kind.name().to_uppercase();
        match style {
            Mask::Label => out.push_str(&format!("[{label}]")),
            Mask::Pseudonym(seed) => {
                out.push_str(&format!("[{label}-{}]", pseudonym(kind, &text[range.clone()], seed)));
            }
        }
        from = range.end;
    }
    out.push_str(&text[from..]);
    out
}

/// Returns 48 bits of a hash, as hexadecimal digits: among 100,000 values, the chance that two share theirs is 1 in 50,000.
fn pseudonym(kind: Kind, value: &str, seed: i64) -> String {
    let seed = seed.to_le_bytes();
    let value = one_spelling(kind, value);
    let pieces: [&[u8]; 4] = [b"pseudonym ", &seed, kind.name().as_bytes(), value.as_bytes()];
    Hash::of_pieces(&pieces).to_string()[..12].to_owned()
}

/// Writes a value as all its spellings are written.
fn one_spelling(kind: Kind, value: &str) -> String {
    match kind {
        Kind::Email => value.to_lowercase(),
        Kind::Iban | Kind::Card => value.chars().filter(|c| c.is_alphanumeric()).collect(),
        Kind::Phone => {
            // The nought in brackets is dialled only without the country code (ITU-T E.123).
            let digits: String = value.replace("(0)", "").chars().filter(char::is_ascii_digit).collect();
            // Those without a country code are of North America, whose area codes begin with no 1.
            if value.starts_with('+') || digits.starts_with('1') { digits } else { format!("1{digits}") }
        }
        Kind::Ip => value.parse::<std::net::IpAddr>().map_or_else(|_| value.to_owned(), |address| address.to_string()),
        Kind::Secret => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_where_values_stood() {
        assert_eq!(mask("Mail a@b.org or 10.0.0.1.", None, Mask::Label), "Mail [EMAIL] or [IP].");
        assert_eq!(mask("Mail a@b.org or 10.0.0.1.", Some(Kind::Ip), Mask::Label), "Mail a@b.org or [IP].");
    }

    #[test]
    fn one_value_has_one_pseudonym_however_it_is_written() {
        let of = |text: &str, seed| mask(text, None, Mask::Pseudonym(seed));
        assert_eq!(of("Ann@B.org", 1), of("ann@b.org", 1));
        assert_eq!(of("+1 (212) 555-0123", 1), of("212-555-0123", 1));
        assert_eq!(of("1-212-555-0123", 1), of("(212) 555-0123", 1));
        assert_eq!(of("+49 (0)30 1234-5678", 1), of("+49 30 12345678", 1));
        assert_eq!(of("4111 1111 1111 1111", 1), of("4111-1111-1111-1111", 1));
        assert_eq!(of("2001:db8::0:1", 1), of("2001:DB8::1", 1));
        assert_ne!(of("ann@b.org", 1), of("ann@b.org", 2));
        assert_ne!(of("ann@b.org", 1), of("bob@b.org", 1));
        // The value that later versions have to give.
        assert_eq!(of("ann@b.org", 7), "[EMAIL-144630bd01a9]");
    }
}
