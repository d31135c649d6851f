"""Writes similarity.jsonl: pairs of texts and what the reference implementations say of them.

pip install sacrebleu==2.6.0 rouge-score==0.1.2 rapidfuzz==3.14.6
python tests/vectors/similarity.py > tests/vectors/similarity.jsonl
"""

import json
import random

import rapidfuzz.distance.Levenshtein as levenshtein
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "The quick brown dog jumps on the log.",
    "A quick, brown fox: it jumped over 2 lazy dogs!",
    "It costs $1,234.50 (or 3-4 dollars), he said.",
    "&quot;Tom &amp; Jerry&quot; is a well-known cartoon; isn't it?",
    "Der schnelle braune Fuchs springt über den faulen Hund.",
    "Le renard brun rapide saute par-dessus le chien paresseux.",
    "Быстрая коричневая лиса прыгает через ленивую собаку.",
    "敏捷的棕色狐狸跳过了懒狗。",
    "素早い茶色の狐がのろまな犬を飛び越える。",
    "x = f(a, b) / 2.0 - c[3] # 10-20% of 3.14",
    "Answer: 42\nBecause 6 * 7 = 42.\n",
    "hyphen-\nated words and <skipped> tokens",
    "one two three",
    "one",
    "",
    "   ",
    "İstanbul ΣΊΣΥΦΟΣ straße Ⅷ",
    "🙂 emoji 👩‍👩‍👧 family 🙂",
    "a\u00a0b\u2003c\u001cd\u0085e",
    "... ,,, ... --- ,.,. 1,2,3 .5 5. -5 5-",
    "the the the the the the the",
    "the cat sat on the mat the cat sat on the mat",
]


def mutated(text, rng):
    words = text.split(" ")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(words) + 1)
        kind = rng.randrange(4)
        if kind == 0 and words:
            del words[min(at, len(words) - 1)]
        elif kind == 1:
            words.insert(at, rng.choice(["really", "2.5", "a", "(so)", "über", "x-y"]))
        elif kind == 2:
            rng.shuffle(words)
        elif words:
            word = words[min(at, len(words) - 1)]
            words[min(at, len(words) - 1)] = word[::-1].upper()
    return " ".join(words)


def main():
    rng = random.Random(7)
    pairs = [(a, b) for i, a in enumerate(SENTENCES) for b in SENTENCES[i % 4 :: 4]]
    pairs += [(mutated(text, rng), text) for text in SENTENCES for _ in range(4)]
    pairs += [(" ".join(rng.choice("ab cd e. f,g 1,0".split(" ")) for _ in range(40)),
               " ".join(rng.choice("ab cd e. f,g 1,0".split(" ")) for _ in range(35))) for _ in range(10)]
    bleu, chrf = BLEU(effective_order=True), CHRF()
    rouge = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
    for a, b in pairs:
        scores = rouge.score(b, a)
        vector = {
            "a": a,
            "b": b,
            "edit_distance": levenshtein.distance(a, b),
            "edit_similarity": levenshtein.normalized_similarity(a, b),
            "rouge_l": scores["rougeL"].fmeasure,
            "rouge_1": scores["rouge1"].fmeasure,
            "rouge_2": scores["rouge2"].fmeasure,
            "bleu": bleu.sentence_score(a, [b]).score,
            "chrf": chrf.sentence_score(a, [b]).score,
        }
        print(json.dumps(vector, ensure_ascii=False))


main()
