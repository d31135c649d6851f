"""Filters JSON Lines as datamake's first build does, with DuckDB, into the format that the name of the output tells."""

import sys

import duckdb

source, output, pattern = sys.argv[1:]
form = "parquet" if output.endswith(".parquet") else "json"
duckdb.execute(
    f"""copy (
        select * from read_json('{source}', format = 'newline_delimited')
        where length(text) >= 200 and not regexp_matches(text, '{pattern}') and score >= 0.2
    ) to '{output}' (format {form})"""
)
