# usage: awk -f tools/check-banned.awk FILE...       words that the house does not use
#
# A line may say /* allow: reason */ (on it, or alone on the line before); one that allows
# nothing is an error, so that escapes go when their reason goes.
function complain(what) { printf "%s:%d: %s\n", FILENAME, FNR, what; bad = 1 }
function found(what) {
    if (allowed) used = 1
    else complain(what)
}
function close_allow() {
    if (allow_line && !used) { printf "%s:%d: this /* allow: */ allows nothing\n", allow_file, allow_line; bad = 1 }
    allow_line = 0
}
FNR == 1 {
    close_allow(); in_comment = 0; allowed = 0; used = 0; carry = 0
    rel = FILENAME; sub(/^.*src\//, "src/", rel)
    split(rel, part, "/"); module = part[2]
}
{
    line = $0
    had = match(line, /\/\* allow: [^*]+\*\//)
    bare = line; sub(/\/\* allow: [^*]+\*\//, "", bare)
    if (carry) { carry = 0 }                       # the line after an escape of its own
    else { close_allow(); allowed = 0; used = 0 }
    if (had) { allowed = 1; used = 0; allow_line = FNR; allow_file = FILENAME
               if (bare ~ /^[ \t]*$/) { carry = 1; next } }

    # Texts and comments are not code.
    code = ""; n = length(line); i = 1
    while (i <= n) {
        two = substr(line, i, 2); c = substr(line, i, 1)
        if (in_comment) { if (two == "*/") { in_comment = 0; i += 2 } else i++; continue }
        if (two == "/*") { in_comment = 1; i += 2; continue }
        if (two == "//") { found("a // comment"); break }
        if (c == "\"" || c == "'") {
            q = c; i++
            while (i <= n && substr(line, i, 1) != q) i += substr(line, i, 1) == "\\" ? 2 : 1
            i++; code = code " "; continue
        }
        code = code c; i++
    }
    if (code ~ /^[ \t]*#/) { if (code ~ /#[ \t]*include/) used = 1; next } # includes: check-layers.awk
    rest = code
    while (match(rest, /[A-Za-z_][A-Za-z0-9_]*[ ]*\(/)) {
        before = RSTART > 1 ? substr(rest, RSTART - 1, 1) : ""
        word = substr(rest, RSTART, RLENGTH); sub(/[ ]*\($/, "", word)
        rest = substr(rest, RSTART + RLENGTH)
        if (before == "." || before == ">") continue
        if (word ~ /^(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atof|strtol|gmtime|localtime|rand|srand|gets|alloca)$/) found(word " is banned")
        else if (word ~ /^(malloc|calloc|realloc|aligned_alloc|free|strdup|strndup)$/ && module != "base") found(word " outside base/")
        else if (word == "time" && rel != "src/base/clock.c") found("time() outside base/clock.c")
        else if (word ~ /^(printf|puts|putchar|vprintf)$/ && module != "cli") found(word " outside cli/")
        else if (word ~ /^(system|popen|fork|vfork|execl|execlp|execv|execvp|posix_spawn)$/ && module != "base") found(word " outside base/")
    }
    if (match(code, /(^|[^A-Za-z0-9_])goto[ ]+[A-Za-z_]+/)) {
        label = substr(code, RSTART, RLENGTH); sub(/.*goto[ ]+/, "", label)
        if (label !~ /^(out|fail|retry)$/) found("goto " label ": only out, fail and retry")
    }
}
END { close_allow(); exit bad }
