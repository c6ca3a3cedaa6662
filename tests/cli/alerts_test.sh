#!/usr/bin/env bash
# alerts_test.sh - alerts are told by mail, web hook and command: once until they are over, after a
# refusal, after a crash; a failed run and a failed model are told; no file holds an address's secret.
set -euo pipefail
command -v python3 >/dev/null || { echo "skipped: python3 is not there"; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
room=$(mktemp -d)
exec 9> >(exec python3 "$here/listener.py" "$room") # ends when this script ends
trap 'exec 9>&-; rm -rf "$room"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }
for _ in $(seq 1200); do
    [ -f "$room/ports" ] && break
    sleep 0.05
done
read -r smtp http <"$room/ports"

p=$room/p
mkdir -p "$p/in" "$p/queries"
cat >"$p/p.sql" <<'SQL'
CREATE SOURCE ev (id TEXT, n INTEGER) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.ev (CONSTRAINT positive EXPECT (n > 0) ON VIOLATION QUARANTINE)
AS SELECT id, n, _ingest_ts AS came FROM STREAM ev;
CREATE MODEL TABLE g.m (id TEXT, n INTEGER) AS TRANSFORM (SELECT id, n FROM b.ev) USING 'sh model.sh';
-- Rejected rows are sales that nobody sees.
CREATE ALERT rejected SEVERITY CRITICAL WHEN QUALITY OF b.ev < 0.9 OVER INTERVAL 1 DAY
  MESSAGE 'só {quality} das linhas'
  NOTIFY 'mailto:ops@example.org, boss@example.org', '${HOOK}', 'cat >>told; echo >>told';
CREATE ALERT most SEVERITY INFO WHEN QUALITY OF b.ev < 0.3 OVER INTERVAL 1 DAY NOTIFY 'true';
CREATE ALERT broken WHEN FAILURE OF g.m NOTIFY 'cat >>told; echo >>told';
CREATE ALERT any_failure SEVERITY INFO WHEN FAILURE NOTIFY 'true';
SQL
printf 'cat\n' >"$p/model.sh"
cat >"$p/raudal.env" <<ENV
HOOK=http://127.0.0.1:$http/hooks/t0ken-of-the-hook
smtp_url=smtp://127.0.0.1:$smtp
smtp_from=raudal@example.org
ENV
told() { # EVENT ALERT: how often the command was told of it
    touch "$p/told"
    grep -c "\"alert\": \"$2\", \"event\": \"$1\"" "$p/told" || true
}
wants() { # WHAT GOT WANTED
    [ "$2" = "$3" ] || fail "$1: $2, wanted $3"
}
killed() { # POINT COMMAND...: it dies there
    local point=$1 rc=0
    shift
    RDL_FAULT=$point:1:kill "$RAUDAL" "$@" >/dev/null 2>&1 || rc=$?
    [ "$rc" = 137 ] || fail "$* ended with $rc at $point"
}
state() { "$RAUDAL" sql "$p" --format csv "SELECT state FROM raudal.alerts WHERE name = '$1'" | tail -1; }
taken() { find "$room" -maxdepth 1 -name "$1-[0-9]*" ! -name '*.new' | wc -l; }

# Nothing is wrong: nobody is told.
echo '{"id":"a","n":1}' >"$p/in/1.jsonl"
"$RAUDAL" run "$p" --once >/dev/null 2>&1 || fail "the first run"
wants "mails at first" "$(taken mail)" 0
wants "state at first" "$(state rejected)" quiet

# Servers that refuse: the notice is kept.  A crash between noting and telling loses nothing.
touch "$room/refuse"
printf '{"id":"b","n":0}\n{"id":"c","n":-1}\n' >"$p/in/2.jsonl"
killed alert.noted run "$p" --once
wants "told at the crash" "$(told active rejected)" 0
"$RAUDAL" run "$p" --once >"$room/out" 2>&1 || fail "a run whose notices are refused fails: $(cat "$room/out")"
wants "active" "$(state rejected)" active
wants "mails while refused" "$(taken mail)" 0
grep -q "could not be delivered" "$room/out" || fail "refused notices are no warning: $(cat "$room/out")"
wants "the command after the crash" "$(told active rejected)" 1
rm "$room/refuse"
for _ in $(seq 100); do
    "$RAUDAL" alerts "$p" --check >/dev/null 2>&1 || true
    [ "$(taken mail)" = 1 ] && [ "$(taken hook)" = 1 ] && break
    sleep 0.1
done
wants "mails" "$(taken mail)" 1
wants "hooks" "$(taken hook)" 1
wants "the command, told once" "$(told active rejected)" 1

# A row that is judged again and rejected again is one rejected row.
for _ in 1 2 3; do
    "$RAUDAL" quarantine replay "$p" b.ev >"$room/out" 2>&1 || fail "a replay: $(cat "$room/out")"
done
"$RAUDAL" alerts "$p" --check >/dev/null 2>&1 || true
wants "two of three, judged again" "$(state most)" quiet
python3 - "$room" <<'PY' || fail "what was told"
import email, email.policy, json, pathlib, sys
room = pathlib.Path(sys.argv[1])
raw = (room / "mail-1").read_bytes().split(b"\n", 2)
assert raw[0] == b"FROM <raudal@example.org>", raw[0]
assert raw[1] == b"TO <ops@example.org> <boss@example.org>", raw[1]
mail = email.message_from_bytes(raw[2], policy=email.policy.default)
assert mail["Subject"] == "[CRITICAL] p: rejected is active", mail["Subject"]
text = mail.get_content()
assert "só 0.333" in text and "Rejected rows are sales that nobody sees." in text, text
path, key, body = (room / "hook-1").read_text().split("\n", 2)
hook = json.loads(body)
assert path == "/hooks/t0ken-of-the-hook" and key in mail["Message-ID"].replace("-1@", "-2@"), (path, key)
assert hook["severity"] == "critical" and hook["rows"][0]["rejected"] == 2, hook
PY

# Killed after telling, before that is known: told again, under the same identity.
"$RAUDAL" alerts "$p" --check >/dev/null 2>&1 && fail "--check exits 0 though an alert is active"
sed -i 's/< 0.9 /< 0.2 /' "$p/p.sql"
killed alert.told alerts "$p" --check
wants "over" "$(state rejected)" quiet
wants "mails after the kill" "$(taken mail)" 2

# A failing model keeps its table, and is told; when it is mended that is told too.
echo '{"id":"d","n":4}' >"$p/in/3.jsonl"
echo 'echo no model today >&2; exit 7' >"$p/model.sh"
"$RAUDAL" run "$p" --once >"$room/out" 2>&1 && fail "a failed model is no failure of the run"
wants "rows of the model" "$("$RAUDAL" sql "$p" --format csv 'SELECT count(*) FROM g.m' | tail -1)" 1
wants "the model's alert" "$(told active broken)" 1
grep -q 'no model today' "$p/told" || fail "why the model failed is not told"
"$RAUDAL" status "$p" >"$room/out"
grep -q 'broken' "$room/out" || fail "status does not show the alert: $(cat "$room/out")"
printf 'cat\n' >"$p/model.sh"
"$RAUDAL" run "$p" --once >/dev/null 2>&1 || fail "the mended model"
wants "the mended model" "$(told cleared broken)" 1
wants "any failure" "$(state any_failure)" quiet

grep -rl t0ken-of-the-hook "$p/.raudal" && fail "the hook's token lies in a file"
"$RAUDAL" alerts "$p" --test rejected >"$room/out" 2>&1 || fail "--test: $(cat "$room/out")"
grep -q "127.0.0.1:$http: delivered" "$room/out" || fail "--test says $(cat "$room/out")"
grep -q t0ken "$room/out" && fail "--test shows the token"

# A server that does not answer: a new notice goes before one that failed, a stop does not wait for it, and what
# was not told is told by the next look.
q=$room/q
mkdir -p "$q/in"
cat >"$q/p.sql" <<'SQL'
CREATE SOURCE ev (n INTEGER) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.ev AS SELECT n FROM STREAM ev;
CREATE ALERT slow WHEN (SELECT n FROM b.ev WHERE n > 0) TRIGGER ON UPDATE AT MOST EVERY INTERVAL 100 MILLISECONDS
  NOTIFY '${HOOK}', 'mailto:ops@example.org';
SQL
cp "$p/raudal.env" "$q/raudal.env"
keys() { find "$room" -maxdepth 1 -name 'hook-[0-9]*' ! -name '*.new' -exec sed -n 2p {} \; | sort -u | wc -l; }
hooks=$(keys) mails=$(taken mail)
touch "$room/hang"
echo '{"n":1}' >"$q/in/1.jsonl"
"$RAUDAL" run "$q" >"$room/out" 2>&1 &
run=$!
for _ in $(seq 600); do
    [ ! -f "$room/hanging" ] || break
    sleep 0.05
done
[ -f "$room/hanging" ] || fail "nobody waits for the server that does not answer"
asked=$SECONDS
kill "$run"
wait "$run" || fail "the run ended with $?: $(cat "$room/out")"
[ $((SECONDS - asked)) -lt 15 ] || fail "a stop waited $((SECONDS - asked)) s for a server that does not answer"
waits=$("$RAUDAL" sql "$q" --format csv "SELECT waiting FROM raudal.alerts" | tail -1)
wants "notices that wait after the stop" "$waits" 2
rm "$room/hang"
"$RAUDAL" alerts "$q" --check >"$room/out" 2>&1 || true
wants "hooks after the server answers, by identity" "$(keys)" $((hooks + 1))
wants "mails after the server answers" "$(taken mail)" $((mails + 1))
exit $failed
