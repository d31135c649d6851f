"""Runs the filters of datatrove 0.10.1 over documents, with words between white space: verdicts, and the CPU time that they take.

    python filters_datatrove.py DOCUMENTS.jsonl [VERDICTS.jsonl]

Reads the column `text`. Each line of the verdicts has what each filter says of a document on its own: `null` where it stays, else the reason;
and `c4_text`, the text that C4 leaves. `pip install datatrove==0.10.1 nltk` is all that it needs.
"""

import json
import resource
import sys

from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter
from datatrove.utils.word_tokenizers import WhitespaceTokenizer


class Words(WhitespaceTokenizer):
    """Words between white space; sentences as datatrove's own tokenizer for white space has them."""

    def word_tokenize(self, text):
        return text.split()


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main():
    words = Words()
    filters = {
        "gopher_quality": GopherQualityFilter(language=words),
        "gopher_repetition": GopherRepetitionFilter(language=words),
        "c4": C4QualityFilter(language=words),
        "fineweb": FineWebQualityFilter(language=words),
    }
    with open(sys.argv[1], encoding="utf-8", newline="\n") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    out = open(sys.argv[2], "w", encoding="utf-8", newline="\n") if len(sys.argv) > 2 else None
    size = sum(len(text.encode()) for text in texts)
    begin = cpu()
    kept = dict.fromkeys(filters, 0)
    for text in texts:
        row = {"text": text}
        for name, one in filters.items():
            document = Document(text=text, id="")
            verdict = one.filter(document)
            row[name] = None if verdict is True else verdict[1].removeprefix("gopher_")
            kept[name] += verdict is True
            if name == "c4":
                row["c4_text"] = document.text if verdict is True else None
        if out:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    took = cpu() - begin
    print(f"{len(texts)} documents, {size / 1e6:.1f} MB, {took:.2f} CPU s, {size / 1e6 / took:.2f} MB per CPU s, kept {kept}")


main()
