//! Alarms of metrics, told: how far they moved, which slices moved them, and what changed before.

use super::cause;
use super::figures::value;
use super::names::Names;
use super::words::{count, number, plain, round, signed};
use crate::diag::{Diagnostic, Diagnostics};
use crate::history::{Move, SliceMove};
use crate::manifest::{Allowed, Metric};
use crate::project::{Cause, Compared, Moved, Point, Project};
use serde_json::{Value, json};

/// Slices that are told before the rest is counted.
const SLICES: usize = 5;
/// What changed of a node before the rest is counted.
const REASONS: usize = 5;

/// The form of the JSON of one, for the reference.
pub const FORM: &str = "\
An *alarm* is `{ \"metric\", \"on\", \"title\", \"since\": { \"build\": 3 } | { \"revision\": \"main\" }, \"before\": 0.84, \"after\": 0.71 | null, \"chance\": 0.02, \"slices\": [{ \"by\": […], \"before\", \"after\", \"of\": [300, 310] | null, \"share\": -0.11 | null }],
\"causes\": [{ \"node\", \"reasons\": [reason], \"lost\": [{ \"reason\", \"before\", \"after\" }] }] }`, or `{ \"metric\", \"on\", \"title\", \"why\" }` where nothing could be compared. `share` is what the slice did to the value over all rows; `chance` is there for shares of rows.";

/// Draws up the warnings.
pub fn warnings(project: &Project, alarms: &[Compared]) -> Diagnostics {
    Diagnostics(alarms.iter().map(|alarm| warning(project, alarm)).collect())
}

/// Says in one line what an alarm is about.
pub fn title(project: &Project, alarm: &Compared) -> String {
    let name = named(project, alarm);
    match &alarm.found {
        Err(_) => format!("the alarm of {name} has nothing to compare with"),
        Ok(Moved { since, value, .. }) => format!("{name} {} since {since}", moved(value)),
    }
}

/// Tells how a value stands to an earlier one: `fell from 0.84 to 0.71 (−0.13, −15.5 %)`.
fn moved(value: &Move) -> String {
    let before = number(value.before);
    let Some(after) = value.after else { return format!("has no value any more: it was {before}") };
    if after == value.before {
        return format!("is {before} as before");
    }
    let verb = if after < value.before { "fell" } else { "rose" };
    let by = after - value.before;
    let relative = if value.before == 0.0 {
        String::new()
    } else {
        format!(", {} %", signed(round(by / value.before.abs() * 100.0)))
    };
    format!("{verb} from {before} to {} ({}{relative})", number(after), signed(by))
}

/// Names a metric, and the dataset where it is on several.
fn named(project: &Project, alarm: &Compared) -> String {
    let node = project.graph.node(alarm.metric);
    let names = Names::new(&project.graph);
    match node.inputs.as_slice() {
        [_] => format!("the metric `{}`", node.name),
        several => format!("the metric `{}` of `{}`", node.name, names.input(&several[alarm.on])),
    }
}

fn warning(project: &Project, alarm: &Compared) -> Diagnostic {
    let metric = &project.graph.manifest.metrics[project.graph.node(alarm.metric).declaration];
    let mut problem = Diagnostic::warning("alarm", title(project, alarm));
    let moved = match &alarm.found {
        Err(why) => {
            let versus = metric.alarm.as_ref().and_then(|alarm| alarm.versus.as_ref());
            let span = versus.map_or(&metric.name.span, |versus| &versus.span);
            return problem.at(span, "not known here").note(why.clone());
        }
        Ok(moved) => moved,
    };
    if let Some(passed) = &moved.passed {
        let allowed = match passed.value {
            Allowed::Absolute(most) => number(most),
            Allowed::Relative(share) => format!("{} %", number(share * 100.0)),
        };
        let verb = if moved.value.after.is_none_or(|after| after < moved.value.before) { "fall" } else { "rise" };
        problem = problem.at(&passed.span, format!("it may {verb} by {allowed}"));
    }
    problem = moved.value.chance.into_iter().fold(problem, |problem, chance| problem.note(by_chance(chance)));
    let slices = &moved.value.slices;
    for slice in slices.iter().take(SLICES) {
        problem = problem.note(told(metric, slice));
    }
    if slices.len() > SLICES {
        problem =
            problem.note(format!("{} more slices moved: datamake show {}", slices.len() - SLICES, metric.name.value));
    }
    let causes = moved.causes.iter().flat_map(|cause| changes(project, cause));
    let causes: Vec<String> = causes.collect();
    if causes.is_empty() && matches!(moved.since, Point::Build(_)) {
        problem = problem.note("no definition and no file that it is made of changed since");
    }
    causes.into_iter().fold(problem, Diagnostic::note)
}

