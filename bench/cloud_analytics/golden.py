"""golden.py - what every table of a lake holds, as counts, sums and checksums.

    python golden.py --parquet LAKE          read LAKE/<schema>/<table>/**/*.parquet
    python golden.py --delta LAKE            read Delta tables (only files that the log names)
        [--write FILE]                       write the figures
        [--check FILE]                       compare; exit 1 and name what differs

Figures do not depend on the order of rows or files, nor on how a sum of doubles was rounded: doubles
are taken to nine places.  Tables or columns that only one side has are not compared, except with
--strict.  Times of ingestion and paths of sources differ between runs and are left out.
"""
import argparse
import glob
import hashlib
import json
import os
import sys

import duckdb

VOLATILE = {"ingest_ts", "source_file", "__start_at", "__end_at", "filename", "arrival",
            "_epoch", "_source_partition", "_source_offset", "_ordinal"}


def canonical(column, kind):
    if kind in ("DOUBLE", "FLOAT"):
        return f"(round({column}, 9) + 0.0)::DECIMAL(38,9)::VARCHAR"
    if kind.startswith("DECIMAL"):
        return f"{column}::DECIMAL(38,6)::VARCHAR"
    if kind.startswith("TIMESTAMP"):
        return f"epoch_us({column})::VARCHAR"
    return f"{column}::VARCHAR"


def figures(db, relation):
    out = {}
    columns = [(f'"{n}"', n, t) for n, t, *_ in db.execute(f"DESCRIBE {relation}").fetchall() if n not in VOLATILE]
    out["rows"] = db.execute(f"SELECT count(*) FROM {relation}").fetchone()[0]
    out["columns"] = {}
    for quoted, name, kind in sorted(columns, key=lambda c: c[1]):
        n, d = db.execute(f"SELECT count({quoted}), count(DISTINCT {canonical(quoted, kind)}) FROM {relation}").fetchone()
        column = {"not_null": n, "distinct": d}
        if kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL") or kind.endswith("INT") or kind == "INTEGER":
            total = db.execute(f"SELECT sum({quoted}::DECIMAL(38,9)) FROM {relation}").fetchone()[0]
            column["sum"] = None if total is None else str(total)
        elif kind == "BOOLEAN":
            column["true"] = db.execute(f"SELECT count(*) FILTER ({quoted}) FROM {relation}").fetchone()[0]
        out["columns"][name] = column
    texts = ", ".join(f"coalesce({canonical(q, k)}, '\\N')" for q, _, k in sorted(columns, key=lambda c: c[1]))
    rows = db.execute(f"SELECT concat_ws('|', {texts}) AS r FROM {relation} ORDER BY r").fetchall()
    out["md5"] = hashlib.md5("\n".join(r for (r,) in rows).encode()).hexdigest()
    return out


def tables_of(lake):
    for folder in sorted(glob.glob(f"{lake}/*/*")):
        if os.path.isdir(folder):
            yield ".".join(folder.split("/")[-2:]), folder


def load_parquet(db, folder):
    db.execute(f"CREATE OR REPLACE VIEW t AS SELECT * FROM read_parquet('{folder}/**/*.parquet', "
               "hive_partitioning = true, union_by_name = true)")


def load_delta(db, folder):
    from deltalake import DeltaTable
    db.register("arrow", DeltaTable(folder).to_pyarrow_table())
    db.execute("CREATE OR REPLACE TABLE t AS SELECT * FROM arrow")
    db.unregister("arrow")


def compare(want, got, strict):
    wrong = []
    for table in sorted(set(want) | set(got)):
        if table not in got or table not in want:
            if strict:
                wrong.append(f"{table}: only in {'the expected' if table in want else 'the actual'} lake")
            continue
        if want[table]["rows"] != got[table]["rows"]:
            wrong.append(f"{table}: {got[table]['rows']} rows, expected {want[table]['rows']}")
        for name, column in want[table]["columns"].items():
            other = got[table]["columns"].get(name)
            if other is None:
                wrong.append(f"{table}.{name}: missing")
                continue
            for figure, value in column.items():
                if other.get(figure) != value:
                    wrong.append(f"{table}.{name}: {figure} is {other.get(figure)}, expected {value}")
        same_columns = set(want[table]["columns"]) == set(got[table]["columns"])
        if same_columns and want[table]["md5"] != got[table]["md5"]:
            wrong.append(f"{table}: rows differ (checksum)")
    return wrong


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--parquet")
    args.add_argument("--delta")
    args.add_argument("--write")
    args.add_argument("--check")
    args.add_argument("--only", default="", help="a prefix of table names, as in gold.")
    args.add_argument("--strict", action="store_true")
    args = args.parse_args()
    db = duckdb.connect(config={"threads": 2})
    db.execute("SET TimeZone = 'UTC'")
    got = {}
    for table, folder in tables_of(args.parquet or args.delta):
        if not table.startswith(args.only):
            continue
        (load_parquet if args.parquet else load_delta)(db, folder)
        got[table] = figures(db, "t")
        db.execute("DROP VIEW IF EXISTS t" if args.parquet else "DROP TABLE IF EXISTS t")
    if args.write:
        with open(args.write, "w") as f:
            json.dump(got, f, indent=1, sort_keys=True)
            f.write("\n")
    if args.check:
        with open(args.check) as f:
            want = {t: v for t, v in json.load(f).items() if t.startswith(args.only)}
        wrong = compare(want, got, args.strict)
        for line in wrong:
            print(line)
        both = len(set(want) & set(got))
        print(f"{both} tables compared, {len(wrong)} differences")
        sys.exit(1 if wrong or both == 0 else 0)


main()
