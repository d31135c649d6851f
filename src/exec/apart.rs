//! What is dear in conditions: an action each, that a threshold is not in.

use super::able::Made;
use super::context::Stop;
use super::stage::Flow;
use crate::graph::Work;
use crate::op::Apart;
use crate::table::{ColumnRef, Field, RowGroup, Schema};

impl Flow<'_> {
    /// Returns what an op makes that is taken apart: what is dear first, then the rest of it. Where a dear part fails in a row, the op as it was
    /// written decides, which may not ask for it there.
    pub(super) fn made_apart(
        &self,
        work: &Work,
        apart: &Apart,
        schema: &Schema,
        group: &RowGroup,
    ) -> Result<Made, Stop> {
        let (mut schema, mut group) = (schema.clone(), group.clone());
        for (name, dear) in apart.names.iter().zip(&apart.dear) {
            let one = Work { op: dear.clone(), ..work.clone() };
            let made = self.whole_columns_of(&one, &schema, &group)?;
            if made.failed.is_some() {
                return self.whole_columns_of(work, &schema, &group);
            }
            // Before all others: a column of the dataset may have that name, and the rest means these.
            schema.0.insert(0, Field::new(name, dear.writes()[0].clone()));
            group.columns.insert(0, ColumnRef::from(made.chunks[0]));
        }
        self.whole_columns_of(&Work { op: apart.rest.clone(), ..work.clone() }, &schema, &group)
    }
}
