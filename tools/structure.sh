#!/bin/sh
# Holds the walls: include edges, headers that compile alone, no file-scope
# state, the seam's symbols, no name of the C library's taken, function, line
# and file length. One line a breach; progress on stderr.
# usage: structure.sh BUILD-DIRECTORY
set -u
build=$1
breaches=0
checks=0
breach() {
    echo "structure: $*"
    breaches=$((breaches + 1))
}
# Each line of $2 is a breach.
breach_each() {
    [ -z "$2" ] || {
        echo "$2" | sed "s|^|structure: $1: |"
        breaches=$((breaches + $(echo "$2" | wc -l)))
    }
}
stage() {
    [ ! -t 2 ] || printf 'structure: %s\n' "$*" >&2
}
# What is in the tree: known to git, or to be.
tree() {
    git ls-files --cached --others --exclude-standard -- "$@" |
        while IFS= read -r file; do
            [ ! -f "$file" ] || echo "$file"
        done
}

# -- Include edges ------------------------------------------------------------
stage "include edges"
# Room, its folders that another rule covers, and what its includes must
# match in full (extended regular expressions).
edges() {
    room=$1 except=$2 allowed=$3
    tree "$room*.c" "$room*.h" | grep -vE "$except" |
        xargs -r grep -HnE '^[[:space:]]*#[[:space:]]*include' |
        sed -E 's/^([^:]*:[0-9]*):.*[<"]([^>"]*)[>"].*/\1 \2/' |
        ALLOWED="^($allowed)\$" awk '$2 !~ ENVIRON["ALLOWED"] {
            print $1 " may not include " $2}'
}
free='(stdint|stddef|stdbool|stdarg|limits)\.h'
libc='[a-z0-9_]+\.h|(sys|linux)/[a-z0-9_]+\.h'
libc="$libc|sanitizer/[a-z_]+\.h|valgrind/[a-z]+\.h"
# The hypervisor as others see it: hv/plat.h, hv/hv.h, what these include.
face=$(printf '#include "hv/plat.h"\n#include "hv/hv.h"\n' |
    gcc -I. -D__XEN_TOOLS__=1 -x c -MM - | tr -s ' \\' '\n' |
    grep '^hv/' | sort -u | sed 's/\./\\./' | paste -s -d '|')
out=$( {
    edges hv/ '^hv/(metal|tests)/' "hv/([a-z0-9_]+|x86/.*)\.h|xen/.*|$free"
    edges hv/metal/ '^$' "hv/metal/.*|hv/lib\.h|$face|xen/.*|$free"
    edges sim/ '/tests/' "sim/.*|$face|xen/.*|$libc"
    edges pv/ '^pv/(os|tests)/' "pv/.*|xen/.*|$free"
    # What carries drivers: on the simulator, or in an image of its own.
    edges pv/os/ '^$' "pv/.*|sim/.*|$face|xen/.*|$libc"
    edges fuzz/ '^$' "(fuzz|conformance|pv|sim)/.*|xen/.*|$libc"
} )
checks=$((checks + 6))
breach_each "include edge" "$out"

# -- Headers ------------------------------------------------------------------
stage "headers alone"
# Fed through stdin: no "pragma once in main file" and the like.
headers=$(tree '*.h')
out=$(for header in $headers; do
    echo "gcc $header"
    echo "clang $header"
done | xargs -P 2 -n 16 sh -c '
    while [ $# -gt 1 ]; do
        printf "#include \"%s\"\n" "$2" | $1 -std=gnu11 -Wall -Wextra \
            -Werror -I. -D__XEN_TOOLS__=1 -D_GNU_SOURCE -x c \
            -fsyntax-only - 2>/dev/null || echo "$2 with $1"
        shift 2
    done' sh)
checks=$((checks + 2 * $(echo "$headers" | wc -l)))
breach_each "does not compile alone" "$out"

# -- File-scope state, and names ----------------------------------------------
stage "file-scope state"
# Objects of today's sources alone: a build directory keeps old ones.
objects() {
    for room in "$@"; do
        tree "$room*.c" "$room*.S"
    done | grep -vE '/(metal|tests)/' |
        sed -E "s|^(.*)\.[cS]\$|$build/\1.o|" | while IFS= read -r object; do
            [ ! -f "$object" ] || echo "$object"
        done
}
for object in $(objects hv/ sim/ pv/); do
    checks=$((checks + 1))
    allowed='^$'
    # The one exception, argued in sim/arena.c: a signal handler has no
    # argument to find its arenas by.
    case $object in
    */sim/arena.o | */sim/snapshot.o | */sim/watchdog.o)
        allowed='^(arena|snapshot|watchdog)_' ;;
    esac
    # Constant tables of pointers are in .data.rel.ro, and no state.
    found=$(objdump -t "$object" |
        awk '$0 !~ / d / && / (\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ &&
            $0 !~ /\.data\.rel\.ro/ {print $NF}' |
        grep -vE "^(\.|__func__|__PRETTY|__odr_asan)|$allowed")
    [ -z "$found" ] || breach "$object holds mutable state: $found"
done

stage "names of the C library"
# Linked into a host program, a name of libc's takes libc's place in every
# library of the process. The memory functions are declared, never defined.
libc_so=$(gcc -print-file-name=libc.so.6)
nm -D --defined-only "$libc_so" | awk '$2 ~ /[TWVDBRi]/ {print $3}' |
    sed 's/@.*//' | sort -u >"$build/libc-names"
for object in $(objects hv/ sim/ pv/ conformance/); do
    nm -g --defined-only "$object" |
        awk -v o="$object" 'NF == 3 {print $3, o}'
done | sort >"$build/own-names"
checks=$((checks + 1))
out=$(join "$build/libc-names" "$build/own-names")
[ -s "$build/libc-names" ] && [ -s "$build/own-names" ] ||
    breach "no names found in $libc_so or $build"
breach_each "a name of the C library's" "$out"

# -- The seam -----------------------------------------------------------------
stage "the seam"
checks=$((checks + 2))
extra=$(nm -u "$build/hv.o" | awk '{print $2}' | grep -vE \
    '^(plat_[a-z0-9_]+|mem(cpy|set|move|cmp)|_GLOBAL_OFFSET_TABLE_)$')
[ -z "$extra" ] || breach "hv.o needs more than the seam: $extra"
size -A "$build/hv.o" | awk '$1 ~ /^\.(data|bss)$/ && $2 > 0 {bad = 1}
    END {exit bad}' || breach "hv.o has .data or .bss"

# -- Length: functions 60 lines, lines 80 columns, files 600 lines -------------
stage "lengths"
files=$(tree '*.c' '*.h' '*.S')
checks=$((checks + $(echo "$files" | wc -l)))
out=$(echo "$files" | xargs awk '
    function size() {
        if (last > 600) print name ": " last " lines"
    }
    FNR == 1 {size(); name = FILENAME; start = 0}
    {last = FNR}
    /^\{/ {start = FNR}
    /^\}/ {if (start && FNR - start - 1 > 60)
               print FILENAME ":" start ": function of " \
                   FNR - start - 1 " lines";
           start = 0}
    length($0) > 80 {print FILENAME ":" FNR ": " length($0) " columns"}
    END {size()}')
breach_each "too long" "$out"

echo "$((checks - breaches < 0 ? 0 : checks - breaches)) passed," \
    "$breaches failed, 0 skipped"
[ "$breaches" -eq 0 ]
