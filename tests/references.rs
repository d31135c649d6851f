//! References that are generated and kept in Git are those that the code would generate now.

use std::path::Path;

/// Compares a file with what it should say; with `UPDATE=1` in the environment, writes it.
fn check(path: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, expected).expect("the reference can be written");
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{} is out of date: UPDATE=1 cargo test --test references", path.display());
}

#[test]
fn the_schema_is_generated_from_the_table_of_keys() {
    let schema = serde_json::to_string_pretty(&datamake::manifest::schema()).expect("a schema is JSON");
    check("schemas/datamake.schema.json", &format!("{schema}\n"));
}

#[test]
fn the_reference_of_the_manifest_is_generated_from_the_table_of_keys() {
    check("docs/manifest.md", &datamake::manifest::reference());
}
