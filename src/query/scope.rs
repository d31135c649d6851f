//! The columns that a part of a query sees, by the names that it gives them.

use crate::table::Type;
use sqlparser::ast::Ident;

/// A column: what it is called, and its type where that can be told.
pub(super) type Column = (Option<String>, Option<Type>);

/// The columns of one table or query in `from`.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub name: Option<String>,
    pub columns: Vec<Column>,
}

/// What a `select` reads from, and what those around it do.
pub(super) struct Scope<'a> {
    pub relations: Vec<Relation>,
    pub outer: Option<&'a Scope<'a>>,
}

impl Scope<'_> {
    /// Returns the type of a column by its name, and that of its table if that stands before it.
    pub fn find(&self, table: Option<&Ident>, column: &Ident) -> Option<Type> {
        let here = self.relations.iter().filter(|relation| match table {
            Some(table) => relation.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(&table.value)),
            None => true,
        });
        let is = |name: &Option<String>| name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(&column.value));
        match here.flat_map(|relation| &relation.columns).find(|(name, _)| is(name)) {
            Some((_, ty)) => ty.clone(),
            None => self.outer?.find(table, column),
        }
    }
}
