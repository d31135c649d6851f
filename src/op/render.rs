//! `render`: a template filled from each row.

use super::RowOp;
use crate::hash::KeyWriter;
use crate::table::{Batch, RowError, Type};
use crate::template::Template;
use arrow_array::ArrayRef;
use std::sync::Arc;

/// Makes one string column: the template's text for each row.
pub struct Render {
    template: Arc<Template>,
}

impl Render {
    /// Fills `template`.
    pub fn new(template: Arc<Template>) -> Render {
        Render { template }
    }
}

impl RowOp for Render {
    fn write_key(&self, key: &mut KeyWriter) {
        self.template.write_key(key);
    }

    fn name(&self) -> &'static str {
        "render"
    }

    fn version(&self) -> u32 {
        2
    }

    fn reads(&self) -> &[String] {
        self.template.reads()
    }

    fn writes(&self) -> &[Type] {
        &[Type::String]
    }

    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError> {
        Ok(vec![self.template.render(input)?])
    }
}
