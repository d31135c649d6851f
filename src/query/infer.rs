//! The types of the columns that a query computes, as far as they follow from its text.

use super::scope::{Column, Relation, Scope};
use crate::table::{Schema, Type};
use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins, UnaryOperator, Value,
};

/// Infers types over known tables.
pub(super) struct Infer<'a> {
    /// Returns the columns of a table by schema and name.
    pub tables: &'a dyn Fn(Option<&str>, &str) -> Option<&'a Schema>,
}

/// Queries that `with` names, the inner ones last.
type Defined = Vec<(String, Vec<Column>)>;

impl Infer<'_> {
    /// Returns the columns of a query; nothing where it cannot be told how many there are.
    pub fn query(&self, query: &Query) -> Option<Vec<Column>> {
        self.of_query(query, &Vec::new(), None)
    }

    fn of_query(&self, query: &Query, defined: &Defined, outer: Option<&Scope>) -> Option<Vec<Column>> {
        let mut defined = defined.clone();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let name = cte.alias.name.value.clone();
            let renamed = |mut columns: Vec<Column>| {
                let names = cte.alias.columns.iter().map(|column| Some(column.name.value.clone()));
                columns.iter_mut().zip(names).for_each(|((own, _), name)| *own = name);
                columns
            };
            // A query that reads itself begins with what does not.
            if let SetExpr::SetOperation { left, .. } = &*cte.query.body
                && let Some(first) = self.body(left, &defined, outer)
            {
                defined.push((name.clone(), renamed(first)));
            }
            let columns = self.of_query(&cte.query, &defined, outer).map(renamed).unwrap_or_default();
            defined.push((name, columns));
        }
        self.body(&query.body, &defined, outer)
    }

    fn body(&self, body: &SetExpr, defined: &Defined, outer: Option<&Scope>) -> Option<Vec<Column>> {
        match body {
            SetExpr::Select(select) => self.select(select, defined, outer),
            SetExpr::Query(query) => self.of_query(query, defined, outer),
            SetExpr::SetOperation { left, right, .. } => {
                let (left, right) = (self.body(left, defined, outer)?, self.body(right, defined, outer)?);
                if left.len() != right.len() {
                    return None;
                }
                let both =
                    |((name, one), (_, other)): (Column, Column)| (name, one.zip(other).and_then(|(a, b)| a.unify(&b)));
                Some(left.into_iter().zip(right).map(both).collect())
            }
            SetExpr::Values(values) => {
                let scope = Scope { relations: Vec::new(), outer };
                let first = values.rows.first()?;
                let column = |at: usize| {
                    let types = values.rows.iter().map(|row| self.expr(row.content.get(at)?, defined, &scope));
                    (Some(format!("column{}", at + 1)), unified(types))
                };
                Some((0..first.content.len()).map(column).collect())
            }
            _ => None,
        }
    }

    fn select(&self, select: &Select, defined: &Defined, outer: Option<&Scope>) -> Option<Vec<Column>> {
        let mut scope = Scope { relations: Vec::new(), outer };
        let mut certain = true;
        for TableWithJoins { relation, joins } in &select.from {
            for factor in std::iter::once(relation).chain(joins.iter().map(|join| &join.relation)) {
                match self.factor(factor, defined, outer) {
                    Some(found) => scope.relations.extend(found),
                    None => certain = false,
                }
            }
            // Columns that two tables share come once then.
            let shares = |text: String| text.contains(" USING") || text.contains("NATURAL ");
            certain &= !joins.iter().any(|join| shares(join.to_string().to_uppercase()));
        }
        let mut columns = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = match expr {
                        Expr::Identifier(name) => Some(name.value.clone()),
                        Expr::CompoundIdentifier(names) => names.last().map(|name| name.value.clone()),
                        _ => None,
                    };
                    columns.push((name, self.expr(expr, defined, &scope)));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    columns.push((Some(alias.value.clone()), self.expr(expr, defined, &scope)));
                }
                SelectItem::Wildcard(_) if certain => {
                    columns.extend(scope.relations.iter().flat_map(|relation| relation.columns.clone()));
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let (_, name) = parts(name)?;
                    let is = |relation: &&Relation| {
                        relation.name.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(&name.value))
                    };
                    columns.extend(scope.relations.iter().find(is)?.columns.clone());
                }
                _ => return None,
            }
        }
        Some(columns)
    }

    fn factor(&self, factor: &TableFactor, defined: &Defined, outer: Option<&Scope>) -> Option<Vec<Relation>> {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let (schema, table) = parts(name)?;
                let known =
                    defined.iter().rev().find(|(name, _)| schema.is_none() && name.eq_ignore_ascii_case(&table.value));
                let columns = match known {
                    Some((_, columns)) => columns.clone(),
                    None => {
                        let schema = (self.tables)(schema.map(|schema| schema.value.as_str()), &table.value)?;
                        schema.0.iter().map(|field| (Some(field.name.clone()), Some(field.ty.clone()))).collect()
                    }
                };
                let name = alias.as_ref().map_or(&table.value, |alias| &alias.name.value);
                Some(vec![Relation { name: Some(name.clone()), columns }])
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let name = alias.as_ref().map(|alias| alias.name.value.clone());
                Some(vec![Relation { name, columns: self.of_query(subquery, defined, outer)? }])
            }
            TableFactor::NestedJoin { table_with_joins: nested, alias: None } => {
                let factors = std::iter::once(&nested.relation).chain(nested.joins.iter().map(|join| &join.relation));
                let found = factors.map(|factor| self.factor(factor, defined, outer)).collect::<Option<Vec<_>>>()?;
                Some(found.concat())
            }
            _ => None,
        }
    }

    fn expr(&self, expr: &Expr, defined: &Defined, scope: &Scope) -> Option<Type> {
        let of = |expr: &Expr| self.expr(expr, defined, scope);
        match expr {
            Expr::Identifier(name) => scope.find(None, name).or_else(|| truth(name)),
            Expr::CompoundIdentifier(names) => match names.as_slice() {
                [.., table, column] => scope.find(Some(table), column),
                _ => None,
            },
            Expr::Nested(inner) => of(inner),
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => {
                    Some(if digits.contains(['.', 'e', 'E']) { Type::Float } else { Type::Int })
                }
                Value::Boolean(_) => Some(Type::Bool),
                Value::Null => Some(Type::Null),
                other => other.clone().into_string().map(|_| Type::String),
            },
            Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::InList { .. }
            | Expr::InSubquery { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::Exists { .. } => Some(Type::Bool),
            Expr::UnaryOp { op: UnaryOperator::Not, .. } => Some(Type::Bool),
            Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => number(of(expr)?),
            Expr::BinaryOp { left, op, right } => match op {
                BinaryOperator::Plus
                | BinaryOperator::Minus
                | BinaryOperator::Multiply
                | BinaryOperator::Divide
                | BinaryOperator::Modulo => number(of(left)?)?.unify(&number(of(right)?)?),
                BinaryOperator::StringConcat => Some(Type::String),
                BinaryOperator::BitwiseAnd | BinaryOperator::BitwiseOr => Some(Type::Int),
                BinaryOperator::Gt
                | BinaryOperator::Lt
                | BinaryOperator::GtEq
                | BinaryOperator::LtEq
                | BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::And
                | BinaryOperator::Or => Some(Type::Bool),
                _ => None,
            },
            Expr::Cast { data_type, .. } => cast(&data_type.to_string().to_lowercase()),
            Expr::Case { conditions, else_result, .. } => {
                let results = conditions.iter().map(|when| of(&when.result));
                unified(results.chain(else_result.iter().map(|result| of(result))))
            }
            Expr::Substring { .. } | Expr::Trim { .. } => Some(Type::String),
            Expr::Subquery(query) => self.of_query(query, defined, Some(scope))?.into_iter().next()?.1,
            Expr::Function(function) => self.function(function, defined, scope),
            _ => None,
        }
    }

    fn function(&self, function: &Function, defined: &Defined, scope: &Scope) -> Option<Type> {
        let args: Vec<&Expr> = match &function.args {
            FunctionArguments::List(list) => list.args.iter().filter_map(argument).collect(),
            _ => Vec::new(),
        };
        let of = |at: usize| self.expr(args.get(at)?, defined, scope);
        match function.name.to_string().to_lowercase().as_str() {
            "count" | "row_number" | "rank" | "dense_rank" | "ntile" | "length" | "instr" | "unicode" | "sign"
            | "json_array_length" | "octet_length" | "unixepoch" | "json_valid" => Some(Type::Int),
            "avg" | "total" | "round" | "percent_rank" | "cume_dist" | "julianday" | "sqrt" | "ln" | "log" | "exp" => {
                Some(Type::Float)
            }
            "lower" | "upper" | "trim" | "ltrim" | "rtrim" | "substr" | "substring" | "replace" | "printf"
            | "format" | "hex" | "quote" | "char" | "strftime" | "date" | "time" | "datetime" | "json"
            | "json_object" | "json_array" | "json_group_array" | "json_group_object" | "typeof" | "group_concat"
            | "string_agg" | "concat" | "concat_ws" => Some(Type::String),
            "sum" | "abs" => number(of(0)?),
            "min" | "max" | "coalesce" | "ifnull" => unified((0..args.len()).map(of)),
            "nullif" | "first_value" | "last_value" | "nth_value" => of(0),
            "lag" | "lead" => unified([of(0), if args.len() > 2 { of(2) } else { Some(Type::Null) }].into_iter()),
            "iif" | "if" => unified((1..args.len()).map(of)),
            _ => None,
        }
    }
}

