#!/bin/sh
# Boots the hypervisor with the smoke-test guest on an emulated PC, headless.
#
#   tools/metal-run.sh [-t SECONDS] [-g GUEST.elf -l LINE] qemu-svm|bochs-svm
#
# The serial console goes to stdout. Exit status 0 only when the guest's last
# line came out and the machine switched itself off cleanly; 1 otherwise; 2 for
# bad arguments. $B: the build directory (build).
set -eu

usage() {
    sed -n '4p' "$0" | sed 's/^# */usage: /' >&2
    exit 2
}

limit=60
guest=
line='hello: Xen ABI 4.17, all checks passed'
while getopts t:g:l: opt; do
    case $opt in
    t) limit=$OPTARG ;;
    g) guest=$OPTARG ;;
    l) line=$OPTARG ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
[ $# -eq 1 ] || usage
machine=$1
case $machine in
qemu-svm | bochs-svm) ;;
*) usage ;;
esac
images=${B:-build}/metal
guest=${guest:-$images/hello.elf}

for f in "$images/ringside.elf" "$guest"; do
    if [ ! -r "$f" ]; then
        echo "metal-run: $f is missing: run make metal" >&2
        exit 1
    fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run_qemu() {
    status=0
    timeout "$limit" qemu-system-x86_64 -accel tcg -cpu EPYC,+svm,+npt,-smap \
        -m 256 -display none -nodefaults -no-reboot -serial stdio \
        -device isa-debug-exit,iobase=0xf4,iosize=1 \
        -kernel "$images/ringside.elf" -initrd "$guest" \
        </dev/null >"$work/serial" 2>"$work/log" || status=$?
    clean=33 # hv/metal/power.c
}

run_bochs() {
    cat >"$work/bochsrc" <<END
cpu: model=ryzen, count=1, ips=50000000, reset_on_triple_fault=0
megs: 128
romimage: file="$images/bochs.rom", address=0xffff0000
optramimage1: file="$images/ringside.bin", address=0x100000
optramimage2: file="$guest", address=0x800000
display_library: rfb, options="timeout=0"
com1: enabled=1, mode=file, dev="$work/serial"
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
log: "$work/log"
clock: sync=none
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
speaker: enabled=0
magic_break: enabled=1
port_e9_hack: enabled=0
END
    printf 'c\nq\n' >"$work/rc"
    status=0
    timeout "$limit" bochs-bin -q -f "$work/bochsrc" -rc "$work/rc" \
        </dev/null >"$work/out" 2>&1 || status=$?
    clean=0
}

: >"$work/serial"
case $machine in
qemu-svm) run_qemu ;;
bochs-svm) run_bochs ;;
esac

tr -d '\r' <"$work/serial" >"$work/text"
cat "$work/text"
if [ "$status" -eq 124 ]; then
    echo "metal-run: $machine: not off after $limit s" >&2
    exit 1
fi
if [ "$status" -ne "$clean" ]; then
    echo "metal-run: $machine: ended with status $status, not $clean" >&2
    tail -n 5 "$work/log" >&2
    exit 1
fi
if ! grep -qF "$line" "$work/text"; then
    echo "metal-run: $machine: the line '$line' did not come out" >&2
    exit 1
fi
