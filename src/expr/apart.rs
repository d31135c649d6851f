//! Conditions, taken apart from what is dear in them.

use super::Expr;
use super::functions::Work;
use super::tree::{Call, Kind, Node};
use crate::table::Type;
use std::collections::BTreeSet;

/// A condition as the dear calls that it makes of columns, and what it makes of them.
pub struct Apart {
    pub dear: Vec<Expr>,
    /// Reads them as columns of these names, beside others.
    pub names: Vec<String>,
    pub rest: Expr,
}

impl Expr {
    /// Takes a condition apart, if it makes dear calls and is more than one.
    pub fn apart(&self) -> Option<Apart> {
        if self.node.ty != Type::Bool || dear(&self.node).is_some() {
            return None;
        }
        let (mut node, mut apart) = (self.node.clone(), Vec::new());
        self.part(&mut node, &mut apart);
        if apart.is_empty() {
            return None;
        }
        let mut names: Vec<String> = Vec::with_capacity(apart.len());
        for (_, name) in &apart {
            let mut name = name.clone();
            while names.contains(&name) || self.reads.contains(&name) {
                name.push('\'');
            }
            names.push(name);
        }
        let dear: Vec<Expr> = apart.into_iter().map(|(expr, _)| expr).collect();
        let types = dear.iter().map(|dear| dear.node.ty.clone());
        let columns: Vec<(String, Type)> = self.columns().chain(names.iter().cloned().zip(types)).collect();
        Some(Apart { dear, names, rest: Expr::over(node, &columns) })
    }

    /// Puts a column in place of each dear call in a part of this expression; equal ones are one, behind the columns that are read.
    fn part(&self, node: &mut Node, apart: &mut Vec<(Expr, String)>) {
        let Some(call) = dear(node) else {
            // What `case` and `coalesce` ask for in some rows alone stays there: it may be kept from the others for its price.
            let asked = if matches!(node.kind, Kind::Case(..) | Kind::Coalesce(_)) { 1 } else { usize::MAX };
            return node.children_mut().into_iter().take(asked).for_each(|child| self.part(child, apart));
        };
        let name = self.written(call);
        let expr = Expr::over(node.clone(), &self.columns().collect::<Vec<_>>());
        let is_same = |(known, _): &(Expr, String)| (&known.canonical, &known.reads) == (&expr.canonical, &expr.reads);
        let at = apart.iter().position(is_same).unwrap_or(apart.len());
        if at == apart.len() {
            apart.push((expr, name));
        }
        node.kind = Kind::Column(self.reads.len() + at);
    }

    fn columns(&self) -> impl Iterator<Item = (String, Type)> {
        self.reads.iter().cloned().zip(self.types.iter().cloned())
    }

    /// Returns a call about as one would write it.
    fn written(&self, call: &Call) -> String {
        let arg = |arg: &Node| match (&arg.kind, arg.literal()) {
            (Kind::Column(at), _) => self.reads[*at].clone(),
            (Kind::Call(call), _) => self.written(call),
            (_, Some(value)) => value.to_string(),
            _ => "…".to_owned(),
        };
        let args = call.args[..call.told].iter();
        format!("{}({})", call.name, args.map(arg).collect::<Vec<_>>().join(", "))
    }
}

/// Returns the call, if a part is a dear one of columns.
fn dear(node: &Node) -> Option<&Call> {
    let Kind::Call(call) = &node.kind else { return None };
    let mut columns = BTreeSet::new();
    node.columns(&mut columns);
    (call.work == Work::Dear && !columns.is_empty()).then_some(call)
}
