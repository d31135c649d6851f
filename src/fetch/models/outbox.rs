//! Deliveries on their way to whoever waits for them.

use super::Delivery;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A queue between the thread that talks to endpoints and all that wait; waking is once for a batch.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<(u64, Delivery)>,
    /// Nothing will come any more.
    closed: bool,
}

impl Outbox {
    /// Adds deliveries, and leaves `batch` empty.
    pub fn put(&self, batch: &mut Vec<(u64, Delivery)>) {
        if batch.is_empty() {
            return;
        }
        self.lock().queue.extend(batch.drain(..));
        self.ready.notify_all();
    }

    /// Ends it: whoever waits is woken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }

    /// Waits until something is there, it is closed, or the time is up.
    fn wait(&self, until: Option<Instant>) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        while state.queue.is_empty() && !state.closed {
            state = match until {
                None => self.ready.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return state;
                    }
                    self.ready.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state
    }

    /// Takes the next; none if the time is up, or nothing will come any more.
    pub fn take(&self, time: Option<Duration>) -> Option<(u64, Delivery)> {
        self.wait(time.map(|time| Instant::now() + time)).queue.pop_front()
    }

    /// Takes all that is there.
    pub fn take_all(&self, time: Duration) -> Vec<(u64, Delivery)> {
        self.wait(Some(Instant::now() + time)).queue.drain(..).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
