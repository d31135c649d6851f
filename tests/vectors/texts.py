"""Writes texts.jsonl: texts, their bytes compressed by reference implementations, and their n-gram entropy.

pip install zstandard==0.25.0 numpy
python tests/vectors/texts.py > tests/vectors/texts.jsonl
"""

import collections
import json
import random
import zlib

import numpy
import zstandard


def entropy(text, n):
    words = text.split()
    counts = collections.Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    if not counts:
        return None
    p = numpy.array(list(counts.values())) / sum(counts.values())
    return float(-(p * numpy.log2(p)).sum())


def main():
    rng = random.Random(7)
    words = "the of and to a in is that it was for on are with as his they be at one have this from or".split()
    texts = ["", "a", "the same the same the same the same", "Owls hunt at night. Their ears hear a mouse under the snow."]
    texts += [" ".join(rng.choice(words) for _ in range(length)) for length in [5, 40, 200, 1000]]
    texts += [("Buy now! " * 200), "".join(chr(rng.randint(33, 126)) for _ in range(600)), "日本語のテキスト。" * 40]
    texts += ["\n".join(f"{i}: {rng.choice(words)} {i * i}" for i in range(200))]
    for text in texts:
        raw = text.encode()
        print(json.dumps({
            "text": text,
            "zlib": len(zlib.compress(raw, 6)),
            "zstd": len(zstandard.ZstdCompressor(level=3).compress(raw)),
            "entropy": [entropy(text, n) for n in (1, 2, 3)],
        }, ensure_ascii=False))


main()
