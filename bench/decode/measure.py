"""measure.py - the decoder beside DuckDB's readers and plain C, in turn; writes docs/benchmarks.md (started by run.sh)."""
import argparse
import collections
import datetime
import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from bench_kit import publish  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
DEVICE = "timestamp:BIGINT antenna_id:TEXT id:TEXT bytes:BIGINT app:TEXT".split()
EVENT = ("event_id:TEXT timestamp:TIMESTAMPTZ org_id:TEXT resource_id:TEXT service:TEXT region:TEXT metric:TEXT value:TEXT "
         "unit:TEXT cost_usd_increment:DOUBLE schema_version:INTEGER carbon_kg:DOUBLE genai_tokens:BIGINT").split()
FILES = (("antennas, JSON", "devices.jsonl", "json", DEVICE), ("cloud usage, JSON", "events.jsonl", "json", EVENT),
         ("antennas, CSV", "devices.csv", "csv", DEVICE))


def measured(command):
    """Lines of case, reader, threads, wall, CPU, rows."""
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        case, reader, threads, wall, cpu, rows = line.split("\t")[:6]
        yield case, reader, int(threads), float(wall), float(cpu), int(rows)


def collect(args):
    """(file, case, threads) -> reader -> [(wall, CPU)], and rows by file; the programs take turns."""
    out, rows = collections.defaultdict(lambda: collections.defaultdict(list)), {}
    for round_ in range(args.rounds):
        for name, file, kind, columns in FILES:
            for threads in args.threads:
                common = [f"{args.work}/{file}", kind, str(threads), "1", *columns]
                commands = [[f"{args.work}/decode_bench", *common]]
                commands += [[python, f"{HERE}/duckdb_reader.py", *common] for python in args.python]
                for command in commands:
                    for case, reader, t, wall, cpu, n in measured(command):
                        out[name, case, t][reader].append((wall, cpu))
                        rows[name] = n
            print(f"round {round_ + 1}  {name}", flush=True)
        for case, reader, t, wall, cpu, n in measured([f"{args.work}/limit", f"{args.work}/devices.jsonl", "1"]):
            out["antennas, JSON", case, t][reader].append((wall, cpu))
    return out, rows


def middle(runs, i):
    return statistics.median(r[i] for r in runs)


def table(results, rows, rounds):
    readers = sorted({r for by in results.values() for r in by if r.startswith("DuckDB")})
    lines = [f"{max(rows.values()):,} records, {rounds} rounds in turn, {os.cpu_count()} cores, {datetime.date.today().isoformat()}. CPU seconds of all threads (wall in brackets), "
             "median; a busy machine stretches wall time. *Table*: the declared columns into a new in-memory table. *All columns*: with our "
             "system columns too. *Values*: into the query that reads them, which is what a large epoch does. Ratios are of CPU seconds.", "",
             "| input | case | threads | Raudal | M rows/s a core | " + " | ".join(f"{r} | ratio" for r in readers) + " |",
             "| --- | --- | --- | --- | --- |" + " --- | --- |" * len(readers)]
    for (name, case, threads), by in sorted(results.items()):
        if "Raudal" not in by:
            continue
        ours = middle(by["Raudal"], 1)
        cells = [name, case, str(threads), f"{ours:.2f} ({middle(by['Raudal'], 0):.2f})", f"{rows[name] / ours / 1e6:.2f}"]
        for reader in readers:
            theirs = by.get(reader)
            cells += [f"{middle(theirs, 1):.2f} ({middle(theirs, 0):.2f})", f"{middle(theirs, 1) / ours:.1f}"] if theirs else ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
    limit = results["antennas, JSON", "limit", 1]["plain C"]
    plain, ours = middle(limit, 1), middle(results["antennas, JSON", "values", 1]["Raudal"], 1)
    n = rows["antennas, JSON"]
    lines += ["", f"Plain C that knows this one schema and checks nothing: {n / plain / 1e6:.1f} M antenna records a second of one core; the general, "
              f"strict decoder gives {n / ours / 1e6:.1f} M, {100 * plain / ours:.0f} % of it, with reading the file and counting in DuckDB."]
    return "\n".join(lines)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--top", required=True)
    args.add_argument("--work", required=True)
    args.add_argument("--python", action="append", default=[], help="an interpreter with another duckdb")
    args.add_argument("--rounds", type=int, default=5)
    args.add_argument("--threads", type=int, action="append")
    args.add_argument("--no-write", action="store_true")
    args = args.parse_args()
    args.threads = args.threads or [1, 2]
    results, rows = collect(args)
    text = table(results, rows, args.rounds)
    print(text)
    if not args.no_write:
        publish(f"{args.top}/docs/benchmarks.md", "decode", "Decoding", text)


main()
