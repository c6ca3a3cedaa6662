#!/usr/bin/env bash
# Damage to one file of each kind of a root is refused with a remedy, told by verify, or does not matter.
# CORRUPT_ROUNDS of them per kind; make torture asks for more.
set -euo pipefail
command -v python3 >/dev/null || { echo "skipped: python3 is not there"; exit 77; }
exec python3 "$(dirname "$0")/../crash/corrupt.py" "$1" --rounds "${CORRUPT_ROUNDS:-1}" --seed "${SEED:-3}"
