#!/usr/bin/env bash
# run.sh [BINARY] - independent readers find in the lake what `raudal sql` finds.
#
# Runs the example on a generated landing, then compares for every table, column by column, the number of
# rows and of nulls and the sums:
#   deltalake    the PyPI package (delta-rs); shares no line with us
#   DuckDB       read_parquet over the files that the Delta log names, by the PyPI package
# Both pinned in requirements.txt, installed into build/venv.  Exit 77: they cannot be installed; with
# RAUDAL_SERVICES=required that is a failure.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
RAUDAL=$(realpath "${1:-${RAUDAL:-$top/build/raudal}}")
GENERATE=${GENERATE:-$(dirname "$RAUDAL")/examples/cloud_analytics/generate}
venv=$top/build/venv
cannot=77
[ "${RAUDAL_SERVICES:-}" != required ] || cannot=1

if ! "$venv/bin/python" "$here/compare.py" --have 2>/dev/null; then
    python3 -m venv "$venv" && "$venv/bin/pip" install -q -r "$here/requirements.txt" ||
        { echo "skipped: could not install $here/requirements.txt into $venv"; exit "$cannot"; }
fi
room=$(mktemp -d "${TMPDIR:-/tmp}/raudal-interop-XXXXXX")
trap 'rm -rf "$room"' EXIT
"$GENERATE" --out "$room/landing" --scale 0.05 --files 8 --seed 11 >/dev/null
at=(--root "$room/root" --set "LANDING=$room/landing")
"$RAUDAL" run "$top/examples/cloud_analytics" --once --set max_files_per_epoch=3 \
    --set max_pending_epochs=2 "${at[@]}" --log-level error >/dev/null 2>&1
"$venv/bin/python" "$here/compare.py" "$RAUDAL" "$top/examples/cloud_analytics" "${at[@]}"
