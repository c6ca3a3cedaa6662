#!/usr/bin/env python3
"""notifications.py - examples/notifications from Kafka into PostgreSQL: panels, bills, each message once.

A producer fills a topic while raudal reads it and is killed twice with SIGKILL; then the same messages are sent
again, byte for byte.  PostgreSQL must hold the producer's truth; the lake each offset once, as it came.  Then
messages of days that were billed come late: adjustments, and no line that was issued changes.
"""
import csv
import os
import subprocess
import sys
import time
import uuid

if os.environ.get("PYTHON", sys.executable) != sys.executable:
    os.execv(os.environ["PYTHON"], [os.environ["PYTHON"], *sys.argv])

BROKER, POSTGRES = os.environ.get("RAUDAL_KAFKA", ""), os.environ.get("RAUDAL_POSTGRES", "")
RAUDAL, BUILD = os.environ.get("RAUDAL", ""), os.environ.get("BUILD", "")
if not BROKER or not POSTGRES or not RAUDAL:
    print("no Kafka broker or no PostgreSQL is up")
    sys.exit(77)

import psycopg  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402

NAME = f"notify_{uuid.uuid4().hex[:8]}"
EXAMPLE = os.path.join(os.environ.get("RAUDAL_TOP", "."), "examples/notifications")
STORE = POSTGRES.rsplit("/", 1)[0] + "/" + NAME
AT = ["--root", "root", "--set", f"MESSAGES=kafka://{BROKER}/{NAME}", "--set", f"STORE={STORE}",
      "--set", f"CUSTOMERS={os.getcwd()}/first/customers.csv"]
COUNT, CUSTOMERS = 20000, 50


