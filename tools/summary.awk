# usage: awk -f tools/summary.awk LastTest.log      "1342 passed, 0 failed, 6 skipped"
#
# Adds up what the tests themselves say: cmocka's PASSED and FAILED lines, "N passed, M failed"
# of scripts; a test that says neither counts as one.
function flush() {
    if (test == "") return
    if (status == "skipped") skipped++
    else if (p + f + s == 0) { if (status == "passed") passed++; else failed++ }
    else {
        passed += p; skipped += s
        failed += (f == 0 && status != "passed") ? 1 : f   # died after its last case
    }
}
/^[0-9]+\/[0-9]+ Test(ing)?: / { if ($2 == "Testing:") { flush(); test = $3; status = "failed"; p = f = s = 0 } }
/^\[  PASSED  \] [0-9]+ test/ { p += $4 }
/^\[  SKIPPED \] [0-9]+ test/ { s += $4; p -= 0 }
/^\[  FAILED  \] [0-9]+ test/ { f += $4 }
/^[0-9]+ passed, [0-9]+ failed/ { p += $1; f += $3 }
/^Test Passed\./ { status = "passed" }
/^Test Skipped|^Test Failed.*\(Skipped\)/ { status = "skipped" }
END { flush(); printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }
