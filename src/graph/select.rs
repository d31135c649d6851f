//! The entries of a `select` step: `id`, `question as q`, `*`, `* exclude (a, b)`.

use crate::diag::list;
use crate::expr::ExprError;
use crate::table::Schema;
use sqlparser::ast::{ExcludeSelectItem, Expr, Ident, SelectItem};
use sqlparser::dialect::DuckDbDialect;
use sqlparser::parser::Parser;

/// Returns the columns that an entry selects: position and new name.
pub fn entry(text: &str, schema: &Schema) -> Result<Vec<(usize, String)>, ExprError> {
    let malformed = |why: String| ExprError {
        code: "bad-select",
        title: "this is not a column to select".to_owned(),
        range: 0..text.len(),
        label: why,
        notes: Vec::new(),
        help: vec![
            "write `name`, `name as other`, `*` or `* exclude (name, …)`; new values come from `columns`".to_owned(),
        ],
    };
    let mut parser = Parser::new(&DuckDbDialect {}).try_with_sql(text).map_err(|error| malformed(error.to_string()))?;
    let item = parser.parse_select_item().map_err(|error| malformed(error.to_string()))?;
    if parser.peek_token().token != sqlparser::tokenizer::Token::EOF {
        return Err(malformed("one entry, then something more".to_owned()));
    }
    let column = |ident: &Ident| {
        schema.index(&ident.value).ok_or_else(|| {
            let start = text.find(&ident.value).unwrap_or(0);
            let mut help = Vec::new();
            help.extend(
                crate::diag::nearest(&ident.value, schema.names()).map(|name| format!("did you mean `{name}`?")),
            );
            ExprError {
                code: "unknown-column",
                title: format!("there is no column `{}` to select", ident.value),
                range: start..start + ident.value.len(),
                label: "no such column".to_owned(),
                notes: vec![format!("columns: {}", list(schema.names()))],
                help,
            }
        })
    };
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Ok(vec![(column(&ident)?, ident.value)]),
        SelectItem::ExprWithAlias { expr: Expr::Identifier(ident), alias } => Ok(vec![(column(&ident)?, alias.value)]),
        SelectItem::Wildcard(options) => {
            let excluded: Vec<Ident> = match options.opt_exclude {
                None => Vec::new(),
                Some(ExcludeSelectItem::Single(name)) => names(&[name]),
                Some(ExcludeSelectItem::Multiple(listed)) => names(&listed),
            };
            let excluded = excluded.iter().map(column).collect::<Result<Vec<_>, _>>()?;
            let kept = schema.names().enumerate().filter(|(index, _)| !excluded.contains(index));
            Ok(kept.map(|(index, name)| (index, name.to_owned())).collect())
        }
        _ => Err(malformed("expressions go into a `columns` step".to_owned())),
    }
}

fn names(listed: &[sqlparser::ast::ObjectName]) -> Vec<Ident> {
    listed.iter().filter_map(|name| name.0.first()?.as_ident().cloned()).collect()
}
