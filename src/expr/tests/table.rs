//! Expressions and what they give, row by row.

use super::check;

#[test]
fn arithmetic_widens_and_passes_nulls_on() {
    check("n + 1", "2 | 1 | null | -2");
    check("n + x", "1.5 | null | null | -4.0");
    check("n / 2", "0.5 | 0.0 | null | -1.5");
    check("-n - -x", "-0.5 | null | null | 2.0");
    check("n // 2", "0 | 0 | null | -1");
    check("n % 2", "1 | 0 | null | -1");
    check("mod(n, 2) * 3", "3 | 0 | null | -3");
    check("1 + 2 * 3 - 4 / 2", "5.0 | 5.0 | 5.0 | 5.0");
    check("-9223372036854775808 % -1", "0 | 0 | 0 | 0");
    check("day + 1", "1970-01-02 | 2024-03-01 | null | 1970-01-01");
    check("day - date '1970-01-01'", "0 | 19782 | null | -1");
    check("n + nothing", "null | null | null | null");
}

#[test]
fn wrong_arithmetic_names_the_first_row() {
    check("1 / n", "row 1: division by zero");
    check("1 // n", "row 1: division by zero");
    check("1 % n", "row 1: division by zero");
    check("(n + 4) / (x + 1)", "row 3: division by zero");
    check("\"two words\" / (n + 3) + 1 / n", "row 1: division by zero");
    check("9223372036854775807 + n", "row 0: 9223372036854775807 + 1 is too large for an int");
    check("n * 4611686018427387904", "row 3: -3 * 4611686018427387904 is too large for an int");
    check("-(-9223372036854775808 + 0 * n)", "row 0: -(-9223372036854775808) is too large for an int");
    check("abs(-9223372036854775808 + \"two words\" - 1)", "row 0: abs(-9223372036854775808) is too large for an int");
    check("cast(text as int)", "row 0: \"Ab c\" cannot be cast to int");
    check("sqrt(x)", "row 3: sqrt(-1.0) is not a number");
    check("regexp_extract(text, 'b', n)", "row 0: the pattern has no group 1");
    check("repetition(text, n)", "row 1: n-grams of 0 words do not exist");
    check("text = cast(1 / 0 as string)", "row 0: division by zero");
}

#[test]
fn branches_that_are_not_taken_do_not_fail() {
    check("case when n <> 0 then 6 / n end", "6.0 | null | null | -2.0");
    check("n <> 0 and 6 / n > 0", "true | false | null | false");
    check("n = 0 or 6 / n > 0", "true | true | null | false");
    check("coalesce(x, 1 / (n + 0))", "row 1: division by zero");
    check("coalesce(x, 1 / nullif(n, 0))", "0.5 | null | 2.0 | -1.0");
    check("coalesce(n, 5, 1 // 0)", "1 | 0 | 5 | -3");
    check("if(n = 0, 0, 6 // n)", "6 | 0 | null | -2");
    check("case when text = '' then 0 when ok then length(text) else 1 // 0 end", "row 2: division by zero");
    check("case n when 1 then 'one' when 0 then 'none' else upper('many') end", "'one' | 'none' | 'MANY' | 'MANY'");
    check("case when false then 1 end", "null | null | null | null");
    check("case when ok then 1 else 2.5 end", "1.0 | 2.5 | 2.5 | 1.0");
    check("case when ok then null end", "null | null | null | null");
    check("case when ok then tags else ['x'] end", "[\"a\",\"b\"] | [\"x\"] | [\"x\"] | [\"c\",null]");
    check("case when n = 1 then 1 // 0 when n = 0 then 0 end", "row 0: division by zero");
}

#[test]
fn logic_has_three_values() {
    check("ok and null", "null | false | null | null");
    check("ok or null", "true | null | null | true");
    check("not ok", "false | true | null | false");
    check("ok = true", "true | false | null | true");
    check("ok is true", "true | false | false | true");
    check("ok is not true", "false | true | true | false");
    check("ok is unknown", "false | false | true | false");
    check("n > 0 or x > 0", "true | null | true | false");
    check("null = null", "null | null | null | null");
    check("null is not distinct from null", "true | true | true | true");
    check("n is distinct from x", "true | true | true | true");
    check("n is null or nothing is not null", "false | false | true | false");
    check("coalesce(case when ok then coalesce(null, nullif(null, null)) end, text)", "'Ab c' | '' | null | 'é,é'");
    check("if(ok, [null], tags)", "[null] | [] | null | [null]");
    check("tags is null", "false | false | true | false");
}

