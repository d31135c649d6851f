//! What a running build shows: a bar per node on a terminal, a line now and then elsewhere.

use super::names::Names;
use super::out::{Out, note};
use super::session::{Detail, Session};
use super::words::{count, things};
use crate::exec::Event;
use crate::graph::{Graph, NodeId};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A build that is over sooner shows nothing on its way.
const PATIENCE: Duration = Duration::from_millis(300);
/// How often a line is written where no bar can be drawn.
const SELDOM: Duration = Duration::from_secs(15);

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
    /// Requests that were answered, or given up; rows that wait.
    answered: u64,
    unanswered: u64,
    waiting: u64,
    bar: Option<ProgressBar>,
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
                state.nodes.insert(node, Node::default());
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
            Event::Answers { node, answered, unanswered, waiting } => {
                let known = state.nodes.entry(node).or_default();
                known.answered += answered;
                known.unanswered += unanswered;
                known.waiting = waiting;
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
                let bar = node.bar.get_or_insert_with(|| {
                    let style =
                        ProgressStyle::with_template("{prefix:.bold} {bar:24} {pos}/{len} {wide_msg} {elapsed}");
                    let bar = bars.add(ProgressBar::no_length().with_prefix(self.names.of(id)));
                    bar.set_style(style.expect("the template is well-formed").progress_chars("━╸ "));
                    bar.enable_steady_tick(Duration::from_millis(200));
                    bar
                });
                // While files are read, nobody knows how many there will be.
                bar.set_length(node.total.max(node.groups));
                bar.set_position(node.groups);
                bar.set_message(format!("row groups, {}", things(node.rows, "row")));
            }
            Canvas::Lines => {
                if told.elapsed() >= SELDOM {
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
