//! Binds the steps after which a row comes more or less often than before: `explode` and `join`.

use super::bind::{Binder, Fan, Join, Shape, Stage, Work, in_text, no_column};
use super::select;
use crate::diag::{Diagnostic, Span, list};
use crate::manifest::{self, Text};
use crate::op::{Explode, JoinKeys};
use crate::table::{Field, Type};
use std::sync::Arc;

impl Binder<'_> {
    /// Binds `explode`. Where the element takes the place of the list, that is a `select` after it.
    pub(super) fn explode(&mut self, step: &manifest::Explode) -> Option<Vec<Stage>> {
        let before = self.shape.schema.clone();
        let column = &step.column;
        let item = match &self.own_column(column)? {
            Type::List(item) => (**item).clone(),
            Type::Null => Type::Null,
            other => {
                let title = format!("the column `{}` holds no lists", column.value);
                let problem = Diagnostic::error("not-a-list", title).at(&column.span, format!("it is {other}"));
                return self.refuse(problem.help("only a list has elements to make rows of"));
            }
        };
        let hidden = super::asking::free(&column.value, &before);
        let into = step.into.as_ref().map_or(hidden.as_str(), |into| into.value.as_str());
        let index = step.index.as_ref().map(|index| index.value.as_str());
        let op = Explode::new(&column.value, item.clone(), into, index, step.keep_empty);
        let mut stages = vec![Stage::Fan { fan: Fan::Own(Arc::new(op)), span: step.span.clone() }];
        match &step.into {
            Some(into) => self.add(into, item),
            None => {
                let place = before.index(&column.value).expect("it was found above");
                self.shape.schema.0[place].ty = item;
                let names = before.names().enumerate();
                let own = names.map(|(at, name)| (if at == place { before.0.len() } else { at }, name.to_owned()));
                let index = index.map(|index| (before.0.len() + 1, index.to_owned()));
                stages.push(Stage::Select(own.chain(index).collect()));
            }
        }
        if let Some(index) = &step.index {
            self.add(index, Type::Int);
        }
        // The rows that one became are told apart by where, or else what, the element is.
        let told = step.index.as_ref().or(step.into.as_ref()).map_or(&column.value, |name| &name.value);
        self.tell_apart(told);
        Some(stages)
    }

    /// Binds `join`.
    pub(super) fn join(&mut self, at: usize, step: &manifest::Join) -> Option<Vec<Stage>> {
        let (input, other) = self.looked_into(at)?;
        let whose = step.with.value.as_str();
        for (mine, theirs) in &step.on {
            let own = self.own_column(mine);
            let Some(their) = other.schema.field(&theirs.value) else {
                let title = format!("`{whose}` has no column `{}` to join on", theirs.value);
                let place =
                    |d: Diagnostic| d.at(&theirs.span, "no such column").at(&step.with.span, "joined with this");
                let help = format!("where it is called differently: `on = {{ {} = \"…\" }}`", mine.value);
                self.problems.push(no_column(title, &theirs.value, &other.schema, place).help(help));
                continue;
            };
            if let Some(own) = own
                && own != their.ty
                && ![&own, &their.ty].contains(&&Type::Null)
            {
                self.problems.push(unlike(step, mine, &own, theirs, &their.ty));
            }
        }
        let columns = self.taken_of(step, &other);
        self.add_taken(step, &columns);
        // Where several rows of the other table may match, what tells those apart tells these apart.
        let on = |name: &String| step.on.iter().any(|(_, theirs)| theirs.value == *name);
        if !other.key.iter().all(on) {
            let own: Vec<&String> = columns.iter().map(|(_, (theirs, _))| theirs).collect();
            if other.key.iter().all(|name| on(name) || own.contains(&name)) {
                let told = columns.iter().filter(|(_, (theirs, _))| other.key.contains(theirs));
                told.for_each(|(_, (_, field))| self.tell_apart(&field.name));
            }
        }
        let names = |of: &dyn Fn(&(Text, Text)) -> String| step.on.iter().map(of).collect::<Vec<_>>();
        let own = Work::new("join", JoinKeys::new(names(&|(mine, _)| mine.value.clone())), &step.span);
        let their = Work::new("join", JoinKeys::new(names(&|(_, theirs)| theirs.value.clone())), &step.span);
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        let fan = Fan::Join(Join::new(step.kind, own, their, input, columns));
        Some(vec![Stage::Fan { fan, span: step.span.clone() }])
    }

    /// Adds the columns that a join takes; says how to write it where there are such columns already.
    fn add_taken(&mut self, step: &manifest::Join, columns: &[(Span, (String, Field))]) {
        let before = self.shape.schema.clone();
        let (mut twice, mut written): (Vec<&str>, Vec<String>) = Default::default();
        for (_, (theirs, field)) in columns {
            let free = super::asking::free(&format!("{}_{}", step.with.value, field.name).replace('.', "_"), &before);
            let name = if before.field(&field.name).is_some() { &free } else { &field.name };
            written.push(if name == theirs { format!("\"{theirs}\"") } else { format!("\"{theirs} as {name}\"") });
            match before.field(&field.name) {
                Some(known) => twice.push(&known.name),
                None => self.shape.schema.0.push(field.clone()),
            }
        }
        if twice.is_empty() {
            return;
        }
        let place = columns.iter().find(|(_, (_, field))| twice.contains(&field.name.as_str()));
        let place = place.map_or(&step.span, |(place, _)| place);
        let title = format!("both datasets of this join have {}", list(twice.iter().copied()));
        let problem = Diagnostic::error("duplicate-column", title).at(place, "columns are never overwritten");
        self.problems.push(problem.help(format!("rename what is taken: `columns = [{}]`", written.join(", "))));
    }

    /// Returns the columns that a join takes of the other table, each with the place that says so.
    fn taken_of(&mut self, step: &manifest::Join, other: &Shape) -> Vec<(Span, (String, Field))> {
        if !step.kind.takes() {
            if let Some(first) = step.columns.first() {
                let title = format!("a join of the kind `{}` takes no columns of the other dataset", step.kind.word());
                let problem = Diagnostic::error("stray-key", title).at(&first.span, "has no effect");
                self.problems.push(problem.help("leave `columns` out, or join with `kind = \"inner\"` or `\"left\"`"));
            }
            return Vec::new();
        }
        if step.columns.is_empty() {
            let is_key = |field: &&Field| step.on.iter().any(|(_, theirs)| theirs.value == field.name);
            let rest = other.schema.0.iter().filter(|field| !is_key(field));
            return rest.map(|field| (step.with.span.clone(), (field.name.clone(), field.clone()))).collect();
        }
        let mut columns: Vec<(Span, (String, Field))> = Vec::new();
        for entry in &step.columns {
            match select::entry(&entry.value, &other.schema) {
                Ok(found) => {
                    for (at, name) in found {
                        if columns.iter().any(|(_, (_, field))| field.name == name) {
                            let title = format!("the column `{name}` is taken twice");
                            let problem = Diagnostic::error("duplicate-column", title).at(&entry.span, "again here");
                            self.problems.push(problem);
                            continue;
                        }
                        let field = &other.schema.0[at];
                        columns.push((entry.span.clone(), (field.name.clone(), Field::new(name, field.ty.clone()))));
                    }
                }
                Err(error) => self.problems.push(in_text(entry, error, &self.node.full_name())),
            }
        }
        columns
    }

    /// Adds a column to those that identify a row.
    fn tell_apart(&mut self, column: &str) {
        if !self.shape.key.iter().any(|known| known == column) {
            self.shape.key.push(column.to_owned());
        }
    }
}

/// Says that the columns of a key are of unlike types.
fn unlike(step: &manifest::Join, mine: &Text, own: &Type, theirs: &Text, their: &Type) -> Diagnostic {
    let title = format!(
        "the keys of this join are of unlike types: `{}` is {own}, and `{}` of `{}` is {their}",
        mine.value, theirs.value, step.with.value
    );
    let problem = Diagnostic::error("type-conflict", title).at(&mine.span, format!("{own} here, {their} there"));
    let as_ = format!("{}_{}", mine.value, their.to_string().split('<').next().unwrap_or("key"));
    match their {
        Type::List(_) | Type::Struct(_) => problem.help("join on columns of one type"),
        _ => problem.help(format!(
            "convert it in a step before: `{{ columns = {{ {as_} = \"cast({} as {their})\" }} }}`, and join `on = {{ {as_} = \"{}\" }}`",
            mine.value, theirs.value
        )),
    }
}
