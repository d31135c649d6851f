"""Writes all n-grams of the texts of a file as a model in ARPA's form; only its size is like that of a real one, not its numbers."""

import collections
import json
import sys

source, output, order = sys.argv[1], sys.argv[2], int(sys.argv[3])
counts = [collections.Counter() for _ in range(order)]
counts[0].update({("<unk>",): 1, ("<s>",): 1})
with open(source, encoding="utf-8") as rows:
    for row in rows:
        for line in json.loads(row)["text"].split("\n"):
            words = ["<s>", *line.split(), "</s>"]
            for n in range(order):
                counts[n].update(tuple(words[i : i + n + 1]) for i in range(len(words) - n) if len(words) > 2)
del counts[0][("<s>",)]
with open(output, "w", encoding="utf-8") as out:
    out.write("\\data\\\n" + "".join(f"ngram {n + 1}={len(counts[n]) + (n == 0)}\n" for n in range(order)))
    for n in range(order):
        out.write(f"\n\\{n + 1}-grams:\n" + ("-99\t<s>\t-0.3\n" if n == 0 else ""))
        back = "\t-0.3" if n + 1 < order else ""
        out.writelines(f"-{2 / (n + 1):.3f}\t{' '.join(gram)}{back}\n" for gram in counts[n])
    out.write("\n\\end\\\n")