def raudal(command, *more):
    done = subprocess.run([RAUDAL, command, EXAMPLE, *more, *AT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, more, done.returncode, done.stderr[-2000:])
    return done.stdout


def lake(sql):
    return [tuple(row) for row in csv.reader(raudal("sql", sql, "--format", "csv").splitlines()[1:])]


def store(sql):
    with psycopg.connect(STORE) as c:
        return [tuple(str(v) for v in row) for row in c.execute(sql).fetchall()]


def produce(truth, *more, wait=True):
    os.makedirs(truth, exist_ok=True)
    p = subprocess.Popen([f"{BUILD}/examples/notifications/producer", "--to", f"kafka://{BROKER}/{NAME}",
                          "--customers", str(CUSTOMERS), "--count", str(COUNT), *more],
                         env={**os.environ, "TRUTH": truth}, stderr=subprocess.DEVNULL)
    if wait:
        assert p.wait(120) == 0
    return p


def read(path):
    with open(path, encoding="utf-8") as f:
        return list(csv.DictReader(f))


def truth(*folders):
    sums = {}
    for folder in folders:
        for row in read(f"{folder}/truth.csv"):
            sums[row["customer_id"]] = sums.get(row["customer_id"], 0) + int(row["messages"])
    return {k: str(v) for k, v in sums.items()}


def lines(*folders):
    return sum(int(r["lines"]) for f in folders for r in read(f"{f}/fates.csv") if r["fate"] == "read")


def start():
    return subprocess.Popen([RAUDAL, "run", EXAMPLE, *AT], stdout=subprocess.DEVNULL, stderr=open("run.log", "ab"))


def until_shown(least, run):
    """PostgreSQL shows so many messages."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert run.poll() is None, open("run.log", encoding="utf-8").read()[-2000:]
        with psycopg.connect(STORE) as c:
            if c.execute("SELECT to_regclass('notifications_by_day')").fetchone()[0] and \
                    (c.execute("SELECT sum(notifications) FROM notifications_by_day").fetchone()[0] or 0) >= least:
                return
        time.sleep(0.1)
    raise AssertionError(f"PostgreSQL does not show {least} messages within two minutes")


def panels():
    return dict(store("SELECT customer_id, sum(notifications)::bigint FROM notifications_by_day GROUP BY 1"))


def test_each_message_counts_once():
    produce("first")
    run = start()
    until_shown(1, run)
    again = produce("again", wait=False)
    run.kill()
    run.wait()
    run = start()
    until_shown(COUNT // 2, run)
    run.kill()
    run.wait()
    assert again.wait(120) == 0
    raudal("run", "--once")
    assert panels() == truth("first")
    minutes = store("SELECT customer_id, sum(notifications)::bigint FROM notifications_by_minute GROUP BY 1")
    assert dict(minutes) == truth("first")


def test_bronze_has_each_offset_once_as_it_came():
    got = lake("SELECT count(*), count(DISTINCT (source, source_offset)), count(*) FILTER (key IS NULL), "
               "count(*) FILTER (key <> json_extract_string(message, '$.customer_id')) FROM bronze.messages")
    rejected = lake("SELECT count(*), count(DISTINCT (_source_partition, _source_offset)) FROM quarantine.bronze_messages")
    n, bad = int(got[0][0]), int(rejected[0][0])
    assert got[0][1:] == (str(n), "0", "0") and rejected[0][1] == str(bad), (got, rejected)
    assert n + bad == lines("first", "again"), (n, bad, lines("first", "again"))


def test_bills_are_published_and_never_change():
    ask = "SELECT customer_id, bill_day, message_day, channel, line, notifications, amount FROM {} ORDER BY 1, 2, 3, 4"
    before = store(ask.format("bills"))
    assert before == lake(ask.format("gold.bills")) and before
    cost = store("SELECT sum(amount) FROM bills WHERE customer_id = 'C000000'")
    # 3,000 messages of the day that was billed, and the day after.
    produce("late", "--start", "9000000", "--count", "3000")
    produce("next", "--start", "9500000", "--count", "3000", "--day", "2020-02-04", "--late", "0")
    raudal("run", "--once")
    after = store(ask.format("bills"))
    assert set(before) <= set(after) and len(after) > len(before)
    assert any(r[4] == "adjustment" for r in after) and cost != store("SELECT sum(amount) FROM bills WHERE customer_id = 'C000000'")
    assert panels() == truth("first", "late", "next")
    # Who got a bill of the next day has paid for all that came, once; the others wait for one.
    billed = dict(store("SELECT customer_id, sum(notifications)::bigint FROM bills GROUP BY 1"))
    whole = truth("first", "late", "next")
    caught_up = [r[0] for r in store("SELECT DISTINCT customer_id FROM bills WHERE bill_day = '2020-02-04'")]
    assert "C000000" in caught_up and {k: billed[k] for k in caught_up} == {k: whole[k] for k in caught_up}
    assert all(int(billed[k]) <= int(whole[k]) for k in billed)


def test_stream_batch_and_store_agree():
    raudal("verify")
    shown = raudal("query", "panel", "customer=C000000", "--format", "csv").splitlines()
    assert len(shown) >= 2 and shown[0].startswith("customer_name,channel,notifications"), shown
    detail = subprocess.run([RAUDAL, "report", EXAMPLE, "detail", "customer=C000000", "from=2020-02-03T10:00:00Z",
                             "to=2020-02-03T10:10:00Z", *AT], capture_output=True, text=True, check=True)
    assert detail.stdout.startswith("Relatório Detalhado de Notificações\n= Cliente: ") and "lake files" in detail.stderr


def main():
    with psycopg.connect(POSTGRES, autocommit=True) as c:
        c.execute(f"CREATE DATABASE {NAME}")
    admin = AdminClient({"bootstrap.servers": BROKER})
    admin.create_topics([NewTopic(NAME, 4, 1)])[NAME].result(30)
    passed = failed = 0
    try:
        for name, case in list(globals().items()):
            if not name.startswith("test_"):
                continue
            try:
                case()
                passed += 1
            except Exception:  # noqa: BLE001  the next case may say more
                import traceback
                print(f"not ok - {name}")
                traceback.print_exc(file=sys.stdout)
                failed += 1
    finally:
        admin.delete_topics([NAME])
        with psycopg.connect(POSTGRES, autocommit=True) as c:
            c.execute(f"DROP DATABASE {NAME} WITH (FORCE)")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


sys.exit(main())
