#!/usr/bin/env python3
"""reports.py - examples/reports with CONVERSATIONS as a glob, its tables in PostgreSQL, its files on disk.

Hours that the glob does not name are left alone; a later hour is an upsert; a kill while PostgreSQL is written and
one while files are written; invoices that are replaced take rows away.  After each, PostgreSQL and the files show what
the lake holds.
"""
import csv
import glob
import json
import os
import subprocess
import sys
import uuid

import counting

if os.environ.get("PYTHON", sys.executable) != sys.executable:
    os.execv(os.environ["PYTHON"], [os.environ["PYTHON"], *sys.argv])

POSTGRES, RAUDAL, BUILD = (os.environ.get(k, "") for k in ("RAUDAL_POSTGRES", "RAUDAL", "BUILD"))
if not POSTGRES or not RAUDAL:
    print("no PostgreSQL is up")
    sys.exit(77)

import psycopg  # noqa: E402

NAME = f"reports_{uuid.uuid4().hex[:8]}"
STORE = POSTGRES.rsplit("/", 1)[0] + "/" + NAME
EXAMPLE = os.path.join(os.environ.get("RAUDAL_TOP", "."), "examples/reports")
AT = ["--root", "root", "--set", f"STORE={STORE}", "--set", f"INVOICES={os.getcwd()}/in/invoices.csv",
      "--set", f"CONVERSATIONS={os.getcwd()}/in/conversations/*/hour=*.json"]
DAY = "in/conversations/date=2019-12-16"
ASK = {
    "invoice_averages": "customer, account, avg_invoices_last_3_months, avg_invoices_last_6_months",
    "conversation_sessions": "customer, flow, session, answers",
    "conversation_answers": "customer, flow, session, question, answer, asked",
}


def raudal(command, *more, fault=None):
    env = {**os.environ, **({"RDL_FAULT": fault} if fault else {})}
    done = subprocess.run([RAUDAL, command, EXAMPLE, *more, *AT], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == (-9 if fault else 0), (command, more, done.returncode, done.stderr[-2000:])
    return done.stdout


def plain(value):
    return None if value in ("", None) else f"{float(value):.6f}" if isinstance(value, float) else str(value)


def lake(sql):
    return json.loads(raudal("sql", sql, "--json"))


def check(what):
    for name, columns in ASK.items():
        held = sorted([[plain(row[c]) for c in columns.split(", ")] for row in lake(f"SELECT {columns} FROM gold.{name}")], key=str)
        with psycopg.connect(STORE) as c:
            shown = sorted([[plain(v) for v in row] for row in c.execute(f"SELECT {columns} FROM {name}").fetchall()], key=str)
        assert held == shown and held, (what, name, len(held), len(shown))
    # Each flow's file has the last valid answers of its sessions, a column for each of its questions.
    files = {}
    for path in glob.glob("root/reports/conversations/*.csv"):
        with open(path, encoding="utf-8", newline="") as f:
            for row in csv.DictReader(f):
                for question, answer in row.items():
                    if question not in ("customer", "flow", "session", "first_answer_dt", "last_answer_dt") and answer:
                        files[row["customer"], row["flow"], row["session"], question] = answer
    want = {(r["customer"], r["flow"], r["session"], r["question"]): r["answer"]
            for r in lake("SELECT customer, flow, session, question, answer FROM gold.conversation_answers")}
    assert files == want, (what, len(files), len(want))
    raudal("verify")
    counting.check(what, True)
    return len(want)


def main():
    with psycopg.connect(POSTGRES, autocommit=True) as c:
        c.execute(f"CREATE DATABASE {NAME}")
    try:
        subprocess.run([f"{BUILD}/examples/reports/generate", "--to", "in"], check=True, stderr=subprocess.DEVNULL)
        os.rename(f"{DAY}/hour=03.json", f"{DAY}/late.json")  # the glob does not name it
        raudal("run", "--once")
        first = check("three hours")
        os.rename(f"{DAY}/late.json", f"{DAY}/hour=03.json")
        raudal("run", "--once", fault="sink.before_commit:1:kill")
        raudal("run", "--once", fault="report.renamed:2:kill")
        raudal("run", "--once")
        second = check("the fourth hour, after kills while stores and files are written")
        assert second > first, (first, second)
        with open("in/invoices.csv", encoding="utf-8") as f:
            lines = f.read().splitlines()
        gone = lines[1].split(",")[:2]
        with open("in/invoices.new", "w", encoding="utf-8") as f:
            f.write("\n".join(line for line in lines if line.split(",")[:2] != gone) + "\n")
        os.rename("in/invoices.new", "in/invoices.csv")
        raudal("run", "--once")
        check("an account that is gone")
        with psycopg.connect(STORE) as c:
            left = c.execute("SELECT count(*) FROM invoice_averages WHERE customer = %s AND account = %s", gone).fetchone()[0]
        assert left == 0, gone
    finally:
        with psycopg.connect(POSTGRES, autocommit=True) as c:
            c.execute(f"DROP DATABASE {NAME} WITH (FORCE)")
    return counting.done()


sys.exit(main())
