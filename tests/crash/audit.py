"""Looks at a root from outside: what it holds, and whether anything is left over or missing.

usage: audit.py dump-sql STATUS.json                       SQL that prints every cell of every table
       audit.py loose DUMP                                 what it printed, without the rows' epochs
       audit.py store SERVING.db                           every cell of every table of an SQLite store
       audit.py root ROOT STATUS.json VERIFY.json LINES    says what is wrong; exit 1 when anything is
       audit.py listing ROOT                               every file with its size and time

The form `root` checks, after a run that ended by itself:

  - verify compared something and found no difference;
  - every ledger balances, and the events' accepted + duplicate + quarantined are LINES;
  - each Delta log starts at 0 or at a checkpoint, has no gap and no temporary file; what it holds is
    on disk; what is on disk was written by one of its versions;
  - of the state nothing is left but the journal, landed snapshots and runs.

Needs nothing but Python's own library.
"""
import json
import os
import re
import sqlite3
import sys
from urllib.parse import unquote

# Times of ingestion differ between two runs; everything else is the same to the last digit.
TIMES = ("ingest_ts", "__start_at", "__end_at")
EVENTS = "bronze.usage_events"
LOG_FILE = re.compile(r"^(\d{20})\.(json|checkpoint\.parquet)$")
OUR_COPY = re.compile(r"^_raudal\.\d{20}\.jsonl$")  # of a checkpoint, for our own reader


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def dump_sql(status):
    """Statements that print each table in an order of its own; times only where they are comparable.
    Where rows have an identity, its epoch comes last: `loose` below can take it off."""
    out = []
    hidden = ", ".join(f"'{name}'" for name in TIMES + ("_epoch",))
    every = f"COLUMNS(lambda c: c NOT IN ({hidden}))"
    for table in status["tables"]:
        schema, name = table["table"].split(".", 1)
        streaming = table["kind"] == "streaming table"
        source = f"{quoted(schema)}.{quoted(name + '$rows' if streaming else name)}"
        more = ", _epoch" if streaming else ""
        if table["table"] in ("bronze.organizations_history", "silver.organizations"):
            more = ", dense_rank() OVER (ORDER BY __start_at) AS delivery, __end_at IS NULL AS current"
        out.append(f"SELECT '{table['table']}' AS this, {every}{more} FROM {source} ORDER BY ALL;")
        if streaming and table["quarantined"] > 0:
            rejected = f"quarantine.{quoted(schema + '_' + name)}"
            record = "regexp_replace(CAST(record AS TEXT), '\"ingest_ts\":\"[^\"]*\"', '') AS record"
            out.append(f"SELECT '{rejected[11:-1]}' AS this, * FROM (SELECT * EXCLUDE (ingest_ts, record, "
                       f"_epoch), {record}, _epoch FROM {rejected}) ORDER BY ALL;")
    return "\n".join(out) + "\n"


