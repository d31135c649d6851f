//! The processes of one program: as many as there is work for, each with one row group at a time.

use super::failure::Failure;
use super::worker::{Manners, Worker};
use super::{Program, TICK, Watch};
use std::sync::atomic::AtomicBool;
use std::sync::{Condvar, Mutex};

/// The processes of one program. They are started when there is work, and let go with the pool.
pub struct Pool {
    program: Program,
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    idle: Vec<Worker>,
    busy: usize,
    /// Known once a process is wanted.
    manners: Option<Manners>,
}

impl Pool {
    /// Prepares for a program; nothing is started.
    pub fn new(program: Program) -> Pool {
        let state = State { idle: Vec::new(), busy: 0, manners: None };
        Pool { program, state: Mutex::new(state), freed: Condvar::new() }
    }

    /// Hands rows to a process, and returns what it makes of them.
    pub fn answer(&self, rows: Vec<u8>, cancel: &AtomicBool) -> Result<Vec<u8>, Failure> {
        let (worker, manners) = self.enter(cancel)?;
        let done = self.answer_by(worker, manners, rows, cancel);
        let mut state = self.lock();
        state.busy -= 1;
        self.freed.notify_one();
        let (answer, worker) = done?;
        if worker.greeted() {
            state.manners = Some(Manners::Stays);
        } else if state.manners == Some(Manners::MayStay) {
            state.manners = Some(Manners::Filter);
        }
        let gone = if worker.stays() {
            state.idle.push(worker);
            None
        } else {
            Some(worker)
        };
        drop(state);
        // What is left of it is cleared away while others go on.
        drop(gone);
        Ok(answer)
    }

    fn answer_by(
        &self,
        worker: Option<Worker>,
        manners: Manners,
        rows: Vec<u8>,
        cancel: &AtomicBool,
    ) -> Result<(Vec<u8>, Worker), Failure> {
        let watch = Watch::new(&self.program, cancel);
        let mut worker = match worker {
            Some(worker) => worker,
            None => Worker::start(&self.program, manners)?,
        };
        Ok((worker.answer(rows, watch)?, worker))
    }

    /// Waits for a place, and takes a process that waits, if one does.
    fn enter(&self, cancel: &AtomicBool) -> Result<(Option<Worker>, Manners), Failure> {
        let mut state = self.lock();
        while self.program.jobs.is_some_and(|jobs| state.busy >= jobs) {
            state = self.freed.wait_timeout(state, TICK).expect("no thread panics with this lock").0;
            if cancel.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(Failure::Interrupted);
            }
        }
        state.busy += 1;
        let may_stay = || if self.program.may_stay() { Manners::MayStay } else { Manners::Filter };
        let manners = *state.manners.get_or_insert_with(may_stay);
        Ok((state.idle.pop(), manners))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with this lock")
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let idle = std::mem::take(&mut self.lock().idle);
        std::thread::scope(|scope| idle.into_iter().for_each(|worker| drop(scope.spawn(|| worker.dismiss()))));
    }
}
