#!/usr/bin/env bash
# cassandra_sink - what is published to a real node is what the lake holds, whatever dies in between.
#
# A pipeline whose views insert, change, remove and re-key rows, with every kind of type, runs
# undisturbed for the reference; then it is killed at each fault point of the sink and at random
# times, run again, and compared cell by cell: with the undisturbed run, with SQLite, with the lake.
# Then: tampering, ownership, tables that do not fit.  KILLS (4) random kills; SEED; FULL=1 (make
# torture): every fault point of the program, those of the sink at four passes, not at two.
"exec" "${PYTHON:?}" "$0" "$@"
import csv, io, json, os, random, re, shutil, signal, subprocess, sys, time
from cassandra.cluster import Cluster
import counting
from counting import check

seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
kills = int(os.environ.get("KILLS", "4"))
print("seed", seed)
rng = random.Random(seed)
raudal, room = os.environ["RAUDAL"], os.getcwd()
host, port = os.environ["RAUDAL_CASSANDRA"].split(":")
cluster = Cluster([host], port=int(port))
session = cluster.connect()
session.default_timeout = 60


PIPELINE = """
CREATE SOURCE s (id TEXT, org TEXT, service TEXT, cost DECIMAL(12, 4), use DOUBLE, at TIMESTAMPTZ, note TEXT, big BIGINT)
  FROM '${LANDING}/*.jsonl' FORMAT JSON WATERMARK at DELAY OF INTERVAL 1 DAY;
CREATE STREAMING TABLE b.t AS SELECT *, CAST("at" AS DATE) AS day FROM STREAM s;

-- Rows come, change and go (HAVING), and a null comes and goes.
CREATE MATERIALIZED VIEW g.daily PRIMARY KEY (org, day, service) AS
  SELECT org, day, service, CAST(sum(cost) AS DECIMAL(18, 4)) AS cost, sum(use) AS use, count(*) AS n,
         max("at") AS newest, CAST(sum(big) AS BIGINT) AS big, CASE WHEN count(*) % 3 = 1 THEN min(note) END AS note
  FROM STREAM b.t GROUP BY org, day, service HAVING count(*) % 4 <> 3;

-- The cost is part of the key: each change is a removal and an insert.
CREATE MATERIALIZED VIEW g.top PRIMARY KEY (org, service) AS
  SELECT org, service, CAST(sum(cost) AS DECIMAL(18, 4)) AS cost FROM STREAM b.t GROUP BY org, service;

-- Collections of each kind.
CREATE MATERIALIZED VIEW g.nested PRIMARY KEY (org, day) AS
  SELECT org, day,
         map(list(service ORDER BY service), list(cost ORDER BY service)) AS costs,
         map(list(service ORDER BY service), list(n ORDER BY service)) AS counts,
         list(service ORDER BY service) FILTER (WHERE n > 1) AS busy,
         list(DISTINCT service ORDER BY service) AS services,
         list({'service': service, 'newest': newest} ORDER BY service) AS seen,
         {'first': min(service), 'total': CAST(sum(n) AS BIGINT)} AS about
  FROM g.daily GROUP BY org, day;

PUBLISH g.daily TO '${SERVING}' RENAME (day AS date) PRIMARY KEY ((org), date DESC, service)
  WITH (compaction = {'class': 'LeveledCompactionStrategy'}, consistency = ${LEVEL:-LOCAL_QUORUM});
PUBLISH g.top TO '${SERVING}' PRIMARY KEY ((org), cost DESC, service);
PUBLISH g.nested TO '${SERVING}' PRIMARY KEY ((org, day))
  WITH (types = 'costs map<text, decimal>, services set<text>, busy list<text>');
"""
TABLES = ["daily", "top", "nested"]
os.makedirs(f"{room}/p/queries")
with open(f"{room}/p/all.sql", "w") as f:
    f.write(PIPELINE)
