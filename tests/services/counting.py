"""Counts the cases of a services test.

check(name, ok, detail)   one case; a failure is printed, and the next case goes on
done()                    prints "N passed, N failed", the last line that tools/run-services-tests adds up,
                          and gives the exit status
"""
passed = failed = 0


def check(name, ok, detail=""):
    global passed, failed
    passed, failed = passed + bool(ok), failed + (not ok)
    if not ok:
        print(f"FAIL {name}: {detail}"[:1500])


def done():
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0 or passed == 0)
