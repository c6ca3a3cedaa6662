"""measure.py - run the programs in turn, compare their files, write the table (started by run.sh)."""
import argparse
import csv
import datetime
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
from bench_kit import publish, run  # noqa: E402

RAUDAL, BUILD = os.environ["RAUDAL"], os.environ["BUILD"]
WHAT = {
    "raudal": "tables in the lake and SQLite, then the files",
    "raudal, the files again": "`raudal report conversations --write`, all files anew",
    "raudal, a later hour": "one answer more: tables, SQLite, and the one file that it touches",
    "pandas": "the files alone, from the beginning",
    "polars": "the files alone, from the beginning",
}


def canonical(folder):
    """Each file as a hash of its rows of {column: value}, without nulls: two columns whose first answers share a
    second may swap."""
    out = {}
    for name in os.listdir(folder):
        if name.endswith(".csv"):
            with open(f"{folder}/{name}", encoding="utf-8", newline="") as f:
                rows = sorted(tuple(sorted((k, v) for k, v in row.items() if v)) for row in csv.DictReader(f))
            out[name] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return out


def later_hour(given):
    path = f"{given}/conversations/date=2019-12-17/hour=00.json"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write('[{"customer": "C01000", "flow": "F01000", "session": "S00000000", "timestamp": '
                '"2019-12-17T00:00:00+00:00", "content": {"obrigado": "sim"}}]\n')


def measure(name, command, work, results):
    wall, cpu, peak = results[name] = run(command, f"{work}/log")
    print(f"{name:24} {wall:8.2f} s  {cpu:7.1f} CPU s  {peak:6.0f} MB", flush=True)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--flows", type=int, default=10000)
    args.add_argument("--answers", type=int, default=10000000)
    args.add_argument("--only", action="append", default=[], help="raudal, pandas, polars, later; with --work they add up")
    args.add_argument("--work")
    args.add_argument("--no-write", action="store_true")
    args = args.parse_args()
    work = args.work or tempfile.mkdtemp(prefix="raudal-bench-")
    results, load = {}, os.getloadavg()[0]
    os.makedirs(work, exist_ok=True)
    try:
        given = f"{work}/given"
        kept = f"{work}/results.json"
        if args.work and args.only and os.path.exists(kept):  # program by program, over the same input
            with open(kept, encoding="utf-8") as f:
                results.update({k: tuple(v) for k, v in json.load(f).items()})
        if not results and not (args.only and os.path.isdir(given)):  # made before, by hand
            shutil.rmtree(given, ignore_errors=True)
            subprocess.run([f"{BUILD}/examples/reports/generate", "--to", given, "--flows", str(args.flows), "--answers",
                            str(args.answers), "--hours", "24", "--broken", "0"], check=True)  # json.load takes no broken record
        at = [f"{TOP}/examples/reports", "--root", f"{work}/root", "--set", f"INVOICES={given}/invoices.csv", "--set",
              f"CONVERSATIONS={given}/conversations/"]
        files = {"raudal": f"{work}/root/reports/conversations"}
        if not args.only or "raudal" in args.only:
            shutil.rmtree(f"{work}/root", ignore_errors=True)
            measure("raudal", [RAUDAL, "run", *at, "--once"], work, results)
            shutil.rmtree(files["raudal"])
            os.remove(f"{work}/root/state/reports/conversations.json")
            measure("raudal, the files again", [RAUDAL, "report", at[0], "conversations", "--write", *at[1:]], work, results)
        for name in ("pandas", "polars"):
            if not args.only or name in args.only:
                files[name] = f"{work}/{name}"
                shutil.rmtree(files[name], ignore_errors=True)
                measure(name, [sys.executable, f"{HERE}/{name}_job.py", given, files[name]], work, results)
        files = {**{name: f"{work}/{name}" for name in ("pandas", "polars")}, **files}
        there = {name: canonical(folder) for name, folder in files.items() if os.path.isdir(folder)}
        first = next(iter(there.values()))
        for name, content in there.items():
            if content != first:
                sys.exit(f"{name} wrote other answers than {next(iter(there))}")
        if "raudal" in results and (not args.only or "later" in args.only):
            later_hour(given)
            measure("raudal, a later hour", [RAUDAL, "run", *at, "--once"], work, results)
        if args.work:
            with open(kept, "w", encoding="utf-8") as f:
                json.dump(results, f)
        size = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(f"{given}/conversations") for f in fs)
        lines = [f"{args.answers:,} answers of {args.flows:,} flows in 24 JSON files ({size / 1e6:,.0f} MB), {len(first):,} files "
                 f"written, the same answers in all; {os.cpu_count()} cores, load {load:.0f} from other work when it began, "
                 f"{datetime.date.today().isoformat()}. Under load, compare CPU seconds.", "",
                 "| program | what it makes | wall s | CPU s | peak MB |", "| --- | --- | --- | --- | --- |"]
        lines += [f"| {name} | {WHAT[name]} | {wall:.1f} | {cpu:.1f} | {peak:,.0f} |"
                  for name, (wall, cpu, peak) in results.items()]
        print("\n".join(lines))
        if not args.no_write:
            publish(f"{TOP}/docs/benchmarks.md", "reports", "Reports: answers ad hoc", "\n".join(lines))
    finally:
        if not args.work:
            shutil.rmtree(work, ignore_errors=True)


main()
