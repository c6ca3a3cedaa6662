#!/usr/bin/env python3
"""kafka_source.py - topics as sources, against the broker of tools/services.

Each function that begins with test_ is a case.  Names of topics are random, so that runs do not
meet each other.
"""
import json
import os
import signal
import subprocess
import sys
import time
import traceback
import uuid

if os.environ.get("PYTHON", sys.executable) != sys.executable:
    os.execv(os.environ["PYTHON"], [os.environ["PYTHON"], *sys.argv])

BROKER = os.environ.get("RAUDAL_KAFKA", "")
RAUDAL = os.environ.get("RAUDAL", "")
if not BROKER or not RAUDAL:
    print("no Kafka broker is up")
    sys.exit(77)

from confluent_kafka import Consumer, Producer, TopicPartition  # noqa: E402
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic  # noqa: E402

ADMIN = AdminClient({"bootstrap.servers": BROKER})
BODY = """
CREATE STREAMING TABLE raw.t AS
  SELECT *, _source_file AS f, _source_offset AS o FROM STREAM s;
CREATE MATERIALIZED VIEW g.sums AS SELECT count(*) AS n, sum(v) AS total FROM STREAM raw.t GROUP BY ALL;
"""


def topic(partitions=1, name=None, **config):
    name = name or f"rt-{uuid.uuid4().hex[:10]}"
    ADMIN.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(30)
    return name


def produce(name, values, partition=0, keys=None, headers=None, timestamps=None):
    p = Producer({"bootstrap.servers": BROKER, "linger.ms": 5})
    for i, v in enumerate(values):
        more = {}
        if keys is not None:
            more["key"] = keys[i]
        if headers is not None:
            more["headers"] = headers
        if timestamps is not None:
            more["timestamp"] = timestamps[i]
        p.produce(name, v, partition=partition, **more)
        p.poll(0)
    assert p.flush(30) == 0


def rows(first, n):
    return [b'{"v": %d}' % i for i in range(first, first + n)]


class Pipeline:
    """A folder with one source s over a topic, and its root."""
    def __init__(self, url, columns="v BIGINT", body=BODY, options="", clauses="", fmt="JSON"):
        self.dir = os.path.abspath(f"p-{uuid.uuid4().hex[:8]}")
        os.mkdir(self.dir)
        self.declare(url, columns, body, options, clauses, fmt)

    def declare(self, url, columns="v BIGINT", body=BODY, options="", clauses="", fmt="JSON"):
        options = f"OPTIONS ({options})" if options else ""
        with open(f"{self.dir}/p.sql", "w", encoding="utf-8") as f:
            f.write(f"CREATE SOURCE s ({columns}) FROM '{url}' FORMAT {fmt} {options} {clauses};\n{body}")

    def run(self, *args, env=None, ok=True, seconds=60):
        done = subprocess.run([RAUDAL, *args], capture_output=True, text=True, timeout=seconds,
                              env={**os.environ, **(env or {})}, check=False)
        if ok:
            assert done.returncode == 0, (args, done.returncode, done.stderr)
        return done

    def once(self, **more):
        return self.run("run", self.dir, "--once", **more)

    def sql(self, text):
        out = self.run("sql", self.dir, text, "--format", "json").stdout
        return [list(r.values()) for r in json.loads(out)]

    def start(self, **env):
        return subprocess.Popen([RAUDAL, "run", self.dir], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, env={**os.environ, **env})

    def ranges(self):
        """Ranges of the journal, in order."""
        found = []
        with open(f"{self.dir}/.raudal/state/journal", "rb") as f:
            for part in f.read().split(b'{"epoch":')[1:]:
                text = b'{"epoch":' + part
                try:
                    seal, _ = json.JSONDecoder().raw_decode(text.decode("utf-8", "ignore"))
                except ValueError:
                    continue
                found += seal.get("ranges", [])
        return found


def url(*names):
    return f"kafka://{BROKER}/{','.join(names)}"


def until(check, seconds=20, what=""):
    end = time.monotonic() + seconds
    while True:
        got = check()
        if got or time.monotonic() > end:
            assert got, what or "it did not happen in time"
            return got
        time.sleep(0.1)


def stop(process):
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0, (process.returncode, out)
    return out


