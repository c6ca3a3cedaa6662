#!/usr/bin/env python3
"""antennas_exactly_once.py - Kafka to PostgreSQL under fire: nothing is lost, nothing counts twice.

The antennas example reads a topic of four partitions while the producer fills it, and publishes to PostgreSQL
through a proxy (proxy.py).  Meanwhile, by a seed: raudal is killed with SIGKILL at random instants, the broker
and PostgreSQL are stopped, killed and started, connections are cut in the middle of a COPY, before COMMIT,
after COMMIT but before its answer.  When all is sent, raudal runs once more undisturbed.  Then

    T1  each sum in PostgreSQL equals the producer's truth, and there is no other row;
    T2  each offset of the topic lies exactly once in the lake, in raw.devices or in its quarantine
        (read by deltalake and DuckDB);
    T3  raudal verify finds no difference;
    T4  raudal ended only when it was killed or told to.

    antennas_exactly_once.py [--count 120000] [--rate 5000] [--kills 4] [--seed N] [--store sqlite]

--store sqlite: without PostgreSQL and its cuts.  LONG=1: five million messages and 20 kills (make torture).
Broker and PostgreSQL are its own, in the working directory.
"""
import argparse
import csv
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

if os.environ.get("PYTHON", sys.executable) != sys.executable:
    os.execv(os.environ["PYTHON"], [os.environ["PYTHON"], *sys.argv])

import duckdb  # noqa: E402
import psycopg  # noqa: E402
from deltalake import DeltaTable  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from proxy import Proxy  # noqa: E402

TOP = os.path.dirname(os.path.dirname(HERE))
EXAMPLE = f"{TOP}/examples/antennas"
TOPIC = "devices"


