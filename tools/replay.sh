#!/bin/bash
# Records every case, replays each in a process of its own (what differs from
# process to process, an address or stack bytes in a structure's padding,
# parts the two), and replays with one record changed.
# usage: replay.sh RINGSIDE
set -u
bin=$(realpath "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0
say() {
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "replay: $2"
    fi
}
"$bin" conform --seed 7 --record "$dir" >/dev/null 2>&1
say $? "recording the suite failed"
for trace in "$dir"/*.trace; do
    "$bin" replay "$trace" >"$dir/out" 2>&1
    say $? "$(basename "$trace"): $(head -n 3 "$dir/out")"
done
trace=$(ls "$dir"/*.trace | head -n 1)
for record in 0 5 100; do
    "$bin" trace alter "$trace" "$dir/false" "$record" b 12345678 &&
        "$bin" replay "$dir/false" >"$dir/out" 2>&1
    [ $? -eq 1 ] && grep -qE "record $record\b" "$dir/out"
    say $? "a change of record $record is not named: $(head -n 3 "$dir/out")"
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