def loose(path):
    """A dump without the epochs of rows, which another cut of the input into epochs changes."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        lines = file.read().splitlines()
    with_epoch = False
    for line in lines:
        if line.startswith("this,"):
            with_epoch = line.endswith(",_epoch")
        print(line.rpartition(",")[0] if with_epoch else line)


def store_rows(path):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    names = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
    for name in names:
        if name == "_raudal_progress":
            continue
        print("table", name)
        for row in sorted(map(repr, db.execute(f"SELECT * FROM {quoted(name)}"))):
            print(row)
    if db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
        sys.exit(f"{path}: SQLite finds damage")


def check_log(table, log, wrong):
    """The files that versions wrote, and those that the newest one holds."""
    written, live, versions, checkpoints = set(), set(), [], []
    for name in sorted(os.listdir(log)):
        found = LOG_FILE.match(name)
        if name == "_last_checkpoint" or OUR_COPY.match(name):
            continue
        if not found:
            wrong.append(f"{table}: {name} is no file of a Delta log")
        elif found[2] == "json":
            versions.append(int(found[1]))
            with open(os.path.join(log, name), encoding="utf-8") as lines:
                for action in map(json.loads, lines):
                    if "add" in action:
                        path = unquote(action["add"]["path"])
                        written.add(path)
                        live.add(path)
                    elif "remove" in action:
                        live.discard(unquote(action["remove"]["path"]))
        else:
            checkpoints.append(int(found[1]))
    if versions != list(range(versions[0], versions[0] + len(versions))) if versions else True:
        wrong.append(f"{table}: versions {versions} have a gap")
    elif versions[0] != 0 and not any(c >= versions[0] - 1 for c in checkpoints):
        wrong.append(f"{table}: the log begins at {versions[0]} without a checkpoint")
    return written, live


def check_lake(lake, wrong):
    for folder, folders, _ in os.walk(lake):
        if "_delta_log" not in folders:
            continue
        table = os.path.relpath(folder, lake)
        written, live = check_log(table, os.path.join(folder, "_delta_log"), wrong)
        there = set()
        for below, _, files in os.walk(folder):
            if "_delta_log" not in os.path.relpath(below, folder).split(os.sep):
                there |= {os.path.relpath(os.path.join(below, f), folder) for f in files}
        wrong += [f"{table}: {p} is named by the log and not there" for p in sorted(live - there)]
        wrong += [f"{table}: {p} is there and was never committed" for p in sorted(there - written)]


def check_state(state, wrong):
    for name in os.listdir(state):
        # A control socket outlives a kill; the next continuous run takes its name.
        if name not in ("LOCK", "control", "journal", "journal-past", "readers", "vacuumed", "plan.cache",
                        "epochs", "runs", "snapshots", "tmp") and \
                not re.match(r"^journal\.torn-\d+$", name):
            wrong.append(f"state/{name} is left over")
    for folder in ("epochs", "tmp"):
        wrong += [f"state/{folder}/{n} is left over" for n in sorted(os.listdir(os.path.join(state, folder)))]
    for folder, pattern in (("runs", r"^run-[0-9a-f]{8}$"), ("snapshots", r"^\d{12}\.parquet$")):
        for below, _, files in os.walk(os.path.join(state, folder)):
            wrong += [f"{os.path.join(below, n)} is left over" for n in files if not re.match(pattern, n)]


def check_accounts(status, verify, lines, wrong):
    if verify["checks"] == 0 or verify["differing"] != 0:
        wrong += [f"verify: {i['table']} ({i['store'] or i['against']}): {i['differences']} differences"
                  f" {i['problem'] or ''} {json.dumps(i['samples'])[:300]}"
                  for i in verify["items"] if i["differences"] or i["problem"]] or ["verify checked nothing"]
    for table in status["tables"]:
        ledger = table.get("ledger")
        if ledger is None:
            continue
        gone = ("written", "duplicate", "late_diverted", "late_dropped", "quarantined", "dropped", "filtered")
        if ledger["read"] + ledger["replayed"] + ledger["fanout"] != sum(ledger[k] for k in gone):
            wrong.append(f"{table['table']}: the ledger does not balance: {ledger}")
        if ledger["written"] != table["rows"] or ledger["quarantined"] != table["quarantined"]:
            wrong.append(f"{table['table']}: {table['rows']} rows, {table['quarantined']} quarantined, "
                         f"but the ledger says {ledger['written']} and {ledger['quarantined']}")
        if table["table"] == EVENTS and \
                ledger["written"] + ledger["duplicate"] + ledger["quarantined"] != lines:
            wrong.append(f"{EVENTS}: {ledger} is not {lines} lines")


def check_root(root, status, verify, lines):
    wrong = []
    check_accounts(status, verify, lines, wrong)
    check_lake(os.path.join(root, "lake"), wrong)
    check_state(os.path.join(root, "state"), wrong)
    for line in wrong[:10]:
        print(line)
    sys.exit(1 if wrong else 0)


def listing(root):
    """catalog.db keeps the history of runs, and SQLite's side files come and go with readers."""
    for folder, _, files in sorted(os.walk(root)):
        for name in sorted(files):
            if name.startswith("catalog.db") or re.search(r"-(wal|shm)$", name) or name == "LOCK":
                continue
            path = os.path.join(folder, name)
            stat = os.stat(path)
            print(os.path.relpath(path, root), stat.st_size, stat.st_mtime_ns)


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main(args):
    if len(args) == 2 and args[0] == "dump-sql":
        sys.stdout.write(dump_sql(load(args[1])))
    elif len(args) == 2 and args[0] == "loose":
        loose(args[1])
    elif len(args) == 2 and args[0] == "store":
        store_rows(args[1])
    elif len(args) == 2 and args[0] == "listing":
        listing(args[1])
    elif len(args) == 5 and args[0] == "root":
        check_root(args[1], load(args[2]), load(args[3]), int(args[4]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
