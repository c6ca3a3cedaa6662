#!/bin/sh
# bench/decode/run.sh [--rows N] [--rounds N] [--threads N] [--no-write] - the decoder against DuckDB's readers
# (the linked library's, and a newer one from requirements.txt) and against plain C, in turn.
# Needs a release build (`make`); data is generated under $TMPDIR and removed.
set -eu
cd "$(dirname "$0")/../.."
rows=2000000
if [ "${1:-}" = --rows ]; then rows=$2; shift 2; fi
tmp=$(mktemp -d "${TMPDIR:-/tmp}/decode-bench.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
lib=${LIB:-$(find build -name libraudal_objects.a | head -n 1)}
duckdb=build/deps/duckdb
venv=build/venv-decode
[ -x $venv/bin/python ] || python3 -m venv $venv
$venv/bin/python -m pip install --quiet --disable-pip-version-check -r bench/decode/requirements.txt
for program in decode_bench limit; do
    ${CC:-cc} -std=c17 -D_GNU_SOURCE -O2 -Isrc bench/decode/$program.c "$lib" -o "$tmp/$program" \
        -L$duckdb/lib -lduckdb -Wl,-rpath,"$(realpath $duckdb/lib)" \
        $(pkg-config --libs jansson sqlite3 libxxhash libzstd zlib libmicrohttpd libedit rdkafka libpq libcurl openssl liblz4 snappy) -lpthread -lm
done
awk -v n="$rows" -v a="$tmp/devices.jsonl" -v c="$tmp/devices.csv" -v e="$tmp/events.jsonl" 'BEGIN {
    srand(1); split("web video games mail backup", app, " "); split("compute storage genai", service, " ")
    print "timestamp,antenna_id,id,bytes,app" > c
    for (i = 0; i < n; i++) {
        x = int(rand() * 4294967296); y = int(rand() * 4294967296)
        one = sprintf("%08x-0000-1111-2222-%012x", x, y); two = sprintf("%08x-3333-4444-5555-%012x", y, x)
        printf "{\"timestamp\":%d,\"antenna_id\":\"%s\",\"id\":\"%s\",\"bytes\":%d,\"app\":\"%s\"}\n",
            1700000000 + i, one, two, x % 100000, app[i % 5 + 1] > a
        printf "%d,%s,%s,%d,%s\n", 1700000000 + i, one, two, x % 100000, app[i % 5 + 1] > c
        if (i % 2) continue
        printf "{\"event_id\": \"evt_%08x%04x\", \"timestamp\": \"2025-%02d-%02dT%02d:%02d:00Z\", \"org_id\": \"org_%08x\", \"resource_id\": \"res_%08x\", \"service\": \"%s\", \"region\": \"us-east\", \"metric\": \"requests\", \"value\": %.1f, \"unit\": \"count\", \"cost_usd_increment\": %.4f, \"schema_version\": %d",
            x, i % 65536, 7 + i % 2, 1 + x % 28, x % 24, y % 60, y % 80, x, service[i % 3 + 1], x % 1000, rand() * 10, 1 + i % 4 / 2 > e
        if (i % 4) printf ", \"carbon_kg\": %.6f, \"genai_tokens\": %d", rand(), x % 900 > e
        print "}" > e
    }
}'
$venv/bin/python bench/decode/measure.py --top . --work "$tmp" --python $venv/bin/python "$@"
