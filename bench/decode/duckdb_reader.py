"""duckdb_reader.py FILE FORMAT THREADS ROUNDS NAME:TYPE... - the same cases as decode_bench, by the installed duckdb.

Prints lines of case, reader, threads, wall seconds, CPU seconds, rows; with --version its version alone.
"""
import resource
import sys
import time

import duckdb

if sys.argv[1] == "--version":
    print(duckdb.__version__)
    sys.exit()
path, kind, threads, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
columns = dict(c.split(":", 1) for c in sys.argv[5:])
con = duckdb.connect(config={"threads": threads, "preserve_insertion_order": False})
options = "format='newline_delimited'" if kind == "json" else "header=true, delim=',', quote='\"', escape='\"'"
reader = f"read_{kind}('{path}', {options}, columns={columns})"
counts = ", ".join(f'count("{c}")' for c in columns)
rows = con.execute(f"SELECT count(*) FROM {reader}").fetchone()[0]


def cpu():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


for _ in range(rounds):
    for case, text in (("table", f"CREATE TABLE t AS SELECT * FROM {reader}"), ("values", f"SELECT {counts} FROM {reader}")):
        con.execute("DROP TABLE IF EXISTS t")
        wall, before = time.monotonic(), cpu()
        con.execute(text).fetchall()
        print(case, f"DuckDB {duckdb.__version__}", threads, f"{time.monotonic() - wall:.4f}", f"{cpu() - before:.4f}", rows, sep="\t",
              flush=True)
