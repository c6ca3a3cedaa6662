# usage: awk -f tools/summary.awk CTEST_OUTPUT LastTest.log      "1342 passed, 0 failed, 6 skipped"
#
# Adds up what the tests themselves say: cmocka's PASSED and FAILED lines, "N passed, M failed"
# of scripts; a test that says neither counts as one.  A line "skipped: why" of a script is a part
# that it left out.  That a whole test was skipped stands in CTest's output alone: its log says
# "Test Passed." of it.  What was skipped is listed first.
function flush() {
    if (test == "") return
    if (test in whole) { skipped++; if (why == "") print "skipped: " test }
    else {
        if (p + f == 0 && status == "passed") p = 1
        if (f == 0 && status != "passed") f = 1 # also one that died after its last case
        passed += p; failed += f; skipped += s
    }
}
NR == FNR && /\*\*\*Skipped/ { sub(/^.*Test +#[0-9]+: /, ""); whole[$1] }
NR == FNR && /\*\*\*Not Run/ { failed++ } # no such program: the log has nothing of it
NR == FNR { next }
/^[0-9]+\/[0-9]+ Testing: / { flush(); test = $3; status = "failed"; why = ""; p = f = s = 0 }
/^skipped: / { why = $0; print "skipped: " test ": " substr($0, 10); if (!(test in whole)) s++ }
/^\[  PASSED  \] [0-9]+ test/ { p += $4 }
/^\[  SKIPPED \] [0-9]+ test/ { s += $4 }
/^\[  FAILED  \] [0-9]+ test/ { f += $4 }
/^[0-9]+ passed, [0-9]+ failed/ { p += $1; f += $3 }
/^Test Passed\./ { status = "passed" }
END { flush(); printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }
