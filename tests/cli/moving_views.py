"""Writes a test script: views over inputs that change at random, stream and batch compared after each run.

usage: moving_views.py SEED RUNS [BODY ...]

Streams are appended to, AUTO CDC tables get rows, change them (keys too) and lose them, a snapshot is replaced;
keys are NULL at times, and repeat.  An odd seed cuts epochs at each file.
"""
import json
import random
import sys

SOURCES = """
CREATE SOURCE sa (id INT, k TEXT, g TEXT, v BIGINT, d DOUBLE, ts TIMESTAMPTZ) FROM 'test:' FORMAT JSON
CREATE SOURCE sb (id INT, k TEXT, h TEXT, w BIGINT, ts TIMESTAMPTZ) FROM 'test:' FORMAT JSON
CREATE SOURCE sc (id INT, k TEXT, name TEXT, rate BIGINT, op TEXT, n INT) FROM 'test:' FORMAT JSON
CREATE SOURCE dim (k TEXT, label TEXT, f BIGINT) FROM 'test:' FORMAT JSON SNAPSHOT OPTIONS (allow_shrink = 'true')
CREATE STREAMING TABLE b.a AS SELECT id, k, g, v, d, ts FROM STREAM sa
CREATE STREAMING TABLE b.b AS SELECT id, k, h, w, ts FROM STREAM sb
CREATE FLOW cf AS AUTO CDC INTO b.c FROM STREAM sc KEYS (id) APPLY AS DELETE WHEN op = 'D' SEQUENCE BY n COLUMNS * EXCEPT (op, n) STORED AS SCD TYPE 1
CREATE MATERIALIZED VIEW b.ag AS SELECT k, g, sum(v) AS total, count(*) AS n FROM STREAM b.a GROUP BY k, g
CREATE MATERIALIZED VIEW b.rows AS SELECT k, h, w FROM b.b
"""

