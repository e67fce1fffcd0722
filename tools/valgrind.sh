#!/bin/bash
# Memcheck over the unit tests and over the conformance cases, whose bytes for
# the machine are checked where they are written (sim/defined.h).
# usage: valgrind.sh BUILD-DIRECTORY
set -u
cd "$(dirname "$0")/.."
build=$1 passed=0 failed=0
# Registers are up to date when the arena's fault handler restarts a write.
memcheck="valgrind -q --error-exitcode=9 --leak-check=full
    --errors-for-leak-kinds=definite
    --vex-iropt-register-updates=allregs-at-mem-access"
make -j"$(nproc)" B="$build" all >&2 || exit 1
tests=""
for source in {hv,sim,pv}/tests/test_*.c; do
    tests="$tests $build/${source%.c}"
done
# shellcheck disable=SC2086
make -j"$(nproc)" B="$build" $tests >&2 || exit 1
check() {
    local log="$build/valgrind.log"
    echo "valgrind: ${*: -1}" >&2
    # RINGSIDE_SHORT: the exhaustive loops sample.
    if RINGSIDE_SHORT=1 $memcheck "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "valgrind: ${*: -1} is not clean:"
        grep -E '^(==|\[  (ERROR|FAILED)|failed)' "$log" | head -n 25
    fi
}
for test in $tests; do
    check "$test"
done
# All areas but the races (many seeds of the same few calls); not the cases
# that run through minutes of virtual time or many thousand requests.
long='weights_share|cap_limits|paused_domain_gets|affinity_is_obeyed'
long="$long|absent_backend|nodes_of_transactions|on_two_cpus|for_thousands"
cases=$("$build/ringside" conform --list | cut -f 1 |
    grep -vE "^race/|($long)")
for area in $(echo "$cases" | cut -d / -f 1 | sort -u); do
    # shellcheck disable=SC2046
    check "$build/ringside" conform \
        $(echo "$cases" | sed -n "s|^$area/|--filter $area/|p")
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
