#!/usr/bin/env bash
# cassandra_breaks - what may happen to a published table behind our back, and every awkward value: after
# each, the store is the lake's cell by cell, or a clear error says what to do.
#
#   rows      values that come, go to null and back, collections that shrink and empty, keys with empty text
#   clocks    a progress or a row from the future, epochs whose clock stands still, time to live
#   tables    dropped, dropped and made again, altered, truncated, their keyspace dropped, while a run goes on
#   owners    two roots at once, a table taken from under an unfinished claim
#   sizes     cells and keys that a server refuses, partitions of tombstones (FULL=1: past the server's limit)
#   seeds     reference rows by raudal provision
"exec" "${PYTHON:?}" "$0" "$@"
import json, os, shutil, signal, subprocess, sys, time
from cassandra.cluster import Cluster
import counting
from counting import check

raudal, room = os.environ["RAUDAL"], os.getcwd()
host, port = os.environ["RAUDAL_CASSANDRA"].split(":")
cluster = Cluster([host], port=int(port))
session = cluster.connect()
session.default_timeout = 120
FUTURE = int(time.time() * 1e6) + 3600 * 10**6


class Job:
    """A pipeline folder, a root, a keyspace; files are delivered one epoch each."""

    def __init__(self, name, text, root=None):
        self.name, self.dir, self.root, self.files = name, f"{room}/{name}", root or f"{room}/{name}/.raudal", 0
        self.keyspace = f"rdl_breaks_{name}"
        session.execute(f"DROP KEYSPACE IF EXISTS {self.keyspace}")
        os.makedirs(f"{self.dir}/in", exist_ok=True)
        self.say(text)

    def say(self, text):
        with open(f"{self.dir}/all.sql", "w") as f:
            f.write(text)

    def deliver(self, *rows):
        with open(f"{self.dir}/in/.new", "w") as f:
            f.writelines(json.dumps(r) + "\n" for r in rows)
        os.rename(f"{self.dir}/in/.new", f"{self.dir}/in/{self.files:04}.jsonl")
        self.files += 1

    def args(self, command, *more):
        return [raudal, command, self.dir, *more, "--root", self.root, "--set",
                f"SERVING=cassandra://{host}:{port}/{self.keyspace}?patience_ms=20000"]

    def run(self, command, *more, timeout=200):
        done = subprocess.run(self.args(command, *more), capture_output=True, text=True, timeout=timeout)
        return done.returncode, done.stdout, done.stderr

    def start(self, *more, fault=None):
        env = dict(os.environ, **({"RDL_FAULT": fault} if fault else {}))
        return subprocess.Popen(self.args("run", *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)

    def epoch(self, *rows):
        if rows:
            self.deliver(*rows)
        rc, out, err = self.run("run", "--once")
        check(f"{self.name}: epoch {self.files}", rc == 0, f"{rc} {err[-700:]}")

    def agrees(self, what):
        rc, out, err = self.run("verify")
        check(f"{self.name}: {what}: verify", rc == 0, out[-900:] + err[-400:])

    def one(self, cql):
        return session.execute(cql.format(ks=self.keyspace)).one()

    def all(self, cql):
        return list(session.execute(cql.format(ks=self.keyspace)))

    def rests(self):
        """Rows of all its tables, or 0 while they become more."""
        def count():
            tables = [r.table_name for r in session.execute(f"SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{self.keyspace}'")]
            return sum(self.one(f"SELECT count(*) AS n FROM {{ks}}.{t}").n for t in tables if t != "raudal_progress")
        before = count()
        time.sleep(0.5)
        return before if count() == before else 0


def until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return check(what, True)
        except Exception:  # a table that is not there yet
            pass
        time.sleep(0.05)
    check(what, False, "it did not come about")


LATEST = """CREATE SOURCE s (k TEXT, c TEXT, v TEXT, tags TEXT[], m MAP(TEXT, BIGINT), seq BIGINT, gone BOOLEAN) FROM 'in/*.jsonl' FORMAT JSON;
CREATE STREAMING TABLE b.s AS SELECT * FROM STREAM s;
CREATE MATERIALIZED VIEW g.t PRIMARY KEY (k, c) AS
  SELECT k, c, x.v, x.tags, x.m, x.seq FROM (SELECT k, c, max({'seq': seq, 'v': v, 'tags': tags, 'm': m, 'gone': gone}) AS x
  FROM STREAM b.s GROUP BY k, c) WHERE NOT x.gone;
PUBLISH g.t TO '${SERVING}' AS live PRIMARY KEY ((k), c) WITH (types = 'tags list<text>, m map<text, bigint>');
PUBLISH g.t TO '${SERVING}' AS sets PRIMARY KEY ((k, c)) WITH (types = 'tags set<text>, m frozen<map<text, bigint>>');
PUBLISH g.t TO '${SERVING}' AS frozen PRIMARY KEY ((k), c DESC);
"""


def row(seq, v=None, tags=None, m=None, gone=False, k="one", c="a"):
    return {"k": k, "c": c, "v": v, "tags": tags, "m": m, "seq": seq, "gone": gone}


def values_come_and_go():
    job = Job("values", LATEST)
    story = [dict(v="x", tags=["p", "q", "p"], m={"a": 1, "b": 2, "c": 3}), dict(v=None, tags=[], m={"a": 1}), dict(v="y"),
             dict(v="y", tags=["z"], m={}), dict(gone=True), dict(v=None, tags=["back"]), dict(v="", tags=["", "t"], m={"": 0})]
    for seq, step in enumerate(story, 1):
        job.epoch(row(seq, **step), row(seq, v=f"n{seq}", c="", m={str(seq): seq}), row(seq, k=f"k{seq}", v="w"))
        job.agrees(f"step {seq}")
        live, sets = job.one("SELECT * FROM {ks}.live WHERE k = 'one' AND c = 'a'"), job.one("SELECT * FROM {ks}.sets WHERE k = 'one' AND c = 'a'")
        if step.get("gone"):
            check(f"values: step {seq} is gone", live is None and sets is None, (live, sets))
            continue
        want = (step.get("v"), step.get("tags") or None, step.get("m") or None, seq)
        got = (live.v, live.tags and list(live.tags), live.m and dict(live.m), live.seq)
        check(f"values: step {seq} live", got == want, f"{got} / {want}")
        frozen = job.one("SELECT * FROM {ks}.frozen WHERE k = 'one' AND c = 'a'")
        got = (frozen.v, None if frozen.tags is None else list(frozen.tags), None if frozen.m is None else dict(frozen.m))
        check(f"values: step {seq} frozen keeps what is empty", got == (step.get("v"), step.get("tags"), step.get("m")), f"{got} / {step}")
        check(f"values: step {seq} a set", (sets.tags and set(sets.tags)) == (set(step["tags"]) if step.get("tags") else None), sets)
    job.epoch(row(1, v="late and beaten"))  # nothing changes: an epoch of no rows
    before = job.all("SELECT * FROM {ks}.live")
    job.epoch()
    check("values: nothing to do changes nothing", job.all("SELECT * FROM {ks}.live") == before)
    job.agrees("an epoch of no rows")


def clocks():
    job = Job("clocks", LATEST)
    job.epoch(row(1, v="x"), row(1, k="two", v="x"))
    # The last epoch's clock was an hour ahead: what comes now must win all the same.
    session.execute(f"UPDATE {job.keyspace}.raudal_progress SET write_us = {FUTURE} WHERE table_name = 'frozen' IF EXISTS")
    session.execute(f"INSERT INTO {job.keyspace}.frozen (k, c, v) VALUES ('one', 'a', 'of an hour ahead') USING TIMESTAMP {FUTURE}")
    job.epoch(row(2, v="now"))
    check("clocks: a clock that went back loses no row", job.one("SELECT v FROM {ks}.frozen WHERE k = 'one' AND c = 'a'").v == "now")
    job.epoch(row(3, gone=True))
    job.agrees("a clock that went back")
    # Somebody's rows from the future, of a key of ours and of another.
    later = FUTURE + 3600 * 10**6
    session.execute(f"UPDATE {job.keyspace}.live USING TIMESTAMP {later} SET v = 'foreign' WHERE k = 'two' AND c = 'a'")
    session.execute(f"INSERT INTO {job.keyspace}.live (k, c, seq) VALUES ('ghost', 'g', 1) USING TIMESTAMP {later}")
    rc, out, _ = job.run("verify")
    check("clocks: rows from the future are found", rc == 1 and "ghost" in out and "foreign" in out, out[-600:])
    rc, out, err = job.run("publish")
    check("clocks: publish", rc == 0, err[-600:])
    job.agrees("publish replaces rows from the future")
    job.epoch(row(9, k="two", v="after all"))
    check("clocks: and goes on from there", job.one("SELECT v FROM {ks}.live WHERE k = 'two'").v == "after all")
    session.execute(f"UPDATE {job.keyspace}.live USING TIMESTAMP 9000000000000000000 SET v = 'for ever' WHERE k = 'two' AND c = 'a'")
    rc, out, err = job.run("publish")
    check("clocks: a time after every time is refused", rc == 5 and "later time (9000000000000000000" in err and "Drop the table" in err, f"{rc} {err[-500:]}")


def time_to_live():
    job = Job("ttl", LATEST.split("PUBLISH")[0] + "PUBLISH g.t TO '${SERVING}' PRIMARY KEY ((k), c) WITH (default_time_to_live = 2, types = 'tags list<text>');\n")
    job.epoch(row(1, v="x", tags=["a"]), row(1, k="two", v="x"))
    check("ttl: rows are there", len(job.all("SELECT k FROM {ks}.t")) == 2)
    until("ttl: and go", lambda: not job.all("SELECT k FROM {ks}.t"))
    job.agrees("rows that expired are no difference")
    job.epoch(row(2, v=None, tags=["b"]))
    check("ttl: one that changes comes back whole", [(r.k, r.v, list(r.tags), r.seq) for r in job.all("SELECT * FROM {ks}.t")] == [("one", None, ["b"], 2)],
          job.all("SELECT * FROM {ks}.t"))


def tables_change_under_a_run():
    job = Job("under", LATEST)
    job.deliver(row(1, v="x"), row(1, k="stays", v="s"))
    p = job.start("--set", "trigger_interval=100ms", "--set", "max_files_per_epoch=1")
    until("under: the first epoch", lambda: job.one("SELECT v FROM {ks}.frozen WHERE k = 'one' AND c = 'a'").v == "x")

    def next_value(what, seq, change):
        for cql in change:
            session.execute(cql.format(ks=job.keyspace), timeout=60)
        job.deliver(row(seq, v=f"x{seq}"))
        until(f"under: {what}: the next epoch", lambda: job.one("SELECT v FROM {ks}.frozen WHERE k = 'one' AND c = 'a'").v == f"x{seq}", 90)
        until(f"under: {what}: and what was there before", lambda: job.one("SELECT v FROM {ks}.frozen WHERE k = 'stays'").v == "s", 90)

    table = " (k text, c text, v text, tags frozen<list<text>>, m frozen<map<text, bigint>>, seq bigint, PRIMARY KEY (k, c)) WITH CLUSTERING ORDER BY (c DESC)"
    next_value("a column more", 2, ["ALTER TABLE {ks}.frozen ADD theirs text"])
    next_value("a table that is dropped", 3, ["DROP TABLE {ks}.frozen"])
    next_value("one that is dropped and made again by hand", 4, ["DROP TABLE {ks}.frozen", "CREATE TABLE {ks}.frozen" + table])
    next_value("a keyspace that is dropped", 5, ["DROP KEYSPACE {ks}"])
    p.send_signal(signal.SIGTERM)
    _, err = p.communicate(timeout=60)
    check("under: the run ends well", p.returncode == 0, f"{p.returncode} {err[-600:]}")
    job.agrees("after all of it")
    # The same while nobody runs; provision makes the table, the run fills it.
    session.execute(f"DROP TABLE {job.keyspace}.frozen")
    rc, out, err = job.run("provision")
    check("under: provision makes it", rc == 0 and not job.all("SELECT k FROM {ks}.frozen"), out[-300:] + err[-300:])
    job.epoch(row(6, v="x6"))
    check("under: a table that provision made anew is filled whole", len(job.all("SELECT k FROM {ks}.frozen")) == 2, job.all("SELECT k, v FROM {ks}.frozen"))
    job.agrees("dropped, provisioned, run")
    session.execute(f"ALTER TABLE {job.keyspace}.raudal_progress DROP table_id")  # as an older version made it
    job.epoch(row(7, v="x7"))
    job.agrees("a progress table of an older version")
    session.execute(f"ALTER TABLE {job.keyspace}.frozen DROP v")
    job.deliver(row(8, v="x8"))
    rc, out, err = job.run("run", "--once")
    check("under: a column that went is named", rc == 5 and '"v" is missing' in err, f"{rc} {err[-400:]}")


def two_roots():
    job = Job("roots", LATEST)
    other = Job("roots2", LATEST)
    other.keyspace = job.keyspace
    rows = [row(i, v=f"v{i}", k=f"k{i % 50}", c=str(i)) for i in range(4000)]
    job.deliver(*rows)
    other.deliver(*[dict(r, v=r["v"] + " of the other") for r in rows])
    both = [j.start("--once") for j in (job, other)]
    told = [p.communicate(timeout=200)[1] for p in both]
    codes = sorted(p.returncode for p in both)
    # Each table has one owner; tables that both make for the first time may be shared out among them.
    check("roots: of two at once one at least is refused", codes in ([0, 5], [5, 5]), f"{codes} {told[0][-300:]} {told[1][-300:]}")
    for e, p in zip(told, both):
        check("roots: who is refused hears why", p.returncode == 0 or "another root" in e or "moved it" in e, e[-400:])
    rc, _, err = other.run("run", "--once", "--adopt")
    check("roots: one of them adopts", rc == 0, err[-400:])
    other.agrees("an adopted keyspace")
    rc, _, err = job.run("run", "--once")
    check("roots: the other is refused", rc == 5 and "another root" in err, f"{rc} {err[-300:]}")


def taken_from_under_a_claim():
    job, heir = Job("claim", LATEST), Job("heir", LATEST)
    heir.keyspace = job.keyspace
    job.deliver(*[row(i, v="old", k=f"old{i}") for i in range(3000)])
    heir.deliver(*[row(i, v="new", k=f"new{i}") for i in range(10)])
    # It is stopped between two chunks of rows: what it had in hand between a look at its claim and the sending would go out late.
    late = job.start("--once", fault="cassandra.rows:2:stall:8000")
    until("claim: a root is in the middle of its rows", lambda: any(r.epoch != r.target for r in job.all("SELECT * FROM {ks}.raudal_progress")))
    until("claim: a chunk of them is there, and no more comes", lambda: job.rests() % 3000 > 0)
    late.send_signal(signal.SIGSTOP)
    rc, _, err = heir.run("run", "--once", "--adopt")
    check("claim: another takes the tables", rc == 0, err[-400:])
    heir.agrees("as soon as it is over")
    late.send_signal(signal.SIGCONT)
    _, err = late.communicate(timeout=120)
    check("claim: who wakes is refused", late.returncode == 5 and "moved it" in err, f"{late.returncode} {err[-400:]}")
    # What it had in hand when it stopped went out before it looked, under keys that the heir has not: it took that back.
    late_rows = sum(r.v == "old" for t in ("live", "sets", "frozen") for r in job.all(f"SELECT v FROM {{ks}}.{t}"))
    check("claim: of what it had in hand nothing is left", late_rows == 0, late_rows)
    heir.agrees("after the late owner is gone")


def sizes():
    job = Job("sizes", LATEST)
    job.epoch(row(1, v="n" * 9_000_000), row(1, k="two", v="small"))
    job.agrees("a cell of 9 MB")
    job.deliver(row(2, k="", v="x"))
    began = time.monotonic()
    rc, _, err = job.run("run", "--once")
    check("sizes: an empty partition key is refused by name", rc == 5 and '"k" is an empty text' in err and "hint" in err, f"{rc} {err[-500:]}")
    refused = (("key", "a key of 70,000 bytes", LATEST, row(1, k="k" * 70_000)),
               ("cell", "a cell of 20 MB", LATEST.replace("x.v", "repeat(x.v, 20) AS v"), row(1, k="big", v="n" * 1_000_000)))
    for name, what, text, big in refused:
        job = Job("size_" + name, text)
        job.deliver(big)
        began = time.monotonic()
        rc, _, err = job.run("run", "--once")
        check(f"sizes: {what} is refused", rc == 5 and ("65535" in err or "16777216" in err or "too large" in err or "bytes" in err), f"{rc} {err[-600:]}")
        check(f"sizes: {what} is refused with its row", f"(k = {big['k'][:40]}" in err, err[-500:])
        check(f"sizes: {what} is refused before patience_ms is over", time.monotonic() - began < 20, f"{time.monotonic() - began:.0f} s")
    doubles = Job("doubles", """CREATE SOURCE s (d DOUBLE, n BIGINT) FROM 'in/*.jsonl' FORMAT JSON;
CREATE STREAMING TABLE b.s AS SELECT * FROM STREAM s;
CREATE MATERIALIZED VIEW g.d PRIMARY KEY (d) AS SELECT d, count(*) AS n FROM STREAM b.s GROUP BY d;
PUBLISH g.d TO '${SERVING}' PRIMARY KEY (d);
""")
    for n, zero in enumerate((-0.0, 0.0, -0.0)):
        doubles.epoch({"d": zero, "n": n})
    check("sizes: 0 and -0 are one key", [r.n for r in doubles.all("SELECT * FROM {ks}.d")] == [3], doubles.all("SELECT * FROM {ks}.d"))
    doubles.agrees("0 and -0")


def tombstones():
    n = 120_000 if os.environ.get("FULL") else 5_000
    job = Job("tombstones", LATEST.split("PUBLISH")[0] + "PUBLISH g.t TO '${SERVING}' PRIMARY KEY ((k), c);\n")
    job.epoch(*[row(1, v="x", c=f"{i:06}") for i in range(n)])
    job.epoch(*[row(2, gone=True, c=f"{i:06}") for i in range(n)], row(3, c="zzz", v="alive"))
    job.epoch(row(4, c="zzz", v="still"))  # writing asks for nothing behind them
    if os.environ.get("FULL"):  # then the server refuses to read
        rc, out, _ = job.run("verify")
        check("tombstones: what cannot be read is said", rc == 1 and "read failure" in out and "READ_TOO_MANY_TOMBSTONES" in out, out[-700:])
        rc, _, err = job.run("publish")
        check("tombstones: with what helps", rc == 5 and "gc_grace_seconds" in err, err[-700:])
        return
    job.agrees(f"behind {n} tombstones")
    rc, _, err = job.run("publish")
    check("tombstones: publish", rc == 0, err[-600:])
    job.agrees("after it")


def seeds():
    job = Job("seeds", """SEED people (id TEXT, name TEXT, quota BIGINT, rate DECIMAL(10, 2), since DATE, seen TIMESTAMPTZ, ok BOOLEAN)
  FROM 'people.csv' FORMAT CSV TO '${SERVING}' PRIMARY KEY (id) WITH (consistency = ONE);
""")
    text = "id,name,quota,rate,since,seen,ok\na,Ana,1,1.50,2025-01-02,2025-01-02T03:04:05Z,true\nb,,2,-0.01,1969-12-31,1969-12-31T23:59:59Z,false\n"

    def seed(text):
        with open(f"{job.dir}/people.csv", "w") as f:
            f.write(text)
        return job.run("provision")
    rc, out, err = seed(text)
    rows = {r.id: r for r in job.all("SELECT * FROM {ks}.people")} if rc == 0 else {}
    check("seeds: rows are loaded", rc == 0 and sorted(rows) == ["a", "b"], out[-300:] + err[-500:])
    check("seeds: with their types", rows and (rows["a"].name, rows["a"].quota, str(rows["a"].rate), str(rows["a"].since), rows["a"].ok) == ("Ana", 1, "1.50", "2025-01-02", True), rows)
    first = job.all("SELECT * FROM {ks}.people")
    rc, _, err = seed(text)
    check("seeds: a second time changes no value", rc == 0 and job.all("SELECT * FROM {ks}.people") == first, err[-300:])
    rc, _, err = seed(text.replace("Ana,1", ",10").replace("b,,2", "c,Cy,3"))
    rows = {r.id: (r.name, r.quota) for r in job.all("SELECT * FROM {ks}.people")}
    check("seeds: a row that changed is replaced, nulls too; others stay", rc == 0 and rows == {"a": (None, 10), "b": (None, 2), "c": ("Cy", 3)}, f"{rows} {err[-300:]}")
    rc, _, err = seed(text.replace("Ana,1", "Ana,many"))
    check("seeds: a record that does not fit is refused", rc != 0 and "many" in err, err[-300:])
    check("seeds: and nothing of it is loaded", job.one("SELECT quota FROM {ks}.people WHERE id = 'a'").quota == 10)
    with open(f"{job.dir}/people.csv", "w") as f:
        f.write(text)
    rc, out, err = job.run("provision", "--dry-run")
    check("seeds: a dry run writes nothing", rc == 0 and job.one("SELECT quota FROM {ks}.people WHERE id = 'a'").quota == 10, out[-300:] + err[-300:])


parts = [values_come_and_go, clocks, time_to_live, tables_change_under_a_run, two_roots, taken_from_under_a_claim, sizes, tombstones, seeds]
for part in parts:
    if os.environ.get("ONLY", part.__name__) == part.__name__:
        part()
        for r in list(session.execute("SELECT keyspace_name FROM system_schema.keyspaces")):
            if r.keyspace_name.startswith("rdl_breaks_"):
                session.execute(f"DROP KEYSPACE {r.keyspace_name}")
        print(f"{part.__name__}: {counting.passed} passed, {counting.failed} failed so far", flush=True)
cluster.shutdown()
sys.exit(counting.done())
