#!/usr/bin/env bash
# run.sh - rows into one Cassandra node: raudal's sink and client, the Java driver, the Python driver, in turn in one run.
#
#   bench/cql/run.sh [--rows 200000] [--rounds 3] [--skip java|python] [--work DIR] [--no-write]
#
# Starts Cassandra (tools/services) if none runs.  Machines are noisy: only ratios within one run count.  The table goes to
# docs/benchmarks.md, between the markers of this benchmark.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
export BUILD="${BUILD:-$top/build}" PYTHON="$top/build/venv/bin/python" JARS="$top/build/bench-cql/jars"
export RAUDAL="${RAUDAL:-$BUILD/raudal}"
"$top/tools/deps" --test --quiet
[ -x "$PYTHON" ] || python3 -m venv "$top/build/venv"
"$PYTHON" -m pip install --quiet --disable-pip-version-check -r "$top/tests/services/requirements.txt"
if ! compgen -G "$JARS/java-driver-core-*.jar" >/dev/null; then
    mkdir -p "$JARS"
    cp "$here/driver.pom.xml" "$JARS/pom.xml"
    mvn -B -q -f "$JARS/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$JARS" >&2
fi
javac -cp "$JARS/*" -d "$JARS" "$here/Insert.java"
if [ -z "${RAUDAL_CASSANDRA:-}" ]; then
    "$top/tools/services" start cassandra
    eval "$("$top/tools/services" env cassandra)"
fi
export RAUDAL_CASSANDRA
exec "$PYTHON" "$here/measure.py" "$@"
