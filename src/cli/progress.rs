//! What a running build shows: a bar per node on a terminal, a line now and then elsewhere.

use super::asked::money;
use super::names::Names;
use super::out::{Out, note};
use super::session::{Detail, Session};
use super::words::{count, things};
use crate::exec::Event;
use crate::fetch::models::{Afoot, Traffic};
use crate::graph::{Graph, NodeId};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A build that is over sooner shows nothing on its way.
const PATIENCE: Duration = Duration::from_millis(300);
/// How often a line is written where no bar can be drawn.
const SELDOM: Duration = Duration::from_secs(15);
/// How often at least the same line is written again.
const STILL: Duration = Duration::from_secs(600);

/// Where progress is drawn.
enum Canvas {
    None,
    Bars(MultiProgress),
    Lines,
}

/// How far a node is.
#[derive(Default)]
struct Node {
    total: u64,
    groups: u64,
    rows: u64,
    asked: Asked,
    bar: Option<ProgressBar>,
    /// What was last written of it, where no bar can be drawn.
    line: String,
}

/// How far the rows are that go to models ahead of their groups.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    /// Requests that were answered, or given up.
    answered: u64,
    unanswered: u64,
    /// Rows that wait for answers, or may yet come.
    left: u64,
    waiting: u64,
    /// How many were left when the first answer came, and when that was.
    begun: Option<(u64, Instant)>,
    traffic: Traffic,
    /// Batches that it waits for.
    afoot: Afoot,
}

impl Asked {
    /// Returns the rows that are through, of all that there were.
    fn rows(&self) -> (u64, u64) {
        let all = self.begun.map_or(self.left, |(all, _)| all);
        (all.saturating_sub(self.left), all)
    }

    /// Writes `120 answers, 80 rows wait, 2 failed, 0.0042, 8.1/s, about 2 min left`, or
    /// `batch of 4,000 requests at the endpoint, 1,230 done`.
    fn words(&self, now: Instant) -> String {
        let mut parts = Vec::new();
        parts.extend(batches(self.afoot));
        parts.extend((self.answered > 0 || parts.is_empty()).then(|| things(self.answered, "answer")));
        parts.extend(match self.waiting {
            // These are in the batch.
            _ if self.afoot.batches > 0 => None,
            0 => None,
            1 => Some("1 row waits".to_owned()),
            n => Some(format!("{} rows wait", count(n))),
        });
        parts
            .extend((self.unanswered > 0).then(|| format!("{} without an answer", things(self.unanswered, "request"))));
        parts.extend((self.traffic.money > 0.0).then(|| {
            let least = if self.traffic.unpriced > 0 { "at least " } else { "" };
            format!("cost {least}{}", money(self.traffic.money))
        }));
        // Of batches nobody knows when they are through.
        let Some((_, begun)) = self.begun.filter(|_| self.afoot.batches == 0) else { return parts.join(", ") };
        let seconds = now.saturating_duration_since(begun).as_secs_f64();
        if seconds >= STEADY {
            parts.push(format!("{}/s", rate(self.answered as f64 / seconds)));
            let (through, all) = self.rows();
            // Of the first few nothing can be told.
            if through * 50 > all && self.left > 0 {
                let left = seconds / through as f64 * self.left as f64;
                parts.push(format!("about {} left", rough(left)));
            }
        }
        parts.join(", ")
    }
}

/// Writes `batch of 4,000 requests at the endpoint, 1,230 done`.
fn batches(afoot: Afoot) -> Option<String> {
    let batches = match afoot.batches {
        0 => return None,
        1 => "batch".to_owned(),
        n => format!("{} batches", count(n)),
    };
    Some(format!("{batches} of {} at the endpoint, {} done", things(afoot.requests, "request"), count(afoot.done)))
}

/// Seconds before a rate is told.
const STEADY: f64 = 2.0;

fn rate(n: f64) -> String {
    if n < 9.95 { format!("{n:.1}") } else { count(n.round() as u64) }
}

/// Writes a duration that nobody knows to the second.
fn rough(seconds: f64) -> String {
    match seconds {
        n if n < 60.0 => format!("{} s", (n.ceil() as u64).max(1)),
        n if n < 5400.0 => format!("{} min", (n / 60.0).ceil() as u64),
        n => format!("{} h", (n / 3600.0).round() as u64),
    }
}

impl Node {
    /// Returns whether its rows go to models, ahead of their groups.
    fn is_ahead(&self) -> bool {
        self.asked.begun.is_some() && self.groups == 0
    }
}

struct State {
    nodes: HashMap<NodeId, Node>,
    told: Instant,
}

/// Tells of a build while it runs.
pub struct Progress<'a> {
    names: Names<'a>,
    canvas: Canvas,
    begun: Instant,
    state: Mutex<State>,
}

