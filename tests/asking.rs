//! Builds that ask models, over real HTTP: what is asked, how often, and what becomes of it.

mod common;
#[path = "common/server.rs"]
mod server;

use common::Sandbox;
use server::Server;

/// A project with seeds and two chained prompts, whose model is at `url`.
fn project(server: &Server, rows: usize) -> Sandbox {
    let sandbox = Sandbox::on_real_disk();
    sandbox.write("seeds.jsonl", seeds(0..rows));
    sandbox.write(
        "datamake.toml",
        format!(
            r#"
[dataset.seeds]
files = "seeds.jsonl"
key = "id"

[model.writer]
provider = "openai"
url = "{}"
name = "m"
max_tokens = 64

[prompt.question]
template = "Ask about {{{{ topic }}}}."

[prompt.answer]
template = "Answer: {{{{ question }}}}"

[dataset.questions]
from = "seeds"
generate = {{ prompt = "question", model = "writer", into = "question" }}

[dataset.answers]
from = "questions"
generate = {{ prompt = "answer", model = "writer", into = "answer" }}
"#,
            server.url()
        ),
    );
    sandbox
}

fn seeds(ids: std::ops::Range<usize>) -> String {
    ids.map(|id| format!("{{\"id\": {id}, \"topic\": \"topic {id}\"}}\n")).collect()
}

#[test]
fn each_row_is_asked_about_once_and_never_again() {
    let server = Server::start();
    let sandbox = project(&server, 10);
    sandbox.built();
    assert_eq!(server.requests(), 20);
    assert_eq!(sandbox.rows("answers").len(), 10);
    sandbox.built();
    assert_eq!(server.requests(), 20);
}
