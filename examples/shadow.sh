#!/usr/bin/env bash
# Measures how a shadow affects the latency of replies. The load generator runs against one server, in turns without
# and with a shadow, so that both run under the same conditions. Needs curl and python3.
#   cargo build --release --bins --examples && examples/shadow.sh [ROUNDS] [REQUESTS] [CONNECTIONS]
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-8} requests=${2:-40000} connections=${3:-4}
scratch=$(mktemp -d)
./target/release/hotlist serve --data "$scratch/data" --listen 127.0.0.1:0 --log error >"$scratch/output" &
server=$!
trap 'kill $server; wait $server || true; rm -rf "$scratch"' EXIT
until grep -qs http "$scratch/output"; do :; done
url=$(sed 's/.* //' "$scratch/output")
# The default rules with an unused custom section: another digest with the same decisions.
{ cat plugins/built/todo.wasm; printf '\000\006\004mark\001'; } >"$scratch/todo.wasm"
digest=$(curl -s -T "$scratch/todo.wasm" -H 'content-type: application/wasm' "$url/logic/todo?publish=false" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["digest"])')
load() { ./target/release/examples/loadgen --address "${url#http://}" --connections "$connections" --requests "$requests"; }
load >/dev/null
for _ in $(seq "$rounds"); do
    for shadow in false true; do
        curl -s -o /dev/null -X PATCH "$url/logic/todo" -H 'content-type: application/json' \
            -d "{\"candidate\":\"$digest\",\"shadow\":$shadow}"
        echo "shadow $shadow: $(load | grep -E 'requests a second|latency' | tr '\n' ' ')"
    done
done
curl -s "$url/logic/todo" | python3 -c 'import json, sys; s = json.load(sys.stdin)["candidate"]["shadow"]; s.pop("last"); print(s)'
