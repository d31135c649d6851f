//! What is said of types that do not fit.

use super::ExprError;
use super::bind::Binder;
use super::cast::{castable, common};
use super::functions;
use super::literals::cast_to;
use super::signature::{Form, Mismatch, Param};
use super::tree::Node;
use crate::table::Type;
use sqlparser::ast::{Expr as Ast, Spanned};
use std::ops::Range;

impl Binder<'_> {
    /// Checks that a value is of one type.
    pub fn wanted(&mut self, node: Node, ty: &Type, ast: &Ast, what: &str) -> Option<Node> {
        if !self.checks() || common(&node.ty, ty).as_ref() == Some(ty) {
            return Some(cast_to(node, ty));
        }
        let title = format!("{what} is {ty}, not {}", node.ty);
        let mut error = ExprError::new("wrong-type", title, self.text.of(ast), format!("this is {}", node.ty));
        if *ty == Type::Bool {
            error = error.help("compare it with something: `… > 0`, `… <> ''`, `… is not null`");
        }
        self.fail(error)
    }

    /// Says that two values have no common type, and how to give them one.
    pub fn unlike<T>(&mut self, name: &str, a: &Ast, a_ty: &Type, b: &Ast, b_ty: &Type) -> Option<T> {
        let (a_range, b_range) = (self.text.of(a), self.text.of(b));
        let title = match name {
            "case" => format!("the results of `case` are {a_ty} and {b_ty}"),
            _ => format!("`{name}` cannot take {a_ty} and {b_ty}"),
        };
        let mut error = ExprError::new("unlike-types", title, b_range.clone(), format!("this is {b_ty}"));
        let text = |range: &Range<usize>, ast: &Ast| match ast {
            Ast::Identifier(_) | Ast::CompoundIdentifier(_) | Ast::Value(_) | Ast::Function(_) => {
                self.text.text[range.clone()].to_owned()
            }
            _ => "…".to_owned(),
        };
        let (a_text, b_text) = (text(&a_range, a), text(&b_range, b));
        error = error.note(format!("`{a_text}` is {a_ty}, `{b_text}` is {b_ty}"));
        match (a_ty, b_ty, b) {
            _ if name == "||" => {
                let (other, ty) = if *a_ty == Type::String { (&b_text, b_ty) } else { (&a_text, a_ty) };
                error = error
                    .help(format!("cast the {ty}: `cast({other} as string)`; or write `concat({a_text}, {b_text})`"));
            }
            (Type::Date | Type::Timestamp, Type::String, Ast::Value(_)) => {
                error = error.help(format!("write `{a_ty} {b_text}`"))
            }
            _ if castable(a_ty, b_ty) && *b_ty != Type::String => {
                error = error.help(format!("cast one side: `cast({a_text} as {b_ty})`"))
            }
            _ if castable(b_ty, a_ty) => error = error.help(format!("cast one side: `cast({b_text} as {a_ty})`")),
            _ => {}
        }
        self.fail(error)
    }

    /// Says why no signature takes the arguments.
    pub fn mismatch<T>(
        &mut self,
        name: &str,
        ast: &Ast,
        types: &[Type],
        asts: &[&Ast],
        forms: &[(&Form, &str)],
        wrong: &[Mismatch],
    ) -> Option<T> {
        let word = functions::is_word(name);
        let near = forms.iter().zip(wrong).find(|(_, wrong)| **wrong != Mismatch::Count);
        if !word
            && let ([a, b], [a_ty, b_ty]) = (asts, types)
            && near.is_none_or(|((form, _), _)| form.params.len() == 2)
            && !matches!(
                (name, wrong.first()),
                ("and" | "or", _) | ("<" | "<=" | ">" | ">=", Some(Mismatch::Argument(_)))
            )
        {
            return self.unlike(name, a, a_ty, b, b_ty);
        }
        let signatures = |error: ExprError| {
            forms.iter().fold(error, |error, (_, form)| {
                let (params, result) = form.split_once(" -> ").unwrap_or((form, ""));
                let params = params.replace("shown", "any").replace("regex", "string").replace("like", "string");
                error.note(if word {
                    format!("it is `{name}({params})`, {result}")
                } else {
                    format!("it takes {params}")
                })
            })
        };
        let given: Vec<String> = types.iter().map(Type::to_string).collect();
        let shown = given.join(", ");
        let error = match near {
            Some(((form, _), Mismatch::Argument(i))) => {
                let param = &form.params[(*i).min(form.params.len() - 1)];
                let range = asts.get(*i).map_or_else(|| self.text.of(ast), |ast| self.text.of(ast));
                // What other forms take in this place.
                let mut exact: Vec<&Type> = Vec::new();
                for ((form, _), wrong) in forms.iter().zip(wrong) {
                    if let (Mismatch::Argument(at), Some(Param::Exact(ty))) = (wrong, form.params.get(*i))
                        && at == i
                        && !exact.contains(&ty)
                    {
                        exact.push(ty);
                    }
                }
                let label = match param {
                    Param::Exact(_) if exact.len() > 1 => {
                        let names: Vec<String> = exact.iter().map(|ty| ty.to_string()).collect();
                        format!("this is {}, {} is wanted", types[*i], names.join(" or "))
                    }
                    Param::Exact(ty) => format!("this is {}, {ty} is wanted", types[*i]),
                    Param::Within(..) => format!("this is {}, int is wanted", types[*i]),
                    Param::Regex | Param::Like => format!("this is {}, string is wanted", types[*i]),
                    Param::ListOfT => format!("this is {}, a list is wanted", types[*i]),
                    Param::Ordered => format!("{} has no order", types[*i]),
                    _ => format!("this is {}", types[*i]),
                };
                let error =
                    ExprError::new("wrong-arguments", format!("`{name}` cannot take ({shown})"), range.clone(), label);
                match param {
                    Param::Exact(_) if exact.len() > 1 => error.help(match types[*i] {
                        Type::String => "take a number of it, such as `word_count(…)`, or compare it with something",
                        _ => "take a number of it, or compare it with something",
                    }),
                    Param::Exact(Type::Bool) => {
                        error.help("compare it with something: `… > 0`, `… <> ''`, `… is not null`")
                    }
                    Param::Exact(ty) if castable(&types[*i], ty) => {
                        error.help(format!("cast it: `cast({} as {ty})`", &self.text.text[range]))
                    }
                    _ => error,
                }
            }
            Some(_) => {
                let range = asts.last().map_or_else(|| self.text.of(ast), |ast| self.text.of(ast));
                ExprError::new("unlike-types", format!("`{name}` cannot take ({shown})"), range, "no common type")
                    .help("cast some of them to one type")
            }
            None => {
                let range = self.name_range(ast);
                let count = match types.len() {
                    1 => "1 argument".to_owned(),
                    n => format!("{n} arguments"),
                };
                ExprError::new(
                    "wrong-arguments",
                    format!("`{name}` does not take {count}"),
                    range,
                    "wrong number of arguments",
                )
            }
        };
        self.fail(signatures(error))
    }

    fn name_range(&self, ast: &Ast) -> Range<usize> {
        match ast {
            Ast::Function(function) => self.text.range(function.name.span()),
            _ => self.text.of(ast),
        }
    }
}
