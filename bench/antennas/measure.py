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

import duckdb
import psycopg

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from bench_kit import publish, run  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
TICK = os.sysconf("SC_CLK_TCK")


class Servers:
    """Kafka and PostgreSQL of tools/services, and what they have spent."""

    def __init__(self):
        subprocess.run([f"{TOP}/tools/services", "start", "kafka", "postgres"], check=True)
        text = subprocess.run([f"{TOP}/tools/services", "env"], check=True, capture_output=True, text=True).stdout
        at = dict(line.removeprefix("export ").split("=", 1) for line in text.splitlines())
        self.brokers, self.admin = at["RAUDAL_KAFKA"], at["RAUDAL_POSTGRES"]
        self.database = "bench_antennas"
        self.url = self.admin.rsplit("/", 1)[0] + "/" + self.database
        host = self.url.split("@")[1].split("/")[0]
        self.jdbc = f"jdbc:postgresql://{host}/{self.database}?user=raudal&reWriteBatchedInserts=true"
        run_dir = os.environ.get("RAUDAL_SERVICES_DIR", f"{TOP}/build/services/run")
        self.pids = {name: int(open(f"{run_dir}/{name}/pid").read().split()[0]) for name in ("kafka", "postgres")}

    def empty(self):
        with psycopg.connect(self.admin, autocommit=True) as pg:
            pg.execute(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")
            pg.execute(f"CREATE DATABASE {self.database}")
            pg.execute("CHECKPOINT")

    def spent(self, name):
        """CPU seconds of the server, its living children, and those that ended."""
        total, pid = 0, self.pids[name]
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/stat") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(entry) == pid:
                total += sum(int(x) for x in fields[11:15])
            elif int(fields[1]) == pid:
                total += int(fields[11]) + int(fields[12])
        return total / TICK


def produce(args, servers, work):
    """The messages in a topic and in files, kept between runs of the same shape; returns (topic, folder)."""
    shape = ["--count", str(args.count), "--antennas", "1000", "--users", "100000", "--apps", "10", "--seed", "1",
             "--span", str(args.span), "--misspelt", "0.1"]
    topic = f"bench-{args.count}-{args.span}"
    folder = f"{work}/messages-{args.count}-{args.span}"
    producer = f"{os.environ['BUILD']}/examples/antennas/producer"
    if not os.path.exists(f"{folder}/truth/truth.json"):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([producer, "--to", folder, *shape], check=True)
    from confluent_kafka import Consumer, TopicPartition
    from confluent_kafka.admin import AdminClient
    consumer = Consumer({"bootstrap.servers": servers.brokers, "group.id": "bench"})
    there = topic in consumer.list_topics(timeout=30).topics
    held = sum(consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=30)[1] for p in range(4)) if there else 0
    consumer.close()
    if held != args.count:
        if there:
            admin = AdminClient({"bootstrap.servers": servers.brokers})
            admin.delete_topics([topic])[topic].result(30)
        subprocess.run([producer, "--to", f"kafka://{servers.brokers}/{topic}", *shape], check=True)
    return topic, folder


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
                         servers.brokers, topic, servers.jdbc], True)
    return {name: row for name, row in out.items() if name not in args.skip and (not args.only or name in args.only)}


def differs(servers, folder, work):
    """Cells in which PostgreSQL and the truth differ."""
    with psycopg.connect(servers.url) as pg, open(f"{work}/sums.csv", "wb") as out:
        pg.execute("SET TimeZone = 'UTC'")
        with pg.cursor().copy("""COPY (SELECT extract(epoch FROM "timestamp")::bigint, type, id, value FROM bytes)
                                 TO STDOUT (FORMAT csv)""") as copy:
            for block in copy:
                out.write(block)
    db = duckdb.connect()
    db.execute(f"CREATE TABLE truth AS FROM read_csv('{folder}/truth/truth.csv')")
    db.execute(f"""CREATE TABLE served AS FROM read_csv('{work}/sums.csv', header = false, columns =
                   {{timestamp: 'BIGINT', type: 'VARCHAR', id: 'VARCHAR', value: 'BIGINT'}})""")
    return db.execute("""SELECT count(*) FROM (FROM truth EXCEPT ALL FROM served
                         UNION ALL (FROM served EXCEPT ALL FROM truth))""").fetchone()[0]


def one_run(name, command, compare, servers, folder, work):
    for leftover in ("raudal", "raudal-files", "duckdb", "spark"):
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
    base = statistics.median(r[0] for r in results["raudal"]) if "raudal" in results else None
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
        topic, folder = produce(args, servers, work)
        rows = engines(args, servers, topic, folder, work)
        results = {name: [] for name in rows}
        for _ in range(args.rounds):
            for name, (_, command, compare) in rows.items():
                results[name].append(one_run(name, command, compare, servers, folder, work))
        text = table(args, rows, results)
        print(text)
        json.dump(results, open(f"{work}/results.json", "w"))
        if not args.no_write:
            publish(f"{TOP}/docs/benchmarks.md", "antennas", "Antennas: Kafka to lake and PostgreSQL", text)
    finally:
        if not args.work:
            shutil.rmtree(work, ignore_errors=True)


main()
