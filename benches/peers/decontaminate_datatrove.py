"""Drops rows that have 13 words in a row in common with a text of an evaluation file: the loop of datatrove's `NGramsDecontFilter` over its own functions,
with words cut at white space (its default, spaCy, is some ten times slower)."""

import json
import sys

from datatrove.utils.hashing import HashConfig, create_hash_func
from datatrove.utils.text import TextNormConfig, ngrams, simplify_text

source, output, evaluation = sys.argv[1:]
norm, hashed = TextNormConfig(), create_hash_func(HashConfig())


def runs(row):
    words = simplify_text(json.loads(row)["text"], norm).split()
    return (hashed(" ".join(run).encode()) for run in list(ngrams(words, 13)))


with open(evaluation, encoding="utf-8") as rows:
    known = {run: "evaluation" for row in rows for run in runs(row)}
with open(source, encoding="utf-8") as rows, open(output, "w", encoding="utf-8") as kept:
    kept.writelines(row for row in rows if all(known.get(run) is None for run in runs(row)))
