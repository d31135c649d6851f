//! What a text is besides prose: JSON, code, Markdown.

use regex::Regex;
use serde::de::IgnoredAny;
use std::sync::LazyLock;

/// Says why a text is no JSON (RFC 8259), with line and column; `None` if it is one value of JSON with white space around it.
pub fn json_error(text: &str) -> Option<String> {
    serde_json::from_str::<IgnoredAny>(text).err().map(|error| error.to_string())
}

/// Returns the share of characters, white space apart, that stand in code; `None` for a text without any.
///
/// Code is what a fence (```` ``` ```` or `~~~`, to the next one or the end) encloses, and a line outside of fences that looks like code: it ends in `{`, `}` or
/// `;`, begins with a word that programs begin lines with (`def f(`, `import x`, `#include`, `SELECT … FROM`, `return x`, …), assigns with `=`,
/// or is a call that is all of the line. A heuristic: it knows no grammar.
pub fn code_share(text: &str) -> Option<f64> {
    share(text, |line, fenced| fenced || looks_like_code(line))
}

/// Returns the share of characters, white space apart, on lines with the marks of Markdown; `None` for a text without any.
///
/// Those marks are the ones of CommonMark and GitHub that prose seldom has: headings, items of lists, quotes, fences and what they enclose, tables, rules,
/// and on any line `**strong**`, `` `code` ``, `[links](to)` and `![pictures](of)`.
pub fn markdown_share(text: &str) -> Option<f64> {
    static MARKS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r"^\s{0,3}#{1,6}\s+\S|^\s*[-*+]\s+\S|^\s*\d{1,3}[.)]\s+\S|^\s{0,3}>|^\s*\|.*\|\s*$|^\s{0,3}(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,})$",
            r"|\*\*[^*\s](?:[^*]*[^*\s])?\*\*|__[^_\s](?:[^_]*[^_\s])?__|`[^`]+`|!?\[[^\]]*\]\([^)\s]+[^)]*\)"
        ))
        .expect("a pattern")
    });
    share(text, |line, fenced| fenced || MARKS.is_match(line))
}

/// Returns the share of characters on the lines for which `counts` is true; it also hears whether a line is inside a fence.
fn share(text: &str, counts: impl Fn(&str, bool) -> bool) -> Option<f64> {
    let (mut inside, mut all, mut fence) = (0, 0, None);
    for line in text.lines() {
        let bare = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| bare.starts_with(mark));
        let fenced = fence.is_some() || mark.is_some();
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark))
                if open == mark && bare.trim_end().bytes().all(|byte| byte == mark.as_bytes()[0]) =>
            {
                fence = None
            }
            _ => {}
        }
        let characters = line.chars().filter(|c| !c.is_whitespace()).count();
        all += characters;
        if characters > 0 && counts(line, fenced) {
            inside += characters;
        }
    }
    (all > 0).then(|| inside as f64 / all as f64)
}

