//! Finds what a template reads, by walking its parsed text and that of all it includes, as rendering would.
//!
//! A name is a column unless it was given a value before: by `set`, `with`, `for`, `macro`, `import` or as a macro's argument.
//! Scopes are the engine's: an included text shares the scope of the place that includes it, a block that of the place where
//! it is shown, and a macro that of its declaration. A name that only one branch of an `if` sets is a column too. Rendering
//! offers a template only the columns found here, so one that was missed could not change a result unnoticed.

use super::engine::{FUNCTIONS, NAMES};
use super::unit::Unit;
use crate::diag::{Diagnostic, Diagnostics, Source, Span};
use minijinja::machinery::{ast, parse};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Finds the file that a template calls by a name: `None` if there is none, an error if it must not be read.
pub type Load<'a> = dyn Fn(&str) -> Option<Result<Arc<Source>, Diagnostic>> + 'a;

/// How many texts one template may be made of, each counted as often as it is included.
const TEXTS: usize = 1000;

/// How many includes may stand inside each other.
const DEPTH: usize = 32;

/// What a template is made of and what it reads.
#[derive(Default)]
pub(super) struct Found {
    /// Name → text, in the order in which they are first met; the template itself comes first and is called "".
    pub(super) files: Vec<(String, Arc<Source>)>,
    /// Column → where it is read.
    pub(super) reads: BTreeMap<String, Vec<Span>>,
}

/// Walks a template.
pub(super) fn find(source: Arc<Source>, load: &Load, env: &Environment) -> Result<Found, Diagnostics> {
    let mut walk = Walk {
        load,
        env,
        found: Found { files: vec![(String::new(), source)], ..Found::default() },
        problems: Diagnostics::default(),
        scopes: vec![BTreeSet::from(["self".to_owned()])],
        open: Vec::new(),
        texts: 0,
    };
    walk.file("", None);
    if walk.problems.0.is_empty() { Ok(walk.found) } else { Err(walk.problems) }
}

/// The state of a walk over all files.
pub(super) struct Walk<'l> {
    load: &'l Load<'l>,
    env: &'l Environment<'l>,
    found: Found,
    problems: Diagnostics,
    /// The names that have values, outermost scope first.
    pub(super) scopes: Vec<BTreeSet<String>>,
    /// The files that are being walked.
    open: Vec<String>,
    texts: usize,
}