impl<'a> Progress<'a> {
    /// Begins, where the session wants it.
    pub fn new(session: &Session, graph: &'a Graph) -> Progress<'a> {
        let canvas = match &session.out {
            _ if session.detail == Detail::Quiet => Canvas::None,
            Out { live: true, .. } => Canvas::Bars(MultiProgress::new()),
            _ => Canvas::Lines,
        };
        let begun = Instant::now();
        Progress {
            names: Names::new(graph),
            canvas,
            begun,
            state: Mutex::new(State { nodes: HashMap::new(), told: begun }),
        }
    }

    /// Takes in what happened.
    pub fn tell(&self, event: Event) {
        if matches!(self.canvas, Canvas::None) {
            return;
        }
        let mut state = self.lock();
        let id = match event {
            Event::Begin { node } => {
                // Its rows may have gone ahead already.
                state.nodes.entry(node).or_default();
                node
            }
            Event::Groups { node, total } => {
                let known = state.nodes.entry(node).or_default();
                (known.total, known.groups, known.rows) = (total, 0, 0);
                node
            }
            Event::Group { node, rows } => {
                let known = state.nodes.entry(node).or_default();
                known.groups += 1;
                known.rows += rows;
                node
            }
            Event::Answers { node, answered, unanswered, waiting, queued, traffic, afoot } => {
                let asked = &mut state.nodes.entry(node).or_default().asked;
                asked.answered += answered;
                asked.unanswered += unanswered;
                (asked.waiting, asked.left, asked.traffic, asked.afoot) = (waiting, waiting + queued, traffic, afoot);
                asked.begun.get_or_insert_with(|| (asked.left + answered + unanswered, Instant::now()));
                node
            }
            Event::End { node, .. } | Event::Failed { node } => {
                if let Some(bar) = state.nodes.remove(&node).and_then(|known| known.bar) {
                    bar.finish_and_clear();
                }
                return;
            }
        };
        if self.begun.elapsed() >= PATIENCE {
            self.draw(id, &mut state);
        }
    }

    fn draw(&self, id: NodeId, state: &mut State) {
        let State { nodes, told } = state;
        let Some(node) = nodes.get_mut(&id) else { return };
        match &self.canvas {
            Canvas::None => {}
            Canvas::Bars(bars) => {
                let ahead = node.is_ahead();
                let bar = node.bar.get_or_insert_with(|| {
                    let style =
                        ProgressStyle::with_template("{prefix:.bold} {bar:24} {pos}/{len} {wide_msg} {elapsed}");
                    let bar = bars.add(ProgressBar::no_length().with_prefix(self.names.of(id)));
                    bar.set_style(style.expect("the template is well-formed").progress_chars("━╸ "));
                    bar.enable_steady_tick(Duration::from_millis(200));
                    bar
                });
                if ahead {
                    let (through, all) = node.asked.rows();
                    bar.set_length(all);
                    bar.set_position(through);
                    bar.set_message(format!("rows; {}", node.asked.words(Instant::now())));
                    return;
                }
                // While files are read, nobody knows how many there will be.
                bar.set_length(node.total.max(node.groups));
                bar.set_position(node.groups);
                bar.set_message(format!("row groups, {}", things(node.rows, "row")));
            }
            Canvas::Lines => {
                if told.elapsed() >= SELDOM {
                    if node.is_ahead() {
                        let (through, all) = node.asked.rows();
                        let words = node.asked.words(Instant::now());
                        let line = match node.asked.afoot.batches {
                            0 => format!("{} of {}; {words}", count(through), things(all, "row")),
                            _ => words,
                        };
                        // A batch may stand still for hours.
                        if line != node.line || told.elapsed() >= STILL {
                            *told = Instant::now();
                            note(&format!("{}: {line}", self.names.of(id)));
                            node.line = line;
                        }
                        return;
                    }
                    *told = Instant::now();
                    let groups = things(node.total.max(node.groups), "row group");
                    note(&format!(
                        "{}: {} of {groups}, {}",
                        self.names.of(id),
                        count(node.groups),
                        things(node.rows, "row")
                    ));
                }
            }
        }
    }

    /// Ends, and clears what was drawn.
    pub fn finish(&self) {
        self.lock().nodes.drain().filter_map(|(_, node)| node.bar).for_each(|bar| bar.finish_and_clear());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with this lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_with_what_they_cost_and_how_long_it_goes_on() {
        let begun = Instant::now();
        let traffic = Traffic { money: 0.0042, ..Traffic::default() };
        let mut asked = Asked {
            answered: 200,
            unanswered: 1,
            left: 800,
            waiting: 64,
            begun: Some((1000, begun)),
            traffic,
            ..Asked::default()
        };
        assert_eq!(
            asked.words(begun),
            "200 answers, 64 rows wait, 1 request without an answer, cost 0.0042",
            "of the first moment nothing can be told"
        );
        let later = begun + Duration::from_secs(30);
        assert_eq!(
            asked.words(later),
            "200 answers, 64 rows wait, 1 request without an answer, cost 0.0042, 6.7/s, about 2 min left"
        );
        assert_eq!(asked.rows(), (200, 1000));
        asked.traffic.unpriced = 2;
        (asked.unanswered, asked.left, asked.waiting) = (0, 0, 0);
        assert_eq!(asked.words(later), "200 answers, cost at least 0.0042, 6.7/s");
    }

    #[test]
    fn a_batch_is_told_with_what_the_endpoint_has_done_of_it() {
        let now = Instant::now();
        let afoot = Afoot { batches: 1, requests: 4000, done: 1230 };
        let mut asked = Asked { waiting: 4000, left: 4000, begun: Some((4000, now)), afoot, ..Asked::default() };
        let later = now + Duration::from_secs(7200);
        assert_eq!(asked.words(later), "batch of 4,000 requests at the endpoint, 1,230 done");
        asked.afoot = Afoot { batches: 2, requests: 70_000, done: 0 };
        asked.answered = 500;
        assert_eq!(asked.words(later), "2 batches of 70,000 requests at the endpoint, 0 done, 500 answers");
    }

    #[test]
    fn a_time_is_as_rough_as_it_is_unsure() {
        assert_eq!([0.2, 59.0, 61.0, 5400.0, 86_400.0].map(rough), ["1 s", "59 s", "2 min", "2 h", "24 h"]);
    }
}
