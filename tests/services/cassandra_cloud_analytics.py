#!/usr/bin/env bash
# cassandra_cloud_analytics - the cloud analytics example on a real node: the same answers as SQLite
# and the lake for every key, the users' own CQL as it stands, a node that dies under load, and TLS
# with passwords.  FULL=1 asks the questions of every customer, not of four.
"exec" "${PYTHON:?}" "$0" "$@"
import csv, glob, io, os, re, shutil, subprocess, sys, time
from cassandra.cluster import Cluster
import counting
from counting import check

raudal, build, room, top = os.environ["RAUDAL"], os.environ["BUILD"], os.getcwd(), os.environ["RAUDAL_TOP"]
host, port = os.environ["RAUDAL_CASSANDRA"].split(":")
pipeline = f"{top}/examples/cloud_analytics"


def run(*args, env=None, timeout=600):
    done = subprocess.run([raudal, *args], capture_output=True, text=True, timeout=timeout, env={**os.environ, **(env or {})})
    return done.returncode, done.stdout, done.stderr


def table(*args):
    rc, out, err = run(*args, "--format", "csv")
    if rc != 0:
        return f"status {rc}: {err[-300:]}"
    return sorted(map(tuple, list(csv.reader(io.StringIO(out)))[1:]))


generate = os.environ.get("GENERATE", f"{build}/examples/cloud_analytics/generate")
subprocess.run([generate, "--out", f"{room}/landing", "--scale", "0.05", "--files", "6", "--orgs", "12"], check=True, capture_output=True)
keyspace = "cloud_analytics_test"
url = f"cassandra://{host}:{port}/{keyspace}"
cluster = Cluster([host], port=int(port))
session = cluster.connect()
session.default_timeout = 60
session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}")
common = ["--set", f"LANDING={room}/landing", "--set", "trigger_interval=1s"]
lite, cass = ["--root", f"{room}/lite"], ["--root", f"{room}/cass", "--set", f"SERVING={url}"]

rc, out, err = run("run", pipeline, "--once", *lite, *common)
check("the example on SQLite", rc == 0, err[-500:])
rc, out, err = run("provision", pipeline, "--dry-run", *cass, *common)
check("provision tells each statement", rc == 0 and out.count("CREATE TABLE") == 10 and "CREATE KEYSPACE" in out and "CREATE TYPE" in out, out + err)
check("and runs none", not session.execute(f"SELECT * FROM system_schema.keyspaces WHERE keyspace_name = '{keyspace}'").one())
rc, out, err = run("provision", pipeline, *cass, *common)
check("provision", rc == 0, out + err)
rc, out, err = run("provision", pipeline, "--dry-run", *cass, *common)
check("then there is nothing to make", rc == 0 and "CREATE" not in out, out + err)
rc, out, err = run("run", pipeline, "--once", *cass, *common)
check("the example on Cassandra", rc == 0, err[-500:])
rc, out, err = run("verify", pipeline, *cass, *common)
check("every key of every table is the lake's", rc == 0 and out.count(" in cassandra://") == 9, out[-900:] + err[-300:])

# ---- five questions, three answers
orgs = [row[0] for row in table("sql", pipeline, "SELECT org_id FROM serving.org_profile", *lite, *common)]
check("there are customers", len(orgs) >= 10, len(orgs))
LAKE = {
    "daily_costs": "SELECT usage_date, service, daily_cost_usd, requests, event_count FROM gold.org_daily_usage_by_service "
                   "WHERE org_id = '{org}' AND usage_date BETWEEN '2025-07-10' AND '2025-08-20'",
    "genai_daily": "SELECT usage_date, total_tokens, estimated_cost_usd FROM gold.genai_tokens_by_org_date "
                   "WHERE org_id = '{org}' AND usage_date BETWEEN '2025-07-10' AND '2025-08-20'",
    "top_services": "SELECT service, sum(daily_cost_usd), sum(event_count) FROM gold.org_daily_usage_by_service WHERE org_id = '{org}' "
                    "AND usage_date BETWEEN DATE '2025-08-20' - 13 AND DATE '2025-08-20' GROUP BY service ORDER BY 2 DESC, 1 LIMIT 3",
}
ARGS = {"daily_costs": ["org={org}", "from=2025-07-10", "to=2025-08-20"], "genai_daily": ["org={org}", "from=2025-07-10", "to=2025-08-20"],
        "top_services": ["org={org}", "as_of=2025-08-20", "n=3"], "monthly_revenue": ["org={org}"],
        "critical_tickets": ["as_of=2025-08-31"]}


def numbers(rows):
    """Numbers as numbers: stores print 5 and 5.0, 1.10 and 1.1."""
    def cell(c):
        return float(c) if re.fullmatch(r"-?[0-9.]+(e[-+][0-9]+)?", c) else re.sub(r"(\.[0-9]*?)0+(?=[,}])", r"\1", c)
    return rows if isinstance(rows, str) else sorted(tuple(map(cell, r)) for r in rows)


