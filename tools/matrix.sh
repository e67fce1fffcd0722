#!/bin/bash
# The determinism matrix: the whole suite with two seeds from each build, the
# first of them twice; all must print the same states. gcc and clang, -O0 and
# -O2, sanitizers.
set -u
cd "$(dirname "$0")/.."
cells='gcc:-O2: gcc:-O0: clang:-O2: clang:-O0: gcc:-O2:1 clang:-O1:1'
passed=0 failed=0
declare -A reference
for cell in $cells; do
    IFS=: read -r cc opt san <<<"$cell"
    dir=build/matrix/$cc$opt${san:+-asan}
    [ "$cell" = gcc:-O2: ] && dir=build
    echo "matrix: $cc $opt ${san:+with sanitizers}" >&2
    if ! make -j"$(nproc)" B="$dir" CC="$cc" OPT="$opt" SAN="$san" \
        "$dir/ringside" >&2; then
        echo "matrix: $cc $opt does not build"
        failed=$((failed + 1))
        continue
    fi
    for round in 7 7 8; do
        out=$("$dir/ringside" conform --seed "$round" 2>&1)
        code=$?
        state=$(echo "$out" | tail -n 1)
        [ -n "${reference[$round]:-}" ] || reference[$round]=$state
        if [ "$code" -eq 0 ] && [ "$state" = "${reference[$round]}" ] &&
            [[ $state = "state 0x"* ]]; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "matrix: $dir seed $round: $state, exit $code;" \
                "expected ${reference[$round]}"
            echo "$out" | grep -E '^(FAIL|ERROR)|Sanitizer|runtime error' |
                head -n 5
        fi
    done
done
if [ "${reference[7]}" != "${reference[8]}" ]; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "matrix: seed 8 gives the state of seed 7"
fi
echo "every cell: seed 7 ${reference[7]}, seed 8 ${reference[8]}"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
