#!/usr/bin/env bash
# Shows how each destination of each collection is doing; `--help` shows how.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: examples/monitor_queues.sh [SECONDS]

Shows, per collection and destination, its state, how many records wait for a
retry, how many are dead letters, and how far it lags behind. With SECONDS it
goes on, once every so many seconds, until Ctrl-C.

environment:
  CONDUIT_URL           where the server is (default http://127.0.0.1:8080)
  CONDUIT_API_TOKEN     a token, if the server has one; the read-only one will do
  REDIS_URI             with redis-cli at hand, the queues' lengths in Redis are shown too
USAGE
}

fail() {
  echo "error: $1" >&2
  exit "${2:-1}"
}

case ${1:-} in
  -h | --help) usage; exit 0 ;;
  '' | [1-9] | [1-9][0-9] | [1-9][0-9][0-9] | [1-9][0-9][0-9][0-9]) ;;
  *) usage >&2; fail "not a number of seconds from 1 to 9999: $1" 2 ;;
esac
[ $# -le 1 ] || { usage >&2; exit 2; }
every=${1:-}

for program in curl python3; do
  command -v "$program" >/dev/null || fail "$program was not found; install it and try again"
done

url=${CONDUIT_URL:-http://127.0.0.1:8080}
url=${url%/}

# The token goes by a pipe, so that no list of processes shows it.
authorization() {
  if [ -n "${CONDUIT_API_TOKEN:-}" ]; then
    printf 'header = "Authorization: Bearer %s"\n' "$CONDUIT_API_TOKEN"
  fi
}

# Prints the table; the collections' names follow on file descriptor 3.
table() {
  python3 -c '
import json, os, sys
status, text = int(os.environ["STATUS"]), sys.stdin.read()
try:
    answer = json.loads(text)
except ValueError:
    answer = None
if status != 200 or not isinstance(answer, list):
    what = (answer.get("detail") or answer.get("title")) if isinstance(answer, dict) else text.strip()
    print(f"error: the server answered {status}: {what}", file=sys.stderr)
    if status == 401:
        print("  Set CONDUIT_API_TOKEN to one of the server'"'"'s tokens.", file=sys.stderr)
    sys.exit(1)

def shown(value, unit=""):
    return "-" if value is None else f"{value}{unit}"

rows = [("COLLECTION", "DESTINATION", "STATE", "RETRY", "DLQ", "LAG", "LAST ERROR")]
for collection in answer:
    name = collection["collection_name"]
    print(name, file=os.fdopen(os.dup(3), "w"))
    for each in collection.get("destinations") or [{}]:
        state = shown(each.get("state"))
        if each.get("reason"):
            state += " ({})".format(each["reason"])
        rows.append((name, shown(each.get("id")), state, shown(each.get("retry_length")), shown(each.get("dlq_length")),
                     shown(each.get("lag_seconds"), " s"), shown(each.get("last_error"))[:60]))
widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
for row in rows:
    print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
if not answer:
    print("(no collection is configured)")
'
}

in_redis() {
  local name=$1
  printf '  %-30s retry %s, dlq %s\n' "$name" \
    "$(redis-cli --no-auth-warning -u "$REDIS_URI" ZCARD "cdc:retry:$name" 2>&1)" \
    "$(redis-cli --no-auth-warning -u "$REDIS_URI" LLEN "cdc:dlq:$name" 2>&1)"
}

names=$(mktemp)
trap 'rm -f "$names"' EXIT
trap 'exit 0' INT TERM

once() {
  local answer
  answer=$(curl --silent --show-error --max-time 10 --noproxy 127.0.0.1,localhost --config <(authorization) \
    --write-out '\n%{http_code}' "$url/api/status") ||
    fail "no answer from $url; is the server running? (\`make run-api\`, or set CONDUIT_URL)"
  STATUS=${answer##*$'\n'} table <<<"${answer%$'\n'*}" 3>"$names"
  if [ -n "${REDIS_URI:-}" ] && [ -s "$names" ] && command -v redis-cli >/dev/null; then
    echo "in Redis:"
    while IFS= read -r name; do in_redis "$name" </dev/null; done <"$names"
  fi
}

once
while [ -n "$every" ]; do
  sleep "$every"
  printf '\n%s\n' "$(date '+%H:%M:%S')"
  once
done
