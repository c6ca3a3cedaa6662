#!/usr/bin/env python3
"""device_locations.py - examples/device_locations into PostgreSQL: upserts and deletions, key by key.

Half of the deliveries, then the other half with corrections of days that are there, a kill of raudal while it
publishes, then a stricter text that takes rows away: after each PostgreSQL shows what the lake holds.
"""
import csv
import os
import shutil
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

NAME = f"devices_{uuid.uuid4().hex[:8]}"
STORE = POSTGRES.rsplit("/", 1)[0] + "/" + NAME
AT = ["--root", "root", "--set", f"STORE={STORE}", "--set", f"LANDING={os.getcwd()}/landing"]
ASK = {
    "positions": ("staging.positions", "device_type, device_id, seen_at, latitude, longitude, country"),
    "devices_by_month": ("consumption.devices_by_month", "month, device_type, devices, positions"),
    "next_day": ("consumption.next_day", "day, device_type, devices"),
}


def raudal(command, *more, fault=None):
    env = {**os.environ, **({"RDL_FAULT": fault} if fault else {})}
    done = subprocess.run([RAUDAL, command, "p", *more, *AT], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == (-9 if fault else 0), (command, more, done.returncode, done.stderr[-2000:])
    return done.stdout


def lake(table, columns):
    """A hash of the rows, and their number: the same text on both sides."""
    texts = ", ".join(f"CAST({c} AS TEXT)" if c not in ("seen_at", "latitude", "longitude", "devices")
                      else f"CAST(epoch_ms({c}) AS TEXT)" if c == "seen_at"
                      else f"CAST(CAST(round({c} * 1000000) AS BIGINT) AS TEXT)" for c in columns.split(", "))
    sql = f"SELECT count(*), md5(string_agg(concat_ws('|', {texts}), ',' ORDER BY concat_ws('|', {texts}))) FROM {table}"
    return tuple(next(csv.reader([raudal("sql", sql, "--format", "csv").splitlines()[1]])))


def store(table, columns):
    texts = ", ".join(f"CAST({c} AS TEXT)" if c not in ("seen_at", "latitude", "longitude", "devices")
                      else f"CAST(CAST(extract(epoch FROM {c}) * 1000 AS BIGINT) AS TEXT)" if c == "seen_at"
                      else f"CAST(CAST(round(CAST({c} AS NUMERIC) * 1000000) AS BIGINT) AS TEXT)"
                      for c in columns.split(", "))
    with psycopg.connect(STORE) as c:
        row = c.execute(f"SELECT count(*), md5(string_agg(concat_ws('|', {texts}), ',' "
                        f"ORDER BY concat_ws('|', {texts}) COLLATE \"C\")) FROM {table}").fetchone()
    return str(row[0]), row[1] or ""


def check(what):
    for name, (table, columns) in ASK.items():
        held, shown = lake(table, columns), store(name, columns)
        assert held == shown and int(held[0]) > 0, (what, name, held, shown)
    raudal("verify")
    counting.check(what, True)
    return int(store("positions", ASK["positions"][1])[0])


def main():
    with psycopg.connect(POSTGRES, autocommit=True) as c:
        c.execute(f"CREATE DATABASE {NAME}")
    try:
        shutil.copytree(os.path.join(os.environ["RAUDAL_TOP"], "examples/device_locations"), "p")
        subprocess.run([f"{BUILD}/examples/device_locations/generate", "--out", "made"], check=True, stdout=subprocess.DEVNULL)
        days = sorted(d for d in os.listdir("made") if os.path.isdir(f"made/{d}"))
        half = len(days) // 2
        for day in days[:half]:
            shutil.copytree(f"made/{day}", f"landing/{day}")
        raudal("run", "--once")
        first = check("the first half")
        forecast = store("next_day", ASK["next_day"][1])
        for day in days[half:]:
            shutil.copytree(f"made/{day}", f"landing/{day}")
        raudal("run", "--once", fault="sink.before_commit:1:kill")
        raudal("run", "--once")
        second = check("the second half, after a kill while publishing")
        assert second > first and store("next_day", ASK["next_day"][1]) != forecast
        # A stricter text: rows go, in the lake and in PostgreSQL.
        with open("p/03_staging.sql", encoding="utf-8") as f:
            text = f.read()
        changed = text.replace("FROM STREAM staging.accepted", "FROM STREAM staging.accepted WHERE device_id < '8'")
        assert changed != text
        with open("p/03_staging.sql", "w", encoding="utf-8") as f:
            f.write(changed)
        raudal("run", "--once")
        third = check("a stricter text")
        assert 0 < third < second, (first, second, third)
    finally:
        with psycopg.connect(POSTGRES, autocommit=True) as c:
            c.execute(f"DROP DATABASE {NAME} WITH (FORCE)")
    return counting.done()


sys.exit(main())