fn looks_like_code(line: &str) -> bool {
    static FORMS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r"^\s*(?:[})\]]+[;,]?|.*[^\s.!?,:]\s*[{;]|.*\)\s*(?:\{|=>|->).*)\s*$",
            r"|^\s*(?:async\s+)?(?:def|fn|func|function|class|struct|enum|interface|impl|trait|module|namespace)\s+\w+\s*[(:{<\[]",
            r"|^\s*(?:pub|public|private|protected|static|const|let|var|val|final)\s+\w.*[=({;]",
            r"|^\s*(?:import|from|use|using|require|package)\s+[\w.:{*]+(?:\s+(?:import|as)\s+[\w.*, ]+)?\s*;?\s*$",
            r#"|^\s*#\s*(?:include|define|ifdef|ifndef|endif|pragma)\b|^\s*(?:if|for|while|elif|else if|switch|catch)\b.*[:{)]\s*$|^\s*(?:else|try|finally|do)\s*[:{]\s*$"#,
            r"|^\s*(?:return|yield|raise|throw|await|print|echo)\b[\s(]+.*[)\]\w;]\s*$|^\s*(?i:select)\b.*\b(?i:from)\b",
            r"|^\s*[\w.\[\]*&]+\s*(?:[-+*/|&^%]|<<|>>|:)?=\s*[^=\s].*$|^\s*[\w.:]+\([^.!?]*\)\s*;?\s*$|^\s*(?://|/\*|\*/|--\s)\s*\S",
            r"|^\s*</?[a-zA-Z][\w-]*(?:\s[^<>]*)?/?>|^\s*[$>]\s(?:\w+\s+-{1,2}\w|sudo |cd |pip |npm |cargo |git )"
        ))
        .expect("a pattern")
    });
    FORMS.is_match(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn json_is_one_value_and_errors_say_where() {
        for text in ["{}", " [1, 2.5e3, \"a\\u00e9\", null]\n", "\"x\"", "1e999"] {
            assert_eq!(json_error(text), None, "{text}");
        }
        let check = |text: &str, expect: &str| assert_eq!(json_error(text).as_deref(), Some(expect), "{text}");
        check("{\"a\": 1,}", "key must be a string at line 1 column 9");
        check("{\"a\":\n tru}", "expected ident at line 2 column 5");
        check("{} {}", "trailing characters at line 1 column 4");
        check("", "EOF while parsing a value at line 1 column 0");
        check("NaN", "expected value at line 1 column 1");
        assert_eq!(json_error(&("[".repeat(100_000) + &"]".repeat(100_000))), None);
    }

    #[test]
    fn lines_of_programs_are_code_and_sentences_are_not() {
        for line in [
            "def area(r):",
            "    return 3.14 * r ** 2",
            "import numpy as np",
            "from os import path",
            "#include <stdio.h>",
            "int main(void) {",
            "}",
            "x = 1",
            "total += price[i]",
            "for i in range(10):",
            "} else {",
            "let mut x = vec![];",
            "println!(\"{x}\");",
            "SELECT name FROM people",
            "// a comment",
            "<div class=\"a\">",
            "print('hello')",
            "$ pip install x",
            "pub fn main() -> Result<()> {",
            "else:",
        ] {
            assert!(looks_like_code(line), "{line}");
        }
        for line in [
            "Owls hunt at night.",
            "Let me explain how it works:",
            "For example, the cat sat.",
            "If you want, come in!",
            "A list: one, two",
            "I use it from time to time.",
            "Return to sender",
            "She said (quietly) that it was over.",
            "import taxes rose in May",
            "He left; she stayed.",
            "The class is full.",
            "",
        ] {
            assert!(!looks_like_code(line), "{line}");
        }
    }

    #[test]
    fn fences_enclose_code() {
        assert_eq!(code_share("abcd\n```py\nab\n```\nefgh"), Some(10.0 / 18.0));
        assert_eq!(code_share("```\nnever closed"), Some(1.0));
        assert_eq!((code_share("Only words here."), code_share(" \n")), (Some(0.0), None));
    }

    #[test]
    fn the_marks_of_markdown_are_seen() {
        for line in [
            "# Title",
            "- item",
            "2. second",
            "> quote",
            "| a | b |",
            "---",
            "a **bold** word",
            "use `x`",
            "see [this](http://a.org)",
        ] {
            assert_eq!(markdown_share(line), Some(1.0), "{line}");
        }
        for line in ["#hashtag", "a - b", "2.5 apples", "a * b * c", "snake_case_name", "(see [1])"] {
            assert_eq!(markdown_share(line), Some(0.0), "{line}");
        }
    }

    proptest! {
        #[test]
        fn shares_are_shares(text in "[a` \n#*{;=(-]{0,60}") {
            for share in [code_share(&text), markdown_share(&text)] {
                prop_assert!(share.is_none_or(|share| (0.0..=1.0).contains(&share)));
                prop_assert_eq!(share.is_none(), text.trim().is_empty());
            }
        }
    }
}
