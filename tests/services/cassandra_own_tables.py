#!/usr/bin/env bash
# cassandra_own_tables - tables that people made: types that are not frozen, sets, vectors, uuid, varint; what
# a value that does not fit says; queries in every format.
"exec" "${PYTHON:?}" "$0" "$@"
import json, os, shutil, subprocess, sys
from cassandra.cluster import Cluster
import counting
from counting import check

raudal, room = os.environ["RAUDAL"], os.getcwd()
host, port = os.environ["RAUDAL_CASSANDRA"].split(":")
cluster = Cluster([host], port=int(port))
session = cluster.connect()
session.default_timeout = 60
KS = "rdl_own_tables"


def run(*args):
    done = subprocess.run([raudal, args[0], f"{room}/p", *args[1:], "--root", f"{room}/root", "--set",
                           f"SERVING=cassandra://{host}:{port}/{KS}"], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


session.execute(f"DROP KEYSPACE IF EXISTS {KS}")
session.execute(f"CREATE KEYSPACE {KS} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}")
session.execute(f"CREATE TYPE {KS}.part (b text, a int)")
session.execute(f"CREATE TABLE {KS}.n (k text PRIMARY KEY, u part, v vector<double, 3>, l list<int>, e set<text>, id uuid, big varint, "
                "t frozen<tuple<int, text>>, at bigint, theirs text)")
os.makedirs(f"{room}/p/in")
os.makedirs(f"{room}/p/queries")
with open(f"{room}/p/queries/some.cql", "w") as f:
    f.write("-- Some keys.\n--   $ks  keys, with commas between\nSELECT k, u, v, l, e, id, big, t FROM n WHERE k IN $ks;\n")
with open(f"{room}/p/all.sql", "w") as f:
    f.write("""CREATE SOURCE s (k TEXT, a INT, b TEXT, id TEXT, "at" TIMESTAMPTZ) FROM 'in/*.jsonl' FORMAT JSON;
CREATE STREAMING TABLE b.t AS SELECT * FROM STREAM s;
CREATE MATERIALIZED VIEW g.m PRIMARY KEY (k) AS
  SELECT k, max(a) AS a, min(b) AS b, max(id) AS id, max("at") AS "at" FROM STREAM b.t GROUP BY k;
CREATE MATERIALIZED VIEW g.n PRIMARY KEY (k) AS
  SELECT k, {'a': a, 'b': CASE WHEN a < 3 THEN b END} AS u, [a + .5::DOUBLE, a, 0] AS v, [a, a + 1, a] AS l,
         CASE WHEN a < 3 THEN [b, 'z', b] ELSE [] END AS e, id, CAST(a AS DECIMAL(38, 0)) * 10000000000000000000000000 AS big,
         {'x': a, 'y': b} AS t, "at" FROM g.m;
PUBLISH g.n TO '${SERVING}' PRIMARY KEY (k);
""")


def deliver(i, id="5132b130-ae79-11e4-ab27-0800200c9a66"):
    with open(f"{room}/p/in/{i}.jsonl", "w") as f:
        for k in ("x", f"y{i}"):
            f.write(json.dumps({"k": k, "a": i, "b": f"b{i}", "id": id, "at": f"2025-08-0{i}T10:00:00.123456Z"}) + "\n")


for i in (1, 2, 3, 4):
    deliver(i)
    rc, _, err = run("run", "--once")
    check(f"epoch {i}", rc == 0, err[-500:])
    if i == 1:
        session.execute(f"UPDATE {KS}.n SET theirs = 'kept' WHERE k = 'x'")
rc, out, err = run("verify")
check("what is served is the lake's", rc == 0, out[-800:] + err[-300:])
x = session.execute(f"SELECT * FROM {KS}.n WHERE k = 'x'").one()
check("a live type is replaced whole, nulls too", (x.u.a, x.u.b) == (4, None), x.u)
check("a live list has each element once", list(x.l) == [4, 5, 4], x.l)
check("an empty live set is null", x.e is None, x.e)
check("a vector", list(x.v) == [4.5, 4.0, 0.0], x.v)
check("uuid, varint, tuple, microseconds", str(x.id) == "5132b130-ae79-11e4-ab27-0800200c9a66" and x.big == 4 * 10**25
      and tuple(x.t) == (4, "b1") and x.at == 1754301600123456, x)
check("a column that is not ours stays", x.theirs == "kept", x.theirs)
check("a set has each member once", session.execute(f"SELECT e FROM {KS}.n WHERE k = 'y2'").one().e == {"b2", "z"})

rc, out, err = run("query", "some", "ks=x,y1,absent", "--format", "jsonl")
rows = [json.loads(line) for line in out.splitlines()]
check("a list of keys", rc == 0 and sorted(r["k"] for r in rows) == ["x", "y1"], out + err)
rc, whole, err = run("query", "some", "ks=x,y1,absent", "--json")
check("json is the lines' array", json.loads(whole) == rows, whole)
rc, out, err = run("query", "some", "ks=x", "--format", "csv")
check("csv", rc == 0 and len(out.splitlines()) == 2 and out.startswith("k,u,v,l,e,id,big,t"), out)
rc, out, err = run("query", "some")
check("a parameter that is missing", rc == 2 and '"ks"' in err, err)
rc, out, err = run("query", "some", "ks=x", "z=1")
check("one that is not there", rc == 2 and '"z"' in err, err)

deliver(5, id="no uuid")
rc, _, err = run("run", "--once")
check("a value that does not fit names column and reason", rc == 5 and 'column "id"' in err and "uuid" in err, f"{rc} {err[-500:]}")
check("nothing of that epoch counts as shown", session.execute(
    f"SELECT epoch, target FROM {KS}.raudal_progress WHERE table_name = 'n'").one().epoch == 4)
session.execute(f"ALTER TABLE {KS}.n DROP id")
session.execute(f"ALTER TABLE {KS}.n ADD name text")
rc, _, err = run("run", "--once")
check("a column that went is an error that names it", rc == 5 and '"id"' in err, err[-500:])

# ---- rows of every size in one partition; keys that the store cannot tell apart
session.execute(f"DROP KEYSPACE {KS}")
with open(f"{room}/p/all.sql", "w") as f:
    f.write("""CREATE SOURCE s (k TEXT, c INT, "at" TIMESTAMPTZ, note TEXT) FROM 'sizes/*.jsonl' FORMAT JSON;
CREATE STREAMING TABLE b.t AS SELECT * FROM STREAM s;
CREATE MATERIALIZED VIEW g.sizes PRIMARY KEY (k, c, "at") AS SELECT k, c, "at", max(note) AS note FROM STREAM b.t GROUP BY k, c, "at";
PUBLISH g.sizes TO '${SERVING}' PRIMARY KEY ((k), c, "at");
""")
os.makedirs(f"{room}/p/sizes")


def sizes(i, rows):
    with open(f"{room}/p/sizes/{i}.jsonl", "w") as f:
        for c, size, at in rows:
            f.write(json.dumps({"k": "one", "c": c, "at": f"2025-08-01T10:00:00.{at}Z", "note": "n" * size}) + "\n")


shutil.rmtree(f"{room}/root")
sizes(1, [(c, [10, 3000, 60000, 4090, 1, 30000, 700000][c % 7], "123") for c in range(200)])
rc, out, err = run("run", "--once")
check("small and large rows of one partition", rc == 0, err[-500:])
rc, out, err = run("verify")
check("all of them are there", rc == 0 and "200 rows against the lake" in out, out[-500:] + err[-300:])
sizes(2, [(1000, 1, "123456"), (1000, 1, "123789")])
rc, out, err = run("run", "--once")
check("two keys of one millisecond are not merged in silence", rc == 5 and '"at" of its key has microseconds' in err, f"{rc} {err[-500:]}")
session.execute(f"DROP KEYSPACE {KS}")
cluster.shutdown()
sys.exit(counting.done())