def test_a_topic_is_read_once_and_a_restart_goes_on():
    t = topic(3)
    for p in range(3):
        produce(t, rows(100 * p, 100), p)
    pipe = Pipeline(url(t), options="'group.id' = 'g-%s'" % t)
    pipe.once()
    assert pipe.sql("SELECT n, total::BIGINT FROM g.sums") == [[300, sum(range(300))]]
    pipe.once()
    assert pipe.sql("SELECT n FROM g.sums") == [[300]]
    produce(t, rows(300, 50), 1)
    pipe.once()
    assert pipe.sql("SELECT n, total::BIGINT FROM g.sums") == [[350, sum(range(350))]]
    assert pipe.sql("SELECT count(DISTINCT (f, o)) FROM raw.t") == [[350]]
    assert pipe.run("verify", pipe.dir).returncode == 0
    told = Consumer({"bootstrap.servers": BROKER, "group.id": "g-" + t}).committed(
        [TopicPartition(t, p) for p in range(3)], 20)
    assert [x.offset for x in told] == [100, 150, 100], told


def test_once_ends_at_what_was_there_though_a_producer_goes_on():
    t = topic()
    produce(t, rows(0, 1000))
    pipe = Pipeline(url(t))
    busy = subprocess.Popen([sys.executable, "-c", f"""
import time
from confluent_kafka import Producer
p = Producer({{"bootstrap.servers": "{BROKER}", "linger.ms": 1}})
while True:
    p.produce("{t}", b'{{"v": 1}}'); p.poll(0); time.sleep(0.0005)
"""])
    try:
        time.sleep(1)
        pipe.once(seconds=30)
    finally:
        busy.kill()
        busy.wait()
    assert pipe.sql("SELECT n FROM g.sums")[0][0] >= 1000


def test_start_positions():
    t = topic(2)
    now = int(time.time() * 1000)
    produce(t, rows(0, 10), 0, timestamps=[now - 100000 + i for i in range(10)])
    produce(t, rows(10, 10), 0, timestamps=[now - 50000 + i for i in range(10)])
    produce(t, rows(20, 5), 1, timestamps=[now - 100000 + i for i in range(5)])
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((now - 60000) / 1000))
    for start, want in (("earliest", 25), (at, 10), ('{"%s": {"0": 15, "1": -1}}' % t, 5)):
        pipe = Pipeline(url(t), options=f"start = '{start}'")
        pipe.once()
        n = pipe.sql("SELECT count(*) FROM raw.t")
        assert n == [[want]], (start, n)
    pipe = Pipeline(url(t), options="start = 'latest'")
    pipe.once()
    produce(t, rows(100, 7), 1)
    pipe.once()  # what came between two runs is not missed
    assert pipe.sql("SELECT count(*) FROM raw.t") == [[7]]
    bad = Pipeline(url(t), options="start = '{\"%s\": {\"0\": 999}}'" % t).once(ok=False)
    assert bad.returncode == 4 and "at offset 999" in bad.stderr, bad.stderr


def test_aborted_messages_are_absent_and_markers_are_counted():
    t = topic()
    p = Producer({"bootstrap.servers": BROKER, "transactional.id": t})
    p.init_transactions(30)
    for i, keep in enumerate((True, False, True)):
        p.begin_transaction()
        for v in rows(10 * i, 10):
            p.produce(t, v)
        p.flush(30)  # else an abort takes back what was not sent
        (p.commit_transaction if keep else p.abort_transaction)(30)
    pipe = Pipeline(url(t))
    pipe.once()
    assert pipe.sql("SELECT n, total::BIGINT FROM g.sums") == [[20, sum(range(10)) + sum(range(20, 30))]]
    got = pipe.ranges()
    assert sum(r["records"] for r in got) == 20 and sum(r["absent"] for r in got) == 13, got
    assert got[-1]["end"] == 33, got
    pipe.once()
    assert len(pipe.ranges()) == len(got)


def test_an_open_transaction_is_waited_for_by_the_next_run():
    t = topic()
    produce(t, rows(0, 3))
    p = Producer({"bootstrap.servers": BROKER, "transactional.id": t})
    p.init_transactions(30)
    p.begin_transaction()
    p.produce(t, b'{"v": 50}')
    p.flush(30)
    pipe = Pipeline(url(t))
    pipe.once()
    assert pipe.sql("SELECT n FROM g.sums") == [[3]]
    p.commit_transaction(30)
    pipe.once()
    assert pipe.sql("SELECT n FROM g.sums") == [[4]]


def test_what_retention_took_is_an_error_that_names_it_or_is_counted():
    t = topic()
    produce(t, rows(0, 10))
    pipe = Pipeline(url(t))
    pipe.once()
    produce(t, rows(10, 20))
    ADMIN.delete_records([TopicPartition(t, 0, 25)])[TopicPartition(t, 0, 25)].result(30)
    bad = pipe.once(ok=False)
    assert bad.returncode == 4 and "offsets 10 to 24" in bad.stderr, bad.stderr
    pipe.declare(url(t), clauses="ON DATA LOSS CONTINUE")
    pipe.once()
    assert pipe.sql("SELECT n FROM g.sums") == [[15]]
    last = pipe.ranges()[-1]
    assert (last["begin"], last["end"], last["records"], last["absent"], last["lost"]) == \
        (10, 30, 5, 15, 15), last


