"""Filters JSON Lines as datamake's first build does, with polars: streaming, lazily, into the format that the name of the output tells."""

import sys

import polars as pl

source, output, pattern = sys.argv[1:]
text = pl.col("text")
rows = pl.scan_ndjson(source).filter(
    (text.str.len_chars() >= 200) & ~text.str.contains(pattern) & (pl.col("score") >= 0.2)
)
rows.sink_parquet(output) if output.endswith(".parquet") else rows.sink_ndjson(output)
