"""antennas_kit.py - what the antennas' benchmarks share: the servers, and the producer's messages in topics and files."""
import os
import shutil
import subprocess

import duckdb
import psycopg

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
TICK = os.sysconf("SC_CLK_TCK")


def producer():
    return f"{os.environ['BUILD']}/examples/antennas/producer"


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

    def drop(self):
        with psycopg.connect(self.admin, autocommit=True) as pg:
            pg.execute(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")

    def empty(self):
        self.drop()
        with psycopg.connect(self.admin, autocommit=True) as pg:
            pg.execute(f"CREATE DATABASE {self.database}")
            pg.execute("CHECKPOINT")

    def drop_topic(self, topic):
        from confluent_kafka.admin import AdminClient
        admin = AdminClient({"bootstrap.servers": self.brokers})
        admin.delete_topics([topic])[topic].result(30)

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


def shape(count, span, users=100000):
    return ["--count", str(count), "--antennas", "1000", "--users", str(users), "--apps", "10", "--seed", "1",
            "--span", str(span), "--misspelt", "0.1"]


def produce_files(work, count, span, users=100000):
    """A folder of messages and their truth, kept between runs of the same shape."""
    folder = f"{work}/messages-{count}-{span}-{users}"
    if not os.path.exists(f"{folder}/truth/truth.json"):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([producer(), "--to", folder, *shape(count, span, users)], check=True)
    return folder


def held(servers, topic):
    """Messages of the topic's four partitions; None: there is no topic."""
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": servers.brokers, "group.id": "bench"})
    try:
        if topic not in consumer.list_topics(timeout=30).topics:
            return None
        return sum(consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=30)[1] for p in range(4))
    finally:
        consumer.close()


def produce_topic(servers, count, span):
    """The same messages in a topic, kept between runs of the same shape."""
    topic = f"bench-{count}-{span}"
    there = held(servers, topic)
    if there != count:
        if there is not None:
            servers.drop_topic(topic)
        subprocess.run([producer(), "--to", f"kafka://{servers.brokers}/{topic}", *shape(count, span)], check=True)
    return topic


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
