#!/usr/bin/env python3
"""servers_answer.py - the servers of tools/services do what the tests count on.

A topic with four partitions takes and gives records; PostgreSQL keeps a table; Cassandra answers,
and its TLS node refuses a client that does not trust it, and a wrong password.
"""
import os
import ssl
import sys
import uuid

if os.environ.get("PYTHON", sys.executable) != sys.executable:
    os.execv(os.environ["PYTHON"], [os.environ["PYTHON"], *sys.argv])


def kafka(address):
    from confluent_kafka import Consumer, Producer
    from confluent_kafka.admin import AdminClient, NewTopic
    topic = f"answer-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic(topic, 4, 1)])[topic].result(30)
    producer = Producer({"bootstrap.servers": address, "compression.type": "zstd"})
    for i in range(100):
        producer.produce(topic, str(i).encode(), partition=i % 4)
    assert producer.flush(30) == 0
    consumer = Consumer({"bootstrap.servers": address, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    got = set()
    while len(got) < 100:
        message = consumer.poll(30)
        assert message is not None and message.error() is None, message
        got.add((int(message.value()), message.partition()))
    assert got == {(i, i % 4) for i in range(100)}
    consumer.close()
    admin.delete_topics([topic])[topic].result(30)


def postgres(url):
    import psycopg
    with psycopg.connect(url) as db:
        assert db.execute("SELECT current_database()").fetchone() == ("raudal",)
        db.execute("CREATE TEMP TABLE t (k int PRIMARY KEY, v text)")
        with db.cursor().copy("COPY t FROM STDIN") as copy:
            copy.write(b"1\tone\n2\ttwo\n")
        assert db.execute("SELECT count(*) FROM t").fetchone() == (2,)


def cluster(address, **options):
    from cassandra.cluster import Cluster
    host, port = address.rsplit(":", 1)
    return Cluster([host], port=int(port), connect_timeout=20, **options)


def cassandra(address):
    with cluster(address) as c:
        version = c.connect().execute("SELECT release_version FROM system.local").one()[0]
        assert version.startswith("5.0"), version


def cassandra_tls(address):
    from cassandra.auth import PlainTextAuthProvider
    from cassandra.cluster import NoHostAvailable
    folder = os.environ["RAUDAL_CASSANDRA_TLS_DIR"]
    user = os.environ["RAUDAL_CASSANDRA_TLS_USER"]
    password = os.environ["RAUDAL_CASSANDRA_TLS_PASSWORD"]

    def connect(ca, word):
        context = ssl.create_default_context(cafile=f"{folder}/{ca}")
        with cluster(address, ssl_context=context, ssl_options={"server_hostname": "localhost"},
                     auth_provider=PlainTextAuthProvider(user, word)) as c:
            return c.connect().execute("SELECT release_version FROM system.local").one()[0]

    assert connect("ca.pem", password).startswith("5.0")
    for ca, word in (("strange-ca.pem", password), ("ca.pem", "wrong")):
        try:
            connect(ca, word)
        except NoHostAvailable:
            continue
        raise AssertionError(f"{ca} with password {word} was let in")


passed = failed = 0
for check, variable in ((kafka, "RAUDAL_KAFKA"), (postgres, "RAUDAL_POSTGRES"), (cassandra, "RAUDAL_CASSANDRA"),
                        (cassandra_tls, "RAUDAL_CASSANDRA_TLS")):
    if variable not in os.environ:
        print(f"skipped: {variable} is not set")
        continue
    try:
        check(os.environ[variable])
        passed += 1
    except Exception as error:  # one server's failure hides no other's
        failed += 1
        print(f"{check.__name__}: {type(error).__name__}: {error}")
print(f"{passed} passed, {failed} failed")
sys.exit(77 if passed + failed == 0 else failed > 0)
