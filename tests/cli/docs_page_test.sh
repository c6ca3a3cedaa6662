#!/usr/bin/env bash
# docs_page_test.sh - the data dictionary of each example as a browser shows it: no error in its script, nothing
# wider than the window of a desk or of a phone, each link has its place, the search finds columns.
#     SHOTS=DIR keeps pictures of what it looked at
set -euo pipefail
browser=$(command -v chromium chromium-browser google-chrome 2>/dev/null | head -1 || true)
[ -n "$browser" ] || { echo "skipped: chromium is not there (tools/packages-test.txt)"; exit 77; }
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }
shown() { # SIZE PAGE options...: as SIZE (1280,800) shows it
    local size=$1 page=$2
    shift 2
    HOME=$room timeout 60 "$browser" --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage \
        --user-data-dir="$room/profile" --hide-scrollbars --window-size="$size" "$@" "file://$page" 2>>"$room/said"
}
# What is asked of the page itself, once it is there.
cat >"$room/ask.html" <<'HTML'
<script>
{
const out = {};
out.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
out.broken = [...document.querySelectorAll('a[href^="#"]')].filter(a => !document.getElementById(
  decodeURIComponent(a.getAttribute('href').slice(1)))).map(a => a.getAttribute('href'));
out.tables = document.querySelectorAll('section[id]').length;
const find = document.getElementById('find');
const rows = () => [...document.querySelectorAll('tr[data-find]')].filter(e => !e.hidden && e.offsetParent !== null).length;
out.all = rows();
find.value = 'no such column anywhere'; find.dispatchEvent(new Event('input')); out.none = rows();
find.value = ''; find.dispatchEvent(new Event('input')); out.again = rows();
document.body.innerHTML = '<pre id="asked">' + JSON.stringify(out) + '</pre>';
}
</script>
HTML
for example in examples/*/; do
    compgen -G "$example*.sql" >/dev/null || continue
    name=$(basename "$example")
    root=$room/$name
    "$RAUDAL" docs "$example" --format html --root "$root" >"$room/$name.html" || { fail "docs of $name"; continue; }
    sed 's#</body></html>##' "$room/$name.html" >"$room/ask-$name.html"
    cat "$room/ask.html" >>"$room/ask-$name.html"
    for size in 1280,800 500,844; do # a browser's window is not narrower than 500
        shown $size "$room/ask-$name.html" --dump-dom >"$room/dom" || fail "$name at $size is not shown"
        asked=$(sed -n 's/.*<pre id="asked">\(.*\)<\/pre>.*/\1/p' "$room/dom")
        [ -n "$asked" ] || { fail "$name at $size: the page's script failed"; continue; }
        python3 - "$asked" "$name at $size" <<'PY' || failed=1
import html, json, sys
a = json.loads(html.unescape(sys.argv[1]))
problems = [p for p, bad in (
    (f"{a['wide']} pixels wider than its window", a["wide"] > 0),
    (f"links lead nowhere: {a['broken'][:3]}", a["broken"]),
    ("no table has a section", a["tables"] == 0),
    (f"the search: {a['all']} rows, {a['none']} for nonsense, {a['again']} again",
     a["all"] == 0 or a["none"] != 0 or a["again"] != a["all"])) if bad]
for p in problems:
    print(f"FAILED: {sys.argv[2]}: {p}")
sys.exit(bool(problems))
PY
        [ -z "${SHOTS:-}" ] || shown $size "$room/$name.html" --screenshot="$SHOTS/$name-${size%,*}.png" >/dev/null || true
    done
done
exit $failed
