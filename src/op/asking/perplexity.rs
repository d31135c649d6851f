//! `perplexity` by an endpoint: how unlikely a text is to a model that tells the log-probabilities of what it is given.

use super::Asked;
use super::reply::failure;
use crate::ask::{FailureKind, Finish, Request, Response, Spec};
use crate::expr::Value;
use crate::hash::KeyWriter;
use crate::op::{AskOp, Turn, columns, text_at};
use crate::table::{Batch, Field, RowError, Type};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tokens that are asked for beyond the text: many endpoints refuse to write none. They do not count.
pub const BEYOND: u32 = 1;

/// One column: the exponential of minus the mean log-probability of the text's tokens but the first, which nothing comes before;
/// null for a text of one token.
///
/// Its key: the request's head (model, parameters), and which responses count.
pub struct AskedPerplexity {
    reads: [String; 1],
    asked: Asked,
    writes: [Field; 1],
}

impl AskedPerplexity {
    /// Measures `column` as the column `into`; what is asked needs the fields of [`AskedPerplexity::asking`].
    pub fn new(column: &str, asked: Asked, into: &str) -> AskedPerplexity {
        AskedPerplexity { reads: [column.to_owned()], asked, writes: [Field::new(into, Type::Float)] }
    }

    /// Adds to the fields of a request what makes an endpoint send a text back with its log-probabilities.
    pub fn asking(mut params: BTreeMap<String, serde_json::Value>) -> BTreeMap<String, serde_json::Value> {
        params.insert("echo".to_owned(), true.into());
        params.insert("logprobs".to_owned(), 1.into());
        params
    }
}

impl AskOp for AskedPerplexity {
    fn write_key(&self, key: &mut KeyWriter) {
        self.asked.write_key(key);
    }

    fn name(&self) -> &'static str {
        "asked-perplexity"
    }

    fn reads(&self) -> &[String] {
        &self.reads
    }

    fn writes(&self) -> &[Field] {
        &self.writes
    }

    fn specs(&self) -> Vec<Arc<Spec>> {
        vec![self.asked.spec.clone()]
    }

    fn begin(&self, input: &Batch) -> Result<Vec<Vec<Request>>, RowError> {
        let texts = columns(input, &self.reads)?.remove(0);
        let unasked = |row, what: &str| RowError {
            row,
            message: format!("the text to measure is {what}"),
            help: Some("drop such rows first, with `where`".to_owned()),
        };
        let one = |row: usize| {
            let text = text_at(&texts, row).ok_or_else(|| unasked(row, "null"))?;
            if text.is_empty() {
                return Err(unasked(row, "empty"));
            }
            Ok(vec![self.asked.about(text)])
        };
        (0..input.rows).map(one).collect()
    }

    fn reply(&self, request: &Request, response: &Response, _turns: u32) -> Turn {
        // That a reply ends at the limit of tokens is as it should be.
        if response.finish != Finish::Length
            && let Some(failed) = failure(response, false)
        {
            return failed;
        }
        let text = request.messages.first().map_or("", |message| &message.content);
        match perplexity(text, response) {
            Ok(perplexity) => Turn::Done(perplexity.map_or(Value::Null, Value::Float)),
            Err(why) => Turn::Failed(FailureKind::Empty, why.to_owned()),
        }
    }
}

/// Reads the perplexity of a text off a response to [`AskedPerplexity::asking`]; none where no token of it comes after another.
fn perplexity(text: &str, response: &Response) -> Result<Option<f64>, &'static str> {
    let logs = response.logprobs.as_ref().and_then(|logprobs| logprobs.get("token_logprobs")?.as_array());
    let logs = logs.ok_or(
        "the endpoint gave no log-probabilities of the text's tokens (`token_logprobs`): it takes `echo` and `logprobs` of completions \
         for nothing, so it cannot be measured by",
    )?;
    // A reply that ended by itself may have no token beyond the text.
    let most = logs.len().saturating_sub(if response.finish == Finish::Length { BEYOND as usize } else { 0 });
    let tokens = response.usage.map_or(most, |usage| usize::try_from(usage.input).unwrap_or(usize::MAX));
    // What was counted as the text's is more than what was sent back where the text is not.
    if tokens > most || !response.text.contains(text.trim()) {
        return Err(
            "the endpoint did not send the text back with its log-probabilities: it does not take `echo`, so it cannot be \
                    measured by",
        );
    }
    let first = usize::from(logs.first().is_some_and(serde_json::Value::is_null));
    let logs = logs.get(first..tokens).unwrap_or_default().iter().map(serde_json::Value::as_f64);
    let logs = logs.collect::<Option<Vec<f64>>>().ok_or("the endpoint gave a token of the text no log-probability")?;
    if logs.is_empty() {
        return Ok(None);
    }
    let mean = logs.iter().fold(0.0, |sum, log| sum + log) / logs.len() as f64;
    let perplexity = libm::exp(-mean);
    if perplexity.is_finite() { Ok(Some(perplexity)) } else { Err("the text has a perplexity beyond all numbers") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Usage;
    use serde_json::json;

    fn of(said: &str, logprobs: serde_json::Value, input: Option<u64>) -> Result<Option<f64>, &'static str> {
        let response = json!({ "text": said, "finish": "length", "logprobs": logprobs });
        let mut response: Response = serde_json::from_value(response).expect("it is a response");
        response.usage = input.map(|input| Usage { input, output: 1 });
        perplexity("the cat sat", &response)
    }

    #[test]
    fn the_perplexity_of_a_text_is_read_of_its_own_tokens_but_the_first() {
        let logs = |logs: serde_json::Value| json!({ "token_logprobs": logs });
        let near = |found: Result<Option<f64>, _>, expect: f64| {
            assert!((found.expect("it was sent back").expect("several tokens") - expect).abs() < 1e-12);
        };
        near(of("the cat sat on", logs(json!([null, -1.0, -3.0, -99.0])), Some(3)), libm::exp(2.0));
        // With a token before the first, all of the text's have one.
        near(of("<s>the cat sat", logs(json!([null, -1.0, -3.0, -2.0, -99.0])), Some(4)), libm::exp(2.0));
        near(of("the cat sat on", logs(json!([null, -1.0, -3.0, -99.0])), None), libm::exp(2.0));
        assert_eq!(of("the cat sat on", logs(json!([null, -9.0])), Some(1)), Ok(None));
        assert!(of("the cat sat on", logs(json!([null, -1.0, null, -9.0])), Some(3)).is_err());
        let ended = json!({ "text": "the cat sat", "finish": "stop", "logprobs": logs(json!([null, -1.0, -3.0])) });
        for usage in [None, Some(Usage { input: 3, output: 0 })] {
            let mut ended: Response = serde_json::from_value(ended.clone()).expect("it is a response");
            ended.usage = usage;
            near(perplexity("the cat sat", &ended), libm::exp(2.0));
        }
        assert!(of("on", logs(json!([-9.0])), Some(3)).is_err());
        assert!(of("on", logs(json!([-9.0])), None).is_err());
        assert!(of("the cat sat on", logs(json!([-9.0])), Some(3)).is_err());
        assert!(of("the cat sat on", json!({ "content": [] }), Some(3)).is_err());
    }
}
