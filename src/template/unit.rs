//! Walks the statements and expressions of one file and those that it extends.

use super::walk::{Walk, span};
use crate::diag::{Diagnostic, Source, Span};
use minijinja::machinery::ast::{self, CallArg, CallType, Expr, Stmt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A file with what it extends, being walked.
pub(super) struct Unit<'w, 'l, 'a> {
    walk: &'w mut Walk<'l>,
    /// The file, what it extends, and so on, with their parsed texts.
    chain: &'a [Arc<Source>],
    parsed: &'a [Stmt<'a>],
    /// The file of the statement at hand.
    source: &'a Arc<Source>,
    /// Whether that file has said what it extends; then its blocks wait to be shown by that.
    extending: bool,
    /// The bodies of each block, the one that is shown first; the others are `super()`.
    blocks: BTreeMap<&'a str, Vec<(&'a ast::Block<'a>, &'a Arc<Source>)>>,
    /// The blocks being walked, by name and place in `blocks`.
    open: Vec<(&'a str, usize)>,
    /// Macros whose bodies wait for the end of their scope: they see what is set there after them.
    macros: Vec<(&'a ast::Macro<'a>, &'a Arc<Source>)>,
}

impl<'w, 'l, 'a> Unit<'w, 'l, 'a> {
    /// Prepares to walk `parsed`, the texts of `chain`, which is not empty.
    pub(super) fn new(walk: &'w mut Walk<'l>, chain: &'a [Arc<Source>], parsed: &'a [Stmt<'a>]) -> Unit<'w, 'l, 'a> {
        let mut blocks = BTreeMap::new();
        for (source, stmt) in chain.iter().zip(parsed) {
            collect(stmt, source, &mut blocks);
        }
        let source = &chain[0];
        Unit { walk, chain, parsed, source, extending: false, blocks, open: Vec::new(), macros: Vec::new() }
    }

    /// Walks all files of the chain.
    pub(super) fn walk(mut self) {
        for (source, stmt) in self.chain.iter().zip(self.parsed) {
            self.source = source;
            self.extending = false;
            let Stmt::Template(template) = stmt else { continue };
            for child in &template.children {
                match child {
                    Stmt::Extends(extends) if self.extending => self.misplaced(extends),
                    Stmt::Extends(_) => self.extending = true,
                    child => self.stmt(child),
                }
            }
        }
        self.finish_macros(0);
    }

    fn span(&self, at: minijinja::machinery::Span) -> Span {
        span(self.source, at)
    }

    /// The engine's span of a filter or test begins with its name and goes on to the end of its arguments.
    fn name_span(&self, at: minijinja::machinery::Span, name: &str) -> Span {
        self.span(at).inside(0..name.len())
    }

    fn misplaced(&mut self, extends: &ast::Spanned<ast::Extends>) {
        let problem = Diagnostic::error("misplaced-extends", "`extends` stands once, outside of all other tags");
        let at = self.span(extends.span());
        self.walk.problem(problem.at(&at, ""));
    }

    /// Walks something in a scope of its own.
    fn scope(&mut self, inside: impl FnOnce(&mut Self)) {
        self.walk.scopes.push(BTreeSet::new());
        let waiting = self.macros.len();
        inside(self);
        self.finish_macros(waiting);
        self.walk.scopes.pop();
    }

    /// Walks the bodies of the macros that wait, but for the first `keep`.
    fn finish_macros(&mut self, keep: usize) {
        while self.macros.len() > keep {
            let Some((body, source)) = self.macros.pop() else { break };
            let outer = std::mem::replace(&mut self.source, source);
            self.scope(|unit| unit.macro_body(body));
            self.source = outer;
        }
    }

    fn macro_body(&mut self, body: &'a ast::Macro<'a>) {
        self.walk.set("caller");
        body.args.iter().for_each(|arg| self.assign(arg));
        body.defaults.iter().for_each(|default| self.expr(default));
        self.stmts(&body.body);
    }

    fn stmts(&mut self, stmts: &'a [Stmt<'a>]) {
        stmts.iter().for_each(|stmt| self.stmt(stmt));
    }

    fn stmt(&mut self, stmt: &'a Stmt<'a>) {
        match stmt {
            Stmt::Template(template) => self.stmts(&template.children),
            Stmt::EmitRaw(_) => {}
            Stmt::EmitExpr(emit) => self.expr(&emit.expr),
            Stmt::Do(call) => self.call(&call.call),
            Stmt::ForLoop(each) => {
                self.expr(&each.iter);
                self.scope(|unit| {
                    unit.walk.set("loop");
                    unit.assign(&each.target);
                    each.filter_expr.iter().for_each(|filter| unit.expr(filter));
                    unit.stmts(&each.body);
                });
                // Like one branch of an `if`: it may not be taken.
                let before = self.walk.scopes.last().cloned();
                self.branch(&each.else_body);
                self.restore(before);
            }
            Stmt::IfCond(cond) => {
                self.expr(&cond.expr);
                let before = self.walk.scopes.last().cloned();
                self.branch(&cond.true_body);
                let then = self.restore(before);
                self.branch(&cond.false_body);
                if let (Some(scope), Some(then)) = (self.walk.scopes.last_mut(), then) {
                    scope.retain(|name| then.contains(name));
                }
            }
            Stmt::WithBlock(with) => self.scope(|unit| {
                for (target, value) in &with.assignments {
                    unit.expr(value);
                    unit.assign(target);
                }
                unit.stmts(&with.body);
            }),
            Stmt::Set(set) => {
                self.expr(&set.expr);
                self.assign(&set.target);
            }
            Stmt::SetBlock(set) => {
                self.stmts(&set.body);
                set.filter.iter().for_each(|filter| self.expr(filter));
                self.assign(&set.target);
            }
            Stmt::AutoEscape(escape) => {
                self.expr(&escape.enabled);
                self.stmts(&escape.body);
            }
            Stmt::FilterBlock(block) => {
                self.stmts(&block.body);
                self.expr(&block.filter);
            }
            Stmt::Block(block) if !self.extending => self.block(block.name, 0),
            Stmt::Block(_) => {}
            Stmt::Extends(extends) => self.misplaced(extends),
            Stmt::Include(include) => {
                let at = self.span(include.name.span());
                let names = self.walk.names(&include.name, self.source);
                self.include(&names, &at, include.ignore_missing);
            }
            Stmt::Import(import) => {
                let at = self.span(import.expr.span());
                let names = self.walk.names(&import.expr, self.source);
                self.scope(|unit| unit.include(&names, &at, false));
                self.assign(&import.name);
            }
            Stmt::FromImport(import) => {
                let at = self.span(import.expr.span());
                let names = self.walk.names(&import.expr, self.source);
                self.scope(|unit| {
                    unit.include(&names, &at, false);
                    import.names.iter().for_each(|(name, _)| unit.imported(name, &names));
                });
                import.names.iter().for_each(|(name, alias)| self.assign(alias.as_ref().unwrap_or(name)));
            }
            Stmt::Macro(declared) => {
                self.walk.set(declared.name);
                self.macros.push((declared, self.source));
            }
            Stmt::CallBlock(block) => {
                self.call(&block.call);
                self.scope(|unit| unit.macro_body(&block.macro_decl));
            }
        }
    }

    /// Walks a branch in the scope at hand; the macros that it declares see what it sets.
    fn branch(&mut self, body: &'a [Stmt<'a>]) {
        let waiting = self.macros.len();
        self.stmts(body);
        self.finish_macros(waiting);
    }

    /// Puts the innermost scope back to what it was; returns what it had become.
    fn restore(&mut self, before: Option<BTreeSet<String>>) -> Option<BTreeSet<String>> {
        self.walk.scopes.last_mut().zip(before).map(|(scope, before)| std::mem::replace(scope, before))
    }

    fn include(&mut self, names: &[String], at: &Span, may_be_missing: bool) {
        for name in names {
            match self.walk.source(name, at) {
                Ok(None) => continue,
                Ok(Some(_)) => return self.walk.file(name, Some(at)),
                Err(()) => return,
            }
        }
        if let Some(name) = names.first().filter(|_| !may_be_missing) {
            self.walk.absent(name, at);
        }
    }

    /// Checks that an imported name is one that the file sets; otherwise the engine would look for a column.
    fn imported(&mut self, name: &Expr, files: &[String]) {
        let Expr::Var(var) = name else { return };
        if !files.is_empty() && !self.walk.scopes.last().is_some_and(|scope| scope.contains(var.id)) {
            let title = format!("`{}` has no macro `{}`", files.join("`, `"), var.id);
            let at = self.span(var.span());
            let known: Vec<String> = self.walk.scopes.last().into_iter().flatten().cloned().collect();
            let problem = Diagnostic::error("unknown-macro", title).at(&at, "");
            self.walk.problem(problem.did_you_mean(var.id, known.iter().map(String::as_str)));
        }
    }

    fn block(&mut self, name: &str, level: usize) {
        let bodies = self.blocks.get_key_value(name).and_then(|(name, bodies)| Some((*name, *bodies.get(level)?)));
        let Some((name, (block, source))) = bodies.filter(|(name, _)| !self.open.contains(&(*name, level))) else {
            return;
        };
        let outer = (std::mem::replace(&mut self.source, source), std::mem::replace(&mut self.extending, false));
        self.open.push((name, level));
        self.scope(|unit| unit.stmts(&block.body));
        self.open.pop();
        (self.source, self.extending) = outer;
    }

    fn assign(&mut self, target: &'a Expr<'a>) {
        match target {
            Expr::Var(var) => self.walk.set(var.id),
            Expr::List(list) => list.items.iter().for_each(|item| self.assign(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.assign(item)),
            // `set space.name = …`
            other => self.expr(other),
        }
    }

    fn args(&mut self, args: &'a [CallArg<'a>]) {
        for arg in args {
            match arg {
                CallArg::Pos(expr) | CallArg::Kwarg(_, expr) | CallArg::PosSplat(expr) | CallArg::KwargSplat(expr) => {
                    self.expr(expr);
                }
            }
        }
    }

    fn expr(&mut self, expr: &'a Expr<'a>) {
        match expr {
            Expr::Const(_) => {}
            Expr::Var(var) => {
                let at = self.span(var.span());
                self.walk.read(var.id, at);
            }
            Expr::Slice(slice) => {
                self.expr(&slice.expr);
                [&slice.start, &slice.stop, &slice.step].into_iter().flatten().for_each(|bound| self.expr(bound));
            }
            Expr::UnaryOp(op) => self.expr(&op.expr),
            Expr::BinOp(op) => {
                if matches!(op.op, ast::BinOpKind::Pow) {
                    let problem = Diagnostic::error("inexact-power", "`**` is not the same on every machine");
                    let at = self.span(op.span());
                    self.walk.problem(problem.at(&at, "").help("write a product: `x * x`"));
                }
                self.expr(&op.left);
                self.expr(&op.right);
            }
            Expr::Compare(compare) => {
                self.expr(&compare.expr);
                compare.ops.iter().for_each(|op| self.expr(&op.expr));
            }
            Expr::IfExpr(cond) => {
                self.expr(&cond.test_expr);
                self.expr(&cond.true_expr);
                cond.false_expr.iter().for_each(|expr| self.expr(expr));
            }
            Expr::Filter(filter) => {
                filter.expr.iter().for_each(|expr| self.expr(expr));
                let at = self.name_span(filter.span(), filter.name);
                self.walk.check_filter(filter.name, &at);
                self.args(&filter.args);
            }
            Expr::Test(test) => {
                self.expr(&test.expr);
                let at = self.name_span(test.span(), test.name);
                self.walk.check_test(test.name, &at);
                self.args(&test.args);
            }
            Expr::GetAttr(attr) => self.expr(&attr.expr),
            Expr::GetItem(item) => {
                self.expr(&item.expr);
                self.expr(&item.subscript_expr);
            }
            Expr::Call(call) => self.call(call),
            Expr::List(list) => list.items.iter().for_each(|item| self.expr(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.expr(item)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(|expr| self.expr(expr)),
        }
    }

    fn call(&mut self, call: &'a ast::Spanned<ast::Call<'a>>) {
        let at = self.span(call.span());
        match call.identify_call() {
            CallType::Function("super") => {
                if let Some((name, level)) = self.open.last().copied() {
                    self.block(name, level + 1);
                }
            }
            CallType::Function(name) => self.walk.check_function(name, &at),
            CallType::Block(name) => self.block(name, 0),
            CallType::Method(of, name) => {
                if self.is_column(of) {
                    let problem =
                        Diagnostic::error("unknown-method", "the value of a column has no methods").at(&at, "");
                    self.walk.problem(problem.help(format!("write it as a filter, if there is one: `| {name}`")));
                }
                self.expr(of);
            }
            CallType::Object(of) => self.expr(of),
        }
        self.args(&call.args);
    }

    fn is_column(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Var(var) => !self.walk.is_set(var.id),
            Expr::GetAttr(attr) => self.is_column(&attr.expr),
            Expr::GetItem(item) => self.is_column(&item.expr),
            _ => false,
        }
    }
}

/// Collects the blocks of a file, at any depth.
fn collect<'a>(
    stmt: &'a Stmt<'a>,
    source: &'a Arc<Source>,
    blocks: &mut BTreeMap<&'a str, Vec<(&'a ast::Block<'a>, &'a Arc<Source>)>>,
) {
    let bodies: [&[Stmt]; 2] = match stmt {
        Stmt::Template(template) => [&template.children, &[]],
        Stmt::ForLoop(each) => [&each.body, &each.else_body],
        Stmt::IfCond(cond) => [&cond.true_body, &cond.false_body],
        Stmt::WithBlock(with) => [&with.body, &[]],
        Stmt::SetBlock(set) => [&set.body, &[]],
        Stmt::AutoEscape(escape) => [&escape.body, &[]],
        Stmt::FilterBlock(filter) => [&filter.body, &[]],
        Stmt::Macro(body) => [&body.body, &[]],
        Stmt::CallBlock(block) => [&block.macro_decl.body, &[]],
        Stmt::Block(block) => {
            blocks.entry(block.name).or_default().push((block, source));
            [&block.body, &[]]
        }
        _ => [&[], &[]],
    };
    bodies.into_iter().flatten().for_each(|stmt| collect(stmt, source, blocks));
}
