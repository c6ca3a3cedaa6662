#!/usr/bin/env bash
# cql_node - our CQL client against real nodes: every version and compression, TLS and passwords,
# what must be refused and with which words, and a node that is killed and started under load.
set -uo pipefail
node=${BUILD:?}/tests/services/cql_node
top=${RAUDAL_TOP:-$(cd "$(dirname "$0")/../.." && pwd)}
passed=0 failed=0
good() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "not ok - $*"; }

answers() { # answers WHAT ARGUMENT…
    local what=$1 out
    shift
    if out=$(timeout 120 "$node" "$@" 2>&1); then good; else bad "$what: $out"; fi
}
refuses() { # refuses WHAT WORDS ARGUMENT…
    local what=$1 words=$2 out
    shift 2
    if out=$(timeout 60 "$node" open=1 "$@" 2>&1); then
        bad "$what: it was let in"
    elif grep -q -- "$words" <<<"$out"; then
        good
    else
        bad "$what: not \"$words\" but: $out"
    fi
}

if [ -n "${RAUDAL_CASSANDRA:-}" ]; then
    for version in 4 5; do
        for lz4 in 0 1; do
            answers "version $version lz4 $lz4" "at=$RAUDAL_CASSANDRA" version=$version lz4=$lz4
        done
    done
    refuses "TLS to a plain port" "could not agree on TLS" "at=$RAUDAL_CASSANDRA" tls=1
    refuses "nobody there" "Connection refused" at=127.0.0.1:1
fi

if [ -n "${RAUDAL_CASSANDRA_TLS:-}" ]; then
    port=${RAUDAL_CASSANDRA_TLS##*:} dir=$RAUDAL_CASSANDRA_TLS_DIR
    role=("user=$RAUDAL_CASSANDRA_TLS_USER" "password=$RAUDAL_CASSANDRA_TLS_PASSWORD")
    here="at=127.0.0.1:$port"
    answers "TLS and a password, version 5 lz4" "$here" "ca=$dir/ca.pem" "${role[@]}" lz4=1
    answers "TLS and a password, version 4" "$here" "ca=$dir/ca.pem" "${role[@]}" version=4
    answers "a client certificate" "$here" "ca=$dir/ca.pem" "cert=$dir/client.pem" \
        "key=$dir/client.key" "${role[@]}" open=1
    answers "by name" "at=localhost:$port" "ca=$dir/ca.pem" "${role[@]}" open=1
    refuses "a wrong password" "could not log in to" "$here" "ca=$dir/ca.pem" user=cassandra password=no
    refuses "no password" "asks for a user and a password" "$here" "ca=$dir/ca.pem"
    refuses "another CA" "could not verify the certificate" "$here" "ca=$dir/strange-ca.pem" "${role[@]}"
    refuses "another host name" "hostname mismatch" "$here" "ca=$dir/ca.pem" name=other.invalid "${role[@]}"
    refuses "a certificate with another's key" "could not use client key\|key values mismatch" "$here" \
        "ca=$dir/ca.pem" "cert=$dir/client.pem" "key=$dir/stranger.key" "${role[@]}"
    refuses "no TLS to a TLS port" "closed the connection\|no version of the CQL protocol\|could not" "$here" "${role[@]}"
fi

# A node of our own, killed and started while rows go to it: all are answered, all are there.
restart_under_load() {
    local room=$PWD/own log rows
    export RAUDAL_SERVICES_DIR=$room RAUDAL_CASSANDRA_PORT=19242
    "$top/tools/services" start cassandra >/dev/null || { bad "could not start a node"; return; }
    eval "$("$top/tools/services" env cassandra)"
    "$node" "at=$RAUDAL_CASSANDRA" load=3 in_flight=256 >load.out 2>&1 &
    log=$!
    while kill -0 $log 2>/dev/null && ! grep -q '1000 sent' load.out; do timeout 1 tail --pid=$log -f /dev/null; done
    "$top/tools/services" kill cassandra
    "$top/tools/services" start cassandra >/dev/null
    if wait $log && grep -q 'refused 0 retries [1-9]' load.out; then good; else bad "under load: $(cat load.out)"; fi
    rows=$(grep -o 'sent [0-9]*' load.out | cut -d' ' -f2)
    if [ "$("${PYTHON:?}" - "$RAUDAL_CASSANDRA" <<'END'
import sys
from cassandra.cluster import Cluster
host, port = sys.argv[1].split(":")
s = Cluster([host], port=int(port)).connect("cql_load_test")
s.default_timeout = 120
print(sum(1 for _ in s.execute("SELECT k FROM t")))
END
    )" = "$rows" ]; then good; else bad "of $rows rows sent not all are there"; fi
    "$top/tools/services" reset cassandra
}
[ "${SKIP_RESTART:-}" = 1 ] || restart_under_load
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
