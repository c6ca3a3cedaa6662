#!/usr/bin/env bash
# check_defaults.sh - raudal.env holds the documented defaults, and every variable that the pipeline's text
# uses has the same default there as in the text, so that the folder also works without the file.
set -euo pipefail
cd "$(dirname "$0")/.."
fail=0
while IFS='=' read -r name want; do
    got=$(sed -n "s/^$name=//p" raudal.env)
    if [ "$got" != "$want" ]; then
        echo "raudal.env: $name is \"$got\", documented is \"$want\""
        fail=1
    fi
done <<'D'
trigger_interval=30s
max_files_per_epoch=10
WATERMARK_DELAY=10 MINUTES
WINDOW_SIZE=1 HOUR
WINDOW_SLIDE=30 MINUTES
MIN_COST=-0.01
ANOMALY_FACTOR=1.5
Z_SCORE=3.0
MAD_SCORE=3.0
LANDING=landing
SERVING=sqlite:serving.db
MASTERS_CRON=0 2 * * *
BILLING_CRON=0 3 1 * *
SERVING_REFRESH=1 MINUTE
D
while IFS='|' read -r name default; do
    got=$(sed -n "s/^$name=//p" raudal.env)
    if [ "$got" != "$default" ]; then
        echo "\${$name:-$default} in the text, but \"$got\" in raudal.env"
        fail=1
    fi
done < <(grep -ho '\${[A-Z_]*:-[^}$]*}' ./*.sql | sed 's/^\${\([A-Z_]*\):-\(.*\)}$/\1|\2/' | sort -u)
if [ $fail -eq 0 ]; then
    echo "defaults agree"
fi
exit $fail
