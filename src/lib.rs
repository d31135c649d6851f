//! datamake is a topological build over nodes, with constructive traces over column chunks.
//!
//! The modules are listed in layer order: **each uses only those before it**. `tests/layers.rs` checks it.

pub mod hash;
pub mod diag;
pub mod table;
pub mod text;
pub mod expr;
