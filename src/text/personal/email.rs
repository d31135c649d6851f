//! E-mail addresses of ASCII characters, as they are written in the wild.

use std::ops::Range;

/// The longest name before the `@`, and the longest domain (RFC 5321, section 4.5.3.1).
const LONGEST: (usize, usize) = (64, 255);

/// Finds `name@domain`: a name of letters, digits and `.!#$%&'*+/=?^_{|}~-` as in RFC 5322 but for quotes and slashes at its edges,
/// a domain of two labels or more, the last of letters. Quoted names and domains that are addresses (`a@[10.0.0.1]`) are not found.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found: Vec<Range<usize>> = Vec::new();
    for at in memchr::memchr_iter(b'@', bytes) {
        let free = found.last().map_or(0, |last| last.end);
        let Some(end) = domain(bytes, at + 1) else { continue };
        let mut start = at;
        while start > free && is_name(bytes[start - 1]) {
            start -= 1;
        }
        // A stop, quote or slash before an address belongs to the sentence.
        while start < at && !(bytes[start].is_ascii_alphanumeric() || bytes[start] == b'_') {
            start += 1;
        }
        let name = &bytes[start..at];
        let dotted = name.ends_with(b".") || name.windows(2).any(|pair| pair == b"..");
        if !name.is_empty() && name.len() <= LONGEST.0 && !dotted {
            found.push(start..end);
        }
    }
    found
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".!#$%&'*+=?^_{|}~-".contains(&byte)
}

/// Returns where a domain that starts here ends.
fn domain(bytes: &[u8], from: usize) -> Option<usize> {
    let (mut at, mut labels, mut end) = (from, 0, None);
    loop {
        let start = at;
        while bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
            at += 1;
        }
        let label = &bytes[start..at];
        if label.is_empty() || label.len() > 63 || label.starts_with(b"-") || label.ends_with(b"-") {
            break;
        }
        labels += 1;
        if labels > 1 && label.len() > 1 && label.iter().all(u8::is_ascii_alphabetic) {
            end = Some(at);
        }
        if bytes.get(at) != Some(&b'.') || at - from > LONGEST.1 {
            break;
        }
        at += 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::super::tests::finds;
    use super::*;

    #[test]
    fn addresses_end_where_sentences_go_on() {
        let check = |text: &str, expect: &[&str]| finds(find, text, expect);
        check("Write to a.b-c+d@x-y.co.uk.", &["a.b-c+d@x-y.co.uk"]);
        check("mailto:me@here.org, 'you@there.org'", &["me@here.org", "you@there.org"]);
        check("a@b.org@c.org", &["a@b.org"]);
        check("x@localhost, a@b.c, a..b@c.org, .@c.org, @c.org, a@-b.org, a@b.org1", &[]);
        check("请联系ann@mail.org谢谢", &["ann@mail.org"]);
        check("decorator @app.route and x.@y.org", &[]);
    }
}
