"""measure.py - the antennas job on raudal and its peers, one after the other in one run (started by run.sh).

Each engine gets the same messages (the producer's, by seed), an empty database, and its answer is compared with the
producer's truth, cell by cell, before its figures count.  CPU seconds and memory are the engine's with all processes that
it starts; those of PostgreSQL and the broker stand beside them.
"""
import argparse
import datetime
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import psycopg

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from antennas_kit import HERE, TOP, Servers, differs, produce_files, produce_topic  # noqa: E402
from bench_kit import publish, run  # noqa: E402


def jars(name, work):
    """Jars of NAME.pom.xml by Maven, fetched once."""
    folder = f"{TOP}/build/services/lib/{name}"
    if not os.path.exists(f"{folder}/done"):
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["mvn", "-B", "-q", "-f", f"{HERE}/{name}.pom.xml",
                        "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
                        "-DincludeScope=runtime", f"-DoutputDirectory={folder}"], check=True)
        open(f"{folder}/done", "w").close()
    return folder


def engines(args, servers, topic, folder, work):
    """name -> (what it does, command, PostgreSQL's sums are to be compared)."""
    build, devices = os.environ["BUILD"], f"{folder}/devices"

    def raudal(source, root):
        return [os.environ["RAUDAL"], "run", f"{HERE}/job", "--once", "--root", f"{work}/{root}", "--memory", args.memory,
                "--set", f"DEVICES={source}", "--set", f"STORE={servers.url}"]

    spark = [sys.executable, f"{HERE}/spark_job.py", servers.brokers, topic, f"{work}/spark", servers.url]
    out = {
        "drain": ("librdkafka alone: read and thrown away", [f"{build}/bench/drain", servers.brokers, topic], False),
        "drain+decode": ("the same, decoded to columns", [f"{build}/bench/drain", servers.brokers, topic, "--decode"], False),
        "raudal": ("Kafka → lake and PostgreSQL, exactly once", raudal(f"kafka://{servers.brokers}/{topic}", "raudal"), True),
        "raudal, files": ("files → the same", raudal(f"{devices}/", "raudal-files"), True),
        "duckdb, files": ("files → the same, one batch, no guarantees",
                          [sys.executable, f"{HERE}/duckdb_job.py", devices, f"{work}/duckdb", servers.url], True),
    }
    if "spark" not in args.skip:
        names = ",".join(sorted(f"{jars('spark', work)}/{j}" for j in os.listdir(jars("spark", work)) if j.endswith(".jar")))
        out["spark"] = ("Kafka → lake and PostgreSQL", [*spark, names, args.spark], True)
    if "flink" not in args.skip:
        out["flink"] = ("Kafka → PostgreSQL, final windows, no lake",
                        ["java", "-Xmx3g", "-XX:+UseG1GC", "-cp", f"{jars('flink', work)}/*", f"{HERE}/FlinkJob.java",
                         servers.brokers, topic, servers.jdbc, f"{work}/flink"], True)
    return {name: row for name, row in out.items() if name not in args.skip and (not args.only or name in args.only)}


def one_run(name, command, compare, servers, folder, work):
    for leftover in ("raudal", "raudal-files", "duckdb", "spark", "flink"):
        shutil.rmtree(f"{work}/{leftover}", ignore_errors=True)
    servers.empty()
    if name == "flink":  # its sink makes no table
        with psycopg.connect(servers.url) as pg:
            pg.execute("""CREATE TABLE bytes ("timestamp" timestamp, id text, value bigint, type text,
                          PRIMARY KEY ("timestamp", type, id))""")
    before = {s: servers.spent(s) for s in servers.pids}
    wall, cpu, peak = run(command, f"{work}/{name}.log")
    beside = {s: servers.spent(s) - before[s] for s in servers.pids}
    wrong = differs(servers, folder, work) if compare else 0
    if wrong:
        sys.exit(f"{name}: {wrong} cells differ from the truth; see {work}/{name}.log")
    print(f"{name:14} {wall:8.2f} s  {cpu:7.1f} CPU s  {peak:6.0f} MB  PostgreSQL {beside['postgres']:5.1f} s  "
          f"Kafka {beside['kafka']:5.1f} s", flush=True)
    return wall, cpu, peak, beside["postgres"], beside["kafka"]


def table(args, rows, results):
    base = statistics.median(r[0] for r in results["raudal"]) if results.get("raudal") else None
    lines = [f"{args.count:,} messages of about 147 bytes in 4 partitions (or 10 files), 1,000 antennas, 100,000 users, 10 apps, "
             f"{args.span} s of event time; sums of a minute in PostgreSQL, compared cell by cell with the truth. {args.rounds} "
             f"round(s), {os.cpu_count()} cores, {datetime.date.today().isoformat()}; wall time from process start to exit, "
             "medians. CPU and memory are the engine's.", "",
             "| engine | work | wall s | messages/s | CPU s | peak MB | PostgreSQL CPU s | Kafka CPU s | wall, times raudal |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for name, runs in results.items():
        wall, cpu, _, pg, kafka = (statistics.median(r[i] for r in runs) for i in range(5))
        times = f"{wall / base:.1f}" if base else ""
        lines.append(f"| {name} | {rows[name][0]} | {wall:.2f} | {args.count / wall:,.0f} | {cpu:.1f} | {max(r[2] for r in runs):.0f} "
                     f"| {pg:.1f} | {kafka:.1f} | {times} |")
    return "\n".join(lines)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--count", type=int, default=10_000_000)
    args.add_argument("--span", type=int, default=480)
    args.add_argument("--rounds", type=int, default=1)
    args.add_argument("--memory", default="1GB")
    args.add_argument("--spark", default="one", choices=("one", "two"))
    args.add_argument("--skip", action="append", default=[])
    args.add_argument("--only", action="append", default=[])
    args.add_argument("--work", help="a folder for messages and outputs that stays")
    args.add_argument("--no-write", action="store_true")
    args = args.parse_args()
    work = os.path.abspath(args.work) if args.work else tempfile.mkdtemp(prefix="raudal-bench-")
    os.makedirs(work, exist_ok=True)
    servers = Servers()
    try:
        topic, folder = produce_topic(servers, args.count, args.span), produce_files(work, args.count, args.span)
        rows = engines(args, servers, topic, folder, work)
        results = {name: [] for name in rows}
        for _ in range(args.rounds):
            for name, (_, command, compare) in rows.items():
                results[name].append(one_run(name, command, compare, servers, folder, work))
                text = table(args, rows, {n: r for n, r in results.items() if r})
                if not args.no_write:  # a run that is cut has what came so far
                    publish(f"{TOP}/docs/benchmarks.md", "antennas", "Antennas: Kafka to lake and PostgreSQL", text)
        print(text)
        json.dump(results, open(f"{work}/results.json", "w"))
    finally:
        servers.drop()
        if not args.work:
            servers.drop_topic(topic)
            shutil.rmtree(work, ignore_errors=True)


main()
