#!/bin/bash
# Two vCPUs on two physical CPUs racing on grants, ports and pages: many
# seeds, one process a host CPU.
# usage: races.sh RINGSIDE SEEDS
set -u
bin=$1 seeds=$2 jobs=$(nproc) passed=0 failed=0 skipped=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
each=$(((seeds + jobs - 1) / jobs))
for ((j = 0; j < jobs; j++)); do
    "$bin" conform --filter 'race_*' --seed $((1 + j * each)) \
        --seeds "$each" >"$dir/$j" 2>"$dir/$j.err" &
done
while sleep 20 && [ -n "$(jobs -r)" ]; do
    tail -qn 1 "$dir"/*.err >&2
done
wait
for ((j = 0; j < jobs; j++)); do
    grep -E '^(FAIL|ERROR)|replay:' "$dir/$j" | head -n 20
    read -r p f s <<<"$(sed -n \
        's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' \
        "$dir/$j")"
    [ -n "${p:-}" ] || { cat "$dir/$j.err"; p=0 f=1 s=0; }
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