lines = 0
asking = orgs if os.environ.get("FULL") else orgs[:4]
for name, args in ARGS.items():
    for org in asking if "org={org}" in args else orgs[:1]:
        asked = [a.format(org=org) for a in args]
        ours = numbers(table("query", pipeline, name, *asked, *cass, *common))
        theirs = numbers(table("query", pipeline, name, *asked, *lite, *common))
        check(f"{name} {org}: Cassandra answers as SQLite", ours == theirs, f"{ours} / {theirs}")
        if name in LAKE:
            lake = numbers(table("sql", pipeline, LAKE[name].format(org=org), *lite, *common))
            check(f"{name} {org}: and as the lake", ours == lake, f"{ours} / {lake}")
        lines += len(ours)
check("the answers have lines", lines > 50, lines)

# ---- the users' own statements, as they stand
cqlsh = os.path.join(os.path.dirname(sys.executable), "cqlsh")
org = orgs[0]
statements = [
    f"SELECT * FROM org_daily_usage_by_service WHERE org_id = '{org}' AND date = '2025-08-15'",
    f"SELECT * FROM revenue_by_org_month WHERE org_id = '{org}' AND year = 2025 AND month = 8",
    f"SELECT * FROM cost_anomaly_mart WHERE org_id = '{org}' AND date >= '2025-08-01'",
    f"SELECT usage_date, cost_by_service['compute'] FROM org_daily_usage WHERE org_id = '{org}' LIMIT 3",
    f"SELECT plan_history, users, tags FROM org_profile WHERE org_id = '{org}'",
]
session.set_keyspace(keyspace)
for statement in statements:
    try:
        list(session.execute(statement))
        ok, detail = True, ""
    except Exception as e:
        ok, detail = False, str(e)
    check(statement, ok, detail)
for statement in statements[:3]:
    done = subprocess.run([cqlsh, host, port, "-k", keyspace, "-e", statement], capture_output=True, text=True)
    check("cqlsh: " + statement, done.returncode == 0 and "rows)" in done.stdout, done.stdout[-300:] + done.stderr[-300:])
filtering = [f for f in glob.glob(f"{pipeline}/**/*.cql", recursive=True) if "FILTERING" in open(f).read().upper()]
check("nothing filters", not filtering, filtering)
columns = {(r.table_name, r.column_name): r.type for r in
           session.execute(f"SELECT * FROM system_schema.columns WHERE keyspace_name = '{keyspace}'")}
check("collections are what the users name", columns.get(("org_daily_usage", "cost_by_service")) == "map<text, decimal>"
      and columns.get(("org_profile", "tags")) == "set<text>" and "list<" in columns.get(("org_profile", "plan_history"), ""), columns)
session.execute(f"DROP KEYSPACE {keyspace}")
cluster.shutdown()

# ---- a node of our own that dies and comes back while we publish
services = f"{room}/services"
os.makedirs(services)
os.symlink(os.path.realpath(f"{top}/build/services/lib"), f"{services}/lib")
own = {"RAUDAL_SERVICES_DIR": services}


def service(*args):
    return subprocess.run([f"{top}/tools/services", *args], capture_output=True, text=True, env={**os.environ, **own}, timeout=300)


try:
    started = service("start", "cassandra")
    check("a node of our own starts", started.returncode == 0, started.stdout[-300:] + started.stderr[-500:])
    address = re.search(r"127\.0\.0\.1:[0-9]+", service("status", "cassandra").stdout).group()
    mine = ["--root", f"{room}/mine", "--set", f"SERVING=cassandra://{address}/cloud_analytics?patience_ms=240000&connect_timeout_ms=2000"]
    rc, out, err = run("run", pipeline, "--once", *mine, *common, "--only", "silver.*")
    slow = {"RDL_FAULT": "cassandra.rows:3:stall:4000"}
    p = subprocess.Popen([raudal, "run", pipeline, "--once", *mine, *common], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, env={**os.environ, **slow})
    seen = Cluster([address.split(":")[0]], port=int(address.split(":")[1]))
    watch = seen.connect()
    until = time.monotonic() + 300
    while time.monotonic() < until and p.poll() is None:  # until rows are on their way
        try:
            if watch.execute("SELECT count(*) FROM cloud_analytics.org_daily_usage").one()[0] > 0:
                break
        except Exception:
            pass
        time.sleep(0.05)
    service("kill", "cassandra")
    seen.shutdown()
    alive = p.poll() is None
    service("start", "cassandra")
    out, err = p.communicate(timeout=600)
    check("the node died while rows were on their way", alive)
    check("the run waits for the node and ends well", p.returncode == 0, f"{p.returncode} {err[-700:]}")
    address2 = re.search(r"127\.0\.0\.1:[0-9]+", service("status", "cassandra").stdout).group()
    check("the node is back where it was", address == address2)
    rc, out, err = run("verify", pipeline, *mine, *common)
    check("nothing is missing", rc == 0, out[-900:] + err[-300:])
