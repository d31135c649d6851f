//! The manifest: TOML → declarations with spans, and every mistake at once.
//!
//! Names are not resolved and expressions not parsed here; `graph` does both, and points its errors into these spans.

mod alarm;
mod alike;
mod asking;
mod augment;
mod broken;
mod build;
mod check;
mod choosing;
mod contract;
mod decl;
mod declare;
mod joining;
mod json;
mod keys;
mod lm;
mod load;
mod map;
mod models;
mod nodes;
mod overlay;
mod params;
mod part;
mod ready;
mod recipe;
mod reference;
mod rounds;
mod running;
mod schema;
mod secret;
mod shape;
mod spans;
mod syntax;
mod tokens;
mod unused;
mod value;
mod words;

#[cfg(test)]
mod tests;

pub use alarm::LAST;
pub use broken::Broken;
pub use check::components;
pub use contract::{Bounds, Test};
pub use decl::*;
pub use load::MAIN;
pub use ready::NAMES as READY_FILTERS;
pub use reference::reference;
pub use schema::schema;

use crate::diag::{Diagnostic, Diagnostics, Source};
use crate::fetch::Workspace;
use declare::Declarer;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use value::Table;

/// What a project declares, after profiles, `--set` and params. Nodes are sorted by name.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The project's folder.
    pub root: PathBuf,
    /// The main file first, then what it includes, then the values of `--set` if there are any.
    pub sources: Vec<Arc<Source>>,
    pub project: Project,
    pub budget: Budget,
    pub params: BTreeMap<String, Param>,
    pub datasets: Vec<Dataset>,
    pub prompts: Vec<Prompt>,
    pub models: Vec<Model>,
    pub lms: Vec<Lm>,
    pub filters: Vec<Filter>,
    pub metrics: Vec<Metric>,
    pub tests: Vec<Test>,
    pub exports: Vec<Export>,
    /// What is written beside these, and wrong.
    pub broken: Broken,
}

/// What the command line changes about a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Options {
    /// Names of profiles, in the order in which they are laid onto the file.
    pub profiles: Vec<String>,
    /// `path.to.key=value`, laid on last.
    pub set: Vec<String>,
    /// Datasets that ask models ask about so many of their rows only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

impl Manifest {
    /// Reads the manifest of a project, and returns it with warnings.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(workspace: &Workspace, options: &Options) -> Result<(Manifest, Diagnostics), Diagnostics> {
        sound(Manifest::load_sound_parts(workspace, options)?)
    }

    /// Reads the manifest of a project, and returns what is sound of it, with all that is wrong.
    ///
    /// # Errors
    /// What leaves nothing to say of the rest: files that cannot be read, text that is no TOML, overlays that do not fit.
    pub fn load_sound_parts(workspace: &Workspace, options: &Options) -> Result<(Manifest, Diagnostics), Diagnostics> {
        let main = [load::main(workspace)?];
        let (table, mut problems) = syntax::parse(&main, 0);
        let include = table.get("project").and_then(|project| project.value.table());
        let patterns = include.map(|table| Declarer { sources: &main, problems: Vec::new() }.project(table).include);
        let (included, unread) = load::included(workspace, &patterns.unwrap_or_default());
        problems.extend(unread);
        Manifest::assemble(workspace.root(), &main, table, problems, included, options)
    }

    /// Reads a manifest from texts; `include` is taken to have matched `included`.
    pub fn parse(
        root: &Path,
        main: Arc<Source>,
        included: Vec<Arc<Source>>,
        options: &Options,
    ) -> Result<(Manifest, Diagnostics), Diagnostics> {
        let main = [main];
        let (table, problems) = syntax::parse(&main, 0);
        sound(Manifest::assemble(root, &main, table, problems, included, options)?)
    }

    /// Goes on from the main file's table and what was wrong so far.
    fn assemble(
        root: &Path,
        main: &[Arc<Source>],
        table: Table<'_>,
        problems: Vec<Diagnostic>,
        included: Vec<Arc<Source>>,
        options: &Options,
    ) -> Result<(Manifest, Diagnostics), Diagnostics> {
        let mut sources = main.to_vec();
        sources.extend(included);
        let files = sources.len();
        if !options.set.is_empty() {
            sources.push(overlay::source(&options.set));
        }
        build::Build::new(&sources, problems).finish(root, table, files, options)
    }
}

/// Returns a manifest that nothing is wrong with.
fn sound((manifest, problems): (Manifest, Diagnostics)) -> Result<(Manifest, Diagnostics), Diagnostics> {
    if problems.has_errors() { Err(problems) } else { Ok((manifest, problems)) }
}