def services(*words):
    done = subprocess.run([f"{TOP}/tools/services", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"tools/services {' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout


def addresses():
    lines = (line.removeprefix("export ").split("=", 1) for line in services("env").splitlines())
    return {name: value for name, value in lines}


class Engine:
    """raudal, run again whenever it is down."""

    def __init__(self, command):
        self.command = command
        self.process = None
        self.deaths = []     # status of each time that it ended by itself
        self.starts = 0
        self.log = open("raudal.log", "ab")

    def start(self):
        self.starts += 1
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)

    def watch(self):
        if self.process.poll() is not None:
            self.deaths.append(self.process.returncode)
            self.start()

    def kill(self):
        self.watch()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()

    def stop(self):
        """In order: the epoch is finished, stores are brought up."""
        self.watch()
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "did not stop within 120 s"


class Fire:
    """What happens to them, by a seeded schedule."""

    def __init__(self, rng, engine, proxy, kills):
        self.rng, self.engine, self.proxy = rng, engine, proxy
        cuts = ["copy", "commit", "answer", "now"] * max(1, kills // 4)
        servers = [rng.choice(["kafka-stop", "kafka-kill"]), rng.choice(["postgres-stop", "postgres-kill"])]
        if kills > 8:
            servers = ["kafka-stop", "kafka-kill", "postgres-stop", "postgres-kill"] * (kills // 10)
        if proxy is None:
            cuts, servers = [], [s for s in servers if s.startswith("kafka")]
        # Taken from the end.  A cut needs rows on their way, and the producer does not wait: servers,
        # which take their time to come back, go down after the cuts.
        first = ["kill"] * (kills - 2) + cuts
        rng.shuffle(servers)
        rng.shuffle(first)
        self.events = ["kill"] * 2 + servers + first
        self.done = []

    def strike(self):
        event = self.events.pop()
        self.done.append(event)
        print(f"{time.monotonic() - BEGAN:6.1f} s  {event}", flush=True)
        if event == "kill":
            self.engine.kill()
        elif "-" in event:
            name, how = event.split("-")
            services(how, name)
            time.sleep(self.rng.uniform(0.2, 2))
            services("start", name)
        else:
            self.proxy.arm(event)
            end = time.monotonic() + 5  # a cut that nothing came to in that time stays armed
            while self.proxy.armed is not None and time.monotonic() < end:
                time.sleep(0.02)
                self.engine.watch()


def create_topic(brokers):
    from confluent_kafka.admin import AdminClient, NewTopic
    admin = AdminClient({"bootstrap.servers": brokers})
    admin.create_topics([NewTopic(TOPIC, 4, 1)])[TOPIC].result(30)


def produce(args, brokers):
    return subprocess.Popen([
        f"{BUILD}/examples/antennas/producer", "--to", f"kafka://{brokers}/{TOPIC}", "--truth", "landing",
        "--count", str(args.count), "--rate", str(args.rate), "--seed", str(args.seed), "--users", "2000",
        "--antennas", "100", "--skew", "2", "--disorder", "20", "--late", "0.02", "--malformed", "0.003",
        "--duplicates", "0.01", "--span", "1200", "--partitions", "4"])


def burn(args, engine, fire, producer):
    """Events until the schedule is through and the producer is done."""
    while fire.events or producer.poll() is None:
        time.sleep(fire.rng.uniform(0.3, 1.2) * args.pause if fire.events else 0.2)
        engine.watch()
        if fire.events:
            fire.strike()
    if producer.wait() != 0:
        raise SystemExit("the producer gave messages up: the truth does not hold")


def served_sums(url, table):
    """The store's rows as a CSV file: seconds, type, id, value."""
    path = f"{table}.csv"
    if url is None:
        rows = sqlite3.connect("root/serving.db").execute(
            f"""SELECT CAST(strftime('%s', substr("timestamp", 1, 19)) AS INTEGER), type, id, value FROM {table}""")
        with open(path, "w", newline="") as out:
            csv.writer(out).writerows(rows)
        return path
    with psycopg.connect(url) as pg, open(path, "wb") as out:
        pg.execute("SET TimeZone = 'UTC'")
        with pg.cursor().copy(f"""COPY (SELECT extract(epoch FROM "timestamp")::bigint, type, id, value FROM {table})
                                  TO STDOUT (FORMAT csv)""") as copy:
            for block in copy:
                out.write(block)
    return path


def sums_differ(url, seconds, table):
    """T1: sums wanted and served, how many cells differ, some of them."""
    db = duckdb.connect()
    db.execute(f"""CREATE TABLE truth AS SELECT timestamp - timestamp % {seconds} AS second, type, id, sum(value)::BIGINT AS value
                   FROM read_csv('landing/truth/truth.csv') GROUP BY ALL""")
    db.execute("CREATE TABLE served (second BIGINT, type VARCHAR, id VARCHAR, value BIGINT)")
    db.execute(f"COPY served FROM '{served_sums(url, table)}' (FORMAT csv, HEADER false)")
    rows = db.execute("SELECT (SELECT count(*) FROM truth), (SELECT count(*) FROM served)").fetchone()
    bad = db.execute("""SELECT count(*) FROM (FROM truth EXCEPT ALL FROM served UNION ALL (FROM served EXCEPT ALL FROM truth))""")
    bad = bad.fetchone()[0]
    some = db.execute("""SELECT 'wanted', * FROM (FROM truth EXCEPT ALL FROM served) UNION ALL
                         SELECT 'served', * FROM (FROM served EXCEPT ALL FROM truth) ORDER BY ALL LIMIT 10""").fetchall()
    return rows, bad, some


def offsets_in_lake():
    """T2: partition -> (records, distinct offsets, highest + 1), of raw.devices and its quarantine together."""
    files = []
    for table in ("raw/devices", "quarantine/raw_devices"):
        path = f"root/lake/{table}"
        if os.path.isdir(f"{path}/_delta_log"):
            files += [f.removeprefix("file://") for f in DeltaTable(path).file_uris()]
    rows = duckdb.connect().execute(
        """SELECT _source_partition, count(*), count(DISTINCT _source_offset), max(_source_offset) + 1
           FROM read_parquet(?, union_by_name = true, hive_partitioning = false) GROUP BY ALL ORDER BY ALL""",
        [files]).fetchall()
    return {row[0]: row[1:] for row in rows}


def offsets_in_topic(brokers):
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "reader"})
    out = [consumer.get_watermark_offsets(TopicPartition(TOPIC, p), timeout=30)[1] for p in range(4)]
    consumer.close()
    return out


class Findings:
    def __init__(self):
        self.passed = self.failed = 0

    def is_(self, what, got, wanted):
        if got == wanted:
            self.passed += 1
        else:
            self.failed += 1
            print(f"{what}: got {got}, wanted {wanted}")


def judge(found, engine, brokers, url, verify):
    truth = json.load(open("landing/truth/truth.json"))
    for table, seconds in (("bytes", 60), ("bytes_5_minutes", 300)):
        rows, bad, some = sums_differ(url, seconds, table)
        print(f"{table}: {rows[0]} sums wanted, {rows[1]} served")
        found.is_(f"T1 cells of {table} that differ {some}", bad, 0)
    topic = offsets_in_topic(brokers)
    found.is_("messages in the topic", sum(topic), truth["messages"])
    lake = offsets_in_lake()
    found.is_(f"T2 offsets in the lake {lake}", sorted(lake.values()), sorted((n, n, n) for n in topic))
    done = subprocess.run(verify, capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stdout + done.stderr)
    found.is_("T3 raudal verify", done.returncode, 0)
    found.is_("T4 statuses with which raudal ended by itself", engine.deaths, [])


def main():
    args = argparse.ArgumentParser()
    long = bool(os.environ.get("LONG"))
    args.add_argument("--count", type=int, default=5_000_000 if long else 120_000)
    args.add_argument("--rate", type=int, default=20_000 if long else 5_000)
    args.add_argument("--kills", type=int, default=20 if long else 4)
    args.add_argument("--seed", type=int, default=int(os.environ.get("SEED", time.time_ns() % 100_000)))
    args.add_argument("--pause", type=float, default=4 if long else 1, help="between events, on average so many times 0.75 s")
    args.add_argument("--store", default="postgres", choices=("postgres", "sqlite"))
    args = args.parse_args()
    print(f"seed {args.seed}: {args.count} messages, {args.kills} kills")
    os.environ["RAUDAL_SERVICES_DIR"] = os.path.abspath("servers")
    found = Findings()
    try:
        names = ["kafka", "postgres"] if args.store == "postgres" else ["kafka"]
        services("start", *names)
        at = addresses()
        brokers, url, proxy, store = at["RAUDAL_KAFKA"], at.get("RAUDAL_POSTGRES"), None, "sqlite:serving.db"
        if url is not None:
            host, port = url.rsplit("@", 1)[1].split("/")[0].split(":")
            proxy = Proxy((host, int(port)))
            store = url.replace(f":{port}/", f":{proxy.port}/")
        create_topic(brokers)
        producer = produce(args, brokers)
        while not os.path.exists("landing/users.csv"):
            time.sleep(0.05)
        settings = ["--root", "root"]
        for setting in (f"DEVICES=kafka://{brokers}/{TOPIC}", "USERS=" + os.path.abspath("landing/users.csv"),
                        f"STORE={store}", "trigger_interval=300ms", "lake_interval=3s"):
            settings += ["--set", setting]
        engine = Engine([os.environ["RAUDAL"], "run", EXAMPLE, *settings, "--memory", "1GB"])
        engine.start()
        fire = Fire(random.Random(args.seed), engine, proxy, args.kills)
        burn(args, engine, fire, producer)
        found.is_("orderly stop (or SIGTERM before it was up)", engine.stop() in (0, -signal.SIGTERM), True)
        done = subprocess.run([os.environ["RAUDAL"], "run", EXAMPLE, "--once", *settings], stdout=engine.log,
                              stderr=engine.log)
        found.is_("status of the last run", done.returncode, 0)
        print(f"{time.monotonic() - BEGAN:6.1f} s  judged", flush=True)
        judge(found, engine, brokers, url, [os.environ["RAUDAL"], "verify", EXAMPLE, *settings])
        cuts = proxy.cuts if proxy is not None else {"none": 1}
        found.is_(f"each cut happened {cuts}", min(cuts.values()) > 0, True)
        print(f"{engine.starts} starts of raudal, connections cut: {cuts}")
        if found.failed:
            subprocess.run(["tail", "-n", "40", "raudal.log"])
    finally:
        services("reset")
    print(f"{found.passed} passed, {found.failed} failed" + (f" (seed {args.seed})" if found.failed else ""))
    return found.failed > 0


BEGAN = time.monotonic()
BUILD = os.environ.get("BUILD", f"{TOP}/build")
os.environ.setdefault("RAUDAL", f"{BUILD}/raudal")
sys.exit(main())
