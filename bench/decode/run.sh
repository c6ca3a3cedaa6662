#!/bin/sh
# bench/decode/run.sh [ROWS] [ROUNDS] - the decoder against DuckDB's readers, alternately.
# Needs a release build (`make`); data is generated under $TMPDIR and removed.
set -eu
cd "$(dirname "$0")/../.."
rows=${1:-2000000} rounds=${2:-5}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/decode-bench.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
lib=$(find build -name libraudal_objects.a | head -n 1)
duckdb=build/deps/duckdb
${CC:-cc} -std=c17 -D_GNU_SOURCE -O2 -Isrc bench/decode/decode_bench.c "$lib" -o "$tmp/decode_bench" \
    -L$duckdb/lib -lduckdb -Wl,-rpath,"$PWD/$duckdb/lib" \
    $(pkg-config --libs jansson sqlite3 libxxhash libzstd zlib libmicrohttpd libedit) -lpthread -lm
awk -v n="$rows" -v a="$tmp/devices.jsonl" -v e="$tmp/events.jsonl" 'BEGIN {
    srand(1); split("web video games mail backup", app, " "); split("compute storage genai", service, " ")
    for (i = 0; i < n; i++) {
        x = int(rand() * 4294967296); y = int(rand() * 4294967296)
        printf "{\"timestamp\":%d,\"antenna_id\":\"%08x-0000-1111-2222-%012x\",\"id\":\"%08x-3333-4444-5555-%012x\",\"bytes\":%d,\"app\":\"%s\"}\n",
            1700000000 + i, x, y, y, x, x % 100000, app[i % 5 + 1] > a
        if (i % 2) continue
        printf "{\"event_id\": \"evt_%08x%04x\", \"timestamp\": \"2025-%02d-%02dT%02d:%02d:00Z\", \"org_id\": \"org_%08x\", \"resource_id\": \"res_%08x\", \"service\": \"%s\", \"region\": \"us-east\", \"metric\": \"requests\", \"value\": %.1f, \"unit\": \"count\", \"cost_usd_increment\": %.4f, \"schema_version\": %d",
            x, i % 65536, 7 + i % 2, 1 + x % 28, x % 24, y % 60, y % 80, x, service[i % 3 + 1], x % 1000, rand() * 10, 1 + i % 4 / 2 > e
        if (i % 4) printf ", \"carbon_kg\": %.6f, \"genai_tokens\": %d", rand(), x % 900 > e
        print "}" > e
    }
}'
for threads in 1 2; do
    "$tmp/decode_bench" "$tmp/devices.jsonl" json $threads "$rounds" \
        timestamp:BIGINT antenna_id:TEXT id:TEXT bytes:BIGINT app:TEXT
    "$tmp/decode_bench" "$tmp/events.jsonl" json $threads "$rounds" \
        event_id:TEXT timestamp:TIMESTAMPTZ org_id:TEXT resource_id:TEXT service:TEXT region:TEXT \
        metric:TEXT value:TEXT unit:TEXT cost_usd_increment:DOUBLE schema_version:INTEGER \
        carbon_kg:DOUBLE genai_tokens:BIGINT
done
