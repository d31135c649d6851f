//! Which characters are symbols, and which end a sentence, as datatrove 0.10.1 (`utils/text.py`) has them.

/// Returns whether a character is none of a word: punctuation of any script, or a control character.
#[inline]
pub fn is_symbol(character: char) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_alphanumeric() && !matches!(character, ' ' | '\t' | '\n');
    }
    symbol(character).is_some()
}

/// Returns whether a character ends a sentence.
#[inline]
pub fn is_terminal(character: char) -> bool {
    match character {
        '!' | '.' | '?' => true,
        ..'\u{589}' => false,
        _ => symbol(character) == Some(ENDS),
    }
}

/// Returns whether a symbol beyond ASCII ends a sentence; nothing of what is none.
fn symbol(character: char) -> Option<bool> {
    let after = SYMBOLS.partition_point(|(first, ..)| *first <= character);
    let (_, last, ends) = SYMBOLS.get(after.checked_sub(1)?)?;
    (character <= *last).then_some(*ends)
}

/// It ends a sentence.
const ENDS: bool = true;
/// A sentence goes on behind it.
const GOES: bool = false;

/// `PUNCTUATION_SET` beyond ASCII, as ranges in order, and whether they are in `TERMINAL_PUNCTUATION`.
#[rustfmt::skip]
const SYMBOLS: &[(char, char, bool)] = &[
    ('\u{80}', '\u{9f}', GOES), ('\u{ab}', '\u{ab}', GOES), ('\u{b4}', '\u{b4}', GOES), ('\u{bb}', '\u{bb}', GOES),
    ('\u{589}', '\u{589}', ENDS), ('\u{61d}', '\u{61f}', ENDS), ('\u{6d4}', '\u{6d4}', ENDS),
    ('\u{700}', '\u{702}', ENDS), ('\u{7f9}', '\u{7f9}', ENDS), ('\u{837}', '\u{837}', ENDS),
    ('\u{839}', '\u{839}', ENDS), ('\u{83d}', '\u{83e}', ENDS), ('\u{964}', '\u{965}', ENDS),
    ('\u{104a}', '\u{104b}', ENDS), ('\u{1362}', '\u{1362}', ENDS), ('\u{1367}', '\u{1368}', ENDS),
    ('\u{166e}', '\u{166e}', ENDS), ('\u{1735}', '\u{1736}', ENDS), ('\u{17d4}', '\u{17d6}', ENDS),
    ('\u{17d9}', '\u{17da}', ENDS), ('\u{1803}', '\u{1803}', ENDS), ('\u{1809}', '\u{1809}', ENDS),
    ('\u{1944}', '\u{1945}', ENDS), ('\u{1aa8}', '\u{1aab}', ENDS), ('\u{1b5a}', '\u{1b5b}', ENDS),
    ('\u{1b5e}', '\u{1b5f}', ENDS), ('\u{1b7d}', '\u{1b7e}', ENDS), ('\u{1c3b}', '\u{1c3c}', ENDS),
    ('\u{1c7e}', '\u{1c7f}', ENDS), ('\u{2013}', '\u{2014}', GOES), ('\u{2019}', '\u{2019}', GOES),
    ('\u{201c}', '\u{201e}', GOES), ('\u{2026}', '\u{2026}', GOES), ('\u{203c}', '\u{203d}', ENDS),
    ('\u{2047}', '\u{2049}', ENDS), ('\u{2236}', '\u{2236}', GOES), ('\u{2501}', '\u{2501}', GOES),
    ('\u{25ba}', '\u{25ba}', GOES), ('\u{2e2e}', '\u{2e2e}', ENDS), ('\u{2e3c}', '\u{2e3c}', ENDS),
    ('\u{2e53}', '\u{2e54}', ENDS), ('\u{3001}', '\u{3001}', GOES), ('\u{3002}', '\u{3002}', ENDS),
    ('\u{3008}', '\u{300d}', GOES), ('\u{3010}', '\u{3011}', GOES), ('\u{a4ff}', '\u{a4ff}', ENDS),
    ('\u{a60e}', '\u{a60f}', ENDS), ('\u{a6f3}', '\u{a6f3}', ENDS), ('\u{a6f7}', '\u{a6f7}', ENDS),
    ('\u{a876}', '\u{a877}', ENDS), ('\u{a8ce}', '\u{a8cf}', ENDS), ('\u{a92f}', '\u{a92f}', ENDS),
    ('\u{a9c8}', '\u{a9c9}', ENDS), ('\u{aa5d}', '\u{aa5f}', ENDS), ('\u{aaf0}', '\u{aaf1}', ENDS),
    ('\u{abeb}', '\u{abeb}', ENDS), ('\u{fe52}', '\u{fe52}', ENDS), ('\u{fe56}', '\u{fe57}', ENDS),
    ('\u{ff01}', '\u{ff01}', ENDS), ('\u{ff05}', '\u{ff05}', GOES), ('\u{ff08}', '\u{ff09}', GOES),
    ('\u{ff0c}', '\u{ff0c}', GOES), ('\u{ff0e}', '\u{ff0e}', ENDS), ('\u{ff11}', '\u{ff11}', GOES),
    ('\u{ff1a}', '\u{ff1b}', GOES), ('\u{ff1f}', '\u{ff1f}', ENDS), ('\u{ff5e}', '\u{ff5e}', GOES),
    ('\u{ff61}', '\u{ff61}', ENDS), ('\u{10a56}', '\u{10a57}', ENDS), ('\u{10f55}', '\u{10f59}', ENDS),
    ('\u{10f86}', '\u{10f89}', ENDS), ('\u{11047}', '\u{11048}', ENDS), ('\u{110be}', '\u{110c1}', ENDS),
    ('\u{11141}', '\u{11143}', ENDS), ('\u{111c5}', '\u{111c6}', ENDS), ('\u{111cd}', '\u{111cd}', ENDS),
    ('\u{111de}', '\u{111df}', ENDS), ('\u{11238}', '\u{11239}', ENDS), ('\u{1123b}', '\u{1123c}', ENDS),
    ('\u{112a9}', '\u{112a9}', ENDS), ('\u{1144b}', '\u{1144c}', ENDS), ('\u{115c2}', '\u{115c3}', ENDS),
    ('\u{115c9}', '\u{115d7}', ENDS), ('\u{11641}', '\u{11642}', ENDS), ('\u{1173c}', '\u{1173e}', ENDS),
    ('\u{11944}', '\u{11944}', ENDS), ('\u{11946}', '\u{11946}', ENDS), ('\u{11a42}', '\u{11a43}', ENDS),
    ('\u{11a9b}', '\u{11a9c}', ENDS), ('\u{11c41}', '\u{11c42}', ENDS), ('\u{11ef7}', '\u{11ef8}', ENDS),
    ('\u{11f43}', '\u{11f44}', ENDS), ('\u{16a6e}', '\u{16a6f}', ENDS), ('\u{16af5}', '\u{16af5}', ENDS),
    ('\u{16b37}', '\u{16b38}', ENDS), ('\u{16b44}', '\u{16b44}', ENDS), ('\u{16e98}', '\u{16e98}', ENDS),
    ('\u{1bc9f}', '\u{1bc9f}', ENDS), ('\u{1da88}', '\u{1da88}', ENDS),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_and_ends_are_those_of_the_reference() {
        let count = |is: fn(char) -> bool| (0..0x11_0000).filter_map(char::from_u32).filter(|c| is(*c)).count();
        // As many as Python counts in the two sets.
        assert_eq!((count(is_symbol), count(is_terminal)), (281, 159));
        assert!(['—', '"', '\u{0}', '。', '\u{9f}'].into_iter().all(is_symbol));
        assert!(!['a', 'é', '•', ' '].into_iter().any(is_symbol));
        assert!(!['"', '…', ':'].into_iter().any(is_terminal));
    }
}
