"""latency.py - from a message's append in the broker to its sum being visible in PostgreSQL (started by run.sh latency).

The producer keeps to a rate and puts a probe of one byte into each partition in turn, under an app of its own, and writes
down when the broker appended it (LogAppendTime).  A reader asks PostgreSQL for the probes' sums every ten milliseconds: probe n
of a partition is visible when the sum is n.  What the reader's own look takes is in the figure.
"""
import argparse
import csv
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import psycopg

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from antennas_kit import HERE, TICK, TOP, Servers, producer  # noqa: E402
from bench_kit import publish  # noqa: E402

PARTITIONS = 4


class Reader(threading.Thread):
    """When each partition's sum of probes was first seen at each height: (milliseconds since 1970, height)."""

    def __init__(self, url, every):
        super().__init__(daemon=True)
        self.url, self.every, self.done = url, every, threading.Event()
        self.seen = {f"probe-{p}": [] for p in range(PARTITIONS)}

    def run(self):
        ids = list(self.seen)
        began = int(time.time()) // 60 * 60
        with psycopg.connect(self.url, autocommit=True) as pg:
            while not self.done.is_set():
                now = time.time()
                minutes = [datetime.datetime.fromtimestamp(t, datetime.timezone.utc) for t in range(began, int(now) + 61, 60)]
                rows = pg.execute("""SELECT id, sum(value) FROM bytes WHERE "timestamp" = ANY(%s)
                                     AND type = 'app_bytes_total' AND id = ANY(%s) GROUP BY id""", (minutes, ids)).fetchall()
                at = time.time() * 1000
                for name, height in rows:
                    last = self.seen[name][-1][1] if self.seen[name] else 0
                    if height > last:
                        self.seen[name].append((at, int(height)))
                self.done.wait(self.every)


def latencies(truth, reader, warm):
    """Milliseconds of every probe but those of the first seconds; and how many were never seen."""
    out, missing = [], 0
    with open(f"{truth}/probes.csv") as f:
        probes = [tuple(map(int, row)) for row in csv.reader(f)]
        first = min(at for _, _, at in probes)
        for partition, number, at in probes:
            if at < first + warm * 1000:
                continue
            seen = next((t for t, height in reader.seen[f"probe-{partition}"] if height >= number), None)
            if seen is None:
                missing += 1
            else:
                out.append(seen - at)
    return sorted(out), missing


def wait_for_table(url, log):
    for _ in range(300):
        time.sleep(0.1)
        with psycopg.connect(url) as pg:
            if pg.execute("SELECT to_regclass('bytes')").fetchone()[0] is not None:
                return
    sys.exit(f"raudal made no table; see {log}")


def wait_for_probes(truth, reader, before):
    """Until the last probe of each partition is visible; an engine that is behind has a minute."""
    last = {}
    with open(f"{truth}/probes.csv") as f:
        for partition, number, _ in csv.reader(f):
            last[f"probe-{partition}"] = max(last.get(f"probe-{partition}", 0), int(number))
    for _ in range(600):
        time.sleep(0.1)
        if all(reader.seen[n] and reader.seen[n][-1][1] - int(before.get(n, 0)) >= last[n] for n in last):
            return


def cpu_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def one(args, servers, work, rate, trigger):
    topic = f"bench-latency-{rate}-{trigger}-{os.getpid()}"
    root, truth, log = f"{work}/root", f"{work}/truth-{rate}-{trigger}", f"{work}/latency-{rate}-{trigger}.log"
    for folder in (root, truth):
        shutil.rmtree(folder, ignore_errors=True)
    servers.empty()
    make = [producer(), "--to", f"kafka://{servers.brokers}/{topic}", "--live", "--antennas", "1000", "--users", "100000",
            "--apps", "10", "--disorder", "0", "--truth", truth]
    subprocess.run([*make, "--count", "1", "--probe", "1000000"], check=True, stderr=subprocess.DEVNULL)
    command = [os.environ["RAUDAL"], "run", f"{HERE}/job", "--root", root, "--memory", args.memory, "--set",
               f"DEVICES=kafka://{servers.brokers}/{topic}", "--set", f"STORE={servers.url}"]
    if trigger != "default":
        command += ["--set", f"trigger_interval={trigger}"]
    with open(log, "wb") as f:
        engine = subprocess.Popen(command, stdout=f, stderr=f)
    reader = Reader(servers.url, 0.01)
    try:
        wait_for_table(servers.url, log)
        time.sleep(3)
        with psycopg.connect(servers.url) as pg:  # the probe that came with the topic counts nothing
            before = dict(pg.execute("""SELECT id, sum(value) FROM bytes WHERE type = 'app_bytes_total'
                                        AND id LIKE 'probe-%' GROUP BY id""").fetchall())
        reader.start()
        spent, since = cpu_of(engine.pid), time.time()
        subprocess.run([*make, "--count", str(rate * args.seconds), "--rate", str(rate), "--probe", "10"], check=True)
        spent, since = cpu_of(engine.pid) - spent, time.time() - since
        wait_for_probes(f"{truth}/truth", reader, before)
    finally:
        reader.done.set()
        engine.send_signal(signal.SIGTERM)
        engine.wait(60)
        servers.drop_topic(topic)
        servers.drop()
    for name, heights in reader.seen.items():
        reader.seen[name] = [(at, height - int(before.get(name, 0))) for at, height in heights]
    took, missing = latencies(f"{truth}/truth", reader, args.warm)
    if missing or not took:
        sys.exit(f"{missing} probes were never seen, {len(took)} were; see {log}")
    return {"rate": rate, "trigger": trigger, "n": len(took), "p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100],
            "worst": took[-1], "cpu": spent / since}


def table(args, rows):
    lines = [f"From a message's append in the broker to its sum being visible in PostgreSQL, milliseconds, by probes of one byte among "
             f"the messages, {args.seconds} s each, the first {args.warm} s left out; broker, PostgreSQL, producer, reader and engine on "
             f"the same {os.cpu_count()} cores; 100,000 users; {datetime.date.today().isoformat()}.", "",
             "| messages/s | trigger_interval | probes | p50 ms | p99 ms | worst ms | engine, cores |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for r in rows:
        lines.append(f"| {r['rate']:,} | {r['trigger']} | {r['n']:,} | {r['p50']:.0f} | {r['p99']:.0f} | {r['worst']:.0f} | {r['cpu']:.2f} |")
    return "\n".join(lines)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--rates", default="20000,100000")
    args.add_argument("--triggers", default="default,50ms")
    args.add_argument("--seconds", type=int, default=30)
    args.add_argument("--warm", type=int, default=5, help="seconds at the start that do not count")
    args.add_argument("--memory", default="1GB")
    args.add_argument("--work")
    args.add_argument("--no-write", action="store_true")
    args = args.parse_args()
    work = os.path.abspath(args.work) if args.work else tempfile.mkdtemp(prefix="raudal-bench-")
    os.makedirs(work, exist_ok=True)
    servers = Servers()
    rows = []
    try:
        for rate in map(int, args.rates.split(",")):
            for trigger in args.triggers.split(","):
                rows.append(one(args, servers, work, rate, trigger))
                print(json.dumps(rows[-1]), flush=True)
                text = table(args, rows)
                if not args.no_write:
                    publish(f"{TOP}/docs/benchmarks.md", "antennas latency", "Antennas: latency", text)
    finally:
        if not args.work:
            shutil.rmtree(work, ignore_errors=True)
    print(text)


main()