BODIES = {
    # two streams
    "inner": "SELECT a.g, b.h, count(*) AS n, sum(a.v * b.w) AS s, sum(a.d) AS d FROM STREAM b.a a JOIN STREAM b.b b ON a.k = b.k GROUP BY ALL",
    "comma": "SELECT a.g, sum(a.v) AS s, max(b.w) AS hi FROM b.a a, b.b b WHERE a.k = b.k AND a.v > b.w GROUP BY a.g",
    "rows": "SELECT a.id AS aid, b.id AS bid, a.g, b.h FROM STREAM b.a a JOIN STREAM b.b b USING (k)",
    "outer": "SELECT a.g, b.h, count(*) AS n, count(b.id) AS m, sum(b.w) AS w FROM STREAM b.a a LEFT JOIN STREAM b.b b ON a.k = b.k GROUP BY ALL",
    "outer_rows": "SELECT a.id, b.id AS bid, a.v + coalesce(b.w, 0) AS x FROM STREAM b.a a LEFT JOIN STREAM b.b b ON a.k = b.k AND b.w > 2",
    "outer_max": "SELECT a.g, max(b.w) AS hi, count(*) AS n FROM STREAM b.a a LEFT JOIN STREAM b.b b ON a.k = b.k GROUP BY ALL HAVING count(*) > 1",
    # a stream and a dimension that changes
    "dim_sum": "SELECT c.name, a.g, sum(a.v * c.rate) AS s, count(*) AS n FROM STREAM b.a a JOIN b.c c ON a.k = c.k GROUP BY ALL",
    "dim_left": "SELECT c.name, count(*) AS n, sum(a.v) AS s FROM STREAM b.a a LEFT JOIN b.c c ON a.k = c.k AND c.rate > 3 GROUP BY ALL",
    "dim_rows": "SELECT a.id, a.g, c.name, c.rate FROM STREAM b.a a LEFT JOIN b.c c ON a.k = c.k WHERE c.name IS DISTINCT FROM 'n2'",
    "dim_max": "SELECT c.name, max(a.v) AS hi, min(c.rate) AS lo, count(*) AS n FROM STREAM b.a a LEFT JOIN b.c c ON a.k = c.k GROUP BY ALL",
    "dim_median": "SELECT a.g, c.name, median(a.v) AS m FROM STREAM b.a a LEFT JOIN b.c c ON a.k = c.k GROUP BY ALL",
    "semi": "SELECT a.g, count(*) AS n FROM STREAM b.a a SEMI JOIN b.c c ON a.k = c.k GROUP BY ALL",
    "anti": "SELECT a.g, count(*) AS n, sum(a.v) AS s FROM STREAM b.a a ANTI JOIN b.c c ON a.k = c.k GROUP BY ALL",
    "window": "SELECT g, k, n, s, sum(s) OVER (PARTITION BY g) AS t FROM (SELECT a.g, c.k, count(*) AS n, sum(a.v) AS s FROM STREAM b.a a JOIN b.c c ON a.k = c.k GROUP BY ALL)",
    "asof": "SELECT a.g, count(*) AS n, sum(c.rate) AS r FROM b.a a ASOF LEFT JOIN b.c c ON a.k = c.k AND a.v >= c.rate GROUP BY ALL",
    # views alone
    "views": "SELECT ag.g, c.name, sum(ag.total * c.rate) AS s, count(*) AS n FROM b.ag ag JOIN b.c c ON ag.k = c.k GROUP BY ALL",
    "view_rows": "SELECT ag.k, ag.g, ag.total, c.name, c.id FROM b.ag ag LEFT JOIN b.c c ON ag.k = c.k",
    "view_max": "SELECT ag.g, max(ag.total) AS hi, min(c.rate) AS lo FROM b.ag ag JOIN b.c c ON ag.k = c.k GROUP BY ALL",
    "view_anti": "SELECT c.id, c.name, ag.total FROM b.c c ANTI JOIN b.ag x ON c.k = x.k LEFT JOIN b.ag ag ON ag.n = c.rate",
    "no_key": "SELECT r.h, sum(r.w * c.rate) AS s, count(*) AS n FROM b.c c JOIN b.rows r ON r.k = c.k GROUP BY ALL",
    # several joins, a snapshot
    "four": "SELECT dim.label, b.h, c.name, count(*) AS n, sum(a.v * dim.f) AS s FROM STREAM b.a a JOIN STREAM b.b b ON a.k = b.k LEFT JOIN b.c c ON c.k = b.k LEFT JOIN dim ON dim.k = a.k GROUP BY ALL",
    "three": "SELECT dim.label, sum(ag.total) AS s, count(c.id) AS n FROM b.ag ag JOIN dim ON dim.k = ag.k LEFT JOIN b.c c ON c.k = dim.k GROUP BY ALL",
    "snapshot": "SELECT a.id, dim.label, dim.f FROM STREAM b.a a JOIN dim USING (k)",
    # a table beside itself
    "self": "SELECT x.g, count(*) AS n, sum(x.v - y.v) AS s FROM STREAM b.a x JOIN STREAM b.a y ON x.k = y.k AND x.id < y.id GROUP BY ALL",
    "self_left": "SELECT x.name, y.id AS yid, count(*) AS n FROM b.c x LEFT JOIN b.c y ON x.k = y.k AND x.id <> y.id GROUP BY ALL",
    # subqueries of FROM
    "with": "WITH p AS (SELECT k, w * 2 AS w2 FROM STREAM b.b WHERE w > 1) SELECT a.g, sum(p.w2) AS s FROM STREAM b.a a JOIN p ON p.k = a.k GROUP BY ALL",
    "inside": "SELECT a.g, sum(coalesce(p.r, 0)) AS s, count(*) AS n FROM STREAM b.a a LEFT JOIN (SELECT c.k, c.rate * dim.f AS r FROM b.c c JOIN dim ON c.k = dim.k) p ON p.k = a.k GROUP BY ALL",
    "unnest": "SELECT x.name, u.u, count(*) AS n FROM (SELECT a.k, a.v, c.name FROM STREAM b.a a JOIN b.c c ON a.k = c.k) x, unnest([1, x.v]) AS u(u) GROUP BY ALL",
    "filtered": "SELECT a.g, sum(a.v) FILTER (c.rate > 2) AS s, avg(c.rate) AS r, count(DISTINCT c.name) AS names FROM STREAM b.a a LEFT JOIN b.c c ON a.k = c.k GROUP BY a.g",
    # these still rebuild, and must agree as well
    "folded": "SELECT a.g, sum(p.w) AS w FROM STREAM b.a a JOIN (SELECT k, max(w) AS w FROM b.b GROUP BY k) p ON p.k = a.k GROUP BY a.g",
    "in_where": "SELECT a.g, count(*) AS n FROM STREAM b.a a WHERE a.k IN (SELECT k FROM b.c) GROUP BY a.g",
    "full": "SELECT a.g, b.h, count(*) AS n FROM b.a a FULL JOIN b.b b ON a.k = b.k GROUP BY ALL",
}
OVER = {
    "inner": "CREATE MATERIALIZED VIEW g.over_inner AS SELECT h, sum(n) AS n, max(s) AS hi FROM g.v_inner GROUP BY h",
    "dim_sum": "CREATE MATERIALIZED VIEW g.over_dim ALLOW FANOUT AS SELECT x.name, x.g, x.s AS xs, y.total FROM g.v_dim_sum x LEFT JOIN b.ag y ON x.g = y.g AND y.n > 1",
}
KEYS = ["k0", "k1", "k2", "k3", None]


