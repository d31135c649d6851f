//! The way to models, opened when the first request is to be sent.

use crate::diag::Diagnostics;
use crate::fetch::models::Models;
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// The way to models. It is opened when the first request is to be sent, so that a build that needs none needs no key either.
pub struct Door<'a> {
    open: &'a (dyn Fn(&BTreeSet<usize>) -> Result<Models, Diagnostics> + Sync),
    models: OnceLock<Result<Models, Diagnostics>>,
}

impl<'a> Door<'a> {
    /// Leaves the opening to `open`, which is told the positions of all models that the build may ask.
    pub fn new(open: &'a (dyn Fn(&BTreeSet<usize>) -> Result<Models, Diagnostics> + Sync)) -> Door<'a> {
        Door { open, models: OnceLock::new() }
    }

    /// Opens the way if it is not; `endpoints` are the models that the build may ask.
    ///
    /// # Errors
    /// All that is wrong with these models.
    pub fn models(&self, endpoints: &BTreeSet<usize>) -> Result<&Models, Diagnostics> {
        self.models.get_or_init(|| (self.open)(endpoints)).as_ref().map_err(Clone::clone)
    }

    /// Returns the models, if any was asked.
    pub fn opened(&self) -> Option<&Models> {
        self.models.get()?.as_ref().ok()
    }
}
