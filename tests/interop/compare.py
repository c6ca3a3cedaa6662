"""Compares what raudal sql finds in each table with two independent readers of its lake.

usage: compare.py RAUDAL PIPELINE --root ROOT [raudal options]
       compare.py --have        exit 0 when the readers are installed

Per table and column: rows, nulls, the sum of numbers (exact decimals and integers digit by digit,
doubles to 12 digits: every reader adds them in an order of its own), the number of true.
"""
import csv
import io
import json
import math
import os
import subprocess
import sys
from decimal import Decimal

import duckdb
from deltalake import DeltaTable

EXACT = ("DECIMAL", "BIGINT", "INTEGER", "HUGEINT")


def aggregates(columns):
    """The expressions to compare; the same text for all readers, which all speak DuckDB's SQL."""
    out = ["CAST(count(*) AS TEXT)"]
    for name, kind in columns:
        column = '"' + name.replace('"', '""') + '"'
        out.append(f"CAST(count({column}) AS TEXT)")
        if kind.startswith(EXACT):
            out.append(f"CAST(sum({column}) AS TEXT)")
        elif kind in ("DOUBLE", "FLOAT"):
            out.append(f"CAST(sum({column}) AS TEXT)")
        elif kind == "BOOLEAN":
            out.append(f"CAST(count(*) FILTER ({column}) AS TEXT)")
    return ", ".join(out)


def same(a, b):
    if a == b:
        return True
    if not a or not b:
        return (a or "") == (b or "")
    if "." in a or "e" in a or "." in b or "e" in b:
        if "e" not in a + b and Decimal(a) == Decimal(b):
            return True
        return math.isclose(float(a), float(b), rel_tol=1e-12, abs_tol=1e-9)
    return False


def main(args):
    raudal, pipeline, options = args[0], args[1], args[2:]

    def ask(*command):
        done = subprocess.run([raudal, *command, *options], check=True, capture_output=True, text=True)
        return done.stdout

    listed = json.loads(ask("lake", "tables", pipeline, "--json"))
    listed = listed["tables"] if isinstance(listed, dict) else listed
    shown = {t["table"] for t in json.loads(ask("status", pipeline, "--json"))["tables"]}
    passed = failed = 0
    for table in listed:
        name, folder = table["table"], table["folder"]
        if name not in shown or table["rows"] == 0:
            continue
        delta = DeltaTable(folder)
        arrow = delta.to_pyarrow_table()
        db = duckdb.connect()
        db.execute("SET TimeZone = 'UTC'")
        db.register("by_delta", arrow)
        names = [os.path.join(folder, path) for path in delta.file_uris()]
        db.execute("CREATE VIEW by_files AS SELECT * FROM read_parquet(?, hive_partitioning = true, "
                   "union_by_name = true)".replace("?", repr(names)))
        columns = [r[:2] for r in db.execute("DESCRIBE by_delta").fetchall() if not r[0].startswith("_")
                   or r[0].startswith("__")]
        wanted = aggregates(columns)
        schema, short = name.split(".", 1)
        rows = list(csv.reader(io.StringIO(ask("sql", pipeline, f'SELECT {wanted} FROM "{schema}"."{short}"',
                                               "--format", "csv"))))
        ours = rows[1]
        for reader in ("by_delta", "by_files"):
            theirs = [v or "" for v in db.execute(f"SELECT {wanted} FROM {reader}").fetchone()]
            wrong = [(w, a, b) for w, a, b in zip(wanted.split("), "), ours, theirs) if not same(a, b)]
            if wrong or len(ours) != len(theirs):
                failed += 1
                print(f"FAIL {name}, {reader}: {wrong[:5]}")
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed or passed == 0 else 0)


if __name__ == "__main__":
    if sys.argv[1:] == ["--have"]:
        sys.exit(0)
    main(sys.argv[1:])
