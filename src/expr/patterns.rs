//! Patterns at run time: compiled once if literal, else once per run of equal patterns.

use super::cells::{Args, Fault, Outcome, Prepared};
use super::like::{Case, Like};
use regex::Regex;

/// Keeps the pattern compiled last.
pub struct Cache<M>(Option<(String, M)>);

impl<M> Cache<M> {
    /// Begins empty.
    pub fn new() -> Cache<M> {
        Cache(None)
    }

    /// Returns the compiled form of `pattern`.
    pub fn get(&mut self, pattern: &str, compile: impl Fn(&str) -> Result<M, String>) -> Result<&M, Fault> {
        if self.0.as_ref().is_none_or(|(known, _)| known != pattern) {
            let compiled =
                compile(pattern).map_err(|error| Fault::new(format!("the pattern `{pattern}` is wrong: {error}")))?;
            self.0 = Some((pattern.to_owned(), compiled));
        }
        Ok(&self.0.as_ref().expect("it was just filled").1)
    }
}

/// Compiles a regular expression; the error is one line.
pub fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| {
        let text = error.to_string();
        let line = text.lines().last().unwrap_or("it cannot be read");
        line.strip_prefix("error: ").unwrap_or(line).to_owned()
    })
}

/// Applies `f` to the text in argument 0 and the regular expression in argument 1.
pub fn with_regex<'a, R: super::cells::Give>(args: &Args<'a>, f: impl Fn(usize, &Regex, &'a str) -> R) -> Outcome {
    let (texts, patterns) = (args.column::<&str>(0), args.column::<&str>(1));
    let mut cache = Cache::new();
    args.each(|row| {
        let regex = match args.prepared {
            Prepared::Regex(regex) => regex,
            _ => cache.get(patterns.get(row), regex)?,
        };
        f(row, regex, texts.get(row)).give()
    })
}

/// Matches argument 0 against the pattern in argument 1, with the escape character in argument 2 if there is one.
pub fn like(args: &Args, case: Case) -> Outcome {
    let texts = args.column::<&str>(0);
    if let Prepared::Like(like) = args.prepared {
        return args.test(|row| like.matches(texts.get(row)));
    }
    let patterns = args.column::<&str>(1);
    let escape = (args.vals.len() > 2).then(|| args.column::<&str>(2).get(0).chars().next()).flatten();
    let mut cache = Cache::new();
    args.each(|row| {
        cache
            .get(patterns.get(row), |pattern| Like::new(pattern, escape, case))
            .map(|like| like.matches(texts.get(row)))
    })
}
