//! Alarms of metrics, as whole builds: when they are told, which slice and which change they name, and that they make nothing stale.

mod common;

use common::Sandbox;
use datamake::manifest::Allowed;
use datamake::plan::Reason;
use datamake::project::{Built, Compared, Moved};
use std::fmt::Write;
use std::process::Command;

const MANIFEST: &str = "[dataset.rows]\nfiles = \"rows.jsonl\"\nkey = \"id\"\n\
                        [dataset.graded]\nfrom = \"rows\"\nsteps = [\n\
                        { render = { prompt = \"answer\", into = \"reply\" } },\n{ where = \"id < 1000\" },\n\
                        { columns = { ok = \"reply = 'yes'\" } },\n]\n\
                        [prompt.answer]\ntemplate = \"{{ reply_to }}\"\n\
                        [metric.accuracy]\non = \"graded\"\nvalue = \"avg(ok)\"\nby = \"topic\"\nalarm = { fall = \"5%\" }\n\
                        [metric.rows]\non = \"graded\"\nvalue = \"count(*)\"\nalarm = { fall = 10, rise = 10 }\n";

/// Rows of two topics, of which so many are right.
fn rows(right: [usize; 2]) -> String {
    let mut text = String::new();
    for (topic, right) in ["algebra", "geometry"].into_iter().zip(right) {
        for i in 0..50 {
            let id = if topic == "algebra" { i } else { 50 + i };
            let reply = if i < right { "yes" } else { "no" };
            let _ = writeln!(text, "{{\"id\": {id}, \"topic\": \"{topic}\", \"reply_to\": \"{reply}\"}}");
        }
    }
    text
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("rows.jsonl", rows([40, 40]));
    sandbox.write("datamake.toml", MANIFEST);
    let built = sandbox.built();
    assert!(built.alarms.is_empty(), "nothing is compared with nothing: {:?}", built.alarms);
    sandbox
}

fn moved(alarm: &Compared) -> &Moved {
    alarm.found.as_ref().expect("it can be compared")
}

/// Names what changed, by the node.
fn causes(sandbox: &Sandbox, alarm: &Compared) -> Vec<String> {
    let graph = sandbox.project().expect("it was built").graph;
    let told = |reason: &Reason| match reason {
        Reason::Field { path, .. } => path.clone(),
        other => other.to_string(),
    };
    let causes = moved(alarm).causes.iter().flat_map(|cause| {
        let name = graph.node(cause.node).name.clone();
        let lost = cause.lost.iter().map(|(reason, was, is)| format!("{reason} {was} {is}"));
        cause.reasons.iter().map(told).chain(lost).map(move |what| format!("{name}: {what}")).collect::<Vec<_>>()
    });
    causes.collect()
}

fn one(built: &Built) -> &Compared {
    let [alarm] = built.alarms.as_slice() else { panic!("{:?}", built.alarms) };
    alarm
}

#[test]
fn a_fall_beyond_what_is_allowed_is_told_with_the_slice_and_the_rows_that_caused_it() {
    let sandbox = sandbox();
    sandbox.write("rows.jsonl", rows([41, 30]));
    let built = sandbox.built();
    let alarm = one(&built);
    let found = moved(alarm);
    assert_eq!((found.value.before, found.value.after), (0.8, Some(0.71)));
    assert_eq!(found.passed.as_ref().map(|passed| passed.value), Some(Allowed::Relative(0.05)));
    let slices: Vec<_> = found.value.slices.iter().map(|slice| (slice.by[0].to_string(), slice.after)).collect();
    assert_eq!(slices, [("\"geometry\"".to_owned(), Some(0.6)), ("\"algebra\"".to_owned(), Some(0.82))]);
    assert!((found.value.slices[0].share.unwrap() + 0.1).abs() < 1e-12);
    assert!(found.value.chance.unwrap() > 0.1);
    let causes = causes(&sandbox, alarm);
    assert_eq!(causes, ["rows: the file rows.jsonl changed: rows 41, 81–84 … (11 in all) changed"]);
}

#[test]
fn a_changed_prompt_is_named_and_so_is_what_loses_rows() {
    let sandbox = sandbox();
    sandbox.edit("datamake.toml", "{{ reply_to }}", "{% if id > 60 %}perhaps{% else %}{{ reply_to }}{% endif %}");
    let built = sandbox.built();
    let causes_told = causes(&sandbox, one(&built));
    assert_eq!(causes_told.len(), 1, "{causes_told:?}");
    assert!(causes_told[0] == "graded: steps.0.prompt", "{causes_told:?}");

    sandbox.edit("datamake.toml", "id < 1000", "id < 80");
    let built = sandbox.built();
    let alarms: Vec<_> = built.alarms.iter().map(|alarm| moved(alarm).value.after).collect();
    assert_eq!(alarms, [Some(80.0)]);
    assert_eq!(causes(&sandbox, one(&built)), ["graded: steps.1.where", "graded: where 0 20"]);
}

