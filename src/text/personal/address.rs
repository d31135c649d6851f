//! Addresses of the Internet Protocol, as `std::net` reads them.

use super::edge::{closes, opens};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// Finds four decimal numbers up to 255 with stops, and version 6 with two groups or more, one of them of four digits, and a decimal digit
/// (so `a::b` and `x[1::2]` of a program are none).
///
/// Versions of software with four parts look the same and are found too.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !is_part(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && is_part(bytes[at]) {
            at += 1;
        }
        // A stop or colon at the end belongs to the sentence, unless it is the `::` of an address.
        let run = text[start..at].trim_end_matches('.');
        let run = if run.ends_with(':') && !run.ends_with("::") { &run[..run.len() - 1] } else { run };
        let run_end = start + run.len();
        if run.len() < 4 || !opens(text, start) || !closes(text, run_end) {
            continue;
        }
        let six = || {
            let groups = || run.split(':').filter(|group| !group.is_empty());
            let whole = groups().count() > 1 && groups().any(|group| group.len() >= 4);
            whole && run.bytes().any(|byte| byte.is_ascii_digit()) && run.parse::<Ipv6Addr>().is_ok()
        };
        if run.parse::<Ipv4Addr>().is_ok() || run.contains(':') && run.len() < 46 && six() {
            found.push(start..run_end);
        } else if let Some((address, port)) = run.split_once(':')
            && address.parse::<Ipv4Addr>().is_ok()
            && port.bytes().all(|byte| byte.is_ascii_digit())
        {
            found.push(start..start + address.len());
        }
    }
    found
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b'.' || byte == b':'
}

#[cfg(test)]
mod tests {
    use super::super::tests::finds;
    use super::*;

    #[test]
    fn both_versions_are_found_and_times_and_paths_are_not() {
        let check = |text: &str, expect: &[&str]| finds(find, text, expect);
        check("192.168.0.1, 8.8.8.8:53 and 10.0.0.255.", &["192.168.0.1", "8.8.8.8", "10.0.0.255"]);
        check(
            "2001:db8::8a2e:370:7334 [fe80::1]:80 ::ffff:10.0.0.1",
            &["2001:db8::8a2e:370:7334", "fe80::1", "::ffff:10.0.0.1"],
        );
        check("256.1.1.1, 1.2.3, 1.2.3.4.5, 01.2.3.4, 12:34:56, a::b, x[1::2], std::cafe::x1, ::, ::1, v1.2.3.4", &[]);
    }
}
