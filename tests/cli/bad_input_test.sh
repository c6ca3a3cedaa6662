#!/usr/bin/env bash
# bad_input_test.sh RAUDAL - what bad files, damaged roots and other people's changes lead to: which
# message, which exit code, and that no row is lost or counted twice.
set -u
raudal=$(realpath "${1:-${RAUDAL:?usage: bad_input_test.sh RAUDAL}}")
work=$(mktemp -d "${TMPDIR:-/tmp}/raudal-bad-input.XXXXXX")
trap 'cd /; rm -rf "$work"' EXIT
failed=0 rc=0 case=
p=$work/p root=$work/p/.raudal

fail() { echo "FAIL: $case: $*"; sed 's/^/    /' "$work/out" "$work/err"; failed=1; }
try() { "$raudal" "$@" >"$work/out" 2>"$work/err"; rc=$?; }
# expect CODE [FRAGMENT...]: of the last command, the exit code and what it said.
expect() {
    local want=$1 f
    shift
    [ "$rc" = "$want" ] || fail "exit code $rc, not $want"
    for f in "$@"; do grep -qF -- "$f" "$work/out" "$work/err" || fail "does not say: $f"; done
}
run() { try run "$p" --once; }
answer() { "$raudal" sql "$p" --format csv "$1" 2>&1 | tail -n +2 | paste -sd ' '; }
rows() {
    local got
    got=$(answer "SELECT count(*), count(DISTINCT id) FROM b.t")
    [ "$got" = "$1,$1" ] || fail "b.t has $got rows and identities, not $1"
}
agree() { try verify "$p"; expect 0 " 0 differences"; }

