#!/usr/bin/env python3
"""cloud_analytics_kafka.py - the events of cloud analytics from a topic give the gold that files give, byte for byte.

The landing zone is a small generated one.  Each line of its event files, in the files' order, is a message of a
topic; EVENTS names it.  Gold, the quarantine and the ledger of bronze must be those of the files.
"""
import glob
import os
import subprocess
import sys
import uuid

import counting

if os.environ.get("PYTHON", sys.executable) != sys.executable:
    os.execv(os.environ["PYTHON"], [os.environ["PYTHON"], *sys.argv])

TOP = os.environ["RAUDAL_TOP"]
RAUDAL, BUILD = os.environ["RAUDAL"], os.environ["BUILD"]
PIPELINE = f"{TOP}/examples/cloud_analytics"
GOLD = ("org_daily_usage_by_service", "usage_by_window", "revenue_by_org_month", "cost_anomaly_mart",
        "tickets_by_org_date", "genai_tokens_by_org_date")


def produce(topic, lines):
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic
    admin = AdminClient({"bootstrap.servers": os.environ["RAUDAL_KAFKA"]})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    producer = Producer({"bootstrap.servers": os.environ["RAUDAL_KAFKA"], "enable.idempotence": True,
                         "queue.buffering.max.messages": 1000000})
    for line in lines:
        producer.produce(topic, line, partition=0)
    assert producer.flush(120) == 0
    return admin


def gold(root, settings):
    at = [word for setting in settings for word in ("--set", setting)]
    run = subprocess.run([RAUDAL, "run", PIPELINE, "--once", "--root", root, *at, "--log-level", "error"],
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    asked = "".join(f"SELECT * FROM gold.{t} ORDER BY ALL;\n" for t in GOLD)
    asked += "SELECT count(*), count(DISTINCT event_id), sum(cost_usd_increment) FROM bronze.usage_events;\n"
    asked += 'SELECT count(*) FROM quarantine.bronze_usage_events;\n'
    done = subprocess.run([RAUDAL, "sql", PIPELINE, "--root", root, *at, "--format", "csv"], input=asked,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    verify = subprocess.run([RAUDAL, "verify", PIPELINE, "--root", root, *at], capture_output=True, text=True)
    assert verify.returncode == 0, verify.stdout + verify.stderr
    return done.stdout


def main():
    landing = os.path.abspath("landing")
    subprocess.run([f"{BUILD}/examples/cloud_analytics/generate", "--out", landing, "--scale", "0.05", "--files", "6"], check=True,
                   stdout=subprocess.DEVNULL)
    lines = []
    for path in sorted(glob.glob(f"{landing}/usage_events_stream/*.jsonl")):
        with open(path, "rb") as file:
            lines += [line for line in file.read().split(b"\n") if line]
    topic = f"usage-{uuid.uuid4().hex[:8]}"
    admin = produce(topic, lines)
    files = gold("files", [f"LANDING={landing}"])
    topics = gold("topic", [f"LANDING={landing}", f"EVENTS=kafka://{os.environ['RAUDAL_KAFKA']}/{topic}"])
    admin.delete_topics([topic])[topic].result(30)
    assert len(files.splitlines()) > 100, files
    if files != topics:
        open("files.csv", "w").write(files)
        open("topic.csv", "w").write(topics)
        subprocess.run("diff files.csv topic.csv | head -n 20", shell=True)
    counting.check("gold of a topic is gold of files", files == topics)
    print(f"{len(lines)} messages, {len(files.splitlines())} lines of gold")
    return counting.done()


sys.exit(main())
