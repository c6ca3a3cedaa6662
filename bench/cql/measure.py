"""measure.py - rows into one Cassandra node by raudal's sink and client, the Java driver, the Python driver, in turn.

Each program writes the same rows into an empty table.  Seconds of the drivers and of our client are those of the inserts alone;
of the sink those of `raudal publish`, whole: start, tables, reading the lake, progress.  CPU seconds are of the whole program.
"""
import argparse
import datetime
import json
import os
import re
import statistics
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
top = os.path.dirname(os.path.dirname(here))
sys.path.insert(0, os.path.dirname(here))
import bench_kit
from cassandra.cluster import Cluster

p = argparse.ArgumentParser()
p.add_argument("--rows", type=int, default=200000)
p.add_argument("--rounds", type=int, default=3)
p.add_argument("--work", default=f"{top}/build/bench-cql")
p.add_argument("--skip", action="append", default=[])
p.add_argument("--no-write", action="store_true")
a = p.parse_args()
at, build, raudal = os.environ["RAUDAL_CASSANDRA"], os.environ["BUILD"], os.environ["RAUDAL"]
n, jars = str(a.rows), os.environ.get("JARS", "")
os.makedirs(f"{a.work}/landing", exist_ok=True)
log = f"{a.work}/log"
cluster = Cluster([at.split(":")[0]], port=int(at.split(":")[1]))
session = cluster.connect()
session.default_timeout = 120


def landing():
    day = datetime.datetime.fromtimestamp(1700000000, datetime.timezone.utc)
    with open(f"{a.work}/landing/rows.jsonl", "w") as f:
        for i in range(a.rows):
            stamp = (day + datetime.timedelta(milliseconds=i)).isoformat()
            f.write(json.dumps({"k": f"key-{i // 10}", "c": i % 10, "d": i * .5, "at": stamp,
                                "v": "forty bytes of text that say not a thing"}) + "\n")


def empty_table():
    session.execute("DROP KEYSPACE IF EXISTS cql_bench")
    session.execute("CREATE KEYSPACE cql_bench WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
    session.execute("CREATE TABLE cql_bench.t (k text, c int, d double, at timestamp, v text, PRIMARY KEY (k, c))")


def sink(*more):
    return [raudal, *more, f"{here}/job", "--root", f"{a.work}/root", "--set", f"LANDING={a.work}/landing"]


def java(in_flight, batch):
    return ["java", "-Xmx512m", "-cp", f"{jars}/*:{jars}", "Insert", at, n, str(in_flight), str(batch)]


def python(processes, batch):
    return [sys.executable, f"{here}/insert.py", at, n, str(processes), "200", str(batch)]


programs = {
    "raudal, the sink": sink("publish") + ["--set", f"SERVING=cassandra://{at}/cql_bench"],
    "raudal, the client, a row a request": [f"{build}/bench/cql_insert", at, n, "1024"],
    "Java driver 4.19, a row a request": java(1024, 1),
    "Java driver 4.19, batches by partition": java(256, 10),
    "Python driver 3.30, a row a request": python(1, 1),
    "Python driver 3.30, 2 processes": python(2, 1),
    "Python driver 3.30, batches by partition": python(1, 10),
}
programs = {name: c for name, c in programs.items() if not any(skip in name for skip in a.skip)}
landing()
if not os.path.exists(f"{a.work}/root"):
    bench_kit.run(sink("run") + ["--once"], log)
measured = {name: [] for name in programs}
for turn in range(a.rounds):
    for name, command in programs.items():
        empty_table()
        wall, cpu, peak = bench_kit.run(command, log)
        said = re.search(rf"{n} ([0-9.]+) [0-9]+", open(log).read())
        seconds = float(said.group(1)) if said and "sink" not in name else wall
        there = sum(1 for _ in session.execute("SELECT c FROM cql_bench.t"))
        assert there == a.rows, f"{name}: {there} rows of {n}"
        measured[name].append((a.rows / seconds, cpu, peak))
        print(f"{name}: {a.rows / seconds:.0f} rows/s, {cpu:.2f} CPU s", file=sys.stderr)


def median(name, i):
    return statistics.median(m[i] for m in measured[name])


ours = median("raudal, the sink", 1)
lines = [f"{a.rows:,} rows of five columns, ten a partition, into an empty table of one Cassandra 5.0 node on the same {os.cpu_count()} cores; "
         f"{a.rounds} rounds in turn, {datetime.date.today()}; medians. The sink's seconds are those of the whole `raudal publish`, the others' of their inserts alone; "
         "CPU seconds are of whole programs, without the node's.", "",
         "| program | rows/s (least to most) | CPU s | times the sink's CPU | peak MB |", "| --- | --- | --- | --- | --- |"]
for name in programs:
    rates = [m[0] for m in measured[name]]
    lines.append(f"| {name} | {median(name, 0):,.0f} ({min(rates):,.0f} to {max(rates):,.0f}) | {median(name, 1):.2f} | "
                 f"{median(name, 1) / ours:.1f} | {median(name, 2):.0f} |")
print("\n".join(lines))
if not a.no_write:
    bench_kit.publish(f"{top}/docs/benchmarks.md", "cql", "Rows into Cassandra", "\n".join(lines))
session.execute("DROP KEYSPACE cql_bench")
cluster.shutdown()
