"""growth.py - the pipeline's cost for an event as the landing grows, under one memory budget (started by run.sh growth).

Each scale is a landing of its own and a fresh root, in epochs of ten files; its gold is compared with what the generator
says that it wrote.  Then ten more files come, and the cost of this increment is taken too.  CPU seconds: they count on a
busy machine as well.
"""
import argparse
import datetime
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from bench_kit import publish, run  # noqa: E402

MORE = 10  # files of the increment


def raudal(args, work, *words):
    return [os.environ["RAUDAL"], words[0], f"{args.top}/examples/cloud_analytics", "--root", f"{work}/root",
            "--set", f"LANDING={work}/landing", *words[1:]]


def total(args, work):
    sql = "SELECT sum(event_count), sum(daily_cost_usd) FROM gold.org_daily_usage_by_service"
    out = subprocess.run(raudal(args, work, "sql", "--format", "csv", sql), check=True, capture_output=True, text=True)
    events, cost = out.stdout.splitlines()[-1].split(",")
    return int(events), float(cost)


def one(args, scale, work):
    events = f"{work}/landing/usage_events_stream"
    subprocess.run([os.environ["GENERATE"], "--out", f"{work}/landing", "--scale", str(scale), "--order", args.order], check=True)
    truth = json.load(open(f"{work}/landing/truth/truth.json"))
    aside = sorted(glob.glob(f"{events}/*"))[-MORE:]
    os.mkdir(f"{work}/aside")
    more = sum(sum(1 for _ in open(path, "rb")) for path in aside)
    for path in aside:
        os.rename(path, f"{work}/aside/{os.path.basename(path)}")
    command = raudal(args, work, "run", "--once", "--memory", args.memory)
    first = run(command, f"{work}/first.log")
    for path in aside:
        os.rename(f"{work}/aside/{os.path.basename(path)}", path)
    then = run(command, f"{work}/then.log")
    got, cost = total(args, work)
    if got != truth["lines"]["accepted"] or abs(cost - truth["accepted"]["cost_usd"]) > 1e-6 * got:
        sys.exit(f"scale {scale}: {got} events of {cost} USD, but {truth['lines']['accepted']} of {truth['accepted']['cost_usd']} were written")
    return {"scale": scale, "events": truth["lines"]["all"] - more, "first": first, "more": more, "then": then}


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--top", required=True)
    args.add_argument("--scales", default="1,10,100")
    args.add_argument("--order", default="shuffled")
    args.add_argument("--memory", default="1GB")
    args.add_argument("--work")
    args.add_argument("--results", help="a file of rows that is added to, so that scales may be run apart")
    args.add_argument("--skip", action="append")
    args.add_argument("--no-write", action="store_true")
    args = args.parse_args()
    rows = json.load(open(args.results)) if args.results and os.path.exists(args.results) else []
    for scale in filter(None, args.scales.split(",")):
        work = tempfile.mkdtemp(prefix="raudal-bench-", dir=args.work)
        try:
            rows.append(one(args, int(scale), work))
            print(json.dumps(rows[-1]), flush=True)
            if args.results:
                json.dump(rows, open(args.results, "w"))
        finally:
            shutil.rmtree(work, ignore_errors=True)
    lines = [f"`--memory {args.memory}`, events {args.order}: every file holds events of all 60 days; epochs of ten files; a fresh root each, its "
             f"gold compared with the generator's own account; then ten more files, with `--once` again. {os.cpu_count()} cores, "
             f"{datetime.date.today().isoformat()}.", "",
             "| scale | events | wall s | CPU s | µs an event | peak MB | then so many more | CPU s | µs an event |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for r in sorted(rows, key=lambda r: r["scale"]):
        wall, cpu, peak = r["first"]
        lines.append(f"| {r['scale']:,} | {r['events']:,} | {wall:.1f} | {cpu:.1f} | {cpu / r['events'] * 1e6:.1f} | "
                     f"{max(peak, r['then'][2]):.0f} | {r['more']:,} | {r['then'][1]:.1f} | {r['then'][1] / r['more'] * 1e6:.1f} |")
    print("\n".join(lines))
    if not args.no_write:
        publish(f"{args.top}/docs/benchmarks.md", "cloud_analytics growth", "Cloud analytics: growth", "\n".join(lines))


main()