impl Walk<'_> {
    /// Notes a problem.
    pub(super) fn problem(&mut self, problem: Diagnostic) {
        self.problems.push(problem);
    }

    /// Notes that `name` is read, unless it has a value.
    pub(super) fn read(&mut self, name: &str, span: Span) {
        if !self.is_set(name) {
            let places = self.found.reads.entry(name.to_owned()).or_default();
            if !places.contains(&span) {
                places.push(span);
            }
        }
    }

    /// Returns whether `name` has a value.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| scope.contains(name))
    }

    /// Gives `name` a value in the innermost scope.
    pub(super) fn set(&mut self, name: &str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned());
        }
    }

    /// Checks that a filter exists.
    pub(super) fn check_filter(&mut self, name: &str, span: &Span) {
        if !self.knows("filter", name) {
            let title = format!("there is no filter `{name}`");
            self.problem(Diagnostic::error("unknown-filter", title).at(span, "").did_you_mean(name, NAMES));
        }
    }

    /// Checks that a test exists.
    pub(super) fn check_test(&mut self, name: &str, span: &Span) {
        if !self.knows("test", name) {
            let title = format!("there is no test `{name}`");
            self.problem(Diagnostic::error("unknown-test", title).at(span, "").did_you_mean(name, NAMES));
        }
    }

    /// The engine has no list of its filters and tests, but tests for them.
    fn knows(&self, kind: &str, name: &str) -> bool {
        let name: String = name.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        self.env.empty_state().perform_test(kind, &[Value::from(name)]).unwrap_or(false)
    }

    /// Checks that something called `name` can be called.
    pub(super) fn check_function(&mut self, name: &str, span: &Span) {
        if self.is_set(name) || FUNCTIONS.contains(&name) {
            return;
        }
        let known: Vec<String> = self.scopes.iter().flatten().cloned().collect();
        let known = known.iter().map(String::as_str).chain(FUNCTIONS);
        let problem = Diagnostic::error("unknown-function", format!("there is no macro or function `{name}`"));
        let problem = problem.at(span, "").did_you_mean(name, known);
        self.problem(problem.note(format!("the functions are {}", crate::diag::list(FUNCTIONS))));
    }

    /// Returns the text called `name`, if it was read before.
    fn known(&self, name: &str) -> Option<Arc<Source>> {
        self.found.files.iter().find(|(known, _)| known == name).map(|(_, source)| source.clone())
    }

    /// Returns the text called `name`, if there is one that may be read; `span` is where it is called so.
    pub(super) fn source(&mut self, name: &str, span: &Span) -> Result<Option<Arc<Source>>, ()> {
        if let Some(source) = self.known(name) {
            return Ok(Some(source));
        }
        match (self.load)(name) {
            None => Ok(None),
            Some(Ok(source)) => {
                self.found.files.push((name.to_owned(), source.clone()));
                Ok(Some(source))
            }
            Some(Err(problem)) => {
                self.problem(problem.at(span, ""));
                Err(())
            }
        }
    }

    /// Notes that there is no text called `name`.
    pub(super) fn absent(&mut self, name: &str, span: &Span) {
        let problem = Diagnostic::error("no-such-template", format!("there is no template file `{name}`"));
        self.problem(problem.at(span, "").help("names are relative, with `/`, and stay inside the project folder"));
    }

    /// Walks the file called `name`, in the scope of the place `from` that includes it.
    pub(super) fn file(&mut self, name: &str, from: Option<&Span>) {
        // A file that includes itself reads nothing more the second time.
        if self.open.iter().any(|open| open == name) {
            return;
        }
        self.texts += 1;
        if let Some(from) = from.filter(|_| self.texts > TEXTS || self.open.len() > DEPTH) {
            self.problem(
                Diagnostic::error("too-many-includes", "includes are nested too deeply, or too many").at(from, ""),
            );
            return;
        }
        self.open.push(name.to_owned());
        let chain = self.chain(name);
        let parsed: Vec<ast::Stmt> = chain.iter().filter_map(|source| self.parse(source)).collect();
        // Problems of syntax are noted; the rest of a torn file says nothing.
        if parsed.len() == chain.len() {
            Unit::new(self, &chain, &parsed).walk();
        }
        self.open.pop();
    }

    /// Returns the file and all that it extends.
    fn chain(&mut self, name: &str) -> Vec<Arc<Source>> {
        let mut chain = Vec::new();
        let mut names = vec![name.to_owned()];
        while let Some(source) = names.last().and_then(|name| self.known(name)) {
            chain.push(source.clone());
            let Some(ast::Stmt::Template(template)) = self.parse(&source) else { break };
            let extends = template.children.iter().find_map(|child| match child {
                ast::Stmt::Extends(extends) => Some(&extends.name),
                _ => None,
            });
            let Some(expr) = extends else { break };
            let span = span(&source, expr.span());
            let Some(parent) = self.names(expr, &source).into_iter().next() else { break };
            if names.contains(&parent) {
                self.problem(Diagnostic::error("template-cycle", format!("`{parent}` extends itself")).at(&span, ""));
                break;
            }
            match self.source(&parent, &span) {
                Ok(None) => self.absent(&parent, &span),
                _ => names.push(parent),
            }
            if chain.len() == names.len() {
                break;
            }
        }
        chain
    }

    /// Returns the file names that an include, import or extends gives; they are plain texts, or nothing could be known.
    pub(super) fn names(&mut self, expr: &ast::Expr, source: &Arc<Source>) -> Vec<String> {
        let value = expr.as_const();
        let names = value.as_ref().and_then(|value| match value.as_str() {
            Some(name) => Some(vec![name.to_owned()]),
            None => value.as_object()?.try_iter()?.map(|name| name.as_str().map(str::to_owned)).collect(),
        });
        names.unwrap_or_else(|| {
            let problem = Diagnostic::error("dynamic-include", "the name of a template file is not a plain text");
            let problem = problem.at(&span(source, expr.span()), "");
            let problem = problem.note("what a prompt is made of is known before anything is built");
            self.problem(problem.help("write an `{% if %}` around several includes"));
            Vec::new()
        })
    }

    fn parse<'s>(&mut self, source: &'s Arc<Source>) -> Option<ast::Stmt<'s>> {
        match parse(&source.text, "", SyntaxConfig::default()) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let range = error.range().unwrap_or(0..0);
                let title = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
                self.problem(Diagnostic::error("template-syntax", title).at(&Span::new(source, range), ""));
                None
            }
        }
    }
}

/// Returns the place that the engine means.
pub(super) fn span(source: &Arc<Source>, span: minijinja::machinery::Span) -> Span {
    Span::new(source, span.start_offset as usize..span.end_offset as usize)
}
