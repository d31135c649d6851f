//! `datamake tune`: the curve of a filter, threshold by threshold.

use super::figures;
use super::grid::Grid;
use super::names::Names;
use super::session::{Ending, Exit, Session};
use super::words::{count, number, things};
use crate::project::{Curve, Project, Side};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Shows how many rows thresholds of a filter would keep, and the metrics of these
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake tune long_enough --threshold words           words >= 3, 5, 9, …: rows kept, and metrics of them
  datamake tune not_toxic --threshold toxicity --at-most
  datamake tune where --on clean --threshold score --points 20

The rows are those that the last build kept and those that the filter dropped, so nothing is built, and no text is measured again: the column was computed before the filter, and is in the dataset at its end. What steps after the filter dropped is in no point of the curve.
Of several steps of a dataset with the filter, it is the last whose condition reads the column. The thresholds are quantiles of the column. Metrics of the dataset are told where they read numbers alone and have no slices.")]
pub struct Tune {
    /// The filter, or `where` for a step of that name
    #[arg(value_name = "FILTER")]
    filter: String,
    /// The column of numbers that the threshold is for
    #[arg(long, value_name = "COLUMN")]
    threshold: String,
    /// The dataset, where several have the filter
    #[arg(long, value_name = "DATASET")]
    on: Option<String>,
    /// Keeps rows with at most the threshold; otherwise those with at least it
    #[arg(long)]
    at_most: bool,
    /// How many thresholds
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    points: u16,
}

/// The form of the JSON.
pub const FORM: &str = "\
{ \"dataset\": \"dataset.clean\", \"filter\": \"long_enough\", \"column\": \"words\", \"keeps\": \"at-least\" | \"at-most\", \"rows\": 1000, \"kept\": 800, \"later\": 20, \"without\": 3,
  \"points\": [{ \"threshold\": 5, \"rows\": 900, \"share\": 0.9, \"metrics\": { \"mean_words\": 31.5 } }], \"left_out\": [{ \"metric\": \"m\", \"why\": \"…\" }] }

`rows` came to the filter, `kept` are those that it let through as it is, `later` were lost for other reasons at its step or after it and are not among `rows`, `without` are those that have no number in the column.";

impl Tune {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        let project = session.project()?;
        let side = if self.at_most { Side::AtMost } else { Side::AtLeast };
        let curve = project.tune(&self.filter, self.on.as_deref(), &self.threshold, side, self.points.into())?;
        if session.json() {
            session.out.json(&self.json_of(&project, &curve))?;
        } else {
            self.text(session, &project, &curve)?;
        }
        Ok(Exit::Fine)
    }

    fn json_of(&self, project: &Project, curve: &Curve) -> Value {
        let point = |point: &crate::project::CurvePoint| {
            let metrics = curve.metrics.iter().zip(&point.values);
            let metrics = metrics.map(|(name, value)| (name.clone(), plain(value)));
            json!({
                "threshold": point.threshold, "rows": point.rows, "share": share(point.rows, curve.rows),
                "metrics": metrics.collect::<serde_json::Map<_, _>>(),
            })
        };
        let left_out = curve.left_out.iter().map(|(name, why)| json!({ "metric": name, "why": why }));
        json!({
            "dataset": project.graph.node(curve.dataset).full_name(), "filter": self.filter, "column": self.threshold,
            "keeps": if self.at_most { "at-most" } else { "at-least" },
            "rows": curve.rows, "kept": curve.kept, "later": curve.later, "without": curve.without,
            "points": curve.points.iter().map(point).collect::<Vec<_>>(), "left_out": left_out.collect::<Vec<_>>(),
        })
    }

    fn text(&self, session: &mut Session, project: &Project, curve: &Curve) -> io::Result<()> {
        let (paint, name) = (session.out.paint, Names::new(&project.graph).of(curve.dataset));
        let without = match curve.without {
            0 => String::new(),
            n => format!("; {} no number", things(n, "row") + if n == 1 { " has" } else { " have" }),
        };
        let later = match curve.later {
            0 => String::new(),
            n => format!("; {} more are lost for other reasons, there or later, and not counted", count(n)),
        };
        writeln!(
            session.out,
            "{}: {} came to {}, {} passed{without}{later}\n",
            paint.bold(&name),
            things(curve.rows, "row"),
            self.filter,
            count(curve.kept),
        )?;
        let mut grid = Grid::right(0..3 + curve.metrics.len());
        let sign = if self.at_most { "<=" } else { ">=" };
        let heads = [format!("{} {sign}", self.threshold), "rows kept".to_owned(), "share".to_owned()];
        grid.row(heads.iter().chain(&curve.metrics).map(|head| paint.dim(head)));
        for point in &curve.points {
            let cells =
                [number(point.threshold), count(point.rows), format!("{:.1} %", 100.0 * share(point.rows, curve.rows))];
            grid.row(cells.into_iter().chain(point.values.iter().map(|value| figures::value(&plain(value)))));
        }
        grid.lines(session.out.width).iter().try_for_each(|line| writeln!(session.out, "{line}"))?;
        for (metric, why) in &curve.left_out {
            writeln!(session.out, "{}", paint.dim(&format!("without {metric}: {why}")))?;
        }
        Ok(())
    }
}

fn share(rows: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { rows as f64 / of as f64 }
}

fn plain(value: &crate::expr::Value) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
