"""Drops rows that have 13 words in a row in common with a text of an evaluation file, with a Python set."""

import json
import sys

source, output, evaluation = sys.argv[1:]


def runs(row):
    words = json.loads(row)["text"].lower().split()
    return (" ".join(words[i : i + 13]) for i in range(len(words) - 12))


with open(evaluation, encoding="utf-8") as rows:
    known = {run for row in rows for run in runs(row)}
with open(source, encoding="utf-8") as rows, open(output, "w", encoding="utf-8") as kept:
    kept.writelines(row for row in rows if known.isdisjoint(runs(row)))
