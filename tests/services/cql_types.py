#!/usr/bin/env bash
# cql_types - random values of every CQL type, written by the Python driver, copied by our client,
# compared by the Python driver.  Versions 4 and 5, with and without LZ4.  CASES (4000) values.
"exec" "${PYTHON:?}" "$0" "$@"
import os, random, struct, subprocess, sys, uuid
from datetime import datetime
from decimal import Decimal
from cassandra.cluster import Cluster
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.policies import RoundRobinPolicy
from cassandra.util import Date, Duration, Time, SortedSet, OrderedMapSerializedKey

seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
cases = int(os.environ.get("CASES", "4000"))
print("seed", seed)
rng = random.Random(seed)
host, port = os.environ["RAUDAL_CASSANDRA"].split(":")
program = os.path.join(os.environ["BUILD"], "tests/services/cql_copy")
KS = "cql_types_test"

def text():
    return "".join(chr(rng.choice([rng.randrange(32, 127), rng.randrange(0xA1, 0x2FFF), rng.randrange(0x10000, 0x10FFF)]))
                   for _ in range(rng.choice([0, 1, 5, 40])))
def integer(bits):
    edge = [0, 1, -1, (1 << bits - 1) - 1, -(1 << bits - 1)]
    return rng.choice(edge) if rng.random() < .2 else rng.randrange(-(1 << bits - 1), 1 << bits - 1) >> rng.randrange(bits)
def varint():
    return integer(rng.choice([8, 64, 128, 129, 256, 1000]))
def decimal():
    return Decimal(varint()).scaleb(rng.choice([0, 0, -2, -10, 3, -200]))
def double():
    v = struct.unpack(">d", rng.randbytes(8))[0]
    return v if v == v else float("inf")
def single():
    v = struct.unpack(">f", rng.randbytes(4))[0]
    return v if v == v else float("-inf")
def duration():
    sign = rng.choice([1, -1])
    return Duration(sign * rng.randrange(1 << rng.randrange(1, 31)), sign * rng.randrange(1 << rng.randrange(1, 31)),
                    sign * rng.randrange(1 << rng.randrange(1, 62)))
def inet():
    return rng.choice(["%d.%d.%d.%d" % tuple(rng.randbytes(4)), "2001:db8::%x" % rng.randrange(1, 65535), "::1"])
scalars = {
    "ascii": lambda: "".join(chr(rng.randrange(128)) for _ in range(rng.choice([0, 3, 30]))),
    "bigint": lambda: integer(64), "blob": lambda: rng.randbytes(rng.choice([0, 1, 20, 3000])),
    "boolean": lambda: rng.random() < .5, "date": lambda: Date(integer(32)), "decimal": decimal,
    "double": double, "duration": duration, "float": single, "inet": inet, "int": lambda: integer(32),
    "smallint": lambda: integer(16), "text": text, "time": lambda: Time(rng.randrange(86400 * 10**9)),
    "timestamp": lambda: datetime.utcfromtimestamp(rng.randrange(-62 * 10**9 + 10**9, 250 * 10**9) // rng.choice([1, 1000]) + rng.randrange(1000) / 1000),
    "timeuuid": lambda: uuid.uuid1(rng.getrandbits(48), rng.getrandbits(14)), "tinyint": lambda: integer(8),
    "uuid": lambda: uuid.UUID(int=rng.getrandbits(128)), "varint": varint,
}
def some(make, least=0):
    return [make() for _ in range(rng.choice([least, 1, 3]) or least)]
nests = {
    "list<text>": lambda: some(text, 1), "set<int>": lambda: set(some(scalars["int"], 1)),
    "map<text, decimal>": lambda: {text(): decimal() for _ in range(rng.choice([1, 4]))},
    "map<date, frozen<list<varint>>>": lambda: {scalars["date"](): some(varint) for _ in range(2)},
    "tuple<int, text, frozen<set<uuid>>>": lambda: (rng.choice([None, 7]), text(), set(some(scalars["uuid"]))),
    "frozen<list<frozen<map<int, frozen<tuple<double, duration>>>>>>":
        lambda: some(lambda: {integer(32): (double(), duration())}),
    "list<duration>": lambda: some(duration, 1), "frozen<pair>": lambda: Pair(integer(32), some(text)),
    "pair": lambda: Pair(rng.choice([None, 3]), some(text)), "list<frozen<pair>>": lambda: some(lambda: Pair(1, None), 1),
    "vector<float, 3>": lambda: [single() for _ in range(3)], "vector<text, 2>": lambda: [text(), text()],
}
class Pair:
    def __init__(self, a, b): self.a, self.b = a, b
types = list(scalars.items()) + list(nests.items())

cluster = Cluster([host], port=int(port), load_balancing_policy=RoundRobinPolicy())
session = cluster.connect()
session.default_timeout = 60
session.execute(f"DROP KEYSPACE IF EXISTS {KS}")
session.execute(f"CREATE KEYSPACE {KS} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}")
session.set_keyspace(KS)
session.execute("CREATE TYPE pair (a int, b frozen<list<text>>)")
columns = ", ".join(f"c{i} {t}" for i, (t, _) in enumerate(types))
session.execute(f"CREATE TABLE source (k int PRIMARY KEY, {columns})")
names = ["k"] + [f"c{i}" for i in range(len(types))]
insert = session.prepare(f"INSERT INTO source ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})")
rows = [[k] + [None if rng.random() < .1 else make() for _, make in types] for k in range(max(1, cases // len(types)))]
for ok, result in execute_concurrent_with_args(session, insert, rows, concurrency=50):
    assert ok, result

def cells(table):
    """Each cell as the driver decodes it; repr keeps a decimal's scale, a float's sign and digits."""
    return {row[0]: [repr(tuple(v) if hasattr(v, "_asdict") else v) for v in row]
            for row in session.execute(f"SELECT * FROM {table}")}

want = cells("source")
assert len(want) == len(rows)
passed = failed = 0
for version in "4", "5":
    for lz4 in "0", "1":
        table = f"copy_{version}_{lz4}"
        session.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, {columns})")
        run = subprocess.run([program, f"at={host}:{port}", f"version={version}", f"lz4={lz4}", f"from={KS}.source",
                              f"to={KS}.{table}"], capture_output=True, text=True)
        got = cells(table)
        wrong = [(k, n, w, g) for k in want for n, w, g in zip(names, want[k], got.get(k, ["absent"] * len(names))) if w != g]
        values = len(want) * len(types)
        print(f"version {version} lz4 {lz4}: {run.stdout.strip()}, {values} values, {len(wrong)} differ {run.stderr.strip()}")
        for k, n, w, g in wrong[:5]:
            print("   ", k, n, types[int(n[1:])][0] if n != "k" else "", w[:150], "!=", g[:150])
        if run.returncode == 0 and not wrong: passed += 1
        else: failed += 1
session.execute(f"DROP KEYSPACE {KS}")
cluster.shutdown()
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
