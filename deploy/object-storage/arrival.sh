#!/bin/sh
# arrival.sh - what a container does when objects arrive in a bucket: fetch what is new, run once, give
# the lake back.
#
#   BUCKET     where objects arrive, as rclone names it: s3:company-landing/shop
#   LAKE       where the lake goes, the same way; empty: it stays
#   PIPELINE   the pipeline's folder        (/pipeline)
#   WORK       a disk that outlives the run (/root-of-runs): the root and the landing folder
#
# Raudal reads files; rclone fetches them.  An object's content decides whether it was read before, so
# a fetch that is repeated changes nothing.  Two runs at once: the second finds the root's lock taken
# (exit code 6) and is started again by the next arrival, or by the schedule.
set -eu
pipeline=${PIPELINE:-/pipeline} work=${WORK:-/root-of-runs}
mkdir -p "$work/landing"
rclone copy --ignore-existing "$BUCKET" "$work/landing"
export LANDING="$work/landing"
code=0
raudal run "$pipeline" --root "$work/root" --once || code=$?
# Data files before the log entries that name them, so that a reader of the copy never misses one.
if [ -n "${LAKE:-}" ] && [ -d "$work/root/lake" ]; then
    rclone copy --exclude '_delta_log/**' "$work/root/lake" "$LAKE"
    rclone copy --include '_delta_log/**' "$work/root/lake" "$LAKE"
fi
exit $code
