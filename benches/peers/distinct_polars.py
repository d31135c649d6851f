"""Counts the different runs of 1, 2 and 3 words of all texts together, of all that there are, with polars: words are numbered, and a run is one number.

    python distinct_polars.py DOCUMENTS.jsonl [RATIOS.txt]

Exact for up to 2^21 different words. Runs as structs or as texts take polars about twice as long: this is the fastest way that was found.
"""

import sys

import polars as pl

texts = pl.scan_ndjson(sys.argv[1]).select(pl.col("text").str.extract_all(r"\S+").alias("word")).with_row_index("row")
number = pl.col("word").cast(pl.Categorical).to_physical().cast(pl.UInt64)
words = texts.explode("word").drop_nulls().with_columns(number).collect()
assert words["word"].max() < 1 << 21
ratios = []
for n in (1, 2, 3):
    run = pl.col("word")
    for i in range(1, n):
        run = run * (1 << 21) + pl.col("word").shift(-i)
    runs = words.lazy().select(run.alias("run"), (pl.col("row") == pl.col("row").shift(1 - n)).alias("whole")).filter("whole")
    found = runs.select(pl.col("run").n_unique() / pl.len()).collect()
    ratios.append(found.item())
print(*ratios, file=open(sys.argv[2], "w") if len(sys.argv) > 2 else sys.stdout)
