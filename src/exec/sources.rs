//! The data files of a graph, found and hashed before anything is built.

use super::context::Context;
use super::files::{DataFile, Reading};
use crate::diag::{Diagnostic, Diagnostics};
use crate::fetch::Workspace;
use crate::fetch::files::FoundFile;
use crate::format::{Compression, Format};
use crate::graph::{Graph, Kind, NodeId};
use crate::hash::Hash;
use crate::manifest::{Files, Maker, components};
use crate::table::Table;
use std::collections::{BTreeMap, HashMap};

/// The data files of each `files` dataset.
#[derive(Debug, Default)]
pub struct Sources(HashMap<NodeId, Vec<DataFile>>);

impl Sources {
    /// Finds and hashes the files of the given nodes, and says what is wrong: every pattern that matches nothing, every file that
    /// cannot be read or told the format of. Nodes of which something is wrong have no files.
    pub fn find(graph: &Graph, nodes: &[NodeId], workspace: &Workspace, problems: &mut Diagnostics) -> Sources {
        let mut sources = Sources::default();
        for id in nodes {
            let Some(files) = files_maker(graph, *id) else { continue };
            let before = problems.0.len();
            let mut found: BTreeMap<String, DataFile> = BTreeMap::new();
            for pattern in &files.patterns {
                match workspace.find(&pattern.value) {
                    Err(error) => problems
                        .push(Diagnostic::error("no-files", error.to_string()).at(&pattern.span, "no data from here")),
                    Ok(matches) => {
                        let hashes = workspace.hash_all(&matches);
                        for (file, hash) in matches.into_iter().zip(hashes) {
                            if found.contains_key(&file.path) {
                                continue;
                            }
                            let told = match &files.format {
                                Some(format) => Some((format.value, compression(&file.path))),
                                None => Format::by_extension(&file.path),
                            };
                            let Some((format, compression)) = told else {
                                problems.push(
                                    Diagnostic::error(
                                        "unknown-format",
                                        format!("the name of {} does not tell its format", file.path),
                                    )
                                    .at(&pattern.span, "found by this")
                                    .help("declare it: `format = \"jsonl\"`"),
                                );
                                continue;
                            };
                            match hash {
                                Ok(hash) => {
                                    let stat = workspace.settled(&file);
                                    let bytes = file.absolute.metadata().map_or(0, |data| data.len());
                                    let blocks = workspace.blocks(hash);
                                    let read = DataFile { file, format, compression, hash, bytes, stat, blocks };
                                    found.insert(read.file.path.clone(), read);
                                }
                                Err(error) => problems.push(
                                    Diagnostic::error("unreadable-file", format!("cannot read {}: {error}", file.path))
                                        .at(&pattern.span, "found by this"),
                                ),
                            }
                        }
                    }
                }
            }
            if problems.0.len() == before {
                sources.0.insert(*id, found.into_values().collect());
            }
        }
        sources.overwritten(graph, problems);
        sources
    }

    /// Returns whether a node has files of which something is wrong.
    pub(super) fn are_wrong(&self, graph: &Graph, id: NodeId) -> bool {
        files_maker(graph, id).is_some() && !self.0.contains_key(&id)
    }

    /// Reports exports that would write a file that the project is made of.
    fn overwritten(&self, graph: &Graph, problems: &mut Diagnostics) {
        let mut read: HashMap<&str, String> = HashMap::new();
        for (id, files) in &self.0 {
            let by = format!("`{}` reads", graph.node(*id).name);
            read.extend(files.iter().map(|file| (file.file.path.as_str(), by.clone())));
        }
        let texts = graph.nodes.iter().flat_map(|node| node.texts());
        for source in texts.chain(&graph.manifest.sources) {
            read.extend(source.path.to_str().map(|path| (path, "the project is made of".to_owned())));
        }
        for export in &graph.manifest.exports {
            let to = components(&export.to.value).collect::<Vec<_>>().join("/");
            if let Some(by) = read.get(to.as_str()) {
                let title = format!("`export.{}` would overwrite {to}, which {by}", export.name.value);
                problems.push(
                    Diagnostic::error("overwritten-input", title)
                        .at(&export.to.span, "written here")
                        .help("export to a file that nothing reads, for example in a folder `out`"),
                );
            }
        }
    }

    /// Returns the files of a node; none if it is not a `files` dataset.
    pub fn of(&self, id: NodeId) -> &[DataFile] {
        self.0.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Returns the path and the hash of each file of a node.
    pub fn contents_of(&self, id: NodeId) -> Vec<(String, Hash)> {
        self.of(id).iter().map(|file| (file.file.path.clone(), file.hash)).collect()
    }

    /// Returns how a `files` dataset is read.
    pub(super) fn reading<'a>(&'a self, graph: &Graph, id: NodeId) -> Option<Reading<'a>> {
        let files = files_maker(graph, id)?;
        let dataset = &graph.manifest.datasets[graph.node(id).declaration];
        let found = self.of(id);
        let mut key: Vec<String> = dataset.key.iter().map(|column| column.value.clone()).collect();
        if let Some(first) = found.first()
            && key.is_empty()
            && found.iter().all(|file| file.format == first.format)
        {
            key.extend(first.format.natural_key().iter().map(|name| (*name).to_owned()));
        }
        Some(Reading {
            types: files.types.iter().map(|(name, ty)| (name.value.clone(), ty.value.clone())).collect(),
            key,
            files: found,
            span: files.patterns[0].span.clone(),
            told: &|_| (),
            eager: None,
        })
    }
}

/// Returns the rows that a file had or has with contents of this hash, if they were read before with the node as it is.
pub fn rows_of_file(context: &Context, graph: &Graph, id: NodeId, path: &str, hash: Hash) -> Option<Table> {
    let format = files_maker(graph, id)?.format.as_ref().map(|format| (format.value, compression(path)));
    let (format, compression) = format.or_else(|| Format::by_extension(path))?;
    let file = FoundFile { path: path.to_owned(), absolute: path.into() };
    let file = DataFile { file, format, compression, hash, bytes: 0, stat: None, blocks: None };
    let sources = Sources(HashMap::from([(id, vec![file])]));
    context.known_files(&sources.reading(graph, id)?).ok()?
}

impl DataFile {
    /// Returns the format and compression as a word of the node key.
    pub fn format_name(&self) -> String {
        format!("{} {:?}", self.format, self.compression)
    }
}

fn files_maker(graph: &Graph, id: NodeId) -> Option<&Files> {
    let node = graph.node(id);
    match (node.kind, graph.manifest.datasets.get(node.declaration)) {
        (Kind::Dataset, Some(dataset)) => match &dataset.maker {
            Maker::Files(files) => Some(files),
            _ => None,
        },
        _ => None,
    }
}

fn compression(path: &str) -> Compression {
    match path.rsplit('.').next() {
        Some("gz" | "gzip") => Compression::Gzip,
        Some("zst" | "zstd") => Compression::Zstd,
        _ => Compression::None,
    }
}
