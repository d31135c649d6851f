//! A process that is given row groups: one, as a filter is, or one after the other, if it says that it stays.

use super::child::Child;
use super::failure::Failure;
use super::{Program, TICK, Watch};
use std::io::{Read, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// The first line of a program that stays: it answers each row group with its lines and an empty one, and waits for the next, which
/// ends in an empty line too. All others are filters: their input ends with the row group, and they with it.
const GREETING: &[u8] = b"{\"datamake\": \"stays\"}\n";

/// Bytes that a row group's answer may have.
pub const LARGEST: usize = 256 << 20;

/// How long a program that may greet, and need not, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long what is left in a pipe may take once the process that wrote it has ended.
const LEFT: Duration = Duration::from_millis(500);

/// What is known of how a program behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// It may greet, so it is worth waiting for that.
    MayStay,
    Stays,
    /// It reads to the end.
    Filter,
}

/// A process and its pipes, each with a thread of its own, so that neither side ever waits for the other.
pub struct Worker {
    child: Child,
    /// Dropped: the input ends.
    rows: Option<Sender<Vec<u8>>>,
    answers: Receiver<Vec<u8>>,
    /// What was read and is not taken.
    unread: Vec<u8>,
    greeted: bool,
    manners: Manners,
    /// Whether it has to greet, and so is waited for as long as it takes.
    must_greet: bool,
}

impl Worker {
    pub fn start(program: &Program, manners: Manners) -> Result<Worker, Failure> {
        let mut child = program.start(Stdio::piped(), Stdio::piped())?;
        let (rows, to_write) = channel();
        let stdin = child.process.stdin.take().expect("it was asked for");
        thread::spawn(move || write(stdin, &to_write));
        // Few blocks: a program that floods us waits.
        let (heard, answers) = sync_channel(8);
        let mut stdout = child.process.stdout.take().expect("it was asked for");
        thread::spawn(move || while read(&mut stdout).is_some_and(|block| heard.send(block).is_ok()) {});
        Ok(Worker {
            child,
            rows: Some(rows),
            answers,
            unread: Vec::new(),
            greeted: false,
            manners,
            must_greet: program.stays,
        })
    }

    /// Returns whether it takes another row group.
    pub fn stays(&self) -> bool {
        self.greeted && self.rows.is_some()
    }

    /// Returns whether it said that it stays.
    pub fn greeted(&self) -> bool {
        self.greeted
    }

    /// Hands over a row group, and returns what the program makes of it: of a filter all that it writes.
    pub fn answer(&mut self, rows: Vec<u8>, watch: Watch) -> Result<Vec<u8>, Failure> {
        self.converse(rows, watch).map_err(|failure| self.child.give_up(failure))
    }

    fn converse(&mut self, mut rows: Vec<u8>, watch: Watch) -> Result<Vec<u8>, Failure> {
        if self.greeted && (!self.unread.is_empty() || self.answers.try_recv().is_ok()) {
            return Err(Failure::Astray);
        }
        if self.manners == Manners::Stays {
            rows.push(b'\n');
        }
        // If it does not go through, the program has ended, and how it did is what is wrong.
        let _ = self.rows.as_ref().expect("a worker that stays has its input").send(rows);
        match self.manners {
            Manners::Filter => self.rows = None,
            Manners::MayStay => {
                if self.greets((!self.must_greet).then_some(PATIENCE), watch)? {
                    let _ = self.rows.as_ref().expect("it was just used").send(vec![b'\n']);
                } else {
                    self.rows = None;
                }
            }
            // Should it not greet this time, it is a filter this time.
            Manners::Stays if !self.greeted => {
                if !self.greets(None, watch)? {
                    self.rows = None;
                }
            }
            Manners::Stays => {}
        }
        let answer = if self.stays() { self.group(watch) } else { self.rest(watch) }?;
        if self.must_greet && !self.greeted { Err(Failure::Unannounced) } else { Ok(answer) }
    }

