"""measure.py - a backlog of messages through a continuous run, with the panel watched; started by run.sh."""
import argparse
import datetime
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
from bench_kit import Sampler, publish  # noqa: E402

DAY, RATE = 100_000_000, 100_000_000 / 86400
PIPELINE = f"{TOP}/examples/notifications"


def shown(root):
    """Messages that the panel in the store counts; None when there is no store yet."""
    try:
        with sqlite3.connect(f"file:{root}/serving.db?mode=ro", uri=True, timeout=5) as c:
            return c.execute("SELECT sum(notifications) FROM notifications_by_day").fetchone()[0] or 0
    except sqlite3.Error:
        return None


def bytes_below(path):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(path) for f in files)


def minutes_of(count):
    """In how many minutes of a day of 100 million so many messages come: what a minute's panel holds depends on it."""
    return max(1, round(count / (DAY / 1440)))


def watch(root, count, process):
    """Seconds until the panel counts all, and the longest time that it stood still before."""
    began = last = time.monotonic()
    seen, longest = 0, 0.0
    while seen < count:
        if process.poll() is not None:
            sys.exit("raudal ended; see log")
        time.sleep(0.2)
        now = time.monotonic()
        n = shown(root)
        if n is not None and n > seen:
            longest, last, seen = max(longest, now - last), now, n
    return time.monotonic() - began, longest


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--count", type=int, default=4000000)
    args.add_argument("--customers", type=int, default=5000)
    args.add_argument("--work")
    args.add_argument("--no-write", action="store_true")
    args = args.parse_args()
    work, load = args.work or tempfile.mkdtemp(prefix="raudal-bench-"), os.getloadavg()[0]
    os.makedirs(work, exist_ok=True)
    root, given = f"{work}/root", f"{work}/given"
    try:
        for folder in (root, given):
            shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([f"{os.environ['BUILD']}/examples/notifications/producer", "--to", given, "--count", str(args.count),
                        "--customers", str(args.customers), "--files", "8", "--minutes", str(minutes_of(args.count))], check=True)
        at = ["--root", root, "--set", f"MESSAGES={given}/messages/", "--set", f"CUSTOMERS={given}/customers.csv",
              "--set", "trigger_interval=1s", "--set", "max_rows_per_epoch=500000"]
        # The lake is brought up at the end too: its work counts.
        with open(f"{work}/log", "wb") as log:
            process = subprocess.Popen([os.environ["RAUDAL"], "run", PIPELINE, *at], stdout=log, stderr=log, start_new_session=True)
            sampler = Sampler(process.pid)
            sampler.start()
            wall, still = watch(root, args.count, process)
            process.send_signal(signal.SIGTERM)
            _, status, usage = os.wait4(process.pid, 0)
        sampler.done.set()
        sampler.join()
        if status != 0:
            sys.exit(f"raudal ended with {status}; see {work}/log")
        cpu = usage.ru_utime + usage.ru_stime
        text = report(args, load, wall, still, cpu, max(usage.ru_maxrss / 1024, sampler.peak_mb), root, given)
        print(text)
        if not args.no_write:
            publish(f"{TOP}/docs/benchmarks.md", "notifications", "Notifications: 100 million messages a day", text)
    finally:
        if not args.work:
            shutil.rmtree(work, ignore_errors=True)


def report(args, load, wall, still, cpu, peak, root, given):
    cores, each = os.cpu_count(), cpu / args.count
    sizes = {name: bytes_below(f"{root}/lake/{name}") / args.count for name in ("bronze", "silver", "gold")}
    rows = [
        ("messages measured", f"{args.count:,}, as {minutes_of(args.count)} minutes of such a day bring them, "
         f"{bytes_below(given + '/messages') / args.count:.0f} bytes each, {args.customers:,} customers"),
        ("wall time until the panel in SQLite counts all", f"{wall:.1f} s"),
        ("longest time that the panel stood still meanwhile", f"{still:.1f} s"),
        ("messages a second, as it was", f"{args.count / wall:,.0f}, {args.count / wall / RATE:.0f} times the 1,157 of 100 million a day"),
        ("CPU, bills and lake at the stop included", f"{cpu:.1f} s, {each * 1e6:.1f} µs a message"),
        (f"that CPU alone on {cores} free cores (extrapolated)", f"{cores / each:,.0f} a second, {cores / each / RATE:.0f} times"),
        ("CPU for a day's 100 million (extrapolated)", f"{each * DAY / 60:,.0f} minutes of {cores * 1440:,} that {cores} cores have"),
        ("peak memory", f"{peak:,.0f} MB"),
        ("lake, a day's 100 million (extrapolated)", f"{sum(sizes.values()) * DAY / 1e9:.1f} GB: " +
         ", ".join(f"{name} {b:.1f} bytes a message" for name, b in sizes.items())),
        ("state, of which the ids seen", f"{bytes_below(root + '/state') / args.count:.1f} bytes a message"),
    ]
    head = (f"A continuous run over a backlog, epochs of 500,000, lake and SQLite; {cores} cores, load {load:.0f} from other work when it "
            f"began, {datetime.date.today().isoformat()}. Goal: 500 times.")
    return "\n".join([head, "", "| | |", "| --- | --- |"] + [f"| {a} | {b} |" for a, b in rows])


main()
