#!/bin/sh
# Runs CMocka test programs and adds up what they say.
# usage: unit.sh PROGRAM...
set -u
passed=0 failed=0 skipped=0
for program in "$@"; do
    echo "unit: $program" >&2
    out=$("$program" 2>&1)
    code=$?
    p=$(echo "$out" | sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p')
    f=$(echo "$out" | sed -n 's/^\[  FAILED  \] \([0-9]*\) test.*/\1/p' |
        head -n 1)
    s=$(echo "$out" | sed -n 's/^\[  SKIPPED \] \([0-9]*\) test.*/\1/p')
    if [ "$code" -ne 0 ] || [ -z "$p" ]; then
        echo "$out" | tail -n 40
        echo "unit: $program failed (exit $code); run it to see more"
        [ -n "${f:-}" ] && [ "${f:-0}" -gt 0 ] || f=1
    fi
    passed=$((passed + ${p:-0}))
    failed=$((failed + ${f:-0}))
    skipped=$((skipped + ${s:-0}))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