    /// Waits for the first line, and takes the greeting if it is one.
    fn greets(&mut self, patience: Option<Duration>, watch: Watch) -> Result<bool, Failure> {
        let until = patience.map(|patience| Instant::now() + patience);
        while !self.greeted && GREETING.starts_with(&self.unread) {
            let open = self.more(watch, until)?;
            self.take_greeting();
            if !open || until.is_some_and(|until| Instant::now() > until) {
                break;
            }
        }
        if self.greeted {
            self.manners = Manners::Stays;
        }
        Ok(self.greeted)
    }

    fn take_greeting(&mut self) {
        if !self.greeted && self.unread.starts_with(GREETING) {
            self.unread.drain(..GREETING.len());
            self.greeted = true;
        }
    }

    /// Returns the lines up to an empty one.
    fn group(&mut self, watch: Watch) -> Result<Vec<u8>, Failure> {
        let mut searched = 0;
        loop {
            let from = searched;
            let lines = memchr::memchr_iter(b'\n', &self.unread[from..]).map(|at| from + at);
            let ends = |at: &usize| *at == 0 || self.unread[at - 1] == b'\n';
            if let Some(end) = { lines }.find(ends) {
                let rest = self.unread.split_off(end + 1);
                let mut answer = std::mem::replace(&mut self.unread, rest);
                answer.truncate(end);
                return Ok(answer);
            }
            searched = self.unread.len();
            if !self.more(watch, None)? {
                self.child.wait(watch)?;
                return Err(Failure::Left { said: String::new() });
            }
        }
    }

    /// Returns all that is written until the end.
    fn rest(&mut self, watch: Watch) -> Result<Vec<u8>, Failure> {
        while self.more(watch, None)? {}
        self.child.wait(watch)?;
        self.take_greeting();
        let answer = std::mem::take(&mut self.unread);
        if self.greeted && answer != b"\n" && !answer.ends_with(b"\n\n") {
            return Err(Failure::Left { said: String::new() });
        }
        Ok(answer)
    }

    /// Reads some more, waiting no longer than `until`; false: there is no more.
    fn more(&mut self, watch: Watch, until: Option<Instant>) -> Result<bool, Failure> {
        let mut gone: Option<Instant> = None;
        while until.is_none_or(|until| Instant::now() <= until) {
            match self.answers.recv_timeout(TICK) {
                Ok(block) => {
                    self.unread.extend_from_slice(&block);
                    if self.unread.len() > LARGEST {
                        return Err(Failure::TooMuch { bytes: LARGEST, said: String::new() });
                    }
                    return Ok(true);
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
                Err(RecvTimeoutError::Timeout) => watch.go_on()?,
            }
            if self.child.ended().is_some() {
                // What it started may hold its output; it has no say any more.
                match gone {
                    None => gone = Some(Instant::now()),
                    Some(since) if since.elapsed() > 4 * LEFT => return Err(Failure::Held),
                    Some(since) if since.elapsed() > LEFT => self.child.kill(),
                    Some(_) => {}
                }
            }
        }
        Ok(true)
    }

    /// Lets a program that stayed go: its input ends, and what it does then is its own affair, for a moment.
    pub fn dismiss(mut self) {
        self.rows = None;
        let begun = Instant::now();
        while self.child.ended().is_none() && begun.elapsed() < 2 * LEFT {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn write(mut stdin: ChildStdin, rows: &Receiver<Vec<u8>>) {
    // A program may close its input early: then it has what it needs, or its answer tells that it has not.
    while rows.recv().is_ok_and(|rows| stdin.write_all(&rows).is_ok()) {}
}

fn read(stdout: &mut ChildStdout) -> Option<Vec<u8>> {
    let mut block = vec![0; 64 << 10];
    loop {
        match stdout.read(&mut block) {
            Ok(0) => return None,
            Ok(n) => {
                block.truncate(n);
                return Some(block);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
