//! What answers cost, as it is told afterwards: each answer once, at the price of the model that the step names.

mod common;
#[path = "common/server.rs"]
mod server;

use common::{Sandbox, build, fine, record};
use datamake::table::Limits;
use server::{Act, Server};

const PROJECT: &str = r#"
[dataset.seeds]
files = "seeds.jsonl"
key = "id"

[model.writer]
provider = "openai"
url = "URL"
name = "m"
max_tokens = 64
price = { input = 1.0, output = 2.0 }

[model.writer-half]
provider = "openai"
url = "URL"
name = "m-half"
identity = "m"
max_tokens = 64
price = { input = 0.5, output = 1.0 }

[prompt.question]
template = "Ask about {{ topic }}."

[dataset.whole]
from = "seeds"
generate = { prompt = "question", model = "writer", into = "question" }

[dataset.half]
from = "seeds"
generate = { prompt = "question", model = "writer-half", into = "question" }
"#;

fn world(topics: &[&str]) -> (Sandbox, Server) {
    let server = Server::with(|_| Act::Answer.into());
    let mut sandbox = Sandbox::on_real_disk();
    sandbox.limits = Limits { min: 64, target: 64, max: 128 };
    let line = |(id, topic): (usize, &&str)| format!("{{\"id\": {id}, \"topic\": \"{topic}\"}}\n");
    sandbox.write("seeds.jsonl", topics.iter().enumerate().map(line).collect::<String>());
    sandbox.write("datamake.toml", PROJECT.replace("URL", &server.url()));
    (sandbox, server)
}

#[test]
fn an_answer_behind_several_rows_of_a_group_is_paid_once() {
    let (sandbox, server) = world(&["rain", "snow", "rain", "rain", "snow"]);
    let project = sandbox.project().unwrap();
    let built = build(&project, &[], None).unwrap();
    fine(&built);
    let whole = record(&project, &built, "whole");
    assert_eq!(server.requests(), 2);
    assert_eq!(whole.paid[&0].0["m"].answers, 2);
    let spent: f64 = built.run.traffic.values().map(|traffic| traffic.money).sum();
    let told = ["whole", "half"].map(|name| {
        let (id, _) = project.one(name).unwrap();
        project.money(id, &record(&project, &built, name)).unwrap()
    });
    assert!(told.iter().any(|told| (told - spent).abs() < 1e-12), "{told:?} {spent}");
}

#[test]
fn two_models_of_one_identity_have_each_its_own_price() {
    let (sandbox, _server) = world(&["rain", "snow"]);
    let project = sandbox.project().unwrap();
    let built = build(&project, &[], None).unwrap();
    let told = ["whole", "half"].map(|name| {
        let (id, _) = project.one(name).unwrap();
        project.money(id, &record(&project, &built, name)).unwrap()
    });
    assert!(told[0] > 0.0 && (told[0] - 2.0 * told[1]).abs() < 1e-12, "{told:?}");
    // Who asked is not recorded with an answer: what all of them cost together has no one price.
    assert!(project.price("m").is_none());
}

#[test]
fn a_plan_of_a_repeat_build_tells_its_money_within_a_tenth_although_some_replies_are_sent_back() {
    // Every fifth reply is of the wrong form the first time.
    let server = Server::with(|asked| {
        let wrong = asked.hash() % 5 == 0 && !asked.body.contains("\"assistant\"");
        Act::say(if wrong { "no" } else { "{\"answer\": \"yes, as it seems\"}" }).into()
    });
    let sandbox = Sandbox::on_real_disk();
    sandbox.write("seeds.jsonl", (0..200).map(|id| format!("{{\"id\": {id}}}\n")).collect::<String>());
    sandbox.write(
        "datamake.toml",
        format!(
            "[model.m]\nprovider = \"openai\"\nurl = \"{}\"\nname = \"m\"\nmax_tokens = 64\nprice = {{ input = 1, output = 2 }}\n\
             [prompt.ask]\ntemplate = \"Is {{{{ id }}}} a number?\"\nreply = {{ fields = {{ answer = \"string\" }}, retries = 2 }}\n\
             [dataset.answers]\nfiles = \"seeds.jsonl\"\nkey = \"id\"\ngenerate = {{ prompt = \"ask\", model = \"m\" }}\n",
            server.url()
        ),
    );
    sandbox.built();
    sandbox.edit("datamake.toml", "a number?", "a count?");
    let told: f64 = sandbox.plan().cost.iter().filter_map(|cost| cost.outlay.money).sum();
    let built = sandbox.built();
    let spent: f64 = built.run.traffic.values().map(|traffic| traffic.money).sum();
    assert!((told / spent - 1.0).abs() < 0.1, "told {told}, spent {spent}");
}