begin() {
    case=$1
    chmod -R u+rwX "$p" 2>/dev/null
    rm -rf "$p" "$work/keep"
    mkdir -p "$p/in"
    cat >"$p/p.sql" <<'SQL'
CREATE SOURCE s (id TEXT, ts TIMESTAMPTZ, k TEXT, n BIGINT) FROM 'in/*.jsonl' FORMAT JSON WATERMARK ts DELAY OF INTERVAL 1 HOUR;
CREATE SOURCE dim (k TEXT, label TEXT) FROM 'dim.csv' FORMAT CSV SNAPSHOT;
CREATE STREAMING TABLE b.t DEDUPLICATE ON (id) AS SELECT s.id, s.ts, s.k, s.n, dim.label FROM STREAM s LEFT JOIN dim USING (k);
CREATE STREAMING TABLE b.all AS SELECT id FROM STREAM s;
CREATE MATERIALIZED VIEW g.v PRIMARY KEY (label) AS SELECT coalesce(label, '?') AS label, count(*) AS c, sum(n) AS n FROM STREAM b.t GROUP BY ALL;
PUBLISH g.v TO 'sqlite:serving.db' PRIMARY KEY ((label));
SQL
    printf 'k,label\na,A\nb,B\n' >"$p/dim.csv"
    events 1 20 >"$p/in/a.jsonl"
    events 21 40 >"$p/in/b.jsonl"
}
events() { # FROM TO
    local i
    for ((i = $1; i <= $2; i++)); do
        printf '{"id":"e%d","ts":"2026-01-01T00:%02d:00Z","k":"%s","n":%d}\n' "$i" $((i % 60)) \
            "$([ $((i % 2)) = 0 ] && echo a || echo b)" "$i"
    done
}
flip() { # FILE PERCENT: one bit of the byte there
    local at=$(($(stat -c %s "$1") * $2 / 100)) was
    was=$(od -An -tu1 -j "$at" -N 1 "$1" | tr -d ' ')
    printf "\\x$(printf %x $((was ^ 16)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

# ---- records that are no records: quarantined, the rest is read ----

begin "bad records"
head -c 20000 /dev/zero | tr '\0' '\377' >"$p/in/c.jsonl"
printf '\n{"id":"deep","x":%s}\n{"id":"u","k":"\xff"}\n[1]\n{"id":"cut' \
    "$(head -c 5000 /dev/zero | tr '\0' '[')" >>"$p/in/c.jsonl"
printf '\n' >>"$p/in/c.jsonl"
: >"$p/in/empty.jsonl"
printf '{"id":"w","ts":"yesterday","n":9223372036854775808}\r\n\n' >"$p/in/d.jsonl"
run
expect 0 quarantined
rows 40
[ "$(answer "SELECT count(*) FROM quarantine.b_t WHERE list_contains(reasons, 'malformed')")" = 6 ] ||
    fail "not six malformed records"
agree
run
expect 0 "0 read"

begin "names that would command a terminal"
printf 'id\x1b[31m,k\rx\n1,2\n' >"$p/in/c.csv"
sed -i "s|'in/\*.jsonl' FORMAT JSON|'in/*.csv' FORMAT CSV|" "$p/p.sql"
run
expect 4 'its header has no column' 'id\x1B[31m, k\x0Dx'
[ -z "$(tr -d '\n\t -~' <"$work/err" | tr -d '\200-\377')" ] || fail "control bytes reach the terminal"

begin "a folder without pipeline text"
rm -f "$p/p.sql"
run
expect 2 "no *.sql file lies in the folder" "raudal init"
[ ! -e "$root" ] || fail "a root was made"

begin "what a kill left of a write into state"
run
expect 0
: >"$root/state/.plan.cache.4711-2.tmp"
run
expect 0
[ -z "$(ls -A "$root/state" | grep '\.tmp$')" ] || fail "it is still there: $(ls -A "$root/state")"

begin "a line of 100 MB"
{ printf '{"id":"big","k":"'; head -c 100000000 /dev/zero | tr '\0' x; printf '"}\n'; events 50 50; } >"$p/in/c.jsonl"
run
expect 0 quarantined
rows 41
agree

# ---- files that are not what they were ----

begin "folder missing"
mv "$p/in" "$p/away"
run
expect 4 "could not list source folder" "it does not exist" hint
mv "$p/away" "$p/in"
run
rows 40

begin "renamed, touched, deleted"
run
mv "$p/in/a.jsonl" "$p/in/z.jsonl"
touch "$p/in/b.jsonl"
run
expect 0 "0 read"
rm "$p/in/b.jsonl"
run
expect 0 "0 read"
rows 40
agree

begin "grown"
run
events 41 45 >>"$p/in/a.jsonl"
run
expect 0
rows 45
agree

begin "edited, shrunken, copied"
run
cp "$p/in/a.jsonl" "$work/a"
sed -i 's/"n":7}/"n":8}/' "$p/in/a.jsonl"
run
expect 4 'cannot go on with file "a.jsonl"' "are not those that were read" hint
head -3 "$work/a" >"$p/in/a.jsonl"
run
expect 4 'cannot go on with file "a.jsonl"' shrank
cp "$work/a" "$p/in/a.jsonl"
cp "$work/a" "$p/in/copy.jsonl"
run
expect 4 'cannot read file "copy.jsonl"' "was read already" "ON REPEAT"
rm "$p/in/copy.jsonl"
run
expect 0 "0 read"
rows 40
agree

# Root reads everything, unless it lays that power down.
plain=(setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-dac_override,-dac_read_search)
[ "$(id -u)" = 0 ] || plain=(env)
if "${plain[@]}" true 2>/dev/null; then
    begin "unreadable"
    run
    events 41 50 >"$p/in/c.jsonl"
    chmod 000 "$p/in/c.jsonl"
    "${plain[@]}" "$raudal" run "$p" --once >"$work/out" 2>"$work/err"
    rc=$?
    expect 4 "could not open" "Permission denied" hint
    chmod 644 "$p/in/c.jsonl"
    run
    rows 50
else
    echo "skipped: an unreadable file: root could not lay its power down"
fi

# ---- masters ----

begin "a master that shrinks, loses its key, holds a key twice"
run
printf 'k,label\n' >"$p/dim.csv"
run
expect 4 'snapshot "dim" has 0 rows and drops 2 of the 2' allow_shrink
printf 'label\nA\n' >"$p/dim.csv"
run
expect 4 'its header has no column "k"'
printf 'k,label\na,A\na,A2\nb,B\n' >"$p/dim.csv"
events 41 44 >"$p/in/c.jsonl"
run
expect 4 "rows too many" "ALLOW FANOUT"
printf 'label,k,new\nA,a,1\nB,b,2\n' >"$p/dim.csv"
run
expect 0
rows 44
agree

# ---- damaged roots ----

begin "journal"
run
for at in 0 1 40 90; do
    cp "$root/state/journal" "$work/journal"
    flip "$root/state/journal" $at
    run
    expect 6 "could not read journal" "at byte" "Nothing was changed"
    cp "$work/journal" "$root/state/journal"
done
truncate -s -5 "$root/state/journal"
run
expect 0 torn_tail
agree
rows 40

begin "journal lost"
sed -i '/^PUBLISH/d' "$p/p.sql"
run
rm "$root/state/journal"
run
expect 6 "was written by another root" backfill
rows 40

begin "state run"
run
flip "$(ls "$root"/state/runs/run-* | head -1)" 0
events 41 45 >"$p/in/c.jsonl"
run
expect 6 "could not read state run"
rows 40

begin "Delta log"
run
log=$root/lake/b/t/_delta_log/00000000000000000000.json
cp "$log" "$work/log"
flip "$log" 50
events 41 45 >"$p/in/c.jsonl"
run
expect 6 "could not read Delta log" 00000000000000000000.json
try verify "$p"
expect 6 "could not read Delta log"
cp "$work/log" "$log"
run
expect 0
agree
rows 45

begin "data file missing, cut"
run
file=$(ls "$root"/lake/g/v/*.parquet)
mv "$file" "$work/file"
try verify "$p"
expect 6 "could not read data file" absent hint
head -c 100 "$work/file" >"$file"
try verify "$p"
expect 6 "it has 100 bytes"
{ head -c 4 "$work/file"; head -c 60 /dev/zero; tail -c +65 "$work/file"; } >"$file"
try sql "$p" "SELECT * FROM g.v"
expect 6 "could not read data file" "$file" "it is damaged" hint
cp "$work/file" "$file"
agree

begin "lake table of yesterday"
run
cp -r "$root/lake/b/t" "$work/keep"
events 41 45 >"$p/in/c.jsonl"
run
rm -rf "$root/lake/b/t"
mv "$work/keep" "$root/lake/b/t"
run
expect 6 'the lake table "b.t" is at epoch' "restored or deleted" hint
try verify "$p"
[ $rc != 0 ] || fail "verify finds nothing"

# ---- stores ----

begin "store of yesterday, lost, no database"
run
cp "$root/serving.db" "$work/keep"
events 41 45 >"$p/in/c.jsonl"
run
rm -f "$root"/serving.db*
cp "$work/keep" "$root/serving.db"
try verify "$p"
expect 1 DIFFERS "g.v in sqlite:serving.db"
run
expect 0
agree
rm -f "$root"/serving.db*
run
agree
rm -f "$root"/serving.db*
echo garbage >"$root/serving.db"
run
expect 5 "file is not a database" hint
rm -f "$root"/serving.db*
run
agree

begin "root deleted, store lives"
sed -i "s#sqlite:serving.db#sqlite:$work/far.db#" "$p/p.sql"
run
rm -rf "$root"
run
expect 5 "belongs to another root" --adopt
try run "$p" --once --adopt
expect 0
agree
rm -f "$work"/far.db*

# ---- two writers, time zones, full disks ----

begin "two writers"
if command -v flock >/dev/null; then
    run
    "$raudal" run "$p" >"$work/bg" 2>&1 &
    writer=$!
    for _ in $(seq 1200); do grep -q . "$root/state/LOCK" 2>/dev/null && break; sleep 0.05; done
    run
    expect 6 "could not lock" "held by raudal, pid $writer"
    agree
    kill -TERM $writer
    wait $writer
    rc=$?
    expect 0
    agree
else
    echo "skipped: two writers: flock is not there"
fi

case="time zone and locale"
answers=
for zone in UTC Asia/Kathmandu America/New_York :nonsense; do
    begin "time zone $zone"
    TZ=$zone LC_ALL=tr_TR.UTF-8 "$raudal" run "$p" --once >"$work/out" 2>"$work/err" || fail "run"
    answers+="$(answer "SELECT ts::TEXT, label, n FROM b.t ORDER BY id" | cksum)"$'\n'
done
[ "$(printf %s "$answers" | sort -u | wc -l)" = 1 ] || fail "answers differ by time zone"

if [ "$(id -u)" = 0 ] && mkdir -p "$work/disk" && mount -t tmpfs -o size=16k none "$work/disk" 2>/dev/null; then
    umount "$work/disk"
    # A root with a past, and so much room for the next delivery: whatever it stops, the remedy is
    # room, and the next run with room ends as one that had it all along.
    begin "a full disk"
    mount -t tmpfs -o size=64m none "$work/disk"
    try run "$p" --once --root "$work/disk"
    expect 0
    rm -rf "$work/past" && cp -a "$work/disk" "$work/past"
    events 30 60 >"$p/in/c.jsonl"
    for kib in 0 16 48 80 128 144 160 ${FULL_DISKS:-}; do
        case="a full disk with $kib KiB of room"
        umount "$work/disk"
        mount -t tmpfs -o size=64m none "$work/disk"
        cp -a "$work/past/." "$work/disk/"
        used=$(df -k --output=used "$work/disk" | tail -n 1)
        mount -o "remount,size=$((used + kib))k" "$work/disk"
        try run "$p" --once --root "$work/disk" --set journal_max_bytes=1
        case $rc in
        0) ;;
        5 | 6) grep -q '^hint: .*\(space\|room\)' "$work/err" || fail "no remedy" ;;
        *) fail "exit code $rc" ;;
        esac
        mount -o remount,size=64m "$work/disk"
        try run "$p" --once --root "$work/disk"
        expect 0
        try verify "$p" --root "$work/disk"
        expect 0 " 0 differences"
        [ "$("$raudal" sql "$p" --root "$work/disk" --format csv 'SELECT count(*), count(DISTINCT id) FROM b.t' |
            tail -n 1)" = 60,60 ] || fail "rows are missing or doubled"
    done
    umount "$work/disk"
else
    echo "skipped: a full disk: a tmpfs of its own could not be mounted"
fi

[ $failed = 0 ] && echo "bad input: all as it should be"
exit $failed
