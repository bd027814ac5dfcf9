#!/usr/bin/env bash
# Apache Flink 2.3.0 for the tests: fetched once (a wheel of jars from PyPI, the
# rest from Maven Central), then a JobManager, a TaskManager with two slots and
# a SQL gateway on free loopback ports.
#
#   flink.sh start [--dir D] [--with PID] [--heap MB] [--managed MB]
#                                           prints the gateway's and the
#                                           JobManager's address
#   flink.sh sql   [--dir D] [--no-wait] FILE
#                                           runs the statements of FILE and waits
#                                           until the jobs that they start end, or
#                                           prints the ids of those jobs
#   flink.sh stop  [--dir D]                stops it and removes its data
#   flink.sh fetch                          only fetches (345 MB)
#
# Needs java (17 or newer), mvn, curl, python3. --with PID stops it when that
# process ends, however it ends. --heap is for the tasks of the TaskManager (128),
# --managed for RocksDB (64).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${JOINSCOPE_CACHE:-$HOME/.cache/joinscope}/flink
home=$cache/flink-2.3.0

say() { echo "flink.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

need() {
  command -v "$1" >/dev/null || fail "$1 is missing: install $2 (make test does)"
}

fetch() {
  need java "JDK 17 (openjdk-17-jdk-headless)"
  need python3 "python3 with its venv (python3-venv)"
  need curl curl
  [ -e "$home/.complete" ] && return
  need mvn "Maven (maven)"
  mkdir -p "$cache"
  (
    flock 9
    [ -e "$home/.complete" ] && exit 0
    say "fetching Apache Flink 2.3.0 into $home"
    rm -rf "$home" "$home.part" "$cache/venv"
    python3 -m venv "$cache/venv"
    "$cache/venv/bin/pip" download -q --no-deps --only-binary :all: -d "$home.part" apache-flink-libraries==2.3.0 >&2 ||
      fail "pip could not fetch apache-flink-libraries 2.3.0; is PyPI reachable?"
    python3 -m zipfile -e "$home.part"/*.whl "$home.part/wheel"
    mv "$home.part/wheel/pyflink/lib" "$home.part/lib"
    rm -rf "$home.part/wheel" "$home.part"/*.whl "$cache/venv"
    mvn -q -B -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$home.part/lib" >&2 ||
      fail "Maven could not fetch Flink's Kafka connector; is Maven Central reachable?"
    touch "$home.part/.complete"
    mv "$home.part" "$home"
  ) 9>"$cache/.lock"
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A port below the ephemeral range that nothing listens on.
free_port() {
  local port
  while :; do
    port=$((15000 + (RANDOM * 32768 + RANDOM) % 17000))
    case " ${taken:-} " in *" $port "*) continue ;; esac
    listens "$port" || break
  done
  taken="${taken:-} $port"
  free_port_answer=$port
}

# The pid of a part, if that process is still ours.
part_pid() {
  local pid
  pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 1
  [ -n "$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "-Djoinscope.dir=$dir " || return 1
  echo "$pid"
}

opens=(java.base/java.lang java.base/java.lang.invoke java.base/java.math java.base/java.net java.base/java.text
  java.base/java.time java.base/java.util java.base/java.util.concurrent java.base/java.util.concurrent.atomic
  java.base/java.util.concurrent.locks java.base/sun.net.util java.base/java.nio java.base/sun.nio.ch)

# launch NAME MEMORY CLASS args…
launch() {
  local name=$1 memory=$2 flags=()
  shift 2
  for open in "${opens[@]}"; do flags+=("--add-opens=$open=ALL-UNNAMED"); done
  (
    cd "$dir"
    export FLINK_CONF_DIR=$dir/conf FLINK_LIB_DIR=$home/lib FLINK_OPT_DIR=$dir/opt FLINK_PLUGINS_DIR=$dir/plugins
    exec setsid java -Xmx"$memory" -XX:+UseSerialGC "${flags[@]}" -Djoinscope.dir="$dir" -Djava.io.tmpdir="$dir/tmp" \
      -Dlog4j2.configurationFile="$here/log4j2.properties" -cp "$home/lib/*" "$@" >"$dir/$name.log" 2>&1 </dev/null 9>&-
  ) &
  echo $! >"$dir/$name.pid"
}

configure() {
  cat >"$dir/conf/config.yaml" <<Y
jobmanager.rpc.address: 127.0.0.1
jobmanager.bind-host: 127.0.0.1
jobmanager.rpc.port: $rpc
rest.address: 127.0.0.1
rest.bind-address: 127.0.0.1
rest.port: $rest
rest.bind-port: "$rest"
taskmanager.host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
taskmanager.numberOfTaskSlots: 2
taskmanager.cpu.cores: 2.0
taskmanager.memory.framework.heap.size: 64mb
taskmanager.memory.framework.off-heap.size: 64mb
taskmanager.memory.task.heap.size: ${heap}mb
taskmanager.memory.task.off-heap.size: 0mb
taskmanager.memory.managed.size: ${managed}mb
taskmanager.memory.network.min: 32mb
taskmanager.memory.network.max: 32mb
taskmanager.memory.jvm-metaspace.size: 192mb
taskmanager.memory.jvm-overhead.min: 64mb
taskmanager.memory.jvm-overhead.max: 64mb
cluster.registration.error-delay: 300ms
metrics.fetcher.update-interval: 100
sql-gateway.endpoint.rest.address: 127.0.0.1
sql-gateway.endpoint.rest.bind-address: 127.0.0.1
sql-gateway.endpoint.rest.port: $gateway
sql-gateway.endpoint.rest.bind-port: "$gateway"
io.tmp.dirs: $dir/tmp
Y
}

start() {
  fetch
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  exec 9>"$dir/.lock"
  flock 9
  if part_pid gateway >/dev/null && [ -e "$dir/address" ]; then
    cat "$dir/address"
    return
  fi
  end_parts
  taken=""
  free_port; rpc=$free_port_answer
  free_port; rest=$free_port_answer
  free_port; gateway=$free_port_answer
  mkdir -p "$dir/conf" "$dir/opt" "$dir/plugins" "$dir/tmp"
  configure
  launch jobmanager 256m org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint --configDir "$dir/conf"
  launch taskmanager $((heap + 64))m org.apache.flink.runtime.taskexecutor.TaskManagerRunner --configDir "$dir/conf"
  launch gateway 256m org.apache.flink.table.gateway.SqlGateway
  local deadline=$((SECONDS + 240)) slots
  until slots=$(curl -fsS "http://127.0.0.1:$rest/overview" 2>/dev/null | grep -o '"slots-available":[0-9]*') &&
    [ "${slots#*:}" -ge 2 ] && curl -fsS "http://127.0.0.1:$gateway/v3/info" >/dev/null 2>&1; do
    for part in jobmanager taskmanager gateway; do
      part_pid $part >/dev/null || [ $SECONDS -lt $((deadline - 235)) ] ||
        fail "$part ended: $(tail -n 5 "$dir/$part.log")"
    done
    [ $SECONDS -lt $deadline ] || fail "Flink did not start within 240 s; the logs are $dir/*.log"
    sleep 0.3
  done
  if [ -n "$with" ]; then
    setsid bash -c 'while kill -0 "$1" 2>/dev/null; do sleep 0.3; done; exec "$2" stop --dir "$3"' \
      watch "$with" "$here/flink.sh" "$dir" >/dev/null 2>&1 </dev/null 9>&- &
  fi
  echo "http://127.0.0.1:$gateway http://127.0.0.1:$rest" | tee "$dir/address"
}

end_parts() {
  local part pid deadline=$((SECONDS + 10))
  for part in gateway taskmanager jobmanager; do
    pid=$(part_pid $part) || continue
    kill -TERM "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do
      [ $SECONDS -lt $deadline ] || kill -KILL "$pid" 2>/dev/null || true
      sleep 0.05
    done
  done
}

verb=${1:-help}
shift || true
dir=${JOINSCOPE_FLINK_DIR:-${TMPDIR:-/tmp}/joinscope-flink-$(id -u)}
with="" file="" heap=128 managed=64 wait=
while [ $# -gt 0 ]; do
  case $1 in
    --dir) dir=$2; shift 2 ;;
    --with) with=$2; shift 2 ;;
    --no-wait) wait=--no-wait; shift ;;
    --heap) heap=$2; shift 2 ;;
    --managed) managed=$2; shift 2 ;;
    -*) fail "unknown argument $1" ;;
    *) file=$1; shift ;;
  esac
done

case $verb in
  start) start ;;
  fetch) fetch ;;
  sql)
    [ -e "$dir/address" ] || fail "no Flink runs in $dir: flink.sh start --dir $dir"
    # shellcheck disable=SC2046,SC2086
    exec python3 "$here/sql.py" $wait $(cat "$dir/address") "$file"
    ;;
  stop)
    [ -d "$dir" ] || exit 0
    dir=$(cd "$dir" && pwd)
    end_parts
    rm -rf "$dir/conf" "$dir/opt" "$dir/plugins" "$dir/tmp" "$dir"/*.pid "$dir"/*.log "$dir/address" "$dir/.lock"
    rmdir "$dir" 2>/dev/null || true
    ;;
  *) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; [ "$verb" = help ] || exit 2 ;;
esac