with open(f"{room}/p/queries/day.sql", "w") as f:
    f.write("-- A day.\n--   $org  organization\n--   $from  first day\nSELECT date, service, cost, n FROM daily "
            "WHERE org = $org AND date >= $from ORDER BY date DESC, service;\n")
with open(f"{room}/p/queries/day.cql", "w") as f:
    f.write("-- A day.\n--   $org  organization\n--   $from  first day\nSELECT date, service, cost, n FROM daily "
            "WHERE org = $org AND date >= $from;\n")


def deliver(folder, files, rows=300):
    """The same files for every run: events of few groups, so that groups change often.  A file appears whole:
    a run that watches the folder would make two epochs of one that it met half written."""
    os.makedirs(folder, exist_ok=True)
    for i in files:
        name, r = f"{folder}/f{i:03}", random.Random(i)
        if os.path.exists(name + ".jsonl"):
            continue
        with open(name + ".part", "w") as f:
            for j in range(rows):
                f.write(json.dumps({
                    "id": f"{i}-{j}", "org": f"org{r.randrange(6)}", "service": r.choice(["a", "b", "it's \"c\"", "d\u00e9", "e"]),
                    "cost": f"{r.randrange(-100, 100000) / 10000:.4f}", "use": r.random() * 10 ** r.randrange(-3, 9),
                    "at": f"2025-0{r.randrange(6, 9)}-{r.randrange(1, 28):02}T{r.randrange(24):02}:00:00.{r.randrange(10**6):06}Z",
                    "note": r.choice([None, "x", "", "long " * 50]), "big": r.randrange(-2**62, 2**62) // 1000}) + "\n")
        os.rename(name + ".part", name + ".jsonl")


def run(command, root, keyspace, *more, fault=None, wait=True, landing="landing", url=None):
    args = [raudal, *command, f"{room}/p", *more] if command[0] != "query" else [raudal, *command[:1], f"{room}/p", *command[1:], *more]
    args += ["--root", f"{room}/{root}", "--set", f"LANDING={room}/{landing}",
             "--set", "SERVING=" + (url or f"cassandra://{host}:{port}/{keyspace}")]
    env = dict(os.environ)
    if fault:
        env["RDL_FAULT"] = fault
    p = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    if not wait:
        return p
    out, err = p.communicate(timeout=300)
    return p.returncode, out, err


def once(root, keyspace, *more, **k):
    return run(["run"], root, keyspace, "--once", "--set", "max_files_per_epoch=1", *more, **k)


def keyspace(name):
    session.execute(f"DROP KEYSPACE IF EXISTS {name}", timeout=60)
    return name


def cells(name):
    out = {}
    for t in TABLES:
        session.set_keyspace(name)
        rows = [tuple(sorted((k, repr(v)) for k, v in r._asdict().items())) for r in session.execute(f"SELECT * FROM {name}.{t}")]
        out[t] = sorted(rows)
    return out


def agrees(name, root, ks, reference):
    got = cells(ks)
    same = got == reference
    detail = "" if same else next(f"{t}: missing {set(reference[t]) - set(got[t])} extra {set(got[t]) - set(reference[t])}"
                                  for t in TABLES if got[t] != reference[t])
    check(name, same, detail)
    rc, out, err = run(["verify"], root, ks)
    check(name + ", verify", rc == 0, out[-800:] + err[-400:])


# ---- undisturbed
deliver(f"{room}/landing", range(8))
ref = keyspace("rdl_sink_ref")
rc, out, err = once("ref", ref)
check("the reference runs", rc == 0, err[-800:])
reference = cells(ref)
check("there are rows", all(len(reference[t]) > 20 for t in TABLES), {t: len(reference[t]) for t in TABLES})
agrees("the reference", "ref", ref, reference)
rc, out, err = once("ref", ref)
check("a second run does nothing", rc == 0 and cells(ref) == reference, err[-500:])
rc, out, err = run(["query", "day", "org=org1", "from=2025-08-01"], "ref", ref, "--format", "csv")
rows = session.execute(f"SELECT count(*) FROM {ref}.daily WHERE org = 'org1' AND date >= '2025-08-01'").one()[0]
check("a query answers", rc == 0 and len(out.splitlines()) == rows + 1, out[:300] + err[-300:])
answer = out
rc, out, err = once("lite", "", url="sqlite:s.db")
check("the same into SQLite", rc == 0, err[-500:])


def same_as_sqlite(what, ks, root):
    """Row by row, by `raudal query` on both: times, decimals and doubles as each store gives them back."""
    for table, columns in (("daily", 'org, date, service, cost, "use", n, big, note'), ("top", "org, service, cost")):
        got = []
        for kind, of, url in (("cql", root, None), ("sql", "lite", "sqlite:s.db")):
            with open(f"{room}/p/queries/all_{table}.{kind}", "w") as f:
                f.write(f"-- All.\nSELECT {columns} FROM {table};\n")
            rc, out, err = run(["query", f"all_{table}"], of, ks, "--format", "csv", url=url)
            # What SQLite keeps as text keeps its zeros, what it keeps as a number loses them.
            rows = sorted(csv.reader(io.StringIO(out)), key=str)
            got.append([[float(c) if re.fullmatch(r"-?[0-9.]+(e[-+]?[0-9]+)?", c) else c for c in r] for r in rows])
        check(f"{what}: {table} equals SQLite's", len(got[0]) > 20 and got[0] == got[1],
              next((f"{a} / {b}" for a, b in zip(*got) if a != b), f"{len(got[0])} and {len(got[1])} rows"))


same_as_sqlite("the reference", ref, "ref")
rc, out, err = run(["query", "day", "org=org1", "from=2025-08-01"], "lite", "", "--format", "csv", url="sqlite:s.db")
check("SQLite answers the same", rc == 0 and out == answer, f"{out[:300]} / {answer[:300]}")

# ---- one epoch more: what changes, changes in place
shutil.copytree(f"{room}/ref", f"{room}/ref9")
ks9 = keyspace("rdl_sink_nine")
deliver(f"{room}/landing9", range(9))
rc, _, err = once("nine", ks9, landing="landing9")
nine = cells(ks9)
deliver(f"{room}/landing", [8])
rc, out, err = once("ref", ref)
check("an epoch more", rc == 0, err[-500:])
agrees("an epoch more gives what all at once gives", "ref", ref, nine)
reference = nine

# ---- dead at every point of the sink
for point in ["sink.before_rows", "cassandra.rows", "sink.before_commit", "sink.after_commit"]:
    for nth in (1, 2, 3, 4) if os.environ.get("FULL") else (2, 4):
        ks, root = keyspace("rdl_sink_kill"), "kill"
        shutil.rmtree(f"{room}/{root}", ignore_errors=True)
        shutil.rmtree(f"{room}/part", ignore_errors=True)
        deliver(f"{room}/part", range(4))
        if nth > 3:  # the tables are there: die in changes, not in the first filling
            once(root, ks, landing="part")
        rc, _, err = once(root, ks, landing="part", fault=f"{point}:{nth if nth < 4 else 2}:kill") if nth <= 3 else (0, "", "")
        died = rc == -9
        deliver(f"{room}/part", range(9))
        if nth > 3:
            rc, _, err = once(root, ks, landing="part", fault=f"{point}:2:kill")
            died = rc == -9
        check(f"{point}:{nth} dies", died, f"status {rc} {err[-300:]}")
        rc, _, err = once(root, ks, landing="part")
        check(f"{point}:{nth} goes on", rc == 0, err[-500:])
        agrees(f"after {point}:{nth}", root, ks, reference)

# ---- dead at every other point of the program: of the epoch, the seal, the state, the lake
listed = subprocess.run([raudal, "doctor", "--faults"], capture_output=True, text=True).stdout
points = [p for p in listed.split() if p.startswith(("epoch.", "seal.", "state.", "journal.", "lake.")) or p in ("fs.sync", "fs.rename")]
check("there are fault points", len(points) > 15, points)
reached = 0
for point in points if os.environ.get("FULL") else rng.sample(points, 5):
    ks, root = keyspace("rdl_sink_kill"), "kill"
    shutil.rmtree(f"{room}/{root}", ignore_errors=True)
    shutil.rmtree(f"{room}/part", ignore_errors=True)
    deliver(f"{room}/part", range(4))
    rc, _, err = once(root, ks, landing="part", fault=f"{point}:{rng.choice((1, 2, 3))}:kill")
    check(f"{point} dies or is not met", rc in (0, -9), f"{rc} {err[-300:]}")
    reached += rc == -9
    deliver(f"{room}/part", range(9))
    rc, _, err = once(root, ks, landing="part")
    check(f"{point} goes on", rc == 0, err[-500:])
    agrees(f"after {point}", root, ks, reference)
check("most points were met", reached * 2 > (len(points) if os.environ.get("FULL") else 5) - 2, reached)

# ---- a batch that failed when its rows were there; the next one covers later epochs too, in which keys
# that it wrote are gone again
ks = keyspace("rdl_sink_later")
shutil.rmtree(f"{room}/part", ignore_errors=True)
deliver(f"{room}/part", range(2))
once("later", ks, landing="part")
p = run(["run"], "later", ks, "--set", "max_files_per_epoch=1", "--set", "trigger_interval=50ms", landing="part", wait=False,
        fault=",".join(f"sink.before_commit:{n}:EIO" for n in (1, 2, 3)))
deliver(f"{room}/part", [2])
for line in p.stderr:
    if "apply_failed" in line:
        break
deliver(f"{room}/part", range(3, 9))
until, shown = time.monotonic() + 120, set()
while time.monotonic() < until and p.poll() is None and shown != {9}:
    shown = {r.epoch for r in session.execute(f"SELECT epoch FROM {ks}.raudal_progress")}
    time.sleep(0.05)
p.send_signal(signal.SIGTERM)
p.communicate(timeout=120)
check("a batch that failed thrice is followed by a longer one", shown == {9} and p.returncode == 0, f"{shown} {p.returncode}")
agrees("after failed batches", "later", ks, reference)

# ---- dead in a republication, which also removes what was written by hand
session.execute(f"INSERT INTO {ref}.top (org, cost, service) VALUES ('ghost', 1, 'a')")
session.execute(f"UPDATE {ref}.daily SET n = 999 WHERE org = 'org1' AND date = '{answer.splitlines()[1].split(',')[0]}' "
                f"AND service = '{answer.splitlines()[1].split(',')[1]}'")
rc, out, err = run(["verify"], "ref", ref)
check("tampering is found", rc == 1 and "ghost" in out and "999" in out, out[-600:])
for point in ["sink.before_rows", "cassandra.rows", "cassandra.old_rows", "sink.before_commit", "sink.after_commit"]:
    rc, _, err = run(["publish"], "ref", ref, fault=f"{point}:1:kill")
    check(f"publish dies at {point}", rc == -9, f"status {rc} {err[-300:]}")
rc, out, err = run(["publish"], "ref", ref)
check("publish mends it", rc == 0, err[-500:])
agrees("a republication", "ref", ref, reference)

# ---- dead at any time
ks = keyspace("rdl_sink_random")
shutil.rmtree(f"{room}/part")
began = time.monotonic()
deliver(f"{room}/part", range(1))
once("random", ks, landing="part")
length = max(time.monotonic() - began, 0.5)
for i in range(kills):
    deliver(f"{room}/part", range(1 + i * 8 // max(kills - 1, 1)))
    p = once("random", ks, landing="part", wait=False)
    try:
        p.wait(timeout=rng.random() * length)
    except subprocess.TimeoutExpired:
        p.kill()
    p.communicate()
deliver(f"{room}/part", range(9))
rc, _, err = once("random", ks, landing="part")
check("after random kills", rc == 0, err[-500:])
agrees("random kills", "random", ks, reference)
once("lite", "", url="sqlite:s.db")
same_as_sqlite("after random kills", ks, "random")

# ---- whose table, and does it fit
rc, _, err = once("other", ref)
check("another root is refused", rc == 5 and "--adopt" in err, f"{rc} {err[-400:]}")
rc, _, err = once("other", ref, "--adopt")
check("--adopt takes it", rc == 0, err[-400:])
agrees("an adopted store", "other", ref, reference)
rc, _, err = once("ref", ref)
check("the first root has lost it", rc == 5 or "another root" in err, f"{rc} {err[-400:]}")

# ---- a process that was thought dead goes on after another root took its tables
ks = keyspace("rdl_sink_zombie")
zombie = once("zombie", ks, fault="cassandra.rows:1:stall:2000", wait=False)
until, claimed = time.monotonic() + 120, False
while time.monotonic() < until and zombie.poll() is None and not claimed:
    try:
        claimed = any(r.epoch != r.target for r in session.execute(f"SELECT epoch, target FROM {ks}.raudal_progress"))
    except Exception:  # not made yet
        time.sleep(0.02)
zombie.send_signal(signal.SIGSTOP)
check("it holds a claim", claimed and zombie.poll() is None)
rc, _, err = once("heir", ks, "--adopt")
check("another root takes its tables", rc == 0, err[-400:])
zombie.send_signal(signal.SIGCONT)
_, err = zombie.communicate(timeout=120)
check("the late one is refused", zombie.returncode == 5 and "moved it" in err, f"{zombie.returncode} {err[-400:]}")
agrees("it left nothing", "heir", ks, reference)

# ---- a store that was restored, and a root that was
session.execute(f"UPDATE {ks}.raudal_progress SET epoch = 1, target = 1 WHERE table_name = 'top'")
session.execute(f"TRUNCATE {ks}.top")
rc, _, err = once("heir", ks)
check("a store of yesterday is filled", rc == 0, err[-300:])
agrees("a store of yesterday", "heir", ks, reference)
session.execute(f"UPDATE {ks}.raudal_progress SET epoch = 99, target = 99 WHERE table_name = 'top'")
rc, _, err = once("heir", ks)
check("a store ahead of the journal is refused", rc != 0 and "shows epoch 99" in err, f"{rc} {err[-400:]}")

fit = keyspace("rdl_sink_fit")
session.execute(f"CREATE KEYSPACE {fit} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}")
session.execute(f"CREATE TABLE {fit}.top (org text, service text, cost decimal, PRIMARY KEY ((org), service))")
rc, _, err = once("fit", fit)
check("another key is refused by both keys", rc == 5 and "primary key is ((org), service), not ((org), cost DESC, service)" in err, err[-500:])
check("and stops no other table", len(list(session.execute(f"SELECT org FROM {fit}.nested"))) > 0)
for name in ("top", "nested"):
    session.execute(f"DROP TABLE {fit}.{name}")
session.execute(f"CREATE TYPE IF NOT EXISTS {fit}.about (first text, sum bigint)")
session.execute(f"CREATE TABLE {fit}.nested (org text, day date, costs map<text, decimal>, counts map<text, int>, busy list<text>, "
                f"services set<text>, seen text, about frozen<about>, PRIMARY KEY ((org, day)))")
rc, _, err = once("fit", fit)
check("columns that do not fit are all named", rc == 5 and "\"counts\": BIGINT does not fit into int" in err and "\"seen\"" in err
      and "has no field \"total\"" in err, err[-700:])
rc, _, err = once("away", "x", url="cassandra://127.0.0.1:1/x?connect_timeout_ms=500")
check("no node is an error of the sink", rc == 5, f"{rc} {err[-300:]}")
rc, _, err = once("away", "x", url=f"cassandra://{host}:{port}/x?colour=red")
check("an unknown option of the URL", rc == 3 and "colour" in err, f"{rc} {err[-300:]}")

for name in ("ref", "nine", "later", "kill", "random", "zombie", "fit"):
    keyspace(f"rdl_sink_{name}")
cluster.shutdown()
sys.exit(counting.done())
