#!/usr/bin/env bash
# A schema registry for the tests: Apicurio 3.0.9 (runs on JDK 17), which speaks
# Confluent's API under /apis/ccompat/v7. In memory, on a free loopback port.
#
#   registry.sh start [--dir D] [--with PID]
#                                 prints the base address of Confluent's API;
#                                 stops when that process ends
#   registry.sh stop  [--dir D]   stops it and removes its data
#   registry.sh fetch             only fetches (109 MB, once)
#
# Needs java (17 or newer), mvn and curl.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${JOINSCOPE_CACHE:-$HOME/.cache/joinscope}/kafka
home=$cache/apicurio-3.0.9
path=io/apicurio/apicurio-registry-app/3.0.9
archive=apicurio-registry-app-3.0.9-all.tar.gz

say() { echo "registry.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

need() {
  command -v "$1" >/dev/null || fail "$1 is missing: install $2 (make test does)"
}

# Where Maven takes Maven Central's files from: a mirror, if its settings name one.
central() {
  local folder said
  folder=$(mktemp -d)
  cat >"$folder/pom.xml" <<'X'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>joinscope.tests</groupId>
  <artifactId>nothing</artifactId>
  <version>1</version>
</project>
X
  said=$(mvn -B -Dstyle.color=never -f "$folder/pom.xml" \
    org.apache.maven.plugins:maven-dependency-plugin:3.8.1:list-repositories 2>&1) ||
    say "Maven could not list its repositories: $(grep -m 1 ERROR <<<"$said")"
  rm -rf "$folder"
  # * central (ADDRESS, …) mirrored by NAME (ADDRESS, …)
  sed -nE '/^ \* central /{s/.* mirrored by .* \(([^,]*),.*/\1/;s/^ \* central \(([^,]*),.*/\1/;s/\/$//;p;q}' <<<"$said"
}

# Not by Maven: it would want the parent's parent of a project of which only
# the archive is needed.
fetch() {
  need java "JDK 17 (openjdk-17-jdk-headless)"
  need curl curl
  [ -e "$home/.complete" ] && return
  need mvn "Maven (maven)"
  mkdir -p "$cache"
  (
    flock 9
    [ -e "$home/.complete" ] && exit 0
    address=$(central)
    [ -n "$address" ] || fail "Maven does not say where it takes Maven Central's files from"
    address=$address/$path
    say "fetching Apicurio Registry 3.0.9 from Maven Central into $home"
    rm -rf "$home" "$home.part"
    mkdir "$home.part"
    curl -fsSL --retry 3 -o "$home.part/$archive" "$address/$archive" ||
      fail "could not fetch $address/$archive; is Maven Central reachable?"
    want=$(curl -fsSL --retry 3 "$address/$archive.sha1" | cut -c 1-40)
    have=$(sha1sum "$home.part/$archive" | cut -c 1-40)
    [ "$want" = "$have" ] || fail "$archive is damaged: its SHA-1 is $have, not $want; try again"
    tar -xzf "$home.part/$archive" -C "$home.part"
    rm "$home.part/$archive"
    touch "$home.part/.complete"
    mv "$home.part" "$home"
  ) 9>"$cache/.registry-lock"
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The registry's pid, if that process is still ours.
pid() {
  local pid
  pid=$(cat "$dir/registry.pid" 2>/dev/null) || return 1
  [ -n "$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "-Djoinscope.dir=$dir" || return 1
  echo "$pid"
}

start() {
  fetch
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  exec 9>"$dir/.registry-lock"
  flock 9
  if pid >/dev/null && [ -e "$dir/registry" ]; then
    cat "$dir/registry"
    return
  fi
  local attempt port process deadline run
  run=$(find "$home" -name '*runner.jar' -o -name quarkus-run.jar | head -n 1)
  for attempt in 1 2 3 4 5; do
    port=$((15000 + (RANDOM * 32768 + RANDOM) % 17000))
    listens "$port" && continue
    (
      cd "$dir"
      exec setsid java -Xmx256m -XX:+UseSerialGC -Djoinscope.dir="$dir" \
        -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$port" \
        -jar "$run" >registry.log 2>&1 </dev/null 9>&-
    ) &
    process=$!
    echo "$process" >"$dir/registry.pid"
    deadline=$((SECONDS + 60))
    while kill -0 "$process" 2>/dev/null && [ $SECONDS -lt $deadline ]; do
      if curl -fsS "http://127.0.0.1:$port/apis/ccompat/v7/subjects" >/dev/null 2>&1; then
        if [ -n "$with" ]; then
          setsid bash -c 'while kill -0 "$1" 2>/dev/null; do sleep 0.3; done; exec "$2" stop --dir "$3"' \
            watch "$with" "$here/registry.sh" "$dir" >/dev/null 2>&1 </dev/null 9>&- &
        fi
        echo "http://127.0.0.1:$port/apis/ccompat/v7" | tee "$dir/registry"
        return
      fi
      sleep 0.1
    done
    kill -KILL "$process" 2>/dev/null || true
    say "attempt $attempt: it did not start; its last lines:"
    tail -n 5 "$dir/registry.log" >&2 || true
  done
  fail "the registry did not start in five attempts; its log is $dir/registry.log"
}

stop() {
  local process deadline=$((SECONDS + 5))
  [ -d "$dir" ] || return 0
  dir=$(cd "$dir" && pwd)
  if process=$(pid); then
    kill -TERM "$process" 2>/dev/null || true
    while kill -0 "$process" 2>/dev/null; do
      [ $SECONDS -lt $deadline ] || kill -KILL "$process" 2>/dev/null || true
      sleep 0.05
    done
  fi
  rm -f "$dir/registry" "$dir/registry.pid" "$dir/registry.log" "$dir/.registry-lock"
  rmdir "$dir" 2>/dev/null || true
}

verb=${1:-help}
shift || true
with=""
dir=${JOINSCOPE_KAFKA_DIR:-${TMPDIR:-/tmp}/joinscope-kafka-$(id -u)}
while [ $# -gt 0 ]; do
  case $1 in
    --dir) dir=$2; shift 2 ;;
    --with) with=$2; shift 2 ;;
    *) fail "unknown argument $1" ;;
  esac
done
case $verb in
  start) start ;;
  stop) stop ;;
  fetch) fetch ;;
  *) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; [ "$verb" = help ] || exit 2 ;;
esac
