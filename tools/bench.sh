#!/bin/bash
# Runs the benchmarks and prints them beside the committed ones. Ratio: how
# much faster than the baseline, whichever way the unit runs.
# usage: bench.sh RINGSIDE [--save]   --save: writes the baseline anew
set -u
cd "$(dirname "$0")/.." || exit 2
bin=$1
baseline=tools/bench-baseline.jsonl
now=$(mktemp)
trap 'rm -f "$now"' EXIT
"$bin" bench >"$now" || exit 1
# name|unit|value a line
fields() {
    sed -nE 's/^\{"name":"([^"]*)","unit":"([^"]*)","value":([0-9.]+)\}$/\1|\2|\3/p' \
        "$1"
}
{
    [ ! -f "$baseline" ] || fields "$baseline" | sed 's/^/old|/'
    fields "$now" | sed 's/^/new|/'
} | awk -F '|' '
    $1 == "old" {old[$2] = $4; next}
    !head++ {printf "%-22s %-14s %14s %14s %7s\n", "name", "unit", "value",
             "baseline", "ratio"}
    {
        ratio = "-"
        if (old[$2] > 0 && $4 > 0) {
            ratio = sprintf("%.2f", $3 == "s" ? old[$2] / $4 : $4 / old[$2])
        }
        printf "%-22s %-14s %14s %14s %7s\n", $2, $3, $4,
            ($2 in old) ? old[$2] : "-", ratio
    }'
if [ "${2:-}" = --save ]; then
    cp "$now" "$baseline"
    echo "written: $baseline"
fi
