"""Writes measures.jsonl and perplexity.jsonl: what the reference implementations give.

Made with Python 3.11, nltk 3.10.4, numpy 2.4.6, scipy 1.17.1, the module kenlm 0.3.0, and `lmplz` built of the same source:
    python measures.py LMPLZ
"""

import itertools, json, math, pathlib, re, subprocess, sys, tempfile
from collections import Counter

import kenlm
import nltk
import numpy as np
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from scipy import stats

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
text = (ROOT / "docs" / "tutorial.md").read_text() + (ROOT / "docs" / "format.md").read_text() + (ROOT / "README.md").read_text()
lines = [line.strip() for line in text.splitlines() if re.match(r"[A-Za-z`*]", line) and len(line.split()) > 5]
lines = [" ".join(line.split()[:40]) for line in lines]
texts = lines[:60] + lines[:3]

out = [{"texts": texts}]


def put(value, expect, **rows):
    out.append({"value": value, "expect": expect, **rows})


for n in (1, 2, 3):
    grams = [gram for one in texts for gram in nltk.ngrams(one.split(), n)]
    put(f"distinct_n(text, {n})", len(set(grams)) / len(grams))
    put(f"ngram_entropy(text, {n})", float(stats.entropy(list(Counter(grams).values()), base=2)))
method1 = SmoothingFunction().method1
words = [one.split() for one in texts]
scores = [sentence_bleu(words[:i] + words[i + 1 :], one, smoothing_function=method1) for i, one in enumerate(words)]
put("self_bleu(text)", sum(scores) / len(scores))
lengths = [float(len(one)) for one in words]
for level in (0.9, 0.95, 0.99):
    low, high = stats.t.interval(level, len(lengths) - 1, np.mean(lengths), stats.sem(lengths))
    put(f"ci_low(cast(word_count(text) as float), {level})", float(low))
    put(f"ci_high(cast(word_count(text) as float), {level})", float(high))
    wide = sum(length > 20 for length in lengths)
    wilson = stats.binomtest(wide, len(lengths)).proportion_ci(level, "wilson")
    put(f"ci_low(word_count(text) > 20, {level})", float(wilson.low))
    put(f"ci_high(word_count(text) > 20, {level})", float(wilson.high))
for q in (0.1, 0.5, 0.75):
    for level in (0.8, 0.95):
        low, high = stats.quantile_test(lengths, p=q).confidence_interval(level)
        put(f"quantile_low(word_count(text), {q}, {level})", None if np.isnan(low) else float(low))
        put(f"quantile_high(word_count(text), {q}, {level})", None if np.isnan(high) else float(high))
vectors = np.array([[len(one), one.count("a") + 1, one.count("e"), one.count(" ")] for one in texts], float)
units = vectors / np.linalg.norm(vectors, axis=1)[:, None]
values = np.linalg.eigvalsh(units @ units.T / len(units))
values = values[values > 1e-15]
put(
    "vendi_score([length(text), length(text) - length(replace(text, 'a', '')) + 1, length(text) - length(replace(text, 'e', '')), "
    "length(text) - length(replace(text, ' ', ''))])",
    float(np.exp(-(values * np.log(values)).sum())),
)


def estimator(n, c, k):
    """As in openai/human-eval."""
    return 1.0 if n - c < k else 1.0 - float(np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


for k in (1, 3):
    tasks = Counter(len(one) % 5 for one in texts)
    passed = Counter(len(one) % 5 for one in texts if one.count("e") > 12)
    put(
        f"pass_at_k(length(text) - length(replace(text, 'e', '')) > 12, length(text) % 5, {k})",
        float(np.mean([estimator(tasks[t], passed[t], k) for t in tasks])),
    )
(HERE / "measures.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in out))

train, asked = lines[:150], lines[150:180] + ["", "no such wordz here at all", lines[0]]
rows = [{"train": train}]
for order in (2, 3, 5):
    with tempfile.TemporaryDirectory() as folder:
        arpa = pathlib.Path(folder) / "lm.arpa"
        command = [sys.argv[1], "-o", str(order), "--discount_fallback", "-S", "10%", "-T", folder]
        made = subprocess.run(command, input="".join(line + "\n" for line in train).encode(), capture_output=True, check=True)
        arpa.write_bytes(made.stdout)
        model = kenlm.Model(str(arpa))
        for one in asked:
            if one:
                rows.append({"order": order, "text": one, "log": model.score(one), "perplexity": model.perplexity(one)})
(HERE / "perplexity.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
