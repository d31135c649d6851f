//! Things that come from several threads in any order, and are taken one after the other in theirs.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// A queue by number.
pub(super) struct InOrder<T>(Mutex<Queue<T>>);

struct Queue<T> {
    next: usize,
    waiting: BTreeMap<usize, T>,
    /// Whether a thread takes what is next.
    is_taking: bool,
}

impl<T> InOrder<T> {
    /// Begins with number 0.
    pub fn new() -> InOrder<T> {
        InOrder(Mutex::new(Queue { next: 0, waiting: BTreeMap::new(), is_taking: false }))
    }

    /// Puts down the thing of a number. Whoever puts down the next one takes it, and all that lie there after it; nobody waits.
    pub fn put(&self, number: usize, thing: T, mut take: impl FnMut(T)) {
        let lock = || self.0.lock().expect("no thread panics with this lock");
        let mut queue = lock();
        queue.waiting.insert(number, thing);
        if std::mem::replace(&mut queue.is_taking, true) {
            return;
        }
        while let Some(thing) = next(&mut queue) {
            drop(queue);
            take(thing);
            queue = lock();
        }
        queue.is_taking = false;
    }
}

fn next<T>(queue: &mut Queue<T>) -> Option<T> {
    let thing = queue.waiting.remove(&queue.next)?;
    queue.next += 1;
    Some(thing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;

    #[test]
    fn things_are_taken_in_order_whatever_order_they_come_in() {
        let (queue, taken) = (InOrder::new(), Mutex::new(Vec::new()));
        (0..1000usize).into_par_iter().for_each(|at| {
            let number = (at * 7) % 1000;
            queue.put(number, number, |thing| taken.lock().unwrap().push(thing));
        });
        assert_eq!(*taken.lock().unwrap(), (0..1000).collect::<Vec<_>>());
    }
}
