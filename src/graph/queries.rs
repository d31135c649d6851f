//! Queries: their texts, the datasets that they name, and what they make of those.

use super::Shape;
use super::bind::in_text;
use super::texts::TextReader;
use crate::diag::{Diagnostics, Span};
use crate::expr::ExprError;
use crate::hash::Words;
use crate::manifest::{Maker, Manifest, Sql, SqlText, Text};
use crate::query::{Engine, Prepared, Query, Table, engine};
use crate::table::{Field, Schema};
use std::collections::HashMap;
use std::sync::Arc;

/// The query of a dataset.
#[derive(Clone, Debug)]
pub struct NodeQuery {
    /// The query as it stands in the manifest or a file.
    pub text: Text,
    pub query: Query,
    /// The datasets that it reads, and parts of them, as it names them.
    pub names: Vec<Text>,
    /// The types that are declared.
    pub types: Vec<Field>,
}

impl NodeQuery {
    /// Parses the queries of all datasets, by their positions.
    pub(super) fn all(
        manifest: &Manifest,
        reader: &TextReader,
        problems: &mut Diagnostics,
    ) -> HashMap<usize, Arc<NodeQuery>> {
        let mut all = HashMap::new();
        for (at, dataset) in manifest.datasets.iter().enumerate() {
            let Maker::Sql(sql) = &dataset.maker else { continue };
            match NodeQuery::parse(sql, reader, problems) {
                Some(Ok(query)) => _ = all.insert(at, Arc::new(query)),
                Some(Err((text, errors))) => {
                    let node = format!("dataset.{}", dataset.name.value);
                    errors.into_iter().for_each(|error| problems.push(in_text(&text, error, &node)));
                }
                None => {}
            }
        }
        all
    }

    /// Parses a query; nothing where its file cannot be read.
    fn parse(
        sql: &Sql,
        reader: &TextReader,
        problems: &mut Diagnostics,
    ) -> Option<Result<NodeQuery, (Text, Vec<ExprError>)>> {
        let text = match &sql.text {
            SqlText::Query(text) => text.clone(),
            SqlText::File(path) => {
                let source = reader.read("query", path, problems)?;
                Text { value: source.text.clone(), span: Span::new(&source, 0..source.text.len()), exact: true }
            }
        };
        let types = sql.types.iter().map(|(name, ty)| Field::new(&name.value, ty.value.clone())).collect();
        Some(match Query::parse(&text.value) {
            Ok(query) => {
                let name = |named: &crate::query::Named| Text {
                    value: named.dataset(),
                    span: text.inside(named.range.clone()),
                    exact: text.exact,
                };
                let names = query.tables.iter().map(name).collect();
                Ok(NodeQuery { text, query, names, types })
            }
            Err(errors) => Err((text, errors)),
        })
    }

    /// Adds the text to the words of its node, and what answers it.
    pub(super) fn words(&self, words: &mut Words) {
        words.set("sql.query", &self.text.value);
        words.set("sql.engine", engine());
    }

    /// Checks the query against the columns of its tables.
    pub fn prepare(&self, tables: &[&Schema]) -> Result<Prepared, Vec<ExprError>> {
        let tables = tables.iter().map(|schema| Table { schema }).collect();
        Engine::open(&self.query, tables, None).map_err(|error| vec![error])?.prepare(&self.types)
    }

    /// Returns what the query makes.
    pub(super) fn schema(&self, inputs: &[Shape], node: &str) -> Result<Schema, Diagnostics> {
        let tables: Vec<&Schema> = inputs.iter().map(|input| &input.schema).collect();
        self.prepare(&tables).map(|prepared| Schema(prepared.columns)).map_err(|errors| {
            let mut problems = Diagnostics::default();
            errors.into_iter().for_each(|error| problems.push(in_text(&self.text, error, node)));
            problems
        })
    }
}