def feed(source, rows, more=""):
    print(f"\nfeed {source}{more}")
    for row in rows:
        print(json.dumps(row))
    print("----")


def at(r):
    return f"2026-01-01T00:0{r.randint(0, 9)}:00Z"


def main():
    seed, runs, chosen = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] or list(BODIES)
    r = random.Random(seed)
    print(f"# seed {seed}")
    if seed % 2:
        print("\nset max_files_per_epoch=1")
    for text in SOURCES.strip().split("\n"):
        print("\nstatement ok\n" + text)
    for name in chosen:
        print(f"\nstatement ok\nCREATE MATERIALIZED VIEW g.v_{name} ALLOW FANOUT AS\n  {BODIES[name]}")
    for name in chosen:
        if name in OVER:
            print("\nstatement ok\n" + OVER[name])
    ids = version = 0
    for _ in range(runs):
        if r.random() < 0.65:
            rows = [dict(id=ids + i, k=r.choice(KEYS), g=r.choice("xyz"), v=r.randint(0, 6),
                         d=r.choice([0.1, 0.25, 1e9, -0.3]), ts=at(r)) for i in range(r.randint(1, 4))]
            ids += len(rows)
            feed("sa", rows)
        if r.random() < 0.55:
            rows = [dict(id=ids + i, k=r.choice(KEYS), h=r.choice("pq"), w=r.randint(0, 6), ts=at(r))
                    for i in range(r.randint(1, 3))]
            ids += len(rows)
            feed("sb", rows)
        if r.random() < 0.65:
            rows = []
            for _ in range(r.randint(1, 3)):
                version += 1
                rows.append(dict(id=r.randint(1, 5), k=r.choice(KEYS), name=r.choice(["n1", "n2", None]),
                                 rate=r.randint(0, 6), op=r.choice("UUUD"), n=version))
            feed("sc", rows)
        if r.random() < 0.25:
            rows = [dict(k=k, label=r.choice(["l1", "l2"]), f=r.randint(1, 3)) for k in KEYS if r.random() < 0.7]
            feed("dim", rows or [dict(k="k9", label="l9", f=1)], " file=dim.json")
        print("\nrun\n\nverify")
        if r.random() < 0.15:
            print("\nrestart")


main()
