# usage: awk -f tools/exports.awk include/raudal.h    the linker's list of what others may call
# Names of functions are what stands before the first "(" of a declaration.
/^[ \t]*(\/?\*|#|typedef)/ { next }
{
    line = $0
    while (match(line, /(raudal|rdl)_[a-z0-9_]+[ ]*\(/)) {
        name = substr(line, RSTART, RLENGTH); sub(/[ ]*\($/, "", name); seen[name]
        line = substr(line, RSTART + RLENGTH)
    }
}
END {
    print "{ global:"
    for (name in seen) print "    " name ";"
    print "  local: *;\n};"
}
