//! `datamake init`: a small project that works, to begin from.

use super::session::{Ending, Exit, Fail, Session};
use crate::diag::{Diagnostic, list};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Makes a small project that works, to begin from
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake init            in this folder
  datamake init tutor      in a new one

No file that is there already is changed.")]
pub struct Init {
    /// The folder; without one, this folder
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// The form of the JSON.
pub const FORM: &str = "{ \"folder\": \"/home/me/tutor\", \"files\": [\"datamake.toml\", \"…\"] }";

/// The files of the project.
const FILES: &[(&str, &str)] = &[
    ("datamake.toml", include_str!("init/datamake.toml")),
    ("data/written.jsonl", include_str!("init/written.jsonl")),
    ("prompts/question.md", include_str!("init/question.md")),
];

impl Init {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        let here = session.directory()?;
        let folder = self.folder.as_ref().map_or(here.clone(), |folder| here.join(folder));
        let there: Vec<&str> = FILES.iter().map(|(path, _)| *path).filter(|path| folder.join(path).exists()).collect();
        if !there.is_empty() {
            let title = format!("{} has {} already", folder.display(), list(there));
            return Err(Diagnostic::error("exists", title).help("choose a new folder: datamake init DIR").into());
        }
        for (path, text) in FILES {
            write(&folder.join(path), text)?;
        }
        let names: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        if session.json() {
            session.out.json(&json!({ "folder": folder, "files": names }))?;
            return Ok(Exit::Fine);
        }
        let out = &mut session.out;
        let (place, go) = match &self.folder {
            Some(folder) => (folder.display().to_string(), format!("  cd {}\n", folder.display())),
            None => ("this folder".to_owned(), String::new()),
        };
        writeln!(out, "made a project in {place}: {}\n", names.join(", "))?;
        writeln!(out, "next:\n{go}  datamake build                 builds it")?;
        writeln!(out, "  datamake show problems         shows rows of a dataset")?;
        writeln!(out, "then edit prompts/question.md, and:")?;
        writeln!(out, "  datamake plan                  tells what is stale, and why")?;
        writeln!(out, "  datamake build                 redoes only that")?;
        writeln!(out, "  datamake diff                  tells what became of it")?;
        Ok(Exit::Fine)
    }
}

fn write(path: &Path, text: &str) -> Result<(), Fail> {
    let folder = path.parent().expect("the files of a project are in a folder");
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::File::create_new(path))
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Diagnostic::error("unwritable", format!("cannot write {}: {error}", path.display())).into())
}
