//! Tokens and vectors of texts, as whole builds: against what tiktoken, tokenizers and model2vec give, what is made anew, and what is
//! said of mistakes.

mod common;

use common::{Sandbox, texts};
use serde_json::{Value, json};
use std::fs;

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");

fn vectors() -> (Vec<Value>, Vec<Value>) {
    let text = fs::read_to_string(format!("{VECTORS}/tokens.jsonl")).expect("the vectors are there");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    lines.partition(|line| line.get("asked").is_none())
}

/// Copies a file or a folder of the vectors.
fn take(sandbox: &Sandbox, from: &str) {
    let path = format!("{VECTORS}/{from}");
    match fs::read_dir(&path) {
        Ok(entries) => entries.for_each(|entry| {
            let name = entry.expect("the folder is read").file_name();
            take(sandbox, &format!("{from}/{}", name.display()));
        }),
        Err(_) => sandbox.write(from, fs::read(&path).expect("the file is there")),
    }
}

const TEXTS: &str = "[dataset.texts]\nfiles = \"texts.jsonl\"\nkey = \"id\"\ntypes = { text = \"string\" }\n";

#[test]
fn tokens_are_those_of_tiktoken_and_of_tokenizers() {
    let (counted, _) = vectors();
    let sandbox = Sandbox::new();
    sandbox.write("texts.jsonl", texts(counted.iter().map(|vector| &vector["text"])));
    take(&sandbox, "tokenizers");
    let step = |name: &str| {
        format!("{{ tokens = {{ column = \"text\", tokenizer = \"tokenizers/{name}.json\", into = \"{name}\" }} }},\n")
    };
    let steps: String = ["bytes", "pieces", "unigram"].map(step).concat();
    let named = "{ columns = { o200k_base = \"token_count(text, 'o200k_base')\", cl100k_base = \"token_count(text, 'cl100k_base')\" } },\n";
    sandbox.write("datamake.toml", format!("{TEXTS}[dataset.counted]\nfrom = \"texts\"\nsteps = [\n{named}{steps}]\n"));
    sandbox.built();
    for (row, vector) in sandbox.rows("counted").iter().zip(&counted) {
        for name in ["o200k_base", "cl100k_base", "bytes", "pieces", "unigram"] {
            assert_eq!(row[name], vector[name], "{name} of {}", vector["text"]);
        }
    }
}

#[test]
fn vectors_are_those_of_model2vec_and_a_text_without_a_known_token_fails_with_the_reason() {
    let (_, asked) = vectors();
    for (name, within) in [("pieces", 1e-6), ("unigram", 1e-3)] {
        let sandbox = Sandbox::new();
        sandbox.write("texts.jsonl", texts(asked.iter().map(|vector| &vector["asked"])));
        take(&sandbox, "static");
        sandbox.write(
            "datamake.toml",
            format!(
                "{TEXTS}[dataset.embedded]\nfrom = \"texts\"\nmax_failed = 9\n\
                 embed = {{ text = \"text\", folder = \"static/{name}\", into = \"vector\" }}\n"
            ),
        );
        let built = sandbox.built();
        let expect: Vec<Vec<f64>> = asked
            .iter()
            .map(|vector| serde_json::from_value::<Vec<f64>>(vector[name].clone()).expect("numbers"))
            .filter(|vector| vector.iter().any(|number| *number != 0.0))
            .collect();
        let rows = sandbox.rows("embedded");
        assert_eq!(rows.len(), expect.len(), "{name}");
        for (row, expect) in rows.iter().zip(&expect) {
            let got: Vec<f64> = serde_json::from_value(row["vector"].clone()).expect("numbers");
            let near = got.iter().zip(expect).all(|(got, expect)| (got - expect).abs() <= within);
            assert!(got.len() == expect.len() && near, "{name} of {}: {got:?}, {expect:?}", row["text"]);
        }
        let project = sandbox.project().expect("it was built");
        let failures = common::failures(&project, &common::record(&project, &built, "embedded"));
        assert_eq!(failures.len(), asked.len() - expect.len());
        assert!(
            failures.iter().all(|row| row.to_string().contains("the model knows no token of the text")),
            "{failures:?}"
        );
    }
}

const STEPS: &str = "[dataset.made]\nfrom = \"texts\"\nsteps = [\n\
                     { tokens = { column = \"text\", tokenizer = \"tokenizers/bytes.json\", into = \"n\" } },\n\
                     { where = \"n < 100 and token_count(text, 'o200k_base') < 50\" },\n\
                     { embed = { text = \"lower(text)\", folder = \"static/pieces\", into = \"v\" } },\n\
                     { nearest = { to = \"texts\", by = \"v\", their = \"w\", columns = [\"id\"], into = \"near\" } },\n]\n";

fn made() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("texts.jsonl", texts(["The cat sat", "a dog and a cat", "birds sing", "trees"]));
    take(&sandbox, "static");
    take(&sandbox, "tokenizers");
    let texts = format!("{TEXTS}embed = {{ text = \"text\", folder = \"static/pieces/\", into = \"w\" }}\n");
    sandbox.write("datamake.toml", texts + STEPS);
    sandbox
}

