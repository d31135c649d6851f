"""Keeps the first of rows whose texts are nearly alike, by MinHash with 14 bands of 8 over runs of 5 words, with rensa."""

import json
import sys

from rensa import RMinHash, RMinHashLSH

source, output = sys.argv[1:]
index = RMinHashLSH(threshold=0.8, num_perm=112, num_bands=14)
with open(source, encoding="utf-8") as rows, open(output, "w", encoding="utf-8") as kept:
    for at, row in enumerate(rows):
        words = json.loads(row)["text"].lower().split()
        shingles = [" ".join(words[i : i + 5]) for i in range(max(1, len(words) - 4))]
        signature = RMinHash(num_perm=112, seed=42)
        signature.update(shingles)
        if not index.query(signature):
            kept.write(row)
        index.insert(at, signature)