def test_a_topic_made_anew_is_an_error():
    t = topic()
    produce(t, rows(0, 10))
    pipe = Pipeline(url(t))
    pipe.once()
    ADMIN.delete_topics([t])[t].result(30)
    until(lambda: t not in ADMIN.list_topics(timeout=10).topics)
    time.sleep(1)
    topic(1, t)
    produce(t, rows(0, 3))
    bad = pipe.once(ok=False)
    assert bad.returncode == 4 and "the partition ends at 3" in bad.stderr, bad.stderr


def test_compaction_leaves_gaps_that_are_counted():
    t = topic(1, None, **{"cleanup.policy": "compact", "segment.ms": "100",
                          "min.cleanable.dirty.ratio": "0.01", "min.compaction.lag.ms": "0"})
    for i in range(20):
        produce(t, rows(i, 1), keys=["k"])
        time.sleep(0.02)
    time.sleep(0.3)
    produce(t, rows(100, 1), keys=["other"])

    def compacted():
        c = Consumer({"bootstrap.servers": BROKER, "group.id": "x", "enable.partition.eof": True})
        c.assign([TopicPartition(t, 0, 0)])
        n = 0
        while True:
            m = c.poll(10)
            if m is None or m.error():
                break
            n += 1
        c.close()
        return n < 21
    try:
        until(compacted, 45)
    except AssertionError:
        print("  (the broker's cleaner did not come by)")
        return
    pipe = Pipeline(url(t))
    pipe.once()
    got = pipe.ranges()
    assert sum(r["records"] + r["absent"] for r in got) == 21 and got[-1]["absent"] > 0, got


def test_partitions_and_topics_that_come_later_are_read_whole():
    base = f"rg-{uuid.uuid4().hex[:8]}"
    topic(1, base + "-a")
    produce(base + "-a", rows(0, 5))
    pipe = Pipeline(f"kafka://{BROKER}/^{base}-.*", options="start = 'latest', discover_interval = '300 ms'")
    live = pipe.start()
    try:
        until(lambda: os.path.exists(f"{pipe.dir}/.raudal/state/journal") and pipe.ranges())
        ADMIN.create_partitions([NewPartitions(base + "-a", 2)])[base + "-a"].result(30)
        produce(base + "-a", rows(10, 4), 1)
        topic(1, base + "-b")
        produce(base + "-b", rows(20, 3))
        until(lambda: sum(r["records"] for r in pipe.ranges()) == 7, 30)
    finally:
        stop(live)
    assert pipe.sql("SELECT n, total::BIGINT FROM g.sums") == [[7, 46 + 63]]


def test_columns_of_the_message():
    t = topic(2)
    produce(t, [b'{"v": 1}'], 1, keys=["k1"], headers=[("a", b"x"), ("b", b"\"y\"")], timestamps=[1700000000123])
    pipe = Pipeline(url(t), "v BIGINT, k TEXT FROM KEY, sent TIMESTAMPTZ FROM TIMESTAMP, "
                    "h MAP(TEXT, TEXT) FROM HEADERS, t TEXT FROM TOPIC, p INT FROM PARTITION, "
                    "off BIGINT FROM OFFSET, gone BOOLEAN FROM TOMBSTONE")
    pipe.once()
    got = pipe.sql("SELECT v, k, epoch_ms(sent), h['a'], h['b'], t, p, off, gone FROM raw.t")
    assert got == [[1, "k1", 1700000000123, "x", "\"y\"", t, 1, 0, False]], got


def test_malformed_messages_lie_in_quarantine_with_their_bytes():
    t = topic()
    produce(t, [b'{"v": 1}', b"not json", b"", b'{"v": 2} {"v": 3}', b'{"v": "\xff"}', b'{"v": 4}'])
    pipe = Pipeline(url(t))
    pipe.once()
    assert pipe.sql("SELECT n FROM g.sums") == [[2]]
    got = pipe.sql("SELECT _source_offset, raw::VARCHAR FROM quarantine.raw_t ORDER BY 1")
    assert [r[0] for r in got] == [1, 2, 3, 4] and got[0][1] == "not json", got


