"""Writes final_number.jsonl: answers, and the number that the graders of GSM8K read from them.

`strict` is `extract_answer` of openai/grade-school-math (dataset.py); `flexible` the last match of the filter `flexible-extract` of
lm-evaluation-harness 0.4 (gsm8k.yaml). Null where they read none.

python tests/vectors/final_number.py > tests/vectors/final_number.jsonl
"""

import json
import re

STRICT = re.compile(r"#### (\-?[0-9\.\,]+)")
FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")


def number(text):
    try:
        return float(text.replace(",", "").replace("$", "").rstrip("."))
    except ValueError:
        return None


def strict(text):
    match = STRICT.search(text)
    return number(match.group(1)) if match else None


def flexible(text):
    found = ["".join(groups) for groups in FLEXIBLE.findall(text)]
    return number(found[-1]) if found else None


TEXTS = [
    "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nShe sold 48+24 = <<48+24=72>>72 clips.\n#### 72",
    "He pays 2*$1,500 = $<<2*1500=3000>>3,000.\n#### 3,000",
    "The temperature falls by 12 to -4.\n#### -4",
    "Each gets 7.25 dollars.\n#### 7.25",
    "It weighs 1,234,567 kg.\n#### 1,234,567",
    "So the answer is 18.",
    "She makes 9 * 2 = $18 every day.",
    "The total is $1,080.50",
    "It took 3 trips of 45 minutes, which is 135 minutes.",
    "There are 16 - 3 - 4 = 9 eggs left",
    "The final answer is -12",
    "Half of 5 is 2.5",
    "I do not know.",
    "",
]

for text in TEXTS:
    print(json.dumps({"text": text, "strict": strict(text), "flexible": flexible(text)}))
