//! More failed rows than may: the dataset is not published, and this says why.

use super::example::{Example, SHOWN, WithRows};
use super::failure::FailedAs;
use super::record::LostRows;
use crate::ask::FailureKind;
use crate::diag::Diagnostic;
use crate::manifest::{Dataset, MaxFailed};

/// Returns how many rows of a dataset may fail, if that is a number.
pub(super) fn most_failed(dataset: &Dataset) -> u64 {
    match dataset.max_failed {
        MaxFailed::Rows(most) => most,
        MaxFailed::Share(_) => u64::MAX,
    }
}

/// Says that nothing more is asked for a dataset, since more of its rows cannot be computed than may fail.
pub(super) fn held(name: &str, failed: u64, examples: &[Example]) -> Diagnostic {
    let detail = examples.first().map_or("", |example| example.detail.as_str());
    let rows = if failed == 1 { "a row".to_owned() } else { format!("{failed} rows") };
    Diagnostic::error("failed-rows", format!("{rows} of `{name}` cannot be computed: {detail}"))
        .with_rows(examples, failed)
        .note("that is more than `max_failed` lets fail, so nothing more was asked for it")
}

/// Says why a dataset is not published, if more rows failed than may: in all steps together, or as a share of the rows that came
/// to a step. With the failed rows of a place stands how many rows came there; some of those that cannot be computed are shown.
pub(super) fn too_many_failed(
    dataset: &Dataset,
    failed: &[(LostRows, u64)],
    examples: &[Example],
) -> Option<Diagnostic> {
    let n: u64 = failed.iter().map(|(lost, _)| lost.rows()).sum();
    let written = match dataset.max_failed {
        MaxFailed::Rows(most) if n <= most => return None,
        MaxFailed::Rows(most) => format!("`max_failed` lets {most} fail"),
        MaxFailed::Share(share) => {
            let too_many = |(lost, came): &&(LostRows, u64)| dataset.max_failed.is_passed(lost.rows(), *came);
            let (lost, came) = failed.iter().find(too_many)?;
            let rows = lost.rows();
            let [here, most] = [rows as f64 / *came as f64, share].map(per_cent);
            let (rows, came) = (grouped(rows), grouped(*came));
            match lost.step {
                Some(step) => format!(
                    "`max_failed` lets {most} of a step's rows fail, and at step {} it is {rows} of {came} rows, {here}",
                    step + 1
                ),
                None => format!(
                    "`max_failed` lets {most} of the rows fail, and of those that were made it is {rows} of {came} rows, {here}"
                ),
            }
        }
    };
    let mut kinds: Vec<(&str, u64)> = Vec::new();
    for (kind, rows) in failed.iter().flat_map(|(lost, _)| &lost.reasons) {
        match kinds.iter_mut().find(|(known, _)| known == kind) {
            Some((_, sum)) => *sum += rows,
            None => kinds.push((kind, *rows)),
        }
    }
    let written_kinds: Vec<String> = kinds.iter().map(|(kind, rows)| format!("{rows} {kind}")).collect();
    let name = &dataset.name.value;
    let rows = if n == 1 { "1 row".to_owned() } else { format!("{} rows", grouped(n)) };
    let uncomputable = kinds.iter().find(|(kind, _)| *kind == FailedAs::Uncomputable.word()).map_or(0, |(_, n)| *n);
    let title = match examples.first() {
        Some(first) if uncomputable == n => format!("{rows} of `{name}` cannot be computed: {}", first.detail),
        _ => {
            let verb = if n == 1 { "has" } else { "have" };
            format!("{rows} of `{name}` {verb} no value: {}", written_kinds.join(", "))
        }
    };
    let of_models: Vec<FailureKind> =
        kinds.iter().filter_map(|(kind, _)| kind.parse::<FailedAs>().ok()?.of_model()).collect();
    let shown = &examples[..examples.len().min(SHOWN)];
    let mut problem =
        Diagnostic::error("failed-rows", title).with_rows(shown, uncomputable).at(&dataset.name.span, written);
    problem = if of_models.is_empty() {
        problem.help(format!("`datamake show {name} --failed` has the rows"))
    } else {
        problem
            .note("every answer that came is recorded: building again asks for nothing that is known")
            .help(format!("`datamake show {name} --failed` has the rows and the replies"))
            .help(again(name, &of_models))
    };
    Some(problem.help("`max_failed` in the dataset lets rows go"))
}

/// Writes a share in per cent, with as many digits as tell something.
pub(super) fn per_cent(share: f64) -> String {
    let digits = format!("{:.3}", share * 100.0);
    format!("{} %", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// Writes `1,000`.
pub(super) fn grouped(n: u64) -> String {
    crate::diag::grouped(&n.to_string())
}

/// Tells how rows of these kinds of failure are asked about again.
fn again(name: &str, kinds: &[FailureKind]) -> String {
    let recorded = kinds.iter().filter(|kind| kind.is_recorded());
    let retries: String = recorded.map(|kind| format!(" --retry {kind}")).collect();
    let larger =
        if kinds.contains(&FailureKind::CutOff) { "; so does a larger `max_tokens`, of those cut off" } else { "" };
    format!("`datamake build {name}{retries}` asks again about these rows{larger}")
}
