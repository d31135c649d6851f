//! The text of a query: its form, and the datasets that it names.

use crate::expr::ExprError;
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Query as Ast, Statement, TableFactor, Visit, Visitor,
};
use sqlparser::dialect::SQLiteDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Location;
use std::ops::{ControlFlow, Range};

/// A query that can be parsed.
#[derive(Clone, Debug)]
pub struct Query {
    pub text: String,
    /// The tables that it reads, each once, in the order of the text.
    pub tables: Vec<Named>,
    pub(super) ast: Ast,
}

/// A table as a query names it.
#[derive(Clone, Debug)]
pub struct Named {
    /// What stands before the point: the dataset of a part.
    pub schema: Option<String>,
    pub table: String,
    /// Where, in bytes of the text.
    pub range: Range<usize>,
}

impl Named {
    /// Returns the dataset, or the part of one, that it means.
    pub fn dataset(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.table),
            None => self.table.clone(),
        }
    }

    /// Returns whether it is the table of these names; to SQL their letters have no case.
    pub(super) fn is(&self, schema: Option<&str>, table: &str) -> bool {
        self.schema.as_deref().unwrap_or("main").eq_ignore_ascii_case(schema.unwrap_or("main"))
            && self.table.eq_ignore_ascii_case(table)
    }
}

impl Query {
    /// Parses a query; says what is wrong with its form.
    pub fn parse(text: &str) -> Result<Query, Vec<ExprError>> {
        let error = |title: &str, range: Range<usize>, label: String| ExprError {
            code: "bad-query",
            title: title.to_owned(),
            range,
            label,
            notes: Vec::new(),
            help: Vec::new(),
        };
        let statements = Parser::parse_sql(&SQLiteDialect {}, text).map_err(|problem| {
            let message = problem.to_string();
            let message = message.trim_start_matches("sql parser error: ");
            let (words, place) = message.split_once(" at Line: ").unwrap_or((message, ""));
            let number = |text: &str| text.trim().parse::<u64>().ok();
            let place = place
                .split_once(", Column: ")
                .and_then(|(line, column)| Some(Location { line: number(line)?, column: number(column)? }));
            let start = place.map_or(text.len(), |place| offset(text, place));
            vec![error("this query cannot be read", word_at(text, start), words.to_owned())]
        })?;
        let whole = 0..text.len();
        let ast = match <[Statement; 1]>::try_from(statements) {
            Ok([Statement::Query(ast)]) => *ast,
            Ok(_) => {
                let label = "a dataset is made of what is selected".to_owned();
                return Err(vec![error("a query has to be a `select`", whole, label)]);
            }
            Err(several) => {
                let label = format!("{} statements", several.len());
                return Err(vec![error("this has to be one query", whole, label)]);
            }
        };
        let mut names = Names { text, tables: Vec::new(), defined: Vec::new(), problems: Vec::new() };
        let _ = ast.visit(&mut names);
        let Names { tables, problems, .. } = names;
        if problems.is_empty() { Ok(Query { text: text.to_owned(), tables, ast }) } else { Err(problems) }
    }
}

/// Finds the tables of a query, and what would make it give something else each time.
struct Names<'a> {
    text: &'a str,
    tables: Vec<Named>,
    /// The names that `with` gives to queries, of those that are open.
    defined: Vec<Vec<String>>,
    problems: Vec<ExprError>,
}

/// Functions of the date that read the clock where no time is given, and how many arguments stand before it.
const OF_TIME: [(&str, usize); 6] =
    [("date", 0), ("time", 0), ("datetime", 0), ("julianday", 0), ("unixepoch", 0), ("strftime", 1)];

impl Visitor for Names<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Ast) -> ControlFlow<()> {
        let named = query.with.iter().flat_map(|with| &with.cte_tables).map(|cte| cte.alias.name.value.clone());
        self.defined.push(named.collect());
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Ast) -> ControlFlow<()> {
        self.defined.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, args: None, .. } = factor else { return ControlFlow::Continue(()) };
        let parts: Vec<_> = name.0.iter().filter_map(|part| part.as_ident()).collect();
        let (schema, table) = match parts.as_slice() {
            [table] => (None, *table),
            [schema, table] => (Some(*schema), *table),
            _ => return ControlFlow::Continue(()),
        };
        let is_defined = |name: &String| name.eq_ignore_ascii_case(&table.value);
        if schema.is_none() && self.defined.iter().flatten().any(is_defined) {
            return ControlFlow::Continue(());
        }
        let start = offset(self.text, schema.unwrap_or(table).span.start);
        let range = start..offset(self.text, table.span.end).max(start);
        let schema = schema.map(|schema| schema.value.clone());
        if let Some(own) = schema.as_deref().filter(|name| ["main", "temp"].contains(&name.to_lowercase().as_str())) {
            let title = format!("`{own}` cannot stand before a point in a query");
            self.problem(
                "bad-query",
                title,
                range,
                "it is a word of the engine's",
                "write the name of the part in quotes: `\"name.part\"`",
            );
            return ControlFlow::Continue(());
        }
        if !self.tables.iter().any(|known| known.is(schema.as_deref(), &table.value)) {
            self.tables.push(Named { schema, table: table.value.clone(), range });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = function.name.to_string().to_lowercase();
        let Some((_, before)) = OF_TIME.iter().find(|(known, _)| *known == name) else {
            return ControlFlow::Continue(());
        };
        let args: &[FunctionArg] = match &function.args {
            FunctionArguments::List(list) => &list.args,
            _ => &[],
        };
        let now = match args.get(*before) {
            None => true,
            Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) => value
                .value
                .clone()
                .into_string()
                .is_some_and(|text| super::dates::asks_machine(text.as_bytes(), true).is_some()),
            Some(_) => false,
        };
        if now {
            let start = function.name.0[0].as_ident().map_or(0, |ident| offset(self.text, ident.span.start));
            let title = format!("`{name}` reads the clock here, and so the query would give something else each time");
            let help = "put the time into `[params]`, and write `'${params.…}'`";
            self.problem("not-repeatable", title, start..start + name.len(), "the time of the build", help);
        }
        ControlFlow::Continue(())
    }
}

impl Names<'_> {
    fn problem(&mut self, code: &'static str, title: String, range: Range<usize>, label: &str, help: &str) {
        let (label, help) = (label.to_owned(), vec![help.to_owned()]);
        self.problems.push(ExprError { code, title, range, label, notes: Vec::new(), help });
    }
}

/// Returns the byte at a place of the parser's.
pub(super) fn offset(text: &str, at: Location) -> usize {
    if at.line == 0 {
        return 0;
    }
    let line = at.line as usize - 1;
    let start = if line == 0 { 0 } else { text.match_indices('\n').nth(line - 1).map_or(text.len(), |(at, _)| at + 1) };
    text[start..].char_indices().nth((at.column as usize).saturating_sub(1)).map_or(text.len(), |(at, _)| start + at)
}

/// Returns the word that begins at a byte.
pub(super) fn word_at(text: &str, start: usize) -> Range<usize> {
    let start = text.floor_char_boundary(start.min(text.len()));
    let rest = &text[start..];
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    start..start + word.max(rest.chars().next().map_or(0, char::len_utf8))
}
