#!/bin/bash
# Runs the stages of `make check` (argument: check) or the long ones (all),
# each with its budget, and adds up their closing lines.
set -u
cd "$(dirname "$0")/.."
passed=0 failed=0 skipped=0 broken=""
mkdir -p build
jobs=$(nproc)

# stage NAME BUDGET-SECONDS COMMAND...
stage() {
    local name=$1 budget=$2 start=$SECONDS code line took
    shift 2
    printf '== %-10s (budget %d s)\n' "$name" "$budget"
    "$@" >"build/check-$name.log" 2>&1
    code=$?
    took=$((SECONDS - start))
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "build/check-$name.log" |
        tail -n 1)
    if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+))? ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
        skipped=$((skipped + ${BASH_REMATCH[4]:-0}))
        [ "$code" -eq 0 ] || [ "${BASH_REMATCH[2]}" -gt 0 ] ||
            failed=$((failed + 1))
    elif [ "$code" -eq 0 ]; then
        passed=$((passed + 1))
        line=done
    else
        failed=$((failed + 1))
        line="exit status $code"
    fi
    printf '   %-10s %s (%d s)\n' "$name" "$line" "$took"
    if [ "$code" -ne 0 ]; then
        broken="$broken $name"
        tail -n 25 "build/check-$name.log" | sed 's/^/   | /'
        echo "   (all of it: build/check-$name.log)"
    fi
    [ "$took" -le "$budget" ] || echo "   $name went over its budget"
}

if [ "$1" = check ]; then
    stage build 120 make -j"$jobs" all
    stage structure 60 make structure
    stage unit 120 make -j"$jobs" unit
    stage conform 60 build/ringside conform --seeds 3 --seed 1
    stage races 60 build/ringside conform --filter 'race_*' --seeds 100
    stage bad-input 30 make bad-input
    stage replay 90 tools/replay.sh build/ringside
    stage corpus 60 make corpus
    stage matrix 300 make matrix
    stage storage 60 env RINGSIDE_POWER_CUTS=50 tools/unit.sh \
        build/conformance/tests/test_storage
    stage metal 60 sh -c 'make build/metal/ringside.elf \
        build/metal/hello.elf && tools/metal-run.sh qemu-svm'
else
    stage build 120 make -j"$jobs" all
    stage seeds 300 build/ringside conform --seeds 40 --seed 100
    stage races 900 make races
    stage storage 300 make storage
    stage valgrind 600 make valgrind
    stage bochs 60 make metal
fi
[ -z "$broken" ] || echo "failed stages:$broken"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
