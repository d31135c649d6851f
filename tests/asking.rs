//! What is asked: every request once, and exactly those that a plan counts. Over real HTTP, against the scripted server.

mod common;
#[path = "common/server.rs"]
mod server;

use common::{Sandbox, build};
use server::{Act, Asked, Play, Server, hash};
use std::collections::HashSet;

/// Ten seeds, and two chained prompts.
const CHAIN: &str = r#"
[prompt.question]
template = "Ask about {{ topic }}."

[prompt.answer]
template = "Answer: {{ question }}"

[dataset.questions]
from = "seeds"
generate = { prompt = "question", model = "writer", into = "question" }

[dataset.answers]
from = "questions"
generate = { prompt = "answer", model = "writer", into = "answer" }
"#;

/// What every project here begins with; `URL` is where the models are.
const HEAD: &str = r#"
[dataset.seeds]
files = "seeds.jsonl"
key = "id"

[model.writer]
provider = "openai"
url = "URL"
name = "m"
max_tokens = 64

[model.other]
provider = "openai"
url = "URL"
name = "o"
temperature = 0

[model.vectors]
provider = "openai"
url = "URL"
name = "v"
"#;

/// A project, and the endpoint that it asks.
struct World {
    sandbox: Sandbox,
    server: Server,
}

impl World {
    fn new(rows: usize, rest: &str) -> World {
        World::with(rows, rest, answer)
    }

    fn with(rows: usize, rest: &str, script: impl Fn(&Asked) -> Play + Send + Sync + 'static) -> World {
        let server = Server::with(script);
        let sandbox = Sandbox::on_real_disk();
        sandbox.write("seeds.jsonl", seeds(0..rows));
        sandbox.write("datamake.toml", HEAD.replace("URL", &server.url()) + rest);
        World { sandbox, server }
    }

    fn edit(&self, old: &str, new: &str) {
        self.sandbox.edit("datamake.toml", old, new);
    }

    /// Returns what was asked so far; each text to embed counts, however many go out together.
    fn asked(&self) -> u64 {
        let texts = |body: &str| {
            let body: serde_json::Value = serde_json::from_str(body).expect("requests are JSON");
            body["input"].as_array().map_or(1, Vec::len) as u64
        };
        self.server.log().iter().map(|served| texts(&served.body)).sum()
    }

    /// Returns how many responses the store has.
    fn recorded(&self) -> u64 {
        let project = self.sandbox.project().expect("the manifest is right");
        project.store().responses().stats().expect("the store can be read").responses
    }

    /// Builds, and checks that so much was asked, each for a response that was not there; and nothing after that.
    fn asks(&self, expect: u64) {
        let (asked, recorded) = (self.asked(), self.recorded());
        self.sandbox.built();
        assert_eq!(self.asked() - asked, expect, "requests made");
        assert_eq!(self.recorded() - recorded, expect, "new responses");
        self.sandbox.built();
        assert_eq!(self.asked() - asked, expect, "the same build again asks for nothing");
    }

    /// Plans and builds; the plan has to know exactly what is asked.
    fn plans_and_asks(&self, expect: u64) {
        assert_eq!(self.planned(), (expect, Known::Exactly));
        self.asks(expect);
        assert_eq!(self.planned(), (0, Known::Exactly));
    }

    /// Returns how many requests a plan counts.
    fn planned(&self) -> (u64, Known) {
        let before = self.asked();
        let cost = self.sandbox.plan().cost;
        assert_eq!(self.asked(), before, "a plan asks for nothing");
        let known = match () {
            () if cost.iter().any(|one| one.step.is_none()) => Known::InPart,
            () if cost.iter().any(|one| one.count.at_most) => Known::AtMost,
            () => Known::Exactly,
        };
        (cost.iter().map(|one| one.count.requests).sum(), known)
    }
}

/// How well a plan knows what is asked.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    Exactly,
    /// A filter stands between.
    AtMost,
    /// Some nodes ask about rows that are not known yet.
    InPart,
}

fn seeds(ids: std::ops::Range<usize>) -> String {
    ids.map(|id| format!("{{\"id\": {id}, \"topic\": \"topic {id}\"}}\n")).collect()
}

