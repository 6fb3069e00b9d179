#!/usr/bin/env bash
# What must hold before a release, besides the gate. All of it, or the parts that are named:
#   scripts/release.sh [packages] [dependencies] [advisories] [api] [msrv] [coverage]
#   scripts/release.sh record-api    # after a change of the public API that is meant
# Installs the tools that it needs into target/tools, at the versions named below.
set -euo pipefail
cd "$(dirname "$0")/.."

CRATES=(event-bus-core event-bus-derive event-bus-redis)
MSRV=$(sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' Cargo.toml)
NIGHTLY=${NIGHTLY-nightly-2026-05-20} # docs/api is as its rustdoc tells it: a later one may use other words, or another format
TOOLS=$PWD/target/tools
PATH=$TOOLS/bin:$PATH

stop() {
    echo "scripts/release.sh: $*" >&2
    exit 1
}

step() {
    printf '\n== %s\n' "$*"
}

tool() {
    local name=$1 version=$2
    grep -qs "^\"$name $version " "$TOOLS/.crates.toml" ||
        cargo install --quiet --locked --root "$TOOLS" "$name@$version" ||
        stop "$name $version can't be installed: see above"
}

# Each builds from what is in its package alone.
packages() {
    step "packages"
    cargo package --locked "${CRATES[@]/#/--package=}"
}

dependencies() {
    step "licences, sources and unused dependencies"
    tool cargo-deny 0.20.2
    tool cargo-machete 0.9.2
    cargo deny --locked check bans licenses sources
    cargo machete
}

# Asks the database of RustSec, which lies on GitHub.
advisories() {
    step "advisories"
    tool cargo-deny 0.20.2
    cargo deny --locked check advisories
}

# What rustdoc tells of the crates, which only a nightly compiler writes as JSON: a file for each in target/api.
read_api() {
    tool cargo-public-api 0.52.0
    rustup run "$NIGHTLY" rustc --version >/dev/null 2>&1 ||
        stop "a nightly compiler is missing: install it with 'rustup toolchain install $NIGHTLY --profile minimal'"
    mkdir -p target/api
    for crate in "${CRATES[@]}"; do
        cargo "+$NIGHTLY" public-api --package "$crate" --all-features --simplified >"target/api/$crate.txt" ||
            stop "the public API of $crate can't be read: see above; is $NIGHTLY newer than cargo-public-api knows?"
    done
}

api() {
    step "public API"
    read_api
    for crate in "${CRATES[@]}"; do
        diff -u "docs/api/$crate.txt" "target/api/$crate.txt" ||
            stop "the public API of $crate is another one: if that is meant, run 'scripts/release.sh record-api' and tell it in CHANGELOG.md"
    done
}

record-api() {
    read_api
    cp target/api/*.txt docs/api/
}

msrv() {
    step "Rust $MSRV"
    rustup run "$MSRV" rustc --version >/dev/null 2>&1 ||
        stop "Rust $MSRV is missing: install it with 'rustup toolchain install $MSRV --profile minimal'"
    CARGO_TARGET_DIR=target/msrv cargo "+$MSRV" check --locked "${CRATES[@]/#/--package=}" --all-features
}

# Which lines the tests run; docs/coverage.md says what of the rest is left out and why. The conformance suite is run on one server alone:
# on clusters it takes a quarter of an hour like this, and runs the lines that the tests of clusters run.
coverage() {
    step "coverage"
    tool cargo-tarpaulin 0.37.5
    cargo tarpaulin --locked --engine llvm --follow-exec --skip-clean --timeout 900 --target-dir target/coverage \
        "${CRATES[@]/#/--package=}" --package event-bus-tests --tests --lib \
        --include-files 'event-bus-core/src/**' --include-files 'event-bus-redis/src/**' --out Json --out Stdout --output-dir target/coverage --fail-under 90 \
        -- --skip cluster:: --skip cluster_sharded --skip _over_tls::
}

[ $# -gt 0 ] || set -- packages dependencies advisories api msrv coverage
for part in "$@"; do
    case $part in
    packages | dependencies | advisories | api | record-api | msrv | coverage) "$part" ;;
    *) stop "'$part' is no part: see the top of this file" ;;
    esac
done
