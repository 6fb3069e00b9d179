#!/usr/bin/env bash
# Runs every test: unit, live Redis (servers of their own on free loopback ports), compile-fail, programs, docs.
# Installs redis-server where it can; otherwise says in one sentence what to install.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v cargo >/dev/null || {
    echo "scripts/test.sh: cargo is missing: install Rust 1.88 or newer" >&2
    exit 1
}

install_redis_server() {
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
    command -v apt-get >/dev/null || return 1
    echo "scripts/test.sh: installing redis-server"
    # Only the program is wanted: no server of the machine's own is to be started.
    "${as_root[@]}" apt-get update -qq &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
            apt-get install -y -qq --no-install-recommends redis-server
}

if ! command -v redis-server >/dev/null; then
    install_redis_server >&2 && command -v redis-server >/dev/null || {
        echo "scripts/test.sh: redis-server is missing and can't be installed here: install Debian's package redis-server (Redis 6 or newer)" >&2
        exit 1
    }
fi

# The programs that tests run are built first, so that no test waits for a compiler.
cargo build --workspace --bins
cargo test --workspace "$@"