finally:
    service("reset", "cassandra")

# ---- TLS and passwords
tls = os.environ.get("RAUDAL_CASSANDRA_TLS")
if tls:
    folder = os.environ.get("RAUDAL_CASSANDRA_TLS_DIR") or f"{os.path.realpath(f'{top}/build/services')}/run/cassandra-tls/tls"
    base = f"ca={folder}/ca.pem&connect_timeout_ms=8000"
    small = f"{room}/small"
    os.makedirs(f"{small}/in")
    with open(f"{small}/all.sql", "w") as f:
        f.write("CREATE SOURCE s (k TEXT, v INT) FROM 'in/*.jsonl' FORMAT JSON;\nCREATE STREAMING TABLE b.t AS SELECT * FROM STREAM s;\n"
                "CREATE MATERIALIZED VIEW g.n PRIMARY KEY (k) AS SELECT k, count(*) AS n FROM STREAM b.t GROUP BY k;\n"
                "PUBLISH g.n TO '${SERVING}' PRIMARY KEY (k);\n")
    with open(f"{small}/in/a.jsonl", "w") as f:
        f.write('{"k":"a","v":1}\n')

    def small_run(serving, root):
        return run("run", small, "--once", "--root", f"{room}/{root}", "--set", f"SERVING={serving}")
    rc, out, err = small_run(f"cassandra://cassandra:cassandra@{tls}/tls_test?{base}", "t1")
    check("TLS and a password", rc == 0, err[-500:])
    rc, out, err = small_run(f"cassandra://cassandra:wrong-Secret1@{tls}/tls_test?{base}", "t2")
    check("a wrong password", rc == 5 and "wrong-Secret1" not in out + err, f"{rc} {err[-400:]}")
    rc, out, err = small_run(f"cassandra://cassandra:cassandra@{tls}/tls_test?ca={folder}/strange-ca.pem", "t3")
    check("a certificate that nobody trusts", rc == 5 and "certificate" in err, f"{rc} {err[-400:]}")
    import ssl
    from cassandra.auth import PlainTextAuthProvider
    context = ssl.create_default_context(cafile=f"{folder}/ca.pem")
    context.check_hostname = False
    admin_cluster = Cluster([tls.split(":")[0]], port=int(tls.split(":")[1]), ssl_context=context,
                            auth_provider=PlainTextAuthProvider("cassandra", "cassandra"))
    admin = admin_cluster.connect()
    admin.default_timeout = 60
    admin.execute("CREATE ROLE IF NOT EXISTS guest WITH PASSWORD = 'guest' AND LOGIN = true")
    time.sleep(1)
    rc, out, err = small_run(f"cassandra://guest:guest@{tls}/tls_nowhere?{base}", "t4")
    check("no right to make a keyspace", rc == 5 and "CREATE" in err and "rant" in err, f"{rc} {err[-500:]}")
    def small_provision(serving):
        return run("provision", small, "--root", f"{room}/t5", "--set", f"SERVING={serving}")
    rc, out, err = small_provision(f"cassandra://cassandra:cassandra@{tls}/tls_granted?{base}")
    check("somebody with rights provisions", rc == 0 and "cassandra:cassandra@" not in out + err, out[-300:] + err[-300:])
    for right in ("SELECT", "MODIFY"):
        admin.execute(f"GRANT {right} ON KEYSPACE tls_granted TO guest")
    for _ in range(100):  # the server keeps what it knew of a role's rights for some seconds
        rc, out, err = small_run(f"cassandra://guest:guest@{tls}/tls_granted?{base}", "t5")
        if rc == 0:
            break
        time.sleep(0.2)
    check("somebody with SELECT and MODIFY publishes", rc == 0, err[-400:])
    rows = list(admin.execute("SELECT * FROM tls_granted.n"))
    check("and the row is there", [(r.k, r.n) for r in rows] == [("a", 1)], rows)
    rc, out, err = run("status", small, "--root", f"{room}/t1", "--set", f"SERVING=cassandra://cassandra:cassandra@{tls}/tls_test?{base}")
    check("status shows no password", "cassandra:cassandra@" not in out + err, out[-400:])
    rc, out, err = run("explain", small, "--set", "SERVING=cassandra://me:Secret22@h/k?token=Secret33")
    check("nor does explain", "Secret" not in out + err, out[-400:])
    admin.execute("DROP KEYSPACE IF EXISTS tls_test")
    admin.execute("DROP KEYSPACE IF EXISTS tls_granted")
    admin.execute("DROP ROLE IF EXISTS guest")
    admin_cluster.shutdown()
sys.exit(counting.done())
