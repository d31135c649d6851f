//! What is said of wrong expressions: each as `code @ text pointed at: title (label) help`.

use super::super::{Expr, ExprError};
use super::rows;
use proptest::prelude::*;

fn said(text: &str, error: &ExprError) -> String {
    let help = if error.help.is_empty() { String::new() } else { format!("; {}", error.help.join("; ")) };
    format!("{} @ `{}`: {} ({}){help}", error.code, &text[error.range.clone()], error.title, error.label)
}

fn check(text: &str, expect: &[&str]) {
    let (schema, _) = rows();
    let errors = Expr::parse(text, &schema).expect_err(text);
    let said: Vec<String> = errors.iter().map(|error| said(text, error)).collect();
    assert_eq!(said, expect, "{text}");
}

#[test]
fn unknown_names_come_with_a_guess() {
    check(
        "lenght(text) > 1",
        &["unknown-function @ `lenght`: there is no function `lenght` (no such function); did you mean `length`?"],
    );
    check("n + texd", &["unknown-column @ `texd`: there is no column `texd` (no such column); did you mean `text`?"]);
    check("N = 1", &["unknown-column @ `N`: there is no column `N` (no such column); did you mean `n`?"]);
    check(
        "text = \"some words\"",
        &[
            "unknown-column @ `\"some words\"`: there is no column `some words` (no such column); a text stands in single quotes: `'…'`; double quotes are for names",
        ],
    );
    check("pair.d", &["unknown-field @ `d`: there is no field `d` (no such field); did you mean `a`?"]);
    check("n.a", &["unknown-field @ `a`: int has no fields (the value before is int)"]);
}

#[test]
fn all_problems_are_reported_at_once() {
    check(
        "m + 1 > 0 and lenght(text) = 2\n  and xx is null",
        &[
            "unknown-column @ `m`: there is no column `m` (no such column); did you mean `n`?",
            "unknown-function @ `lenght`: there is no function `lenght` (no such function); did you mean `length`?",
            "unknown-column @ `xx`: there is no column `xx` (no such column); did you mean `x`?",
        ],
    );
}

#[test]
fn types_that_do_not_meet_offer_a_cast() {
    check(
        "text = 1",
        &["unlike-types @ `1`: `=` cannot take string and int (this is int); cast one side: `cast(text as int)`"],
    );
    check(
        "n = 'one'",
        &[
            "unlike-types @ `'one'`: `=` cannot take int and string (this is string); cast one side: `cast('one' as int)`",
        ],
    );
    check(
        "day > '2024-01-01'",
        &["unlike-types @ `'2024-01-01'`: `>` cannot take date and string (this is string); write `date '2024-01-01'`"],
    );
    check(
        "n in (1, 'a')",
        &["unlike-types @ `'a'`: `in` cannot take int and string (this is string); cast one side: `cast('a' as int)`"],
    );
    check(
        "case when ok then 1 else text end",
        &[
            "unlike-types @ `text`: the results of `case` are int and string (this is string); cast one side: `cast(text as int)`",
        ],
    );
    check(
        "text + 1",
        &["unlike-types @ `1`: `+` cannot take string and int (this is int); cast one side: `cast(text as int)`"],
    );
    check(
        "text || n",
        &[
            "unlike-types @ `n`: `||` cannot take string and int (this is int); cast the int: `cast(n as string)`; or write `concat(text, n)`",
        ],
    );
    check(
        "tags < tags",
        &["wrong-arguments @ `tags`: `<` cannot take (list<string>, list<string>) (list<string> has no order)"],
    );
}

#[test]
fn wrong_arguments_are_pointed_at() {
    check(
        "length(n)",
        &[
            "wrong-arguments @ `n`: `length` cannot take (int) (this is int, string is wanted); cast it: `cast(n as string)`",
        ],
    );
    check(
        "repetition(text)",
        &["wrong-arguments @ `repetition`: `repetition` does not take 1 argument (wrong number of arguments)"],
    );
    check(
        "n and ok",
        &[
            "wrong-arguments @ `n`: `and` cannot take (int, bool) (this is int, bool is wanted); compare it with something: `… > 0`, `… <> ''`, `… is not null`",
        ],
    );
    check(
        "case when n then 1 end",
        &[
            "wrong-type @ `n`: a condition is bool, not int (this is int); compare it with something: `… > 0`, `… <> ''`, `… is not null`",
        ],
    );
    check("cast(tags as int)", &["bad-cast @ `tags`: list<string> cannot be cast to int (this is list<string>)"]);
    check("cast(n as uuid)", &["unknown-type @ `n`: there is no type `UUID` (cast here)"]);
}

#[test]
fn patterns_are_checked_before_anything_runs() {
    check("regexp_like(text, 'a(b')", &["bad-pattern @ `(`: the pattern cannot be read (unclosed group)"]);
    check(
        "text like 'a!' escape '!'",
        &["bad-pattern @ `'a!'`: the pattern cannot be read (the pattern ends with its escape character `!`)"],
    );
    check(
        "text like 'a' escape 'xy'",
        &["bad-literal @ `'xy'`: an escape is one character in quotes (not one character); write `escape '!'`"],
    );
}

