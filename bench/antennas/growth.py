"""growth.py - time for each message as messages and users grow, under one memory budget (started by run.sh growth).

Each case is a fresh root that takes its messages from files; the answer is compared with the producer's truth.
"""
import argparse
import datetime
import json
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from antennas_kit import HERE, TOP, Servers, differs, produce_files  # noqa: E402
from bench_kit import publish, run  # noqa: E402


def one(args, servers, work, count, users):
    folder, root = produce_files(work, count, args.span, users), f"{work}/root"
    shutil.rmtree(root, ignore_errors=True)
    servers.empty()
    before = servers.spent("postgres")
    wall, cpu, peak = run([os.environ["RAUDAL"], "run", f"{HERE}/job", "--once", "--root", root, "--memory", args.memory,
                           "--set", f"DEVICES={folder}/devices/", "--set", f"STORE={servers.url}"], f"{work}/growth.log")
    beside = servers.spent("postgres") - before
    wrong = differs(servers, folder, work)
    if wrong:
        sys.exit(f"{wrong} cells differ from the truth; see {work}/growth.log")
    groups = json.load(open(f"{folder}/truth/truth.json")).get("sums")
    shutil.rmtree(root, ignore_errors=True)
    if not args.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return {"count": count, "users": users, "groups": groups, "wall": wall, "cpu": cpu, "peak": peak, "postgres": beside}


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--cases", default="1000000:1000,1000000:100000,1000000:10000000,10000000:1000,10000000:100000,10000000:10000000",
                      help="messages:users, ...")
    args.add_argument("--span", type=int, default=480)
    args.add_argument("--memory", default="1GB")
    args.add_argument("--work")
    args.add_argument("--keep", action="store_true", help="messages stay for another run")
    args.add_argument("--results", help="a file of rows that is added to, so that cases may be run apart")
    args.add_argument("--no-write", action="store_true")
    args = args.parse_args()
    work = os.path.abspath(args.work) if args.work else tempfile.mkdtemp(prefix="raudal-bench-")
    os.makedirs(work, exist_ok=True)
    servers = Servers()
    rows = json.load(open(args.results)) if args.results and os.path.exists(args.results) else []
    try:
        for case in args.cases.split(","):
            rows.append(one(args, servers, work, *map(int, case.split(":"))))
            print(json.dumps(rows[-1]), flush=True)
            if args.results:
                json.dump(rows, open(args.results, "w"))
    finally:
        servers.drop()
        if not args.work:
            shutil.rmtree(work, ignore_errors=True)
    lines = [f"From files into the lake and PostgreSQL, `--memory {args.memory}`, {args.span} s of event time, 1,000 antennas, 10 apps; "
             f"each case a fresh root, its sums compared with the truth; {os.cpu_count()} cores, {datetime.date.today().isoformat()}. "
             "Times for a message are of CPU; the store's groups grow with the users.", "",
             "| messages | users | rows in PostgreSQL | wall s | CPU s | µs a message | peak MB | PostgreSQL CPU s |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for r in sorted(rows, key=lambda r: (r["count"], r["users"])):
        lines.append(f"| {r['count']:,} | {r['users']:,} | {r['groups'] or 0:,} | {r['wall']:.1f} | {r['cpu']:.1f} | "
                     f"{r['cpu'] / r['count'] * 1e6:.2f} | {r['peak']:.0f} | {r['postgres']:.1f} |")
    print("\n".join(lines))
    if not args.no_write:
        publish(f"{TOP}/docs/benchmarks.md", "antennas growth", "Antennas: growth", "\n".join(lines))


main()
