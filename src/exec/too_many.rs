//! More failed rows than may: the dataset is not published, and this says why.

use super::failure::FailedAs;
use super::record::LostRows;
use crate::ask::FailureKind;
use crate::diag::Diagnostic;
use crate::manifest::{Dataset, MaxFailed};

/// Says why a dataset is not published, if more rows failed than may: in all steps together, or as a share of the rows that came
/// to a step. With the failed rows of a place stands how many rows came there.
pub(super) fn too_many_failed(dataset: &Dataset, failed: &[(LostRows, u64)]) -> Option<Diagnostic> {
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
                    "`max_failed` lets {most} of the rows fail, and of those that were read it is {rows} of {came} rows, {here}"
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
    let (noun, verb) = if n == 1 { ("row", "has") } else { ("rows", "have") };
    let title = format!("{n} {noun} of `{name}` {verb} no value: {}", written_kinds.join(", "));
    let of_models: Vec<FailureKind> =
        kinds.iter().filter_map(|(kind, _)| kind.parse::<FailedAs>().ok()?.of_model()).collect();
    let mut problem = Diagnostic::error("failed-rows", title).at(&dataset.name.span, written);
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
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Tells how rows of these kinds of failure are asked about again.
fn again(name: &str, kinds: &[FailureKind]) -> String {
    let recorded = kinds.iter().filter(|kind| kind.is_recorded());
    let retries: String = recorded.map(|kind| format!(" --retry {kind}")).collect();
    let larger =
        if kinds.contains(&FailureKind::CutOff) { "; so does a larger `max_tokens`, of those cut off" } else { "" };
    format!("`datamake build {name}{retries}` asks again about these rows{larger}")
}
