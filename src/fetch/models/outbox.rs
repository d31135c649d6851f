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
    fn wait(&self, time: Duration) -> MutexGuard<'_, State> {
        let until = Instant::now() + time;
        let mut state = self.lock();
        while state.queue.is_empty() && !state.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.ready.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// Takes the next; none if the time is up, or nothing will come any more.
    pub fn take(&self, time: Duration) -> Option<(u64, Delivery)> {
        self.wait(time).queue.pop_front()
    }

    /// Takes all that is there, which is nothing if the time is up; none: nothing will come any more.
    pub fn take_all(&self, time: Duration) -> Option<Vec<(u64, Delivery)>> {
        let mut state = self.wait(time);
        (!state.closed || !state.queue.is_empty()).then(|| state.queue.drain(..).collect())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_told_when_nothing_will_come_any_more() {
        let outbox = Outbox::default();
        assert_eq!(outbox.take_all(Duration::ZERO).map(|all| all.len()), Some(0), "something may come yet");
        outbox.put(&mut vec![(1, Delivery::Stopped)]);
        outbox.close();
        assert_eq!(outbox.take_all(Duration::ZERO).map(|all| all.len()), Some(1), "what came is delivered");
        assert!(outbox.take_all(Duration::from_secs(3600)).is_none());
        assert!(outbox.take(Duration::from_secs(3600)).is_none());
    }
}