#[test]
fn a_move_within_what_is_allowed_is_not_told_and_the_next_build_compares_with_what_came_of_it() {
    let sandbox = sandbox();
    for right in [39, 38, 36] {
        sandbox.write("rows.jsonl", rows([40, right]));
        assert!(sandbox.built().alarms.is_empty(), "{right}");
    }
    sandbox.edit("datamake.toml", "alarm = { fall = \"5%\" }", "alarm = { fall = \"5%\", versus = \"1\" }");
    sandbox.write("rows.jsonl", rows([40, 35]));
    let built = sandbox.built();
    assert_eq!(moved(one(&built)).value.before, 0.8);
}

#[test]
fn an_alarm_makes_nothing_stale_and_is_told_by_the_build_that_makes_the_metric() {
    let sandbox = sandbox();
    sandbox.write("rows.jsonl", rows([40, 20]));
    assert_eq!(sandbox.built().alarms.len(), 1);
    sandbox.edit("datamake.toml", "fall = \"5%\"", "fall = 0.01, rise = \"10%\"");
    assert_eq!(sandbox.made(), Vec::<String>::new());
    let built = sandbox.built();
    assert!(built.alarms.is_empty() && built.number.is_none());
    // How it stands is known all the same.
    let project = sandbox.project().unwrap();
    let compared = project.compared(project.one("metric.accuracy").unwrap().0);
    assert!(compared[0].is_alarm() && moved(&compared[0]).value.before == 0.8);
    // A rise is one too, and back to what it was is one of them.
    sandbox.write("rows.jsonl", rows([40, 40]));
    assert_eq!(moved(one(&sandbox.built())).value.after, Some(0.8));
    let history = sandbox.project().unwrap().history().unwrap();
    let told: Vec<usize> = history.builds().map(|build| build.alarms.len()).collect();
    assert_eq!(told, [0, 1, 1]);
}

#[test]
fn a_value_that_is_gone_has_fallen() {
    let sandbox = sandbox();
    sandbox.edit("datamake.toml", "id < 1000", "id < 0");
    let built = sandbox.built();
    let after: Vec<_> = built.alarms.iter().map(|alarm| moved(alarm).value.after).collect();
    assert_eq!(after, [None, Some(0.0)]);
}

#[test]
fn a_revision_of_git_is_compared_with_and_told_apart_where_it_was_not_built_here() {
    let sandbox = sandbox();
    let git = |args: &[&str]| {
        let done = Command::new("git")
            .arg("-C")
            .arg(sandbox.path())
            .args(["-c", "user.name=a", "-c", "user.email=a"])
            .args(args)
            .output();
        assert!(done.as_ref().is_ok_and(|done| done.status.success()), "{args:?}: {done:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "datamake.toml", "datamake.lock"]);
    git(&["commit", "-qm", "first"]);
    git(&["tag", "v1"]);
    sandbox.edit("datamake.toml", "{ fall = \"5%\" }", "{ fall = \"5%\", versus = \"git:v1\" }");
    sandbox.write("rows.jsonl", rows([40, 38]));
    assert!(sandbox.built().alarms.is_empty());
    sandbox.write("rows.jsonl", rows([40, 34]));
    let built = sandbox.built();
    assert_eq!(moved(one(&built)).value.before, 0.8);
    assert_eq!(causes(&sandbox, one(&built)).len(), 1);

    // Of what another machine built, the values over all rows are known.
    sandbox.edit("datamake.lock", "# Made", "# Not made");
    git(&["commit", "-qam", "elsewhere"]);
    git(&["tag", "v2"]);
    sandbox.edit("datamake.toml", "git:v1", "v2");
    sandbox.edit("datamake.toml", "{ fall = 10, rise = 10 }", "{ fall = 10, versus = \"v2\" }");
    sandbox.edit("datamake.toml", "id < 1000", "id < 50");
    let built = sandbox.built();
    let whys: Vec<Option<String>> = built.alarms.iter().map(|alarm| alarm.found.as_ref().err().cloned()).collect();
    assert!(whys[0].as_ref().unwrap().contains("was not built here"), "{whys:?}");
    assert_eq!(moved(&built.alarms[1]).value.before, 100.0);

    sandbox.edit("datamake.toml", "\"v2\" }\n[metric.rows]", "\"v3\" }\n[metric.rows]");
    sandbox.edit("datamake.toml", "id < 50", "id < 60");
    let built = sandbox.built();
    let why = built.alarms[0].found.as_ref().unwrap_err();
    assert!(why.contains("neither a build nor a Git revision"), "{why}");
}

#[test]
fn mistakes_in_alarms_are_pointed_at() {
    let check = |new: &str, expect: &str| {
        let sandbox = Sandbox::new();
        sandbox.write("rows.jsonl", rows([40, 40]));
        sandbox.write("datamake.toml", MANIFEST.replace("{ fall = \"5%\" }", new));
        let said = sandbox.mistakes();
        assert!(said.contains(expect), "{expect}:\n{said}");
    };
    check("{ versus = \"last\" }", "neither `fall` nor `rise`");
    check("{ fall = \"5\" }", "a share such as `\"5%\"`");
    check("{ fall = -1 }", "`metric.accuracy.alarm.fall` must be a number of at least 0");
    check("{ fall = 1, versus = \"last-1\" }", "another build every time");
    check("{ fal = 1 }", "did you mean `fall`?");
    check(
        "{ fall = 1 }\n[metric.labels]\non = \"rows\"\nvalue = \"mode(topic)\"\nalarm = { rise = 1 }",
        "its value is no number: string",
    );
}
