//! Personal data and secrets: counting, listing and masking what `crate::text::personal` finds.

use super::super::cells::{Args, Fault, Give, Outcome};
use super::Run::Rows;
use super::{Function, f};
use crate::text::personal::{Found, Kind, Mask, find, mask};

pub const TABLE: &[Function] = &[
    f(
        "pii_count",
        &[],
        &[
            ("text: string -> int", Rows(|a| found(a, |_, found| found.len() as i64))),
            (
                "text: string, kind: 'email'|'phone'|'iban'|'card'|'ip'|'secret' -> int",
                Rows(|a| found(a, |_, found| found.len() as i64)),
            ),
        ],
        "Counts e-mail addresses, telephone numbers (E.164 and North America), IBANs (mod 97), payment cards (Luhn), IP addresses and secrets.",
        ("pii_count('a@b.org, 10.0.0.1 and 4111 1111 1111 1111')", "3"),
    )
    .dear(),
    f(
        "has_pii",
        &[],
        &[
            ("text: string -> bool", Rows(|a| found(a, |_, found| !found.is_empty()))),
            (
                "text: string, kind: 'email'|'phone'|'iban'|'card'|'ip'|'secret' -> bool",
                Rows(|a| found(a, |_, found| !found.is_empty())),
            ),
        ],
        "Tells whether the text has any of these, or one of this kind.",
        ("has_pii('+49 30 1234 5678', 'phone')", "true"),
    )
    .dear(),
    f(
        "pii",
        &[],
        &[
            ("text: string -> list<string>", Rows(|a| found(a, values))),
            (
                "text: string, kind: 'email'|'phone'|'iban'|'card'|'ip'|'secret' -> list<string>",
                Rows(|a| found(a, values)),
            ),
        ],
        "Gives what is found, from left to right.",
        ("pii('a@b.org or 10.0.0.1')", r#"["a@b.org","10.0.0.1"]"#),
    )
    .dear(),
    f(
        "pii_kinds",
        &[],
        &[(
            "text: string -> list<string>",
            Rows(|a| found(a, |_, found| found.iter().map(|found| found.kind.name()).collect::<Vec<_>>())),
        )],
        "Gives the kind of each: the items belong to those of `pii`.",
        ("pii_kinds('a@b.org or 10.0.0.1')", r#"["email","ip"]"#),
    )
    .dear(),
    f(
        "mask_pii",
        &[],
        &[
            ("text: string -> string", Rows(|a| masked(a, |_| Ok((None, Mask::Label))))),
            (
                "text: string, kind: 'email'|'phone'|'iban'|'card'|'ip'|'secret' -> string",
                Rows(|a| {
                    let kinds = a.column::<&str>(1);
                    masked(a, |row| Ok((Some(kind(kinds.get(row))?), Mask::Label)))
                }),
            ),
            (
                "text: string, style: 'label'|'pseudonym', seed: int -> string",
                Rows(|a| {
                    let (styles, seeds) = (a.column::<&str>(1), a.column::<i64>(2));
                    masked(a, |row| Ok((None, style(styles.get(row), seeds.get(row))?)))
                }),
            ),
            (
                "text: string, kind: 'email'|'phone'|'iban'|'card'|'ip'|'secret', style: 'label'|'pseudonym', seed: int -> string",
                Rows(|a| {
                    let (kinds, styles, seeds) = (a.column::<&str>(1), a.column::<&str>(2), a.column::<i64>(3));
                    masked(a, |row| Ok((Some(kind(kinds.get(row))?), style(styles.get(row), seeds.get(row))?)))
                }),
            ),
        ],
        "Puts `[EMAIL]`, `[PHONE]`, `[IBAN]`, `[CARD]`, `[IP]`, `[SECRET]` in place of what is found; as a pseudonym `[EMAIL-…]`, the same for the same value in all rows under one seed.",
        ("mask_pii('Ask ann@b.org.')", "'Ask [EMAIL].'"),
    ),
];

/// Computes something of what is found, of the kind in argument 1 if there is one.
fn found<'a, R: Give>(args: &Args<'a>, f: impl Fn(&'a str, &[Found]) -> R) -> Outcome {
    let texts = args.column::<&str>(0);
    let kinds = (args.vals.len() > 1).then(|| args.column::<&str>(1));
    args.each(|row| {
        let text = texts.get(row);
        let mut found = find(text);
        if let Some(kinds) = &kinds {
            let kind = kind(kinds.get(row))?;
            found.retain(|found| found.kind == kind);
        }
        f(text, &found).give()
    })
}

fn values<'a>(text: &'a str, found: &[Found]) -> Vec<&'a str> {
    found.iter().map(|found| &text[found.range.clone()]).collect()
}

fn masked(args: &Args, how: impl Fn(usize) -> Result<(Option<Kind>, Mask), Fault>) -> Outcome {
    let texts = args.column::<&str>(0);
    args.each(|row| {
        let (only, style) = how(row)?;
        Ok(mask(texts.get(row), only, style))
    })
}

/// Reads a kind that no literal said: those were checked when the expression was bound.
fn kind(name: &str) -> Result<Kind, Fault> {
    Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        let names = Kind::ALL.map(Kind::name).join("`, `");
        Fault::new(format!("there is no kind `{name}` of personal data")).help(format!("the kinds are `{names}`"))
    })
}

fn style(name: &str, seed: i64) -> Result<Mask, Fault> {
    match name {
        "label" => Ok(Mask::Label),
        "pseudonym" => Ok(Mask::Pseudonym(seed)),
        _ => Err(Fault::new(format!("there is no style `{name}`")).help("it is `label` or `pseudonym`")),
    }
}