#[test]
fn the_contents_of_files_are_in_the_key_and_their_places_are_not() {
    let sandbox = made();
    assert!(sandbox.actions()["dataset.made"] > 3);
    assert_eq!(sandbox.rows("made")[0]["near"][0]["id"], 0);
    assert!(sandbox.actions().is_empty());
    // Another place.
    for file in ["model.safetensors", "tokenizer.json", "config.json"] {
        let path = format!("static/pieces/{file}");
        sandbox.write(&format!("moved/{file}"), fs::read(sandbox.file(&path)).expect("it is there"));
    }
    sandbox.edit("datamake.toml", "folder = \"static/pieces\"", "folder = \"moved\"");
    assert!(sandbox.actions().is_empty());
    // A threshold measures nothing again.
    sandbox.edit("datamake.toml", "< 50", "< 40");
    let threshold = sandbox.actions()["dataset.made"];
    assert!(threshold < 4, "{threshold}");
    // Other contents.
    sandbox.edit("static/pieces/config.json", "true", "false");
    assert_eq!(sandbox.actions().keys().collect::<Vec<_>>(), ["dataset.made", "dataset.texts"]);
    sandbox.write("tokenizers/bytes.json", fs::read(sandbox.file("tokenizers/pieces.json")).expect("it is there"));
    assert_eq!(sandbox.actions().keys().collect::<Vec<_>>(), ["dataset.made"]);
    assert_eq!(sandbox.results(), sandbox.clean());
}

/// Writes a safetensors file.
fn tensors(header: &Value, data: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

#[test]
fn mistakes_in_files_are_said_before_anything_runs() {
    let model = "static/pieces/model.safetensors";
    let says = |path: &str, bytes: Option<Vec<u8>>, expect: &[&str]| {
        let sandbox = made();
        match bytes {
            Some(bytes) => sandbox.write(path, bytes),
            None => sandbox.remove(path),
        }
        sandbox.says(expect);
    };
    let tensor = |dtype: &str, shape: &[u64], data: &[u8]| {
        let whole = json!({ "embeddings": { "dtype": dtype, "shape": shape, "data_offsets": [0, data.len()] } });
        Some(tensors(&whole, data))
    };
    says(model, None, &["cannot read the file of a static model `static/pieces/model.safetensors`", "it is not there"]);
    says("static/pieces/config.json", None, &["`static/pieces/config.json`", "it is not there"]);
    says("static/pieces/config.json", Some(b"{\"normalize\": 3}".to_vec()), &["no static model", "config.json"]);
    says("static/pieces/tokenizer.json", Some(b"{}".to_vec()), &["no static model", "static/pieces/tokenizer.json"]);
    says(model, Some(b"nothing of the kind".to_vec()), &["it is no safetensors file"]);
    says(model, tensor("I32", &[2, 2], &[0; 16]), &["`embeddings` is of I32, and F32 and F16 are read"]);
    says(model, tensor("F32", &[4], &[0; 16]), &["has to have two dimensions"]);
    says(model, tensor("F32", &[0, 4], &[]), &["`embeddings` is empty"]);
    says(model, tensor("F32", &[2, 2], &[255; 16]), &["a number that is not finite"]);
    says(model, tensor("F32", &[2, 2], &[0; 16]), &["there are vectors for the first 2 only"]);
    let named = json!({ "other": { "dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4] } });
    says(model, Some(tensors(&named, &[0; 4])), &["it has no tensor `embeddings`, but `other`"]);
    says("tokenizers/bytes.json", None, &["cannot read the tokenizer `tokenizers/bytes.json`", "it is not there"]);
    says("tokenizers/bytes.json", Some(b"{\"model\": 1}".to_vec()), &["no tokenizer that can be read"]);
    let edited = |old: &str, new: &str, expect: &[&str]| {
        let sandbox = made();
        sandbox.edit("datamake.toml", old, new);
        sandbox.says(expect);
    };
    edited("column = \"text\"", "column = \"txt\"", &["has no column `txt`", "did you mean `text`?"]);
    edited("column = \"text\"", "column = \"id\"", &["holds no texts", "it is int"]);
    edited("'o200k_base'", "'o200k'", &["`token_count` does not know `o200k`", "`'o200k_base'`, `'cl100k_base'`"]);
    edited("folder = \"static/pieces\"", "folder = \"../static\"", &["from inside the project folder only"]);
    edited(
        "folder = \"static/pieces\",",
        "folder = \"static/pieces\", model = \"m\",",
        &["a vector comes from one model"],
    );
    edited("folder = \"static/pieces\",", "", &["`model`", "`folder`"]);
    edited("lower(text)", "id", &["only a text can be embedded"]);
}

#[test]
fn damaged_tokenizers_and_models_are_an_error_or_work_and_never_a_panic() {
    for name in [
        "tokenizers/bytes.json",
        "tokenizers/pieces.json",
        "tokenizers/unigram.json",
        "static/pieces/model.safetensors",
    ] {
        let bytes = fs::read(format!("{VECTORS}/{name}")).expect("it is there");
        let mut state = 7u64;
        for _ in 0..150 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (at, byte) = ((state >> 33) as usize % bytes.len(), (state >> 20) as u8);
            let mut damaged = bytes.clone();
            if state & 1 == 0 {
                damaged[at] = byte
            } else {
                damaged.truncate(at)
            }
            if name.ends_with("json") {
                if let Ok(tokenizer) = datamake::text::Tokenizer::parse(&damaged) {
                    let _ = tokenizer.tokens("The cat, \u{fffd}日本\u{0}  sat <|end|> [UNK]");
                }
            } else {
                let own = |file: &str| fs::read(format!("{VECTORS}/static/pieces/{file}")).expect("it is there");
                let files = [&damaged[..], &own("tokenizer.json"), &own("config.json")];
                if let Ok(model) = datamake::text::StaticModel::read(files) {
                    let _ = model.of("the cat");
                }
            }
        }
    }
}
