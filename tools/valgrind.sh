#!/bin/bash
# Memcheck over the unit tests and a subset of the cases.
# usage: valgrind.sh BUILD-DIRECTORY
set -u
cd "$(dirname "$0")/.."
build=$1 passed=0 failed=0
make -j"$(nproc)" B="$build" all unit >/dev/null 2>&1
check() {
    echo "valgrind: $*" >&2
    if valgrind -q --error-exitcode=9 --leak-check=full \
        --errors-for-leak-kinds=definite "$@" >"$build/valgrind.log" 2>&1
    then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "valgrind: $* is not clean:"
        grep -E '^==' "$build/valgrind.log" | head -n 25
    fi
}
for test in "$build"/hv/tests/test_* "$build"/sim/tests/test_* \
    "$build"/pv/tests/test_*; do
    case $test in
    *.o | *.d) ;;
    # The arena tests and the snapshot's fault handler run there too, but the
    # exhaustive loops take minutes under memcheck: bounded by environment.
    *) RINGSIDE_SHORT=1 check "$test" ;;
    esac
done
for filter in 'version/*' 'grants/*' 'evtchn/*' 'xenstore/*' 'block/*'; do
    check "$build/ringside" conform --filter "$filter"
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
