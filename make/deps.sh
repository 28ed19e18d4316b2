#!/bin/sh
# Installs the Debian packages that building and testing nnc needs, where they are missing. Says what
# it does; uses sudo where the user is not root; does nothing when all is there.
#   make/deps.sh [test]     test: also what runs code of other machines (cross compilers, qemu-user)
set -e
packages="gcc g++ libc6-dev clang libclang-rt-14-dev flex bison zlib1g-dev libcjson-dev libcmocka-dev libomp-dev python3-numpy"
if [ "$1" = test ]; then
    packages="$packages gdb qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-riscv64-linux-gnu libc6-dev-riscv64-cross"
fi
[ "${LLVM:-1}" = 0 ] || packages="$packages llvm-19-dev"
missing=
for p in $packages; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null; then
    echo "error: these packages are missing:$missing" >&2
    echo "note: on a system without apt, install their counterparts, then run make with DEPS=no" >&2
    exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "error: missing packages:$missing" >&2
        echo "note: as root: apt-get install$missing" >&2
        exit 1
    }
    sudo=sudo
fi
echo "installing Debian packages:$missing"
$sudo apt-get -qq update
DEBIAN_FRONTEND=noninteractive $sudo apt-get -qq install -y --no-install-recommends $missing >/dev/null
