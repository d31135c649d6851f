"""Keeps the first of the rows whose text is the same in lower case with runs of white space as one blank, with polars."""

import sys

import polars as pl

source, output = sys.argv[1:]
normal = pl.col("text").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
rows = pl.scan_ndjson(source).with_columns(normal.alias("normal"))
rows.unique("normal", keep="first", maintain_order=True).drop("normal").sink_ndjson(output)
