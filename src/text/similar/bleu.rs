//! BLEU of one sentence (Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation"), as sacrebleu 2.6.0 computes it.

use super::grams::{Pair, shared};
use super::is_python_space;
use regex::Regex;
use std::sync::LazyLock;

/// The longest n-grams.
const ORDER: usize = 4;

/// Returns sentence BLEU of a text against one reference, from 0 to 100.
///
/// That of `BLEU(effective_order=True).sentence_score`: `nrefs:1|case:mixed|eff:yes|tok:13a|smooth:exp`. An n-gram length without a match
/// counts as half, a quarter, an eighth … of one (Chen and Cherry 2014, method 3); lengths that the text does not have are left out.
pub fn bleu(text: &str, reference: &str) -> f64 {
    let (a, b) = (tokens(text), tokens(reference));
    let pair = Pair::of(cut(&a), cut(&b));
    let (mut smooth, mut logs, mut orders) = (1.0, 0.0, 0.0);
    for n in 1..=ORDER {
        let found = shared(&pair, n, 32);
        if n == 1 && found.both == 0 {
            return 0.0;
        }
        if found.of_a == 0 {
            break;
        }
        let matches = if found.both == 0 {
            smooth *= 2.0;
            1.0 / smooth
        } else {
            found.both as f64
        };
        logs += libm::log(100.0 * matches / found.of_a as f64);
        orders += 1.0;
    }
    let (own, other) = (pair.a.len() as f64, pair.b.len() as f64);
    let brevity = if own < other { libm::exp(1.0 - other / own) } else { 1.0 };
    brevity * libm::exp(logs / orders)
}

fn cut(tokens: &str) -> impl Iterator<Item = &str> {
    tokens.split(is_python_space).filter(|token| !token.is_empty())
}

/// Sets tokens apart by blanks, as the tokenizer `13a` of sacrebleu does (that of `mteval-v13a.pl` of NIST).
fn tokens(text: &str) -> String {
    static RULES: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
        [
            (r"([{-~\[-` -&(-+:-@/])", " ${1} "),
            (r"([^0-9])([.,])", "${1} ${2} "),
            (r"([.,])([^0-9])", " ${1} ${2}"),
            (r"([0-9])(-)", "${1} ${2} "),
        ]
        .map(|(rule, new)| (Regex::new(rule).expect("the rules are patterns"), new))
    });
    let text = text.trim_end_matches(is_python_space).replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    let text = text.replace("&quot;", "\"").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
    RULES.iter().fold(format!(" {text} "), |text, (rule, new)| rule.replace_all(&text, *new).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_and_commas_stay_inside_numbers() {
        let check = |text: &str, expect: &str| assert_eq!(cut(&tokens(text)).collect::<Vec<_>>().join(" "), expect);
        check("It costs 1,234.50, or 3-4.", "It costs 1,234.50 , or 3 - 4 .");
        check("&quot;well-known&quot;\n(a/b)", "\" well-known \" ( a / b )");
        check("broken-\nword", "brokenword");
    }
}
