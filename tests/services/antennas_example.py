#!/usr/bin/env python3
"""antennas_example.py - examples/antennas on a real broker and a real PostgreSQL.

    E1  the messages of data/antenna (where there are such; else made-up ones), half of them spelling "timestmap",
        and one broken: PostgreSQL holds the sums that a few lines of Python find; the broken one is in quarantine
    E2  a second run finds nothing to do and changes nothing; verify agrees
    E3  a live source that is idle costs less than 1 % of a processor
"""
import collections
import json
import os
import signal
import subprocess
import sys
import time
import uuid

import counting

if os.environ.get("PYTHON", sys.executable) != sys.executable:
    os.execv(os.environ["PYTHON"], [os.environ["PYTHON"], *sys.argv])

import psycopg  # noqa: E402

TOP = os.environ["RAUDAL_TOP"]
RAUDAL, BROKERS, ADMIN = os.environ["RAUDAL"], os.environ["RAUDAL_KAFKA"], os.environ["RAUDAL_POSTGRES"]
PIPELINE = f"{TOP}/examples/antennas"
NAME = f"antennas_{uuid.uuid4().hex[:8]}"
DATA = f"{os.environ.get('RAUDAL_DATA', TOP + '/../shared/data')}/antenna"
IDLE_SECONDS = 10


def messages():
    if os.path.exists(f"{DATA}/devices_samples.jsonl"):
        return [json.loads(line) for line in open(f"{DATA}/devices_samples.jsonl")]
    return [{"bytes": 1000 + 37 * i, "timestamp": 1600545240 + 29 * i, "app": ("SKYPE", "TELEGRAM")[i % 2], "id": f"u{i % 7}",
             "antenna_id": f"a{i % 3}"} for i in range(60)]


def users():
    if os.path.exists(f"{DATA}/user_metadata.csv"):
        return open(f"{DATA}/user_metadata.csv").read().splitlines()
    return ["id,name,email,quota"] + [f"u{i},n{i},m{i % 4}@example.com,9000" for i in range(5)]


def produce(sent):
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic
    admin = AdminClient({"bootstrap.servers": BROKERS})
    admin.create_topics([NewTopic(NAME, 4, 1)])[NAME].result(30)
    producer = Producer({"bootstrap.servers": BROKERS})
    for i, m in enumerate(sent):
        text = json.dumps(m)
        producer.produce(NAME, text.replace('"timestamp"', '"timestmap"') if i % 2 else text, partition=i % 4)
    producer.produce(NAME, '{"bytes":17,"timest', partition=0)
    assert producer.flush(60) == 0
    return admin


def wanted(sent, seconds, mails):
    out = collections.Counter()
    who = "id_bytes_total" if mails is None else "mail_bytes_total"
    for m in sent:
        at = m["timestamp"] - m["timestamp"] % seconds
        out[at, "antenna_bytes_total", m["antenna_id"]] += m["bytes"]
        out[at, "app_bytes_total", m["app"]] += m["bytes"]
        out[at, who, (mails or {}).get(m["id"], m["id"])] += m["bytes"]
    return {key + (value,) for key, value in out.items()}


def served(url, table):
    with psycopg.connect(url) as pg:
        return {(int(t), *rest) for t, *rest in pg.execute(
            f"""SELECT extract(epoch FROM "timestamp"), type, id, value FROM {table}""")}


def over_quota(hours, listed):
    quota = collections.Counter()
    for _, _, mail, n in listed:
        quota[mail] += int(n)
    return {(t, who, n, quota[who]) for t, kind, who, n in hours if kind == "mail_bytes_total" and who in quota and n > quota[who]}


def check(what, url, sent, listed):
    assert served(url, "bytes") == wanted(sent, 60, None)
    assert served(url, "bytes_5_minutes") == wanted(sent, 300, None)
    hours = wanted(sent, 3600, {row[0]: row[2] for row in listed})
    assert served(url, "bytes_hourly") == hours
    with psycopg.connect(url) as pg:
        broken = {(int(t), *rest) for t, *rest in pg.execute(
            """SELECT extract(epoch FROM "timestamp"), email, usage, quota FROM user_quota_limit""")}
    assert broken == over_quota(hours, listed), (broken, over_quota(hours, listed))
    counting.check(what, True)


def raudal(*words):
    done = subprocess.run([RAUDAL, *words], capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def processor_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle_share(options):
    """Of one processor, once the start is over: two looks without a new line of the log between would be too few."""
    run = subprocess.Popen([RAUDAL, "run", PIPELINE, *options, "--log-level", "error"], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    try:
        before, began = processor_seconds(run.pid), time.monotonic()
        while True:  # the start is over when a second costs next to nothing, or never
            time.sleep(1)
            now = processor_seconds(run.pid)
            if now > 0.2 and now - before < 0.05 or time.monotonic() - began > 60:
                break
            before = now
        before = processor_seconds(run.pid)
        time.sleep(IDLE_SECONDS)
        share = (processor_seconds(run.pid) - before) / IDLE_SECONDS
    finally:
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 0
    return share


def main():
    sent, lines = messages(), users()
    with psycopg.connect(ADMIN, autocommit=True) as pg:
        pg.execute(f"CREATE DATABASE {NAME}")
    url = ADMIN.rsplit("/", 1)[0] + "/" + NAME
    open("users.csv", "w").write("\n".join(lines) + "\n")
    admin = produce(sent)
    options = ["--root", "root"]
    for setting in (f"DEVICES=kafka://{BROKERS}/{NAME}", f"STORE={url}", f"USERS={os.path.abspath('users.csv')}"):
        options += ["--set", setting]
    listed = [line.split(",") for line in lines[1:]]
    try:
        raudal("run", PIPELINE, "--once", *options)
        check("one run", url, sent, listed)
        lost = raudal("sql", PIPELINE, "SELECT count(*) AS n FROM quarantine.raw_devices", "--format", "csv", *options)
        assert lost.split() == ["n", "1"], lost
        raudal("run", PIPELINE, "--once", *options)
        check("another run", url, sent, listed)
        raudal("verify", PIPELINE, *options)
        share = idle_share(options)
        assert share < 0.01, share
        check("a live run that was idle", url, sent, listed)
        print(f"{len(sent)} messages; idle {100 * share:.2f} % of a processor")
    finally:
        admin.delete_topics([NAME])[NAME].result(30)
        with psycopg.connect(ADMIN, autocommit=True) as pg:
            pg.execute(f"DROP DATABASE {NAME} WITH (FORCE)")
    return counting.done()


sys.exit(main())
