#!/bin/bash
# Hostile arguments and files: each gets exactly one line on stderr, the right
# exit status, and leaves no file behind.
# usage: bad-input.sh RINGSIDE
set -u
bin=$(realpath "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
passed=0 failed=0

# expect STATUS WORDS ARGUMENT...: one line on stderr that holds WORDS
expect() {
    local status=$1 words=$2 code lines
    shift 2
    "$bin" "$@" >out 2>err </dev/null
    code=$?
    lines=$(wc -l <err)
    if [ "$code" -eq "$status" ] && [ "$lines" -eq 1 ] &&
        grep -qF -- "$words" err; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "bad-input: ringside $*: exit $code (expected $status)," \
            "$lines lines: $(head -c 300 err)"
    fi
}
expect 2 "'frob' is not a command" frob
expect 2 "not an option" conform --frob
expect 2 "needs a value" conform --seed
expect 2 "is not a number" conform --seed -1
expect 2 "is not a number" conform --seed 12x
expect 2 "is not a number" conform --seed 99999999999999999999999
expect 2 "is not a number" conform --seed ''
expect 2 "is not a number" conform --seeds 0
expect 2 "target 'moon'" conform --target moon
expect 2 "one argument too many" conform extra
expect 2 "matches no case" conform --filter no_such_case_anywhere
expect 2 "matches no benchmark" bench --filter no_such_benchmark
expect 2 "is not a number" bench --rounds 0
expect 2 "takes one trace" replay
expect 2 "takes one trace" replay a b
expect 2 "nosuch" replay nosuch
mkdir directory
expect 2 "directory" replay directory
: >empty
expect 2 "empty" replay empty
head -c 4096 /dev/zero >zeros
expect 2 "zeros" replay zeros
head -c 65536 /dev/urandom >random
expect 2 "random" replay random

case=$("$bin" conform --list | head -n 1 | cut -f 1)
name=${case#*/}
"$bin" conform --filter "$name" --record traces >/dev/null 2>&1
trace=traces/$name.trace
size=$(stat -c %s "$trace")
for cut in 1 8 20 $((size / 3)) $((size / 2)) $((size - 1)); do
    head -c "$cut" "$trace" >cut
    expect 2 "cut" replay cut
done
for at in 0 9 30 $((size / 4)) $((size / 2)) $((size - 3)); do
    cp "$trace" flipped
    byte=$(dd if="$trace" bs=1 skip="$at" count=1 2>/dev/null | od -An -tu1)
    # shellcheck disable=SC2059
    printf "\\x$(printf %02x $(((byte) ^ 16)))" |
        dd of=flipped bs=1 seek="$at" conv=notrunc 2>/dev/null
    expect 2 "flipped" replay flipped
done
expect 2 "/nonexistent/x" conform --filter "$name" --junit /nonexistent/x
expect 2 "/proc/nowhere" conform --filter "$name" --record /proc/nowhere
# A full disk under the output is said, not swallowed.
"$bin" conform --filter "$name" >/dev/full 2>err
if [ $? -eq 2 ] && grep -q "standard output" err; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "bad-input: a full standard output went by: $(cat err)"
fi
left=$(find . -name '*.tmp' | wc -l)
if [ "$left" -eq 0 ]; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "bad-input: $left half-written files are left"
fi
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
