//! Code of others that panics where it should say what is wrong with what it was given.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// Whether this thread is in [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether a panic of this thread is an answer to what was given, and so no bug.
pub fn panic_is_expected() -> bool {
    GUARDED.get()
}

/// Runs code of others over data that may be anything; none: it panicked.
pub fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    let before = GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(run));
    GUARDED.set(before);
    done.ok()
}
