#!/usr/bin/env bash
# Runs every test: unit, live Redis (servers of their own on free loopback ports), beside the Python bus, compile-fail,
# programs, the web monitor in a real browser, docs.
# Installs redis-server, Python and its packages, and Chromium where it can; otherwise says in one sentence what to install.
set -euo pipefail
cd "$(dirname "$0")/.."

stop() {
    echo "scripts/test.sh: $*" >&2
    exit 1
}

install_packages() {
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
    command -v apt-get >/dev/null || return 1
    echo "scripts/test.sh: installing $*"
    # Only the programs are wanted. (Without systemd, RUNLEVEL keeps Debian from starting a server of the machine's own.)
    "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update -qq &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
            apt-get install -o DPkg::Lock::Timeout=300 -y -qq --no-install-recommends "$@"
}

has_browser() {
    command -v chromium >/dev/null && command -v chromedriver >/dev/null
}

has_python() {
    python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# A virtual environment with the packages that requirements.txt pins; made anew when these change, or Python did.
python_environment() {
    local packages=tests/python/requirements.txt environment=target/python
    if cmp -s "$packages" "$environment/installed.txt" && "$environment/bin/python" -c 'import redis' 2>/dev/null; then
        return
    fi
    echo "scripts/test.sh: installing $packages into $environment"
    rm -rf "$environment"
    python3 -m venv "$environment" &&
        "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$packages" &&
        cp "$packages" "$environment/installed.txt"
}

command -v cargo >/dev/null ||
    stop "cargo is missing: install Rust 1.88 or newer"

# Two that run at once set up one after the other; what is there already is used without waiting for long.
mkdir -p target
exec 9>target/test-setup.lock
flock 9

command -v redis-server >/dev/null || install_packages redis-server >&2 && command -v redis-server >/dev/null ||
    stop "redis-server is missing and can't be installed here: install Debian's package redis-server (Redis 7 or newer: clusters are started)"

has_python || install_packages python3 python3-venv >&2 && has_python ||
    stop "Python is missing and can't be installed here: install Debian's packages python3 and python3-venv (3.11 or newer)"

has_browser || install_packages chromium chromium-driver >&2 && has_browser ||
    stop "Chromium or its driver is missing and can't be installed here: install Debian's packages chromium and chromium-driver"

# EVENT_BUS_PYTHON names another Python, which has the packages already.
[ -n "${EVENT_BUS_PYTHON-}" ] || python_environment >&2 ||
    stop "the packages of tests/python/requirements.txt can't be installed: see above, and let pip reach an index that has them"

exec 9>&-

# The programs that tests run are built first, as they ask for them, so that no test waits for a compiler.
cargo build -p event-bus-examples --bins "$@"
cargo test --workspace "$@"

# Apart from the others, since features add up: all of the above is what a user has without the feature `metrics`.
cargo build -p event-bus-examples --features observability --bin observability "$@"
# The whole workspace with one feature more, so that what others wrote is not compiled anew.
cargo test --workspace --features event-bus-tests/metrics --test metrics --test allocations --test telemetry "$@"
cargo test --workspace --features event-bus-tests/metrics --test programs observability "$@"