/// Says whether a move may be chance.
fn by_chance(chance: f64) -> String {
    let p = if chance < 1e-4 { "p < 0.0001".to_owned() } else { format!("p = {}", number(chance)) };
    let word = if chance < 0.05 { "more than chance" } else { "within chance" };
    format!("{word}: two samples of so many rows are as far apart with {p} (two-proportion test)")
}

fn told(metric: &Metric, slice: &SliceMove) -> String {
    let by = metric.by.iter().zip(&slice.by).map(|(by, of)| format!("{} = {}", plain(&by.value), value(of)));
    let by: Vec<String> = by.collect();
    let shown = |x: Option<f64>| x.map_or("none".to_owned(), number);
    let mut text = format!("{}: {} → {}", by.join(", "), shown(slice.before), shown(slice.after));
    if let Some((before, after)) = slice.of {
        text.push_str(&match before == after {
            true => format!(", of {}", count(before)),
            false => format!(", of {} → {}", count(before), count(after)),
        });
    }
    if let Some(share) = slice.share {
        text.push_str(&format!("; {} of the move", signed(share)));
    }
    text
}

/// Tells what changed of a node.
fn changes(project: &Project, cause: &Cause) -> Vec<String> {
    let name = Names::new(&project.graph).of(cause.node);
    let reasons = cause.reasons.iter().map(cause::line);
    let lost =
        cause.lost.iter().map(|(by, was, is)| format!("rows lost by {}: {} → {}", plain(by), count(*was), count(*is)));
    let mut all: Vec<String> = reasons.chain(lost).map(|what| format!("changed in {name}: {what}")).collect();
    if all.len() > REASONS {
        let more = all.len() - REASONS;
        all.truncate(REASONS);
        all.push(format!("changed in {name}: {more} more"));
    }
    all
}

/// Writes alarms as JSON.
pub fn json(project: &Project, alarms: &[Compared]) -> Value {
    let one = |alarm: &Compared| {
        let node = project.graph.node(alarm.metric);
        let on = Names::new(&project.graph).input(&node.inputs[alarm.on]);
        let mut value = json!({ "metric": node.full_name(), "on": on, "title": title(project, alarm) });
        match &alarm.found {
            Err(why) => value["why"] = json!(why),
            Ok(moved) => {
                let fields = serde_json::to_value(&moved.value).expect("a move is plain data");
                fields.as_object().into_iter().flatten().for_each(|(key, of)| value[key] = of.clone());
                value["since"] = super::diff::point_json(&moved.since);
                value["causes"] = moved.causes.iter().map(|cause| cause_json(project, cause)).collect();
            }
        }
        value
    };
    alarms.iter().map(one).collect()
}

fn cause_json(project: &Project, cause: &Cause) -> Value {
    let lost =
        |(reason, before, after): &(String, u64, u64)| json!({ "reason": reason, "before": before, "after": after });
    json!({
        "node": project.graph.node(cause.node).full_name(), "reasons": cause::json(&cause.reasons),
        "lost": cause.lost.iter().map(lost).collect::<Vec<Value>>(),
    })
}