/// Answers texts with texts, and judges with verdicts; it depends on the text and the model alone.
fn answer(asked: &Asked) -> Play {
    let chance = hash(&format!("{}{}", asked.text, asked.body.contains("\"o\"")));
    if asked.body.contains("\"better\"") {
        let better = ["first", "second", "same"][(chance % 3) as usize];
        return Act::say(format!(r#"{{"reason": "so", "better": "{better}"}}"#)).into();
    }
    if asked.body.contains("\"level\"") {
        let level = ["poor", "good"][(chance % 2) as usize];
        return Act::say(format!(r#"{{"reason": "so", "level": "{level}"}}"#)).into();
    }
    Act::Answer.into()
}

// --- Each request once -----------------------------------------------------------------------------------------------

#[test]
fn each_row_is_asked_about_once_and_never_again() {
    let world = World::new(10, CHAIN);
    world.plans_and_asks(20);
    assert_eq!(world.sandbox.rows("answers").len(), 10);
    world.plans_and_asks(0);
}

#[test]
fn ten_more_rows_cost_ten_requests_for_each_prompt() {
    let world = World::new(20, CHAIN);
    world.plans_and_asks(40);
    world.sandbox.write("seeds.jsonl", seeds(0..30));
    world.plans_and_asks(20);
    world.sandbox.write("seeds.jsonl", seeds(5..30));
    world.plans_and_asks(0);
    world.sandbox.write("seeds.jsonl", seeds(28..31) + &seeds(0..10));
    world.plans_and_asks(2);
}

#[test]
fn one_changed_seed_costs_its_own_requests() {
    let world = World::new(20, CHAIN);
    world.asks(40);
    world.sandbox.edit("seeds.jsonl", "\"topic 7\"", "\"sheep\"");
    world.plans_and_asks(2);
}

#[test]
fn a_second_prompt_that_changed_leaves_the_answers_to_the_first() {
    let world = World::new(20, CHAIN);
    world.asks(40);
    world.edit("Answer: ", "Answer in brief: ");
    world.plans_and_asks(20);
}

#[test]
fn a_changed_threshold_asks_about_the_rows_that_came_in_and_no_others() {
    let whole = "generate = { prompt = \"answer\", model = \"writer\", into = \"answer\" }\n";
    let filtered = CHAIN.replace(whole, &format!("steps = [{{ where = \"id < 8\" }}, {{ {} }}]\n", whole.trim_end()));
    let world = World::new(20, &filtered);
    world.plans_and_asks(28);
    world.edit("id < 8", "id < 11");
    world.plans_and_asks(3);
    world.edit("id < 11", "id < 5");
    world.plans_and_asks(0);
}

#[test]
fn a_threshold_behind_all_prompts_asks_for_nothing() {
    let world = World::new(20, &format!("{CHAIN}\n[dataset.kept]\nfrom = \"answers\"\nwhere = \"id > 3\"\n"));
    world.plans_and_asks(40);
    world.edit("id > 3", "id > 8");
    world.plans_and_asks(0);
    assert_eq!(world.sandbox.rows("kept").len(), 11);
}

#[test]
fn six_samples_instead_of_four_cost_two_requests_a_row() {
    let rest = CHAIN.replace("into = \"question\"", "into = \"question\", n = 4");
    // Samples differ in what the model says, so that each has an answer of its own.
    let world = World::with(5, &rest, |asked| match asked.text.starts_with("Ask") {
        true => Act::say(format!("question {} {}", asked.text, asked.before)).into(),
        false => Act::Answer.into(),
    });
    world.plans_and_asks(40);
    world.edit("n = 4", "n = 6");
    world.plans_and_asks(20);
    world.edit("n = 6", "n = 3");
    world.plans_and_asks(0);
    assert_eq!(world.sandbox.rows("answers").len(), 15);
}

#[test]
fn a_branch_and_back_asks_for_what_is_new_on_the_branch() {
    let world = World::new(20, CHAIN);
    world.asks(40);
    world.edit("Ask about", "Ask a hard question about");
    world.plans_and_asks(40);
    world.edit("Ask a hard question about", "Ask about");
    world.plans_and_asks(0);
    world.edit("Ask about", "Ask a hard question about");
    world.plans_and_asks(0);
}

#[test]
fn what_changes_no_request_asks_for_nothing() {
    let edits = [
        ("dataset.questions", "dataset.tasks"),
        ("from = \"questions\"", "from = \"tasks\""),
        ("[prompt.answer]", "# A comment.\n[prompt.answer]\ndoc = \"Answers.\""),
        ("prompt = \"answer\"", "prompt = \"reply\""),
        ("prompt.answer", "prompt.reply"),
        ("model.writer", "model.author"),
        ("model = \"writer\"", "model = \"author\""),
        ("into = \"question\"", "into = \"query\""),
        ("{{ question }}", "{{ query }}"),
        ("name = \"m\"", "name = \"m\"\nprice = { input = 1, output = 2 }\nlimits = { concurrency = 2, rpm = 10 }"),
        ("max_tokens = 64", "max_tokens = 64\nattempts = 2\ntimeout = 3"),
    ];
    let world = World::new(10, CHAIN);
    world.asks(20);
    // One by one where the manifest is right after one; else with the next.
    for (old, new) in edits {
        world.edit(old, new);
        if world.sandbox.project().is_ok_and(|project| project.check().is_ok()) {
            world.plans_and_asks(0);
        }
    }
    let url = world.server.url();
    world.edit(&url, "http://127.0.0.1:1/v1");
    world.plans_and_asks(0);
    world.edit("name = \"m\"", "name = \"m-at-this-endpoint\"\nidentity = \"m\"");
    world.plans_and_asks(0);
    world.sandbox.edit("seeds.jsonl", "\"topic\"", "\"subject\"");
    world.edit("{{ topic }}", "{{ subject }}");
    world.plans_and_asks(0);
}

#[test]
fn another_order_of_the_rows_asks_for_nothing() {
    let world = World::new(30, CHAIN);
    world.asks(60);
    let lines = seeds(0..30);
    let reversed: Vec<&str> = lines.lines().rev().collect();
    world.sandbox.write("seeds.jsonl", reversed.join("\n"));
    world.plans_and_asks(0);
}

#[test]
fn a_larger_limit_asks_again_for_what_was_cut_off_and_for_nothing_else() {
    let rest = CHAIN.replace("from = \"seeds\"", "from = \"seeds\"\nmax_failed = 100");
    let cut = |asked: &Asked| asked.text.starts_with("Ask") && asked.hash().is_multiple_of(3);
    let world = World::with(30, &rest, move |asked| match cut(asked) && asked.max_tokens < Some(100) {
        true => Play { usage: Some((9, 64)), ..Act::Say("half of a".to_owned(), "length").into() },
        false => Act::Answer.into(),
    });
    let cut = (0..30).filter(|id| hash(&format!("Ask about topic {id}.")).is_multiple_of(3)).count() as u64;
    assert!(cut > 3, "{cut} of 30 are cut off");
    assert_eq!(world.planned(), (60, Known::Exactly));
    world.asks(60 - cut);
    assert_eq!(world.sandbox.rows("answers").len() as u64, 30 - cut);
    world.edit("max_tokens = 64", "max_tokens = 100");
    world.plans_and_asks(2 * cut);
    assert_eq!(world.sandbox.rows("answers").len(), 30);
    world.edit("max_tokens = 100", "max_tokens = 64");
    world.plans_and_asks(0);
}

#[test]
fn another_temperature_asks_for_everything() {
    let world = World::new(10, CHAIN);
    world.asks(20);
    // The server says the same again, so the second prompt's messages are as before; but they are asked of another sampling.
    world.edit("max_tokens = 64", "max_tokens = 64\ntemperature = 0.5");
    world.plans_and_asks(20);
}

#[test]
fn another_clone_with_the_same_store_asks_for_nothing() {
    let world = World::new(10, CHAIN);
    world.asks(20);
    let clone = Sandbox::on_real_disk();
    common::copy(world.sandbox.path(), clone.path());
    std::fs::remove_dir_all(clone.file("store")).unwrap();
    let store = world.sandbox.file("store");
    let project = clone.project_at(std::sync::Arc::new(datamake::store::RealDisk), &store).unwrap();
    common::fine(&build(&project, &[], None).unwrap());
    assert_eq!(world.asked(), 20);
    assert_eq!(common::results(&project), world.sandbox.results());
}

#[test]
fn two_datasets_with_one_prompt_ask_once() {
    let rest = CHAIN.replace("[dataset.answers]", "[dataset.again]\nfrom = \"seeds\"\ngenerate = { prompt = \"question\", model = \"writer\", into = \"asked\" }\n\n[dataset.answers]");
    let world = World::new(10, &rest);
    world.plans_and_asks(20);
    let equal = CHAIN.replace("Ask about {{ topic }}.", "Ask about anything.");
    World::new(10, &equal).plans_and_asks(2);
}

// --- Plans ---------------------------------------------------------------------------------------------------------

#[test]
fn a_plan_counts_what_several_datasets_ask_of_the_same_rows() {
    let rest = format!(
        "{CHAIN}\n[dataset.more]\nfrom = \"questions\"\ngenerate = {{ prompt = \"answer\", model = \"other\", into = \"answer\" }}\n\
         \n[dataset.last]\nfrom = \"more\"\nsteps = [\n  {{ generate = {{ prompt = \"question\", model = \"other\", into = \"question_2\", n = 3 }} }},\n  \
         {{ columns = {{ shown = \"question || question_2 || cast(sample as string)\" }} }},\n  {{ embed = {{ text = \"shown\", model = \"vectors\", into = \"vector\" }} }},\n]\n"
    );
    // Questions, answers, more; then three samples a row of the first prompt, and a vector of each.
    World::new(10, &rest).plans_and_asks(10 + 10 + 10 + 30 + 30);
}

#[test]
fn a_plan_counts_every_judge_in_both_orders() {
    let rest = format!(
        "{CHAIN}\n[prompt.compare]\ntemplate = \"{{{{ topic }}}}: {{{{ first }}}} or {{{{ second }}}}?\"\n\
         \n[prompt.grade]\ntemplate = \"How good is {{{{ answer }}}}?\"\n\
         \n[dataset.judged]\nfrom = \"answers\"\nsteps = [\n  {{ judge = {{ prompt = \"compare\", model = [\"writer\", \"other\"], between = [\"question\", \"answer\"], into = \"better\" }} }},\n  \
         {{ judge = {{ prompt = \"grade\", model = [\"other\", \"writer\"], scale = {{ poor = 1, good = 3 }}, into = \"score\", votes = \"votes\" }} }},\n]\n"
    );
    let world = World::new(10, &rest);
    world.plans_and_asks(20 + 40 + 20);
    world.edit("poor = 1", "poor = 0");
    world.plans_and_asks(0);
}

#[test]
fn a_plan_counts_vectors_neighbours_and_similar_examples() {
    let rest = r#"
[prompt.similar]
template = "{% for e in examples %}{{ e.topic }} {% endfor %}{{ topic }}?"
examples = { from = "gold", k = 2, pick = "similar", by = "vector" }

[dataset.gold]
files = "gold.jsonl"
key = "id"
embed = { text = "topic", model = "vectors", into = "vector" }

[dataset.close]
from = "seeds"
steps = [
  { embed = { text = "topic", model = "vectors", into = "vector" } },
  { nearest = { to = "gold", by = "vector", k = 2, columns = ["topic"], into = "near" } },
  { generate = { prompt = "similar", model = "writer", into = "text" } },
]
"#;
    let world = World::new(10, rest);
    let gold = |ids: std::ops::Range<usize>| seeds(ids).replace("topic ", "gold ");
    world.sandbox.write("gold.jsonl", gold(0..6));
    // What the others are asked depends on vectors that are not made yet.
    assert_eq!(world.planned(), (6, Known::InPart));
    world.asks(6 + 10 + 10);
    world.sandbox.write("seeds.jsonl", seeds(0..14));
    world.plans_and_asks(8);
    world.sandbox.edit("seeds.jsonl", "\"topic 3\"", "\"gold 3\"");
    // Its vector is known from the other dataset.
    world.plans_and_asks(1);
}

#[test]
fn a_plan_counts_dialogues_turn_by_turn() {
    let rest = r#"
[prompt.hello]
system = "You are brief."
template = "Tell me of {{ topic }}."

[prompt.more]
template = "And more?"

[dataset.talk]
from = "seeds"
steps = [
  { generate = { prompt = "hello", model = "writer", into = "a", dialogue = "d1" } },
  { generate = { prompt = "more", model = "writer", into = "b", history = "d1", dialogue = "d2" } },
  { generate = { prompt = "more", model = "other", into = "c", history = "d2" } },
]
"#;
    let world = World::new(10, rest);
    world.plans_and_asks(30);
    world.sandbox.write("seeds.jsonl", seeds(0..12));
    world.plans_and_asks(6);
}

#[test]
fn a_plan_counts_rounds() {
    let rest = r#"
[prompt.better]
template = "Make it harder: {{ topic }}"

[dataset.hard]
from = "seeds"
rounds = 3
steps = [
  { generate = { prompt = "better", model = "writer", into = "harder" } },
  { select = ["id", "harder as topic"] },
]
"#;
    let world = World::new(10, rest);
    world.plans_and_asks(30);
    world.edit("rounds = 3", "rounds = 5");
    world.plans_and_asks(20);
    world.edit("rounds = 5", "rounds = 2");
    world.plans_and_asks(0);
}

#[test]
fn a_plan_counts_once_what_several_steps_ask_about_answers_that_are_missing() {
    // One judge more, a dialogue that is kept, other scores: none of it is in a request.
    let rest = format!(
        "{CHAIN}\n[prompt.compare]\ntemplate = \"{{{{ first }}}} or {{{{ second }}}}?\"\n\
         \n[prompt.grade]\ntemplate = \"How good is {{{{ answer }}}}?\"\n\
         \n[dataset.one]\nfrom = \"answers\"\nsteps = [\n  {{ judge = {{ prompt = \"compare\", model = [\"writer\", \"other\"], between = [\"question\", \"answer\"], into = \"better\" }} }},\n  \
         {{ judge = {{ prompt = \"grade\", model = \"other\", scale = {{ poor = 1, good = 3 }}, into = \"score\" }} }},\n  \
         {{ generate = {{ prompt = \"answer\", model = \"other\", into = \"more\" }} }},\n]\n\
         \n[dataset.two]\nfrom = \"answers\"\nsteps = [\n  {{ judge = {{ prompt = \"compare\", model = \"other\", between = [\"question\", \"answer\"], into = \"better\" }} }},\n  \
         {{ judge = {{ prompt = \"grade\", model = [\"writer\", \"other\"], scale = {{ poor = 0, good = 1 }}, into = \"score\" }} }},\n  \
         {{ generate = {{ prompt = \"answer\", model = \"other\", into = \"more\", dialogue = \"kept\" }} }},\n]\n"
    );
    World::new(10, &rest).plans_and_asks(20 + 40 + 20 + 10);
}

#[test]
fn a_plan_counts_only_the_steps_whose_answers_are_missing() {
    // Two prompts that know nothing of each other, one after the other; and two that say the same of one question.
    let rest = r#"
[prompt.one]
template = "One of {{ topic }}."

[prompt.two]
template = "Two of {{ topic }}."

[prompt.last]
template = "Last of {{ a }}."

[dataset.both]
from = "seeds"
steps = [
  { generate = { prompt = "one", model = "writer", into = "a" } },
  { generate = { prompt = "two", model = "writer", into = "b" } },
]

[dataset.left]
from = "both"
steps = [{ columns = { x = "upper(a)" } }, { generate = { prompt = "last", model = "writer", into = "c" } }]

[dataset.right]
from = "both"
steps = [
  { select = ["id", "a as question"] },
  { select = ["id", "question as a"] },
  { generate = { prompt = "last", model = "writer", into = "d" } },
]
"#;
    let world = World::new(10, rest);
    world.plans_and_asks(30);
    world.edit("One of", "Just one of");
    world.plans_and_asks(20);
    world.edit("Two of", "Just two of");
    world.plans_and_asks(10);
}

#[test]
fn a_plan_says_at_most_where_a_filter_reads_what_is_not_answered() {
    let rest = CHAIN
        .replace(
            "into = \"question\" }",
            "into = \"question\" }\n\n[dataset.even]\nfrom = \"questions\"\nwhere = \"question like '%0' and id > 1\"",
        )
        .replace("[dataset.answers]\nfrom = \"questions\"", "[dataset.answers]\nfrom = \"even\"");
    let world = World::new(40, &rest);
    assert_eq!(world.planned(), (80, Known::AtMost));
    world.sandbox.built();
    assert!(world.asked() < 80);
    world.edit("'%0'", "'%1'");
    let (planned, known) = world.planned();
    assert_eq!(known, Known::Exactly);
    world.asks(planned);
}

#[test]
fn a_plan_says_where_it_cannot_know_the_rows() {
    let rest = format!(
        "{CHAIN}\n[dataset.last]\nfrom = \"answers\"\nsteps = [\n  {{ dedup = {{ by = \"answer\" }} }},\n  {{ generate = {{ prompt = \"answer\", model = \"other\", into = \"answer_2\" }} }},\n]\n"
    );
    let world = World::new(10, &rest);
    assert_eq!(world.planned(), (20, Known::InPart));
    world.asks(30);
    world.edit("Answer: ", "Answer again: ");
    assert_eq!(world.planned(), (10, Known::InPart));
    world.asks(20);
}

#[test]
fn no_request_is_asked_twice_in_whatever_way_it_is_wanted() {
    let world = World::new(30, CHAIN);
    world.sandbox.built();
    let bodies: Vec<String> = world.server.log().into_iter().map(|served| served.body).collect();
    assert_eq!(bodies.iter().collect::<HashSet<_>>().len(), bodies.len());
}

#[test]
fn a_plan_tells_how_many_requests_more_there_are_if_replies_are_sent_back() {
    let rest = r#"
[prompt.strict]
template = "Tell of {{ topic }}."
reply = { fields = { said = "string" } }

[prompt.patient]
template = "Tell of {{ topic }}."
reply = { fields = { said = "string" }, retries = 2 }

[prompt.grade]
template = "How good is {{ topic }}?"

[dataset.strict]
from = "seeds"
max_failed = 100
generate = { prompt = "strict", model = "writer" }

[dataset.patient]
from = "seeds"
max_failed = 100
generate = { prompt = "patient", model = "writer" }

[dataset.judged]
from = "seeds"
max_failed = 100
judge = { prompt = "grade", model = "other", scale = { poor = 1, good = 3 }, into = "score" }
"#;
    // No reply ever has the form that is wanted, so there is the most to ask.
    let world = World::with(10, rest, |_| Act::say("so").into());
    let more = || world.sandbox.plan().cost.iter().map(|one| one.count.sent_back).sum::<u64>();
    // The same is asked by both prompts; judges send back twice.
    assert_eq!((world.planned(), more()), ((20, Known::Exactly), 20 + 20));
    world.asks(20 + 20 + 20);
    // What is recorded of a dialogue is not asked again.
    world.edit("retries = 2", "retries = 4");
    assert_eq!((world.planned(), more()), ((10, Known::Exactly), 10));
    world.asks(10 + 10);
    assert_eq!((world.planned(), more()), ((0, Known::Exactly), 0));
}

#[test]
fn a_plan_counts_replies_that_are_sent_back_where_it_does_not_know_what_is_asked() {
    let rest = format!(
        "{CHAIN}\n[prompt.grade]\ntemplate = \"How good is {{{{ answer }}}}?\"\n\n[dataset.judged]\nfrom = \"answers\"\nmax_failed = 100\n\
         judge = {{ prompt = \"grade\", model = [\"other\", \"writer\"], scale = {{ poor = 1, good = 3 }}, into = \"score\" }}\n"
    );
    let world = World::with(10, &rest, |_| Act::Answer.into());
    let more: u64 = world.sandbox.plan().cost.iter().map(|one| one.count.sent_back).sum();
    assert_eq!((world.planned(), more), ((20 + 20, Known::Exactly), 40));
    world.asks(20 + 20 + 40);
}

#[test]
fn a_plan_does_not_count_too_few_requests_where_two_limits_are_set_for_one_model() {
    let rest = r#"
[model.brief]
provider = "openai"
url = "URL"
name = "m"
max_tokens = 8

[prompt.tell]
template = "Tell of {{ topic }}."

[dataset.short]
from = "seeds"
max_failed = 100
generate = { prompt = "tell", model = "brief", into = "said" }

[dataset.long]
from = "seeds"
generate = { prompt = "tell", model = "writer", into = "said" }
"#;
    let cut = |asked: &Asked| asked.max_tokens < Some(64);
    let world = World::with(10, rest, move |asked| match cut(asked) {
        true => Play { usage: Some((9, 8)), ..Act::Say("half of a".to_owned(), "length").into() },
        false => Play { usage: Some((9, 20)), ..Act::say("all of it").into() },
    });
    world.edit("URL", &world.server.url());
    // Had the short replies been whole, they would do for both.
    assert_eq!(world.planned(), (20, Known::AtMost));
    world.asks(20);
    assert_eq!(world.planned(), (0, Known::Exactly));
}