#[test]
fn comparisons_work_on_every_type() {
    check("n = 1.0", "true | false | null | false");
    check("text < 'b'", "true | true | null | false");
    check("day <= timestamp '1970-01-01 00:00:00'", "true | false | null | true");
    check("at > day", "false | false | null | true");
    check("tags = ['a', 'b']", "true | false | null | false");
    check("tags <> tags", "false | false | null | false");
    check("pair = pair", "true | true | null | true");
    check("ok > false", "true | false | null | true");
    check("n between x and 1", "true | null | null | false");
    check("n not between 0 and null", "null | null | null | true");
    check("n in (1, 0)", "true | true | null | false");
    check("n in (1, null)", "true | null | null | null");
    check("n not in (1, x)", "false | null | null | true");
    check("text in ('', 'Ab c')", "true | true | null | false");
    check("nothing in (1)", "null | null | null | null");
    check("cast('nan' as float) = cast('nan' as float) and cast('nan' as float) > 1e308", "true | true | true | true");
    check("-0.0 = x * 0", "true | null | true | true");
}

#[test]
fn casts_read_and_write_texts() {
    check("cast(n as string)", "'1' | '0' | null | '-3'");
    check("x::text || '!'", "'0.5!' | null | '2.0!' | '-1.0!'");
    check("tags::string", "'[\"a\",\"b\"]' | '[]' | null | '[\"c\",null]'");
    check(
        "cast(pair as string)",
        "'{\"a\":7,\"b c\":\"z\"}' | '{\"a\":null,\"b c\":\"y\"}' | null | '{\"a\":0,\"b c\":null}'",
    );
    check("try_cast(text as int)", "null | null | null | null");
    check("cast(' 12 ' as int) + n", "13 | 12 | null | 9");
    check("cast(x as int)", "0 | null | 2 | -1");
    check("cast(x + 2 as int)", "2 | null | 4 | 1");
    check("cast(ok as int)", "1 | 0 | null | 1");
    check("n::bool", "true | false | null | true");
    check("cast('2024-02-29' as date)", "2024-02-29 | 2024-02-29 | 2024-02-29 | 2024-02-29");
    check("try_cast('2023-02-29' as date)", "null | null | null | null");
    check("cast(at as date)", "1970-01-01 | 1970-01-02 | null | 1969-12-31");
    check("at", "1970-01-01T00:00:00Z | 1970-01-02T00:00:00.000001Z | null | 1969-12-31T23:59:59.999999Z");
    check("split('1,2', ',')::int[]", "[1,2] | [1,2] | [1,2] | [1,2]");
    check("try_cast(tags as int[])", "[null,null] | [] | null | [null,null]");
    check("cast(tags as int[])", "row 0: \"a\" cannot be cast to int");
    check("cast('1e999' as float)", "inf | inf | inf | inf");
    check("try_cast(1e30 as int)", "null | null | null | null");
    check("cast(nothing as string)", "null | null | null | null");
}

#[test]
fn strings_are_cut_by_characters() {
    check("length(text)", "4 | 0 | null | 3");
    check("left(text, 2)", "'Ab' | '' | null | 'é,'");
    check("right(text, 2) || left(text, -3)", "' cA' | '' | null | ',é'");
    check("right(text, -2)", "' c' | '' | null | 'é'");
    check("substr(text, 2)", "'b c' | '' | null | ',é'");
    check("substr(text, 0, 2)", "'A' | '' | null | 'é'");
    check("substr(text, -5, 3)", "'' | '' | null | ''");
    check("substring(text from 2 for 1)", "'b' | '' | null | ','");
    check("substr(text, 1, -1)", "row 0: a length below 0");
    check("strpos(text, 'é')", "0 | 0 | null | 1");
    check("position(',' in text)", "0 | 0 | null | 2");
    check("upper(text)", "'AB C' | '' | null | 'É,É'");
    check("reverse(text)", "'c bA' | '' | null | 'é,é'");
    check("split(text, ' ')", "[\"Ab\",\"c\"] | [\"\"] | null | [\"é,é\"]");
    check("split(text, '')", "[\"A\",\"b\",\" \",\"c\"] | [] | null | [\"é\",\",\",\"é\"]");
    check("split_part(text, ' ', -1)", "'c' | '' | null | 'é,é'");
    check("split_part(text, ' ', n)", "row 1: parts are counted from 1");
    check("concat(text, '/', n)", "'Ab c/1' | '/0' | '/' | 'é,é/-3'");
    check("concat_ws(',', n, x, ok)", "'1,0.5,true' | '0,false' | '2.0' | '-3,-1.0,true'");
    check("text || null", "null | null | null | null");
    check("lpad(text, 3, '-')", "'Ab ' | '---' | null | 'é,é'");
    check("rpad(text, 5, 'xy')", "'Ab cx' | 'xyxyx' | null | 'é,éxy'");
    check("repeat(text, n)", "'Ab c' | '' | null | ''");
    check("replace(text, 'é', 'ee')", "'Ab c' | '' | null | 'ee,ee'");
    check("trim(both 'é' from text)", "'Ab c' | '' | null | ','");
    check("trim(text, 'A')", "'b c' | '' | null | 'é,é'");
    check("starts_with(text, 'A') or contains(text, ',')", "true | false | null | true");
    check("greatest(n, x, 1)", "1.0 | 1.0 | 2.0 | 1.0");
    check("least(text, 'B')", "'Ab c' | '' | 'B' | 'B'");
    check("repeat('x', 100000000)", "row 0: the text would be longer than 64 MiB");
    check("lpad('x', 9000000000000000000, 'y')", "row 0: the text would be longer than 64 MiB");
}

