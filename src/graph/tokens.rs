//! Tokenizers and static models, read from their files; and the binding of `tokens`.

use super::bind::{Binder, Stage, Work};
use super::texts::TextReader;
use crate::diag::{Diagnostic, Diagnostics};
use crate::manifest::{Text, TokenCount};
use crate::op;
use crate::table::Type;
use crate::text::{StaticModel, Tokenizer};
use std::sync::Arc;

impl TextReader<'_> {
    /// Reads a `tokenizer.json`.
    pub(super) fn tokenizer(&mut self, path: &Text, problems: &mut Diagnostics) -> Option<Arc<Tokenizer>> {
        if let Some(known) = self.tokenizers.get(&path.value) {
            return known.clone();
        }
        let found = self.bytes("tokenizer", &path.value, path, problems).and_then(|bytes| {
            let wrong = |why: String| {
                Diagnostic::error("bad-tokenizer", format!("`{}` is no tokenizer that can be read", path.value))
                    .at(&path.span, why)
                    .help("it has to be a file `tokenizer.json` of Hugging Face's tokenizers")
            };
            Tokenizer::parse(&bytes).map(Arc::new).map_err(|why| problems.push(wrong(why))).ok()
        });
        self.tokenizers.insert(path.value.clone(), found.clone());
        found
    }

    /// Reads the folder of a static model.
    pub(super) fn vectors(&mut self, folder: &Text, problems: &mut Diagnostics) -> Option<Arc<StaticModel>> {
        if let Some(known) = self.vectors.get(&folder.value) {
            return known.clone();
        }
        let path = |file: &str| format!("{}/{file}", folder.value.trim_end_matches('/'));
        let files: Vec<Option<Vec<u8>>> = StaticModel::FILES
            .iter()
            .map(|file| self.bytes("file of a static model", &path(file), folder, problems))
            .collect();
        let files: Option<Vec<Vec<u8>>> = files.into_iter().collect();
        let found = files.and_then(|files| {
            let wrong = |(file, why): (&str, String)| {
                Diagnostic::error("bad-vectors", format!("`{}` is no static model that can be read", folder.value))
                    .at(&folder.span, format!("in `{}`", path(file)))
                    .note(why)
                    .help("it has to be a folder as model2vec saves it, `StaticModel.save_pretrained`")
            };
            let read = StaticModel::read([&files[0], &files[1], &files[2]]);
            read.map(Arc::new).map_err(|problem| problems.push(wrong(problem))).ok()
        });
        self.vectors.insert(folder.value.clone(), found.clone());
        found
    }
}

impl Binder<'_> {
    /// Binds `tokens`.
    pub(super) fn tokens(&mut self, at: usize, step: &TokenCount) -> Option<Vec<Stage>> {
        self.text_column(&step.column, None);
        self.add(&step.into, Type::Int);
        let tokenizer = self.node.tokenizers.get(&at)?.clone();
        let op = op::TokenCount::new(tokenizer, &step.column.value);
        Some(vec![Stage::Compute(vec![Work::new(&step.into.value, op, &step.span)])])
    }
}
