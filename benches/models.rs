//! Models.
fn main() {}
