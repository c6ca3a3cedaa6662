#!/usr/bin/env bash
# reference_test.sh - the pages that the program writes of itself are those in docs/.
set -euo pipefail
exec "$(dirname "$0")/../../tools/docs" "$BUILD" --check
