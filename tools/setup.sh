#!/bin/sh
# Installs what tools/packages.txt lists and this machine lacks. Silent when
# nothing is missing. Without root it prints the one command that is needed.
set -eu
list=$(dirname "$0")/packages.txt
wanted=$(sed 's/#.*//; /^[[:space:]]*$/d' "$list")
missing=
for package in $wanted; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" \
        2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
install="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" -ne 0 ]; then
    echo "setup: packages are missing; run: sudo $install" >&2
    exit 1
fi
echo "setup: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
apt-get update -qq >/dev/null && $install -qq >/dev/null