#[test]
fn patterns_match_whole_or_anywhere() {
    check("text like 'A%c'", "true | false | null | false");
    check("text not like '_,_'", "true | true | null | false");
    check("text ilike 'a%'", "true | false | null | false");
    check("text like text", "true | true | null | true");
    check("'50%' like '50!%' escape '!'", "true | true | true | true");
    check("text like '%' || left(text, 1) || '%'", "true | true | null | true");
    check("regexp_like(text, '^[A-Z]')", "true | false | null | false");
    check("regexp_like(text, left(text, 1))", "true | true | null | true");
    check("regexp_like('x', case when n = 1 then '(' else 'x' end)", "row 0: the pattern `(` is wrong: unclosed group");
    check("regexp_extract(text, '\\w')", "'A' | null | null | 'é'");
    check("regexp_extract(text, '(x)|(\\w)', 1)", "null | null | null | null");
    check("regexp_replace(text, '(\\w)', '<\\1$1>')", "'<A$1><b$1> <c$1>' | '' | null | '<é$1>,<é$1>'");
    check("regexp_count(text, '\\w')", "3 | 0 | null | 2");
}

#[test]
fn numbers_are_rounded_as_documented() {
    check("round(x)", "1.0 | null | 2.0 | -1.0");
    check("round(1234.5678, -2) + round(n)", "1201.0 | 1200.0 | null | 1197.0");
    check("round(1e308, 5)", "1e308 | 1e308 | 1e308 | 1e308");
    check("ceil(x) + floor(x)", "1.0 | null | 4.0 | -2.0");
    check("sign(n)", "1 | 0 | null | -1");
    check("power(x, 2)", "0.25 | null | 4.0 | 1.0");
    check("power(x, 0.5)", "row 3: power(-1.0, 0.5) is not a number");
    check("exp(1)", "2.7182818284590455 | 2.7182818284590455 | 2.7182818284590455 | 2.7182818284590455");
    check("abs(n)", "1 | 0 | null | 3");
}

#[test]
fn fields_and_items_are_reached() {
    check("pair.a", "7 | null | null | 0");
    check("pair.\"b c\"", "'z' | 'y' | null | null");
    check("pair['a'] + 1", "8 | null | null | 1");
    check("tags[1]", "'a' | null | null | 'c'");
    check("tags[-1]", "'b' | null | null | null");
    check("tags[0]", "row 0: items are counted from 1");
    check("len(tags)", "2 | 0 | null | 2");
    check("list_contains(tags, 'b')", "true | false | null | false");
    check("list_join(tags, '+')", "'a+b' | '' | null | 'c'");
    check("[n, 2]", "[1,2] | [0,2] | [null,2] | [-3,2]");
    check("[n, x][2]", "0.5 | null | 2.0 | -1.0");
    check("\"two words\"", "1 | 2 | 3 | 4");
    check(
        "to_json(pair)",
        "'{\"a\":7,\"b c\":\"z\"}' | '{\"a\":null,\"b c\":\"y\"}' | null | '{\"a\":0,\"b c\":null}'",
    );
}

#[test]
fn dates_have_parts() {
    check("year(day)", "1970 | 2024 | null | 1969");
    check("extract(day from at)", "1 | 2 | null | 31");
    check("hour(at) * 100 + minute(at)", "0 | 0 | null | 2359");
    check("weekday(day)", "4 | 4 | null | 3");
}

#[test]
fn texts_are_measured() {
    check("word_count(text)", "2 | 0 | null | 1");
    check("distinct_n(text, 2)", "1.0 | null | null | null");
    check("last_number(concat('a ', \"two words\", ' b'))", "1.0 | 2.0 | 3.0 | 4.0");
    check("normalise(text)", "'ab c' | '' | null | 'é,é'");
}

#[test]
fn a_hash_share_is_the_same_everywhere() {
    check("round(hash_share(text), 6)", "0.417782 | 0.392085 | null | 0.222342");
    check("hash_share(text, 1) = hash_share(text)", "false | false | null | false");
    check("hash_share(null)", "null | null | null | null");
    check("hash_share(tags) between 0 and 1", "true | true | null | true");
}

#[test]
fn choices_that_rows_make_are_looked_at_row_by_row() {
    check("has_pii('a@b.org', case when n = 1 then 'email' else 'ip' end)", "true | false | false | false");
    check("has_pii('a@b.org', text)", "row 0: there is no kind `Ab c` of personal data");
    check("mask_pii('a@b.org ' || text, 'email')", "'[EMAIL] Ab c' | '[EMAIL] ' | null | '[EMAIL] é,é'");
    check(
        "mask_pii('Call ann@b.org', 'ip', 'pseudonym', 7)",
        "'Call ann@b.org' | 'Call ann@b.org' | 'Call ann@b.org' | 'Call ann@b.org'",
    );
    check("rouge_n(text, text, n - 1)", "row 0: `rouge_n` does not count n-grams of 0 words");
}
