#!/bin/bash
# Line coverage of hv/ and pv/ by the unit tests and the conformance suite.
set -eu
cd "$(dirname "$0")/.."
dir=build/coverage
make -j"$(nproc)" B=$dir OPT=-O0 COV=--coverage $dir/ringside >&2
make -j"$(nproc)" B=$dir OPT=-O0 COV=--coverage unit >&2 || true
$dir/ringside conform --seeds 3 >/dev/null 2>&1 || true
lcov -q --capture --directory $dir --output-file $dir/all.info 2>/dev/null
lcov -q --extract $dir/all.info "$PWD/hv/*" "$PWD/pv/*" "$PWD/sim/*" \
    --output-file $dir/rooms.info 2>/dev/null
genhtml -q $dir/rooms.info --output-directory $dir/html 2>/dev/null
for room in hv pv sim; do
    lcov -q --extract $dir/rooms.info "$PWD/$room/*" \
        --output-file $dir/$room.info 2>/dev/null
    printf '%-4s ' $room
    lcov --summary $dir/$room.info 2>/dev/null | grep 'lines'
done
echo "HTML: $dir/html/index.html"
