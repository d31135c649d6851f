"""Measures the perplexity of each text by a model that is there already, with the Python module kenlm."""

import json
import sys

import kenlm

source, output, model = sys.argv[1:]
model = kenlm.Model(model)
with open(source, encoding="utf-8") as rows, open(output, "w", encoding="utf-8") as out:
    for row in rows:
        log, words = 0.0, 0
        for line in json.loads(row)["text"].split("\n"):
            found = line.split()
            if found:
                log += model.score(line, bos=True, eos=True)
                words += len(found) + 1
        out.write(f"{10.0 ** (-log / words) if words else None}\n")
