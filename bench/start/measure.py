"""measure.py - starts the programs in turn and writes the table (started by run.sh)."""
import argparse
import datetime
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import bench_kit  # noqa: E402

IDLE = "raudal run --once, nothing to do"


def timed(command):
    """Wall and CPU milliseconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall * 1000, cpu * 1000


def table(results, rounds, files):
    lines = [f"A finished root of cloud analytics, {files} landed files; {rounds} rounds in turn, {os.cpu_count()} cores, "
             f"{datetime.date.today().isoformat()}; milliseconds from process start to exit, median (least).", "",
             "| program | wall ms | CPU ms | times the idle run, CPU |", "| --- | --- | --- | --- |"]
    base = statistics.median(r[1] for r in results[IDLE])
    for name, rows in results.items():
        wall, cpu = [r[0] for r in rows], [r[1] for r in rows]
        lines.append(f"| {name} | {statistics.median(wall):.0f} ({min(wall):.0f}) | {statistics.median(cpu):.0f} ({min(cpu):.0f}) "
                     f"| {statistics.median(cpu) / base:.2f} |")
    return "\n".join(lines)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--top", required=True)
    args.add_argument("--landing")
    args.add_argument("--rounds", type=int, default=15)
    args.add_argument("--no-write", action="store_true")
    args = args.parse_args()
    raudal = os.environ["RAUDAL"]
    work = tempfile.mkdtemp(prefix="raudal-bench-")
    try:
        landing = os.path.abspath(args.landing) if args.landing else f"{work}/landing"
        if not args.landing:
            subprocess.run([os.environ["GENERATE"], "--out", landing], check=True)
        idle = [raudal, "run", f"{args.top}/examples/cloud_analytics", "--once", "--root", f"{work}/root",
                "--set", f"LANDING={landing}", "--set", "max_files_per_epoch=120"]
        subprocess.run(idle, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        programs = {
            IDLE: idle,
            "raudal version": [raudal, "version"],
            "python -c pass": [sys.executable, "-c", "pass"],
            "python, DuckDB opened": [sys.executable, "-c", "import duckdb; duckdb.connect().execute('SELECT 1')"],
        }
        results = {name: [] for name in programs}
        for _ in range(args.rounds):
            for name, command in programs.items():
                results[name].append(timed(command))
        files = sum(len(f) for _, _, f in os.walk(landing))
        text = table(results, args.rounds, files)
        print(text)
        if not args.no_write:
            bench_kit.publish(f"{args.top}/docs/benchmarks.md", "start", "Start, and a run with nothing to do", text)
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
