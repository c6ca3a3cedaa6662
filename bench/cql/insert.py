#!/usr/bin/env python3
"""The rows of cql_insert.c by the Python driver: insert.py HOST:PORT ROWS PROCESSES CONCURRENCY.

One line: client rows seconds rows/s cpu_seconds (of all its processes).
"""
import multiprocessing
import resource
import sys
import time
import warnings

warnings.simplefilter("ignore")
from cassandra.cluster import Cluster
from cassandra.concurrent import execute_concurrent_with_args


def work(at, first, last, concurrency):
    host, port = at.split(":")
    cluster = Cluster([host], port=int(port))
    session = cluster.connect("cql_bench")
    session.default_timeout = 60
    insert = session.prepare("INSERT INTO t (k, c, d, at, v) VALUES (?, ?, ?, ?, ?)")
    text = "forty bytes of text that say not a thing"
    rows = ((f"key-{i // 10}", i % 10, i * 0.5, 1700000000000 + i, text) for i in range(first, last))
    for ok, result in execute_concurrent_with_args(session, insert, rows, concurrency=concurrency,
                                                   results_generator=True):
        assert ok, result
    cluster.shutdown()


if __name__ == "__main__":
    at, rows, processes, concurrency = sys.argv[1], *map(int, sys.argv[2:5])
    begin = time.monotonic()
    children = [multiprocessing.Process(target=work, args=(at, rows * i // processes, rows * (i + 1) // processes,
                                                           concurrency)) for i in range(processes)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    seconds = time.monotonic() - begin
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"python-{processes}x{concurrency} {rows} {seconds:.2f} {rows / seconds:.0f} "
          f"{used.ru_utime + used.ru_stime:.2f}")