def test_tombstones_are_rows_with_a_key_and_else_quarantined():
    t = topic()
    produce(t, [b'{"v": 1}', None], keys=["a", "a"])
    with_key = Pipeline(url(t), "v BIGINT, k TEXT FROM KEY, gone BOOLEAN FROM TOMBSTONE")
    with_key.once()
    assert with_key.sql("SELECT v, k, gone FROM raw.t ORDER BY o") == [[1, "a", False], [None, "a", True]]
    without = Pipeline(url(t))
    without.once()
    assert without.sql("SELECT count(*) FROM raw.t") == [[1]]
    assert without.sql("SELECT _source_offset FROM quarantine.raw_t") == [[1]]


def test_text_and_csv_messages():
    t = topic()
    produce(t, [b"one", b"\xff\x00\x01"])
    pipe = Pipeline(url(t), "v BLOB", "CREATE STREAMING TABLE raw.t AS SELECT * FROM STREAM s;", fmt="RAW")
    pipe.once()
    assert pipe.sql("SELECT hex(v) FROM raw.t ORDER BY 1") == [["6F6E65"], ["FF0001"]]
    u = topic()
    produce(u, [b'1,"a,b"', b"2,c\n", b"3", b"4,d\n5,e"])
    pipe = Pipeline(url(u), "v BIGINT, x TEXT", fmt="CSV")
    pipe.once()
    assert pipe.sql("SELECT v, x FROM raw.t ORDER BY v") == [[1, "a,b"], [2, "c"]]
    assert pipe.sql("SELECT count(*) FROM quarantine.raw_t") == [[2]]


def test_an_upserted_topic_is_a_table_and_tombstones_delete():
    users, events = topic(), topic()
    produce(users, [b'{"mail": "a@x"}', b'{"mail": "b@x"}', b'{"mail": "a2@x"}', None],
            keys=["1", "2", "1", "2"])
    produce(events, [b'{"id": "1", "v": 5}', b'{"id": "2", "v": 7}'])
    pipe = Pipeline(url(events), "id TEXT, v BIGINT", """
CREATE SOURCE users (id TEXT FROM KEY, mail TEXT, gone BOOLEAN FROM TOMBSTONE, seq BIGINT FROM OFFSET)
  FROM '%s' FORMAT JSON;
CREATE FLOW u AS AUTO CDC INTO silver.users FROM STREAM users KEYS (id)
  APPLY AS DELETE WHEN gone SEQUENCE BY seq COLUMNS (id, mail) STORED AS SCD TYPE 1;
CREATE STREAMING TABLE raw.t PROCESSING TIME AS SELECT e.id, e.v, u.mail FROM STREAM s e
  LEFT JOIN silver.users u ON u.id = e.id;
""" % url(users))
    pipe.once()
    assert pipe.sql("SELECT id, mail FROM silver.users") == [["1", "a2@x"]]
    produce(users, [b'{"mail": "c@x"}'], keys=["3"])
    produce(events, [b'{"id": "3", "v": 1}'])
    pipe.once()
    assert pipe.sql("SELECT id, mail FROM silver.users ORDER BY id") == [["1", "a2@x"], ["3", "c@x"]]
    assert pipe.run("verify", pipe.dir, ok=False).returncode == 0


def test_a_live_run_is_quick_and_ends_when_told():
    t = topic()
    pipe = Pipeline(url(t))
    live = pipe.start(RAUDAL_TRIGGER_INTERVAL="50 ms")
    try:
        produce(t, rows(0, 10))
        until(lambda: os.path.exists(f"{pipe.dir}/.raudal/state/journal") and pipe.ranges())
        produce(t, rows(10, 10))
        until(lambda: sum(r["records"] for r in pipe.ranges()) == 20, 10)
    finally:
        stop(live)
    assert pipe.sql("SELECT n FROM g.sums") == [[20]]


def test_an_idle_source_costs_almost_nothing():
    t = topic(4)
    produce(t, rows(0, 1))
    pipe = Pipeline(url(t))
    live = pipe.start()
    try:
        until(lambda: os.path.exists(f"{pipe.dir}/.raudal/state/journal") and pipe.ranges())

        def ticks():
            with open(f"/proc/{live.pid}/stat", encoding="utf-8") as f:
                part = f.read().rsplit(")", 1)[1].split()
            return int(part[11]) + int(part[12])
        time.sleep(2)
        before = ticks()
        time.sleep(5)
        used = (ticks() - before) / os.sysconf("SC_CLK_TCK")
        print(f"  (idle: {used / 5:.2%} of a processor)")
        assert used <= 0.05, used
    finally:
        stop(live)


