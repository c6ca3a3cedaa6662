"""Reads a Delta table with the PyPI package deltalake, a reader that shares nothing with us.

usage: delta_reader.py TABLE [--version N]

Prints one JSON object: version, files, rows, columns (name -> Delta type), sums (of every
number, with exact decimals as text), nulls per column, partitions (distinct value tuples).
Run by `make test-interop` with the interpreter of build/venv (pip install deltalake pyarrow).
"""
import argparse
import json
import sys
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable


def total(column):
    """The sum as text; exact for integers and decimals."""
    kind = column.type
    if pa.types.is_decimal(kind):
        return str(sum((v for v in column.to_pylist() if v is not None), Decimal(0)))
    if pa.types.is_integer(kind):
        return str(sum(v for v in column.to_pylist() if v is not None))
    if pa.types.is_floating(kind):
        return repr(pc.sum(column).as_py())
    return None


def main():
    args = argparse.ArgumentParser()
    args.add_argument("table")
    args.add_argument("--version", type=int)
    args = args.parse_args()
    delta = DeltaTable(args.table, version=args.version)
    try:
        rows = delta.to_pyarrow_table()
    except Exception:  # protocol features that the dataset route does not know
        rows = pa.table(delta.to_pyarrow_dataset().to_table())
    keys = delta.metadata().partition_columns
    sums = {name: total(rows[name]) for name in rows.column_names}
    found = {
        "version": delta.version(),
        "files": len(delta.file_uris()),
        "rows": rows.num_rows,
        "columns": {f.name: json.loads(f.type.to_json()) for f in delta.schema().fields},
        "sums": {name: value for name, value in sums.items() if value is not None},
        "nulls": {name: rows[name].null_count for name in rows.column_names},
        "partitions": sorted(
            {tuple(str(v) for v in row.values()) for row in rows.select(keys).to_pylist()}
        ) if keys else [],
    }
    json.dump(found, sys.stdout, ensure_ascii=False, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
