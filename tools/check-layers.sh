#!/usr/bin/env bash
# check-layers.sh - the layer law over the tree (see tools/layers and tools/check-layers.awk).
set -euo pipefail
cd "$(dirname "$0")/.."
find src -name '*.[ch]' | LC_ALL=C sort | xargs awk -f tools/check-layers.awk tools/layers
echo "ok - every include follows tools/layers"
