#!/usr/bin/env bash
# Configures a collection over the REST API; `--help` shows how.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: examples/create_table.sh [OPTIONS] NAME [ENDPOINT]

Creates the collection NAME, its stream turned on. With ENDPOINT, an http or
https URL, each change is sent there as a JSON record.

options:
  --primary-key FIELD   the key schema: a unique index, and the records' `keys`
  --sort-key FIELD      a second key field
  --old-image           records of changes have the document as it was before
  --unprotected         lets the collection be deleted over the API
  -h, --help            this text

environment:
  CONDUIT_URL           where the server is (default http://127.0.0.1:8080)
  CONDUIT_API_TOKEN     the admin token, if the server has one

example:
  examples/create_table.sh --primary-key id orders http://127.0.0.1:9000/hook
USAGE
}

fail() {
  echo "error: $1" >&2
  exit "${2:-1}"
}

for program in curl python3; do
  command -v "$program" >/dev/null || fail "$program was not found; install it and try again"
done

export NAME='' ENDPOINT='' PRIMARY_KEY='' SORT_KEY='' OLD_IMAGE='' UNPROTECTED=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --primary-key | --sort-key)
      [ $# -ge 2 ] || fail "$1 needs the name of a field" 2
      if [ "$1" = --primary-key ]; then PRIMARY_KEY=$2; else SORT_KEY=$2; fi
      shift
      ;;
    --old-image) OLD_IMAGE=1 ;;
    --unprotected) UNPROTECTED=1 ;;
    -*) usage >&2; fail "unknown option $1" 2 ;;
    *)
      if [ -z "$NAME" ]; then NAME=$1
      elif [ -z "$ENDPOINT" ]; then ENDPOINT=$1
      else usage >&2; fail "too many arguments: $1" 2
      fi
      ;;
  esac
  shift
done
if [ -z "$NAME" ]; then
  usage >&2
  exit 2
fi

url=${CONDUIT_URL:-http://127.0.0.1:8080}
url=${url%/}

body=$(python3 -c '
import json, os
given = os.environ
collection = {"collection_name": given["NAME"], "stream_enabled": True}
for field in ("primary_key", "sort_key"):
    if given[field.upper()]:
        collection[field] = given[field.upper()]
if given["OLD_IMAGE"]:
    collection["old_image"] = True
if given["UNPROTECTED"]:
    collection["deletion_protection"] = False
if given["ENDPOINT"]:
    collection["destinations"] = [{"type": "http", "endpoint": given["ENDPOINT"]}]
print(json.dumps(collection))
')

# The token goes by a pipe, so that no list of processes shows it.
authorization() {
  if [ -n "${CONDUIT_API_TOKEN:-}" ]; then
    printf 'header = "Authorization: Bearer %s"\n' "$CONDUIT_API_TOKEN"
  fi
}

answer=$(curl --silent --show-error --max-time 30 --noproxy 127.0.0.1,localhost --config <(authorization) \
  --header 'Content-Type: application/json' --data "$body" --write-out '\n%{http_code}' \
  "$url/api/collections") || fail "no answer from $url; is the server running? (\`make run-api\`, or set CONDUIT_URL)"

status=${answer##*$'\n'}
STATUS=$status python3 -c '
import json, os, sys
status, text = int(os.environ["STATUS"]), sys.stdin.read()
try:
    answer = json.loads(text)
except ValueError:
    answer = None
if 200 <= status < 300:
    print(json.dumps(answer, indent=2, ensure_ascii=False) if answer is not None else text)
    sys.exit(0)
problem = answer if isinstance(answer, dict) else {}
what = problem.get("detail") or problem.get("title") or text.strip() or "no reason given"
print(f"error: the server answered {status}: {what}", file=sys.stderr)
for fault in problem.get("errors") or []:
    print("  {}: {}".format(fault.get("field"), fault.get("message")), file=sys.stderr)
if status == 401:
    print("  Set CONDUIT_API_TOKEN to the server'"'"'s token.", file=sys.stderr)
sys.exit(1)
' <<<"${answer%$'\n'*}"
