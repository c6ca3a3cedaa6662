"""measure.py - run the three programs in turn, compare, and write the table (started by run.sh)."""
import argparse
import datetime
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from bench_kit import publish, run  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def programs(args, landing, work):
    """name -> (command, where its gold can be counted)."""
    out = {}
    if os.access(os.environ["RAUDAL"], os.X_OK):
        out["raudal"] = [os.environ["RAUDAL"], "run", f"{args.top}/examples/cloud_analytics", "--once",
                         "--root", f"{work}/raudal", "--set", f"LANDING={landing}",
                         "--set", f"max_files_per_epoch={args.files_per_epoch}"]
    out["duckdb"] = [sys.executable, f"{HERE}/duckdb_job.py", landing, f"{work}/duckdb"]
    out["spark"] = [sys.executable, f"{HERE}/spark_job.py", landing, f"{work}/spark"]
    return {k: v for k, v in out.items() if k not in args.skip}


def table(results, landing, rounds):
    with_lines = sum(1 for root, _, files in os.walk(f"{landing}/usage_events_stream") for f in files
                     for _ in open(os.path.join(root, f), "rb"))
    base = results.get("raudal") or results["duckdb"]
    base_name = "raudal" if "raudal" in results else "duckdb"
    lines = [f"{with_lines:,} events, {rounds} rounds in turn, {os.cpu_count()} cores, "
             f"{datetime.date.today().isoformat()}; wall time from process start to exit, median (least to most).", "",
             f"| program | wall s | CPU s | peak MB | times {base_name} (least to most over rounds) |",
             "| --- | --- | --- | --- | --- |"]
    for name, rows in results.items():
        wall = [r[0] for r in rows]
        ratios = sorted(r[0] / b[0] for r, b in zip(rows, base))
        lines.append(f"| {name} | {statistics.median(wall):.2f} ({min(wall):.2f} to {max(wall):.2f}) "
                     f"| {statistics.median(r[1] for r in rows):.1f} | {max(r[2] for r in rows):.0f} "
                     f"| {statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f}) |")
    return "\n".join(lines)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--top", required=True)
    args.add_argument("--landing")
    args.add_argument("--scale", default="1")
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--files-per-epoch", default="120")
    args.add_argument("--skip", action="append", default=[])
    args.add_argument("--no-write", action="store_true")
    args = args.parse_args()
    work = tempfile.mkdtemp(prefix="raudal-bench-")
    try:
        landing = os.path.abspath(args.landing) if args.landing else f"{work}/landing"
        if not args.landing:
            subprocess.run([os.environ["GENERATE"], "--out", landing, "--scale", args.scale], check=True)
        todo = programs(args, landing, work)
        results = {name: [] for name in todo}
        for round_ in range(args.rounds):
            for name, command in todo.items():
                # What an earlier round left goes at the end: a file system is slow to make files where some were just removed.
                if os.path.exists(f"{work}/{name}"):
                    os.rename(f"{work}/{name}", f"{work}/{name}.{round_}")
                results[name].append(run(command, f"{work}/{name}.log"))
                wall, cpu, peak = results[name][-1]
                print(f"round {round_ + 1}  {name:8} {wall:8.2f} s  {cpu:7.1f} CPU s  {peak:6.0f} MB", flush=True)
        text = table(results, landing, args.rounds)
        print(text)
        if not args.no_write:
            publish(f"{args.top}/docs/benchmarks.md", "cloud_analytics", "Cloud analytics, whole pipeline", text)
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
