#!/bin/bash
# Proves the README's two commands on a fresh Debian 12 with only git and
# make: a root made by debootstrap from this machine's own apt sources.
# Needs root and a few gigabytes under build/.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" -eq 0 ] || { echo "fresh: run as root" >&2; exit 1; }
command -v debootstrap >/dev/null ||
    apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
root=$PWD/build/fresh
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
    /etc/apt/sources.list.d/*.sources 2>/dev/null |
    sed -nE 's/^(URIs: *|deb (\[[^]]*\] )?)([^ ]+).*/\3/p' |
    grep -v security | head -n 1)
cleanup() {
    umount -R "$root/proc" "$root/dev" 2>/dev/null || true
}
trap cleanup EXIT
cleanup
rm -rf "$root"
echo "fresh: debootstrap" >&2
debootstrap --variant=minbase --include=git,make,ca-certificates bookworm \
    "$root" "$mirror" >build/fresh.log 2>&1
cp -a /etc/apt/. "$root/etc/apt/"
cp /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null || true
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/dev"
git clone -q . "$root/ringside"
for target in conform check; do
    echo "fresh: make $target" >&2
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" \
        chroot "$root" make -C /ringside "$target"
done
