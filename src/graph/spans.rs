//! Binds the step that takes out of texts what stood before: `dedup_spans`.

use super::alike::Against;
use super::bind::{Binder, Stage, Work};
use crate::expr::Expr;
use crate::manifest::DedupSpans;
use crate::op::{Computed, SpanHashes, Spans};
use crate::table::{Field, Type};

/// A step that takes out of texts what stood before.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanning {
    pub spans: Spans,
    /// The column of texts.
    pub column: String,
    /// The column that is made.
    pub into: Field,
}

impl Binder<'_> {
    /// Binds `dedup_spans`.
    pub(super) fn dedup_spans(&mut self, at: usize, step: &DedupSpans) -> Option<Vec<Stage>> {
        let column = step.column.value.clone();
        let ty = self.text_column(&step.column, None);
        let work = || Work::new("dedup_spans", SpanHashes::new(&column, step.spans), &step.span);
        let mut against = Vec::new();
        for (nth, name) in step.against.iter().enumerate() {
            let (input, other) = self.other(at, nth)?;
            self.text_column(&step.column, Some((&other.schema, name)));
            against.push(Against { name: name.value.clone(), input, works: vec![work()] });
        }
        let before = self.shape.schema.clone();
        let into = Field::new(&step.into.value, ty.unwrap_or(Type::String));
        self.add(&step.into, into.ty.clone());
        let spanning = Spanning { spans: step.spans, column: column.clone(), into };
        let mut stages = vec![Stage::Spans { hashes: vec![work()], step: spanning, against }];
        if let Some(share) = &step.share {
            self.add(share, Type::Float);
            let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
            let (own, into) = (quoted(&column), quoted(&step.into.value));
            let left = format!("cast(length({into}) as float) / length({own})");
            let expr = format!("case when length({own}) = 0 then 0.0 else 1.0 - {left} end");
            // Whatever is wrong with the columns is told already.
            if before.field(&step.into.value).is_none()
                && let Ok(expr) = Expr::parse(&expr, &self.shape.schema)
            {
                stages.push(Stage::Compute(vec![Work::new(&share.value, Computed::new(expr), &step.span)]));
            }
        }
        Some(stages)
    }
}
