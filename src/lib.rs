//! datamake is a topological build over nodes, with constructive traces over column chunks.
//!
//! The modules are listed in layer order: **each uses only those before it**. `tests/layers.rs` checks it.

pub mod hash;
pub mod time;
pub mod diag;
pub mod table;
pub mod store;
pub mod text;
pub mod expr;
pub mod template;
pub mod format;
pub mod ask;
pub mod op;
pub mod fetch;
pub mod query;
pub mod manifest;
pub mod graph;
pub mod exec;
pub mod plan;
pub mod history;
pub mod project;
pub mod cli;
