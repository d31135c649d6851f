//! Secrets: tokens by the prefixes that their makers give them, private keys, passwords in addresses, and random values that are assigned.

use crate::text::entropy;
use regex::Regex;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

/// The forms, one a line, with comments; the group of a pattern, if it has one, is the secret.
const FORMS: &str = include_str!("secrets.txt");

/// Bits per character from which a value that is assigned to something called a secret is taken for one: that of random hexadecimal
/// digits is near 4 in the long run, words are below 3.5 where they are short.
const RANDOM: f64 = 3.0;

/// Finds the forms of `secrets.txt`, and what is assigned to a name such as `password` or `api_key` if it is of 12 characters or more, has
/// letters and two digits, and an entropy of 3 bits a character.
pub fn find(text: &str) -> Vec<Range<usize>> {
    static KNOWN: LazyLock<Regex> = LazyLock::new(|| {
        let forms: Vec<&str> = FORMS.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")).collect();
        Regex::new(&forms.join("|")).expect("the forms are patterns")
    });
    static ASSIGNED: LazyLock<Regex> = LazyLock::new(|| {
        let name =
            r"(?i:passw(?:or)?d|pwd|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key|auth[_-]?key)";
        Regex::new(&format!(r#"{name}[A-Za-z0-9_-]{{0,20}}["']?\s{{0,3}}(?::=|=>|[:=])\s{{0,3}}["']?([A-Za-z0-9+/=_.~!@#$%^&*-]{{12,}})"#))
            .expect("a pattern")
    });
    let mut found: Vec<Range<usize>> = Vec::new();
    for captures in KNOWN.captures_iter(text) {
        let secret = captures.iter().skip(1).flatten().next().unwrap_or_else(|| captures.get_match());
        found.push(secret.range());
    }
    if memchr::memchr2(b'=', b':', text.as_bytes()).is_some() {
        for captures in ASSIGNED.captures_iter(text) {
            let value = captures.get(1).expect("the pattern has a group");
            let free = found.iter().all(|other| other.end <= value.start() || value.end() <= other.start);
            if free && looks_random(value.as_str()) {
                found.push(value.range());
            }
        }
        found.sort_by_key(|range| range.start);
    }
    found
}

fn looks_random(value: &str) -> bool {
    let count = |kind: fn(&u8) -> bool| value.bytes().filter(kind).count();
    count(u8::is_ascii_digit) >= 2 && count(u8::is_ascii_alphabetic) > 0 && entropy(bytes(value)) >= Some(RANDOM)
}

/// Counts each byte.
fn bytes(value: &str) -> Vec<u64> {
    let mut counts: HashMap<u8, u64> = HashMap::new();
    value.bytes().for_each(|byte| *counts.entry(byte).or_default() += 1);
    counts.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::finds;
    use super::*;

    fn check(text: &str, expect: &[&str]) {
        finds(find, text, expect);
    }

    #[test]
    fn tokens_are_known_by_their_prefix() {
        // Put together here, so that nobody takes them for lost ones.
        let tail = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0U1v2";
        let upper = "ABCDEFGH23456723";
        for (prefix, rest) in [
            ("AKIA", upper),
            ("ghp_", &tail[..36]),
            ("glpat-", &tail[..20]),
            ("xoxb-", "123456789012-abcdefghijkl"),
            ("sk_live_", &tail[..24]),
            ("sk-proj-", tail),
            ("sk-ant-api03-", tail),
            ("AIza", &tail[..35]),
            ("hf_", &tail[..34]),
            ("npm_", &tail[..36]),
        ] {
            let token = format!("{prefix}{rest}");
            check(&format!("use {token}, please"), &[&token]);
        }
        check("a sk-learn task, hf_hub, AKIA and ghp_short", &[]);
    }

    #[test]
    fn keys_passwords_in_addresses_and_random_values_are_found() {
        let key = format!("-----BEGIN RSA {0}-----\nMIIB\nAAAA\n-----END RSA {0}-----", "PRIVATE KEY");
        check(&format!("here: {key} done"), &[&key]);
        check("https://me:hunter2!@host.org/ and https://host.org:80/a@b", &["hunter2!"]);
        check(
            "redis://:hunter2!@host:1 but not https://me:[SECRET]@host.org/ or https://me:[SECRET-70017580d3a5]@host.org/",
            &["hunter2!"],
        );
        check("API_KEY = \"9f8a7c6b5d4e3f2a1b0c\"", &["9f8a7c6b5d4e3f2a1b0c"]);
        check("db_password: Tr0ub4dor&3xyz", &["Tr0ub4dor&3xyz"]);
        check(
            "password = correcthorsebattery, token = aaaaaaaaaaa1, secret: short1, secret_key = s3_connection, the token is 12345678901234567890",
            &[],
        );
    }
}