def test_a_kill_anywhere_loses_nothing_and_doubles_nothing():
    points = ["kafka.given", "epoch.planned", "epoch.decoded", "epoch.judged", "epoch.segment_written",
              "epoch.before_seal", "seal.before_sync", "epoch.after_seal", "kafka.before_commit",
              "lake.after_data", "lake.after_commit", "epoch.pruned"]
    t = topic(2)
    pipe = Pipeline(url(t))
    for i, point in enumerate(points):
        produce(t, rows(20 * i, 20), i % 2)
        died = pipe.once(ok=False, env={"RAUDAL_FAULT": f"{point}:1:kill"})
        assert died.returncode in (-9, 0), (point, died.returncode, died.stderr)
        pipe.once()
        n = 20 * (i + 1)
        got = pipe.sql("SELECT n, total::BIGINT FROM g.sums")
        assert got == [[n, sum(range(n))]], (point, got)
    assert pipe.sql("SELECT count(DISTINCT (f, o)), count(*) FROM raw.t") == [[n, n]]
    assert pipe.run("verify", pipe.dir).returncode == 0


def test_small_epochs_give_the_same_rows():
    t = topic(3)
    for p in range(3):
        produce(t, rows(1000 * p, 1000), p)
    pipe = Pipeline(url(t))
    pipe.once(env={"RAUDAL_MAX_ROWS_PER_EPOCH": "500"})
    assert pipe.sql("SELECT n, total::BIGINT FROM g.sums") == [[3000, sum(range(3000))]]
    assert pipe.sql("SELECT count(DISTINCT _epoch) >= 6 FROM raw.\"t$rows\"") == [[True]]


def test_partitions_are_late_apart_however_epochs_are_cut():
    t = topic(2)
    for p in range(2):  # partition 0 is a day ahead of partition 1; every tenth row is an hour old
        produce(t, [b'{"v": %d, "ts": %d}' % (i, 1700000000 + 86400 * (1 - p) + i - 3600 * (i % 10 == 9))
                    for i in range(500)], p)
    body = "CREATE STREAMING TABLE raw.t ON LATE DIVERT AS SELECT *, _source_file AS f, _source_offset AS o FROM STREAM s;"
    kept = []
    for cut in ("1000000", "70"):
        pipe = Pipeline(url(t), "v BIGINT, ts BIGINT, seen TIMESTAMPTZ AS (to_timestamp(ts))", body,
                        clauses="WATERMARK seen DELAY OF INTERVAL 10 MINUTES")
        pipe.once(env={"RAUDAL_MAX_ROWS_PER_EPOCH": cut})
        kept.append(pipe.sql("SELECT f, o FROM raw.t ORDER BY ALL"))
    assert len(kept[0]) == 900 and kept[0] == kept[1], (len(kept[0]), len(kept[1]))


def test_a_topic_that_is_missing_is_named():
    bad = Pipeline(url("no-such-topic")).once(ok=False)
    assert bad.returncode == 4 and 'topic "no-such-topic": it does not exist' in bad.stderr, bad.stderr


def test_a_property_that_librdkafka_does_not_know_is_an_error():
    bad = Pipeline(url("x"), options="'fetch.wait.maximum' = '1'").once(ok=False)
    assert bad.returncode == 3 and "fetch.wait.maximum" in bad.stderr, (bad.returncode, bad.stderr)
    bad = Pipeline(url("x"), options="'auto.offset.reset' = 'latest'").once(ok=False)
    assert bad.returncode == 3 and "start = 'latest'" in bad.stderr, bad.stderr


def test_secrets_are_nowhere():
    t = topic()
    produce(t, rows(0, 1))
    secret = "hush" + uuid.uuid4().hex
    pipe = Pipeline(url(t), options="sasl.password = '${PIPE_PASSWORD}'")
    env = {"PIPE_PASSWORD": secret}
    said = [pipe.once(env=env)]
    for command in ("check", "explain", "status", "docs"):
        said.append(pipe.run(command, pipe.dir, env=env, ok=False))
    said.append(pipe.run("check", pipe.dir, "--variables", env=env, ok=False))
    for done in said:
        assert secret not in done.stdout + done.stderr, done.args
    for root, _, names in os.walk(pipe.dir):
        for name in names:
            with open(os.path.join(root, name), "rb") as f:
                assert secret.encode() not in f.read(), os.path.join(root, name)


def main():
    wanted = sys.argv[1:]
    passed = failed = 0
    for name, case in list(globals().items()):
        if not name.startswith("test_") or (wanted and not any(w in name for w in wanted)):
            continue
        began = time.monotonic()
        try:
            case()
            passed += 1
            print(f"ok - {name} ({time.monotonic() - began:.1f} s)", flush=True)
        except Exception:  # a case that fails must not hide the others
            failed += 1
            print(f"not ok - {name}\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
