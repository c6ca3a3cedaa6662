#!/usr/bin/env python3
"""The rows of cql_insert.c by the Python driver: insert.py HOST:PORT ROWS PROCESSES CONCURRENCY BATCH.

One line: client rows seconds rows/s.  BATCH rows of a partition go in one unlogged batch; 1: each row alone.
"""
import multiprocessing
import sys
import time
import warnings

warnings.simplefilter("ignore")
from cassandra.cluster import Cluster
from cassandra.concurrent import execute_concurrent, execute_concurrent_with_args
from cassandra.query import BatchStatement, BatchType


def work(at, first, last, concurrency, batch):
    host, port = at.split(":")
    cluster = Cluster([host], port=int(port))
    session = cluster.connect("cql_bench")
    session.default_timeout = 60
    insert = session.prepare("INSERT INTO t (k, c, d, at, v) VALUES (?, ?, ?, ?, ?)")
    text = "forty bytes of text that say not a thing"
    rows = ((f"key-{i // 10}", i % 10, i * 0.5, 1700000000000 + i, text) for i in range(first, last))

    def batches():
        for i in range(first, last, batch):
            b = BatchStatement(BatchType.UNLOGGED)
            for _, row in zip(range(batch), rows):
                b.add(insert, row)
            yield b, ()

    if batch > 1:
        answers = execute_concurrent(session, batches(), concurrency=concurrency, results_generator=True)
    else:
        answers = execute_concurrent_with_args(session, insert, rows, concurrency=concurrency, results_generator=True)
    for ok, result in answers:
        assert ok, result
    cluster.shutdown()


if __name__ == "__main__":
    at, rows, processes, concurrency, batch = sys.argv[1], *map(int, sys.argv[2:6])
    part = rows // processes // 10 * 10
    begin = time.monotonic()
    children = [multiprocessing.Process(target=work, args=(at, part * i, rows if i + 1 == processes else part * (i + 1),
                                                           concurrency, batch)) for i in range(processes)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    seconds = time.monotonic() - begin
    print(f"python {rows} {seconds:.2f} {rows / seconds:.0f}")
