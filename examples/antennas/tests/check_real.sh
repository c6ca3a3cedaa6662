#!/usr/bin/env bash
# check_real.sh - on 62 real messages and 20 real users the pipeline finds what an awk script finds.
# Data: $RAUDAL_DATA/antenna, or data/antenna beside the checkout; exit 77 where there are none.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
data=${RAUDAL_DATA:-$here/../../../shared/data}/antenna
raudal=${RAUDAL:-$here/../../build/raudal}
[ -s "$data/devices_samples.jsonl" ] || { echo "skipped: no $data/devices_samples.jsonl"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/antennas-real-XXXXXX")
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
same() { # $1: what; compares got and wanted
    if LC_ALL=C sort "$work/got" | diff - <(LC_ALL=C sort "$work/wanted"); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$1: differs"
    fi
}
at=(--root "$work/root" --set "DEVICES=$data/devices_samples.jsonl" --set "USERS=$data/user_metadata.csv")
"$raudal" run "$here" --once "${at[@]}" --log-level error >/dev/null 2>&1
sql() { "$raudal" sql "$here" "$1" --format csv "${at[@]}" | sed 1d >"$work/got"; }

# bytes by window of $1 seconds: time,type,id,value; with users.csv as the first file, by e-mail
sums() {
    awk -F, -v window="$1" -v user_type="$2" -v by_mail="$3" '
        FNR == 1 && /^id,/ { next }
        !/^\{/ { mail[$1] = $3; next }
        function field(name, s) { s = $0; sub(".*\"" name "\":\"?", "", s); sub("[\",}].*", "", s); return s }
        { at = field("timestamp"); at -= at % window; n = field("bytes"); u = field("id")
          sum[at ",antenna_bytes_total," field("antenna_id")] += n
          sum[at ",app_bytes_total," field("app")] += n
          sum[at "," user_type "," (by_mail && (u in mail) ? mail[u] : u)] += n }
        END { for (k in sum) print k "," sum[k] }' "$data/user_metadata.csv" "$data/devices_samples.jsonl" >"$work/wanted"
}
sums 60 id_bytes_total 0
sql 'SELECT CAST(epoch("timestamp") AS BIGINT), type, id, value FROM speed.bytes'
same "minutes"
sums 300 id_bytes_total 0
sql 'SELECT CAST(epoch("timestamp") AS BIGINT), type, id, value FROM speed.bytes_5_minutes'
same "five minutes"
sums 3600 mail_bytes_total 1
sql 'SELECT CAST(epoch("timestamp") AS BIGINT), type, id, value FROM batch.bytes_hourly'
same "hours"
awk -F, 'NR == FNR { quota[$3] = $4; next } $2 == "mail_bytes_total" && ($3 in quota) && $4 > quota[$3] {
    print $1 "," $3 "," $4 "," quota[$3] }' "$data/user_metadata.csv" "$work/wanted" >"$work/over"
mv "$work/over" "$work/wanted"
sql 'SELECT CAST(epoch("timestamp") AS BIGINT), email, usage, quota FROM batch.user_quota_limit'
same "accounts over quota"
cat "$work/wanted"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