#[test]
fn what_is_not_sql_is_pointed_at() {
    check("", &["bad-expression @ ``: the expression is empty (an expression is wanted here)"]);
    check("n >", &["bad-expression @ ``: the expression cannot be read (expected: an expression, found the end)"]);
    check(
        "n > 1 1",
        &[
            "bad-expression @ `1`: the expression goes on after its end (`1` cannot follow a complete expression); an operator such as `and` may be missing; a name with blanks or signs is quoted: `\"my column\"`",
        ],
    );
    check("n = 'open", &["bad-expression @ `'open`: the expression cannot be read (unterminated string literal)"]);
    check("(n + 1", &["bad-expression @ ``: the expression cannot be read (expected: ), found the end)"]);
    check(
        "é + 99999999999999999999",
        &[
            "unknown-column @ `é`: there is no column `é` (no such column); did you mean `n`?",
            "bad-literal @ `99999999999999999999`: `99999999999999999999` is too large for an int (64 bits do not hold it); a float is written `99999999999999999999.0`",
        ],
    );
}

#[test]
fn what_is_not_supported_comes_with_a_remedy() {
    check(
        "avg(n) > 1",
        &[
            "aggregate-here @ `avg(n)`: `avg` is an aggregate: it makes one value of many rows (a value for each row is wanted); aggregates belong in the `value` of a metric",
        ],
    );
    check(
        "n in (select 1)",
        &[
            "not-supported @ `n in (select 1`: a subquery is not supported here (not supported); an expression sees one row; bring other rows to it with a `join` step first",
        ],
    );
    check(
        "now()",
        &[
            "not-supported @ `now`: the clock is not supported here (not supported); results depend on rows alone; set a date in `[params]`",
        ],
    );
    check(
        "n ^ 2",
        &["not-supported @ `n ^ 2`: the operator `^` is not supported here (not supported); write `power(a, b)`"],
    );
    check(
        "date 'tomorrow'",
        &[
            "bad-literal @ `'tomorrow'`: `tomorrow` is no date (it cannot be read); write `date '2024-01-31'` or `timestamp '2024-01-31 12:00:00'`",
        ],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        any_text(&text)?;
    }

    #[test]
    fn any_words_of_the_language_are_read_or_refused(words in prop::collection::vec(prop::sample::select(WORDS), 0..14)) {
        any_text(&words.join(" "))?;
    }
}

const WORDS: &[&str] = &[
    "n",
    "x",
    "text",
    "ok",
    "day",
    "at",
    "tags",
    "pair",
    "nothing",
    "pair.a",
    "tags[1]",
    "1",
    "2.5",
    "-1",
    "'a'",
    "'('",
    "null",
    "true",
    "date '2024-01-31'",
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "||",
    "=",
    "<>",
    "<",
    ">=",
    "and",
    "or",
    "not",
    "is null",
    "is distinct from",
    "between",
    "in",
    "like",
    "escape '!'",
    "(",
    ")",
    "[",
    "]",
    ",",
    "case",
    "when",
    "then",
    "else",
    "end",
    "cast(",
    "try_cast(",
    "as int)",
    "as string)",
    "::",
    "int",
    "float",
    "coalesce(",
    "if(",
    "length(",
    "substr(",
    "regexp_like(",
    "round(",
    "greatest(",
    "sum(",
    "count(*)",
    "avg(",
    "distinct",
    "filter (where",
    "over ()",
    "extract(",
    "from",
    "é",
    "\"",
    "--",
    "/*",
    ";",
];

fn any_text(text: &str) -> Result<(), TestCaseError> {
    let (schema, batch) = rows();
    let inside = |errors: Vec<ExprError>| {
        errors.iter().all(|e| text.get(e.range.clone()).is_some() && !e.title.ends_with('.') && !e.title.contains('\n'))
    };
    match Expr::parse(text, &schema) {
        Ok(expr) => {
            let again = Expr::parse(text, &schema).expect("it was read before");
            prop_assert_eq!(again.canonical(), expr.canonical());
            if let Ok(array) = expr.eval(&batch) {
                prop_assert_eq!(array.data_type(), &expr.ty().arrow());
            }
        }
        Err(errors) => prop_assert!(!errors.is_empty() && inside(errors)),
    }
    if let Err(errors) = super::super::Aggregate::parse(text, &[], &schema) {
        prop_assert!(!errors.is_empty() && inside(errors.into_iter().map(|(_, error)| error).collect()));
    }
    let _ = super::super::column_names(text);
    Ok(())
}

#[test]
fn a_number_out_of_range_is_said_before_anything_runs() {
    check(
        "rouge_n(text, text, 5)",
        &["bad-argument @ `5`: `rouge_n` does not know 5 (out of range); it is from 1 to 4"],
    );
}

#[test]
fn a_choice_that_does_not_exist_is_said_before_anything_runs() {
    check(
        "has_pii(text, 'emial')",
        &["unknown-choice @ `'emial'`: `has_pii` does not know `emial` (no such choice); did you mean `'email'`?"],
    );
    check(
        "word_count(text, 'words') > 2",
        &[
            "unknown-choice @ `'words'`: `word_count` does not know `words` (no such choice); it is one of `'space'`, `'unicode'`",
        ],
    );
    check(
        "mask_pii(text, 'hash', 1)",
        &[
            "unknown-choice @ `'hash'`: `mask_pii` does not know `hash` (no such choice); it is one of `'label'`, `'pseudonym'`",
        ],
    );
}