/// Returns the expression of an argument.
fn argument(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

/// Returns the schema, if one is written, and the name of a table.
fn parts(name: &ObjectName) -> Option<(Option<&Ident>, &Ident)> {
    let parts: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
    match parts.as_slice() {
        [table] => Some((None, *table)),
        [schema, table] => Some((Some(*schema), *table)),
        _ => None,
    }
}

fn truth(name: &Ident) -> Option<Type> {
    ["true", "false"].contains(&name.value.to_lowercase().as_str()).then_some(Type::Bool)
}

/// Returns the type that is as wide as all, if all are known.
fn unified(mut types: impl Iterator<Item = Option<Type>>) -> Option<Type> {
    types.try_fold(Type::Null, |all, ty| all.unify(&ty?))
}

/// Returns the type of a number that is computed of a value: bools count as 0 and 1.
fn number(ty: Type) -> Option<Type> {
    match ty {
        Type::Bool | Type::Int => Some(Type::Int),
        Type::Float | Type::Null => Some(ty),
        _ => None,
    }
}

/// Returns the type that a cast gives, by the engine's own rules for the name of a type.
fn cast(name: &str) -> Option<Type> {
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    match () {
        () if has(&["int"]) => Some(Type::Int),
        () if has(&["char", "clob", "text"]) => Some(Type::String),
        () if has(&["real", "floa", "doub"]) => Some(Type::Float),
        () => None,
    }
}
