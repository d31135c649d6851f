//! `docs/commands.md` is what the program says of itself. `UPDATE=1` writes it anew.

#[test]
fn the_reference_of_the_commands_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md");
    let text = datamake::cli::reference();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &text).expect("the reference can be written");
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(there == text, "docs/commands.md is not up to date: UPDATE=1 cargo test --test reference_commands");
}
