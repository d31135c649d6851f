//! A program that is run once: rows are handed to it as they are made, and what it writes is kept in a file.

use super::failure::Failure;
use super::scratch::Folder;
use super::{Program, TICK, Watch};
use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;

/// Where the rows of a whole table are handed over, some at a time.
pub struct Feed<'a> {
    rows: SyncSender<Vec<u8>>,
    watch: Watch<'a>,
    /// Why it went no further.
    failure: Option<Failure>,
}

impl Feed<'_> {
    /// Hands over some rows; false: no more are wanted.
    pub fn push(&mut self, mut rows: Vec<u8>) -> bool {
        loop {
            rows = match self.rows.try_send(rows) {
                Ok(()) => return true,
                // The program has closed its input: it has what it needs, or its exit code tells that it has not.
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(rows)) => rows,
            };
            if let Err(failure) = self.watch.go_on() {
                self.failure = Some(failure);
                return false;
            }
            thread::sleep(TICK / 10);
        }
    }
}

/// Runs a program over what `feed` hands over, and returns the folder with [`Folder::output`]. What goes wrong in `feed` ends it.
///
/// `trouble` tells what goes wrong with the program as an error of `feed`.
pub fn run_whole<E>(
    program: &Program,
    cancel: &AtomicBool,
    trouble: impl Fn(Failure) -> E,
    feed: impl FnOnce(&mut Feed) -> Result<(), E>,
) -> Result<Folder, E> {
    let watch = Watch::new(program, cancel);
    let folder = program.workshop.scratch.folder(super::HELPER).map_err(|error| trouble(Failure::scratch(error)))?;
    let output = File::create(folder.output()).map_err(|error| trouble(Failure::scratch(error)))?;
    let mut child = program.start(Stdio::piped(), output.into()).map_err(&trouble)?;
    let mut stdin = child.process.stdin.take().expect("it was asked for");
    let (rows, to_write) = sync_channel::<Vec<u8>>(2);
    thread::spawn(move || while to_write.recv().is_ok_and(|rows| stdin.write_all(&rows).is_ok()) {});
    let mut feeding = Feed { rows, watch, failure: None };
    feed(&mut feeding)?;
    let failure = feeding.failure.take();
    drop(feeding);
    let ended = failure.map_or(Ok(()), Err).and_then(|()| child.wait(watch));
    match ended {
        Ok(()) => Ok(folder),
        Err(failure) => Err(trouble(child.give_up(failure))),
    }
}
