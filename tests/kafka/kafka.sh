#!/usr/bin/env bash
# Apache Kafka for the tests and for trying the program out: fetched from Maven
# Central once, then one to three KRaft nodes (broker and controller combined)
# on free loopback ports.
#
#   kafka.sh start [--nodes N] [--dir D] [--sasl] [--tls] [--proxied PORT] [--with PID]
#                                                   prints the bootstrap address
#   kafka.sh stop  [--dir D]                        stops it and removes its data
#   kafka.sh address [--dir D] [--sasl | --tls | --proxied PORT]   of a running cluster
#   kafka.sh kill  [--dir D] --node N               SIGKILL of one node
#   kafka.sh revive [--dir D] --node N              starts it again with its data
#   kafka.sh stall|wake [--dir D] --node N          SIGSTOP and SIGCONT of one node
#   kafka.sh tool TOOL args…                        one of Kafka's own tools
#   kafka.sh fetch                                  only fetches
#
# D names the cluster: several with different D run side by side. `start` of one
# that runs prints its address again. Needs java (17 or newer) and mvn.
# --with PID stops the cluster when that process ends, however it ends.
# --sasl adds a SASL/PLAIN listener; JOINSCOPE_SASL_USER and
# JOINSCOPE_SASL_PASSWORD are its only account. Rights are then asked for: what
# no rule (tool AclCommand) denies is allowed, and to the plain listener all.
# --tls adds a TLS listener that wants a client's certificate. What is made for it
# is in D/tls: broker.pem (the broker's, signed by itself: ssl.ca.location of its
# clients), client.p12 (the one client that it takes: ssl.keystore.location, with
# JOINSCOPE_TLS_PASSWORD as ssl.keystore.password) and that client's client.pem.
# --proxied PORT adds a listener, of one node, that is advertised at this port of
# 127.0.0.1: whoever starts the cluster has a proxy there that leads to the
# listener's own address (address --proxied PORT).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${JOINSCOPE_CACHE:-$HOME/.cache/joinscope}/kafka
libs=$cache/libs-4.3.1
user=${JOINSCOPE_SASL_USER:-joinscope}
password=${JOINSCOPE_SASL_PASSWORD:-only-for-tests}
store_password=${JOINSCOPE_TLS_PASSWORD:-only-for-tests}

say() { echo "kafka.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

need() {
  command -v "$1" >/dev/null || fail "$1 is missing: install $2 (make test does)"
}

# The jars, fetched to a folder beside and then renamed: a fetch that is cut
# off leaves nothing that looks whole.
fetch() {
  need java "JDK 17 (openjdk-17-jdk-headless)"
  [ -e "$libs/.complete" ] && return
  need mvn "Maven (maven)"
  mkdir -p "$cache"
  (
    flock 9
    [ -e "$libs/.complete" ] && exit 0
    say "fetching Apache Kafka 4.3.1 from Maven Central into $libs"
    rm -rf "$libs" "$libs.part"
    mvn -q -B -Dstyle.color=never -f "$here/pom.xml" \
      org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$libs.part" >&2 ||
      fail "Maven could not fetch Kafka: see its message above; is Maven Central reachable?"
    touch "$libs.part/.complete"
    mv "$libs.part" "$libs"
  ) 9>"$cache/.lock"
}

java_class() {
  local log=$1 heap=$2
  shift 2
  java -Xmx"$heap" -XX:TieredStopAtLevel="${JOINSCOPE_JIT:-4}" -Xshare:auto \
    -Dlog4j2.configurationFile="$here/log4j2.properties" -Djoinscope.log="$log" \
    -cp "$libs/*" "$@"
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A port below the ephemeral range that nothing listens on. Another start may
# take it first: then the broker ends and start tries others.
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

# The pid of a node, if that process is still ours.
node_pid() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) || return 1
  [ -n "$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$1/server.properties" || return 1
  echo "$pid"
}

running() {
  local node found=1
  for node in "$dir"/node-*; do
    [ -d "$node" ] || continue
    node_pid "$node" >/dev/null || return 1
    found=0
  done
  return $found
}

# Ids that begin with "-" break StorageTool.
cluster_id() {
  local id
  while :; do
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | cut -c 1-22)
    [ "${id#-}" = "$id" ] && break
  done
  echo "$id"
}

# A key pair in a keystore, D/tls/NAME.p12, and its certificate as NAME.pem.
key_pair() {
  local name=$1 store=(-storetype PKCS12 -storepass "$store_password" -keystore "$dir/tls/$1.p12" -alias "$1")
  shift
  {
    keytool -J-XX:TieredStopAtLevel=1 -genkeypair "${store[@]}" -keyalg EC -groupname secp256r1 \
      -validity 30 "$@" &&
      keytool -J-XX:TieredStopAtLevel=1 -exportcert -rfc "${store[@]}" -file "$dir/tls/$name.pem"
  } >"$dir/tls/keytool" 2>&1 || fail "keytool could not make a key pair: $(cat "$dir/tls/keytool")"
}

certificates() {
  need keytool "JDK 17 (openjdk-17-jdk-headless)"
  rm -rf "$dir/tls"
  (umask 077 && mkdir "$dir/tls")
  key_pair broker -dname CN=broker -ext san=ip:127.0.0.1,dns:localhost -ext eku=serverAuth
  key_pair client -dname CN=client -ext eku=clientAuth
}

configure() {
  local n=$1 node=$dir/node-$1 replicas=$nodes isr=1
  [ "$nodes" -gt 1 ] && isr=2
  mkdir -p "$node"
  local listeners="PLAINTEXT://127.0.0.1:${plain[$n]},CONTROLLER://127.0.0.1:${control[$n]}"
  local advertised="PLAINTEXT://127.0.0.1:${plain[$n]}"
  if [ -n "$sasl" ]; then
    listeners="$listeners,SASL://127.0.0.1:${secured[$n]}"
    advertised="$advertised,SASL://127.0.0.1:${secured[$n]}"
  fi
  if [ -n "$tls" ]; then
    listeners="$listeners,TLS://127.0.0.1:${encrypted[$n]}"
    advertised="$advertised,TLS://127.0.0.1:${encrypted[$n]}"
  fi
  if [ -n "$proxied" ]; then
    listeners="$listeners,PROXIED://127.0.0.1:${behind[$n]}"
    advertised="$advertised,PROXIED://127.0.0.1:$proxied"
  fi
  {
    cat <<P
process.roles=broker,controller
node.id=$n
controller.quorum.voters=$voters
controller.listener.names=CONTROLLER
listeners=$listeners
advertised.listeners=$advertised
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,PROXIED:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=$node/data
num.partitions=1
auto.create.topics.enable=false
default.replication.factor=$replicas
offsets.topic.replication.factor=$replicas
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$isr
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$isr
min.insync.replicas=$isr
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=300
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
log.cleaner.backoff.ms=200
log.cleaner.dedupe.buffer.size=4194304
log.retention.ms=-1
controlled.shutdown.enable=false
P
    if [ -n "$sasl" ]; then
      cat <<P
sasl.enabled.mechanisms=PLAIN
listener.name.sasl.sasl.enabled.mechanisms=PLAIN
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ANONYMOUS
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_$user="$password";
P
    fi
    if [ -n "$tls" ]; then
      cat <<P
listener.name.tls.ssl.keystore.type=PKCS12
listener.name.tls.ssl.keystore.location=$dir/tls/broker.p12
listener.name.tls.ssl.keystore.password=$store_password
listener.name.tls.ssl.key.password=$store_password
listener.name.tls.ssl.truststore.type=PEM
listener.name.tls.ssl.truststore.location=$dir/tls/client.pem
listener.name.tls.ssl.client.auth=required
P
    fi
  } >"$node/server.properties"
  chmod 600 "$node/server.properties"
}

launch() {
  local node=$dir/node-$1
  (
    cd "$node"
    # Its own session: a Ctrl-C in the terminal is not for the broker.
    JOINSCOPE_JIT=${JOINSCOPE_JIT:-4} exec setsid java -Xmx256m -Xms64m -XX:+UseSerialGC \
      -Dlog4j2.configurationFile="$here/log4j2.properties" -Djoinscope.log=info \
      -cp "$libs/*" kafka.Kafka "$node/server.properties" >log 2>&1 </dev/null 9>&-
  ) &
  echo $! >"$node/pid"
}

# Stops the cluster when the process that wanted it is gone.
watch() {
  [ -n "$with" ] || return 0
  setsid bash -c 'while kill -0 "$1" 2>/dev/null; do sleep 0.3; done; exec "$2" stop --dir "$3"' \
    watch "$with" "$here/kafka.sh" "$dir" >/dev/null 2>&1 </dev/null 9>&- &
}

# Waits until every node accepts and says that it started.
ready() {
  local n deadline=$((SECONDS + 60))
  for n in $(seq 1 "$nodes"); do
    until listens "${plain[$n]}" && grep -q 'Kafka Server started' "$dir/node-$n/log"; do
      kill -0 "$(cat "$dir/node-$n/pid")" 2>/dev/null || return 1
      [ $SECONDS -lt $deadline ] || return 1
      sleep 0.1
    done
  done
}

end_nodes() {
  local node pid pids=() deadline=$((SECONDS + 10))
  for node in "$dir"/node-*; do
    [ -d "$node" ] || continue
    if pid=$(node_pid "$node"); then
      pids+=("$pid")
      kill -TERM "$pid" 2>/dev/null || true
    fi
  done
  for pid in ${pids[@]+"${pids[@]}"}; do
    while kill -0 "$pid" 2>/dev/null; do
      if [ $SECONDS -ge $deadline ]; then
        kill -KILL "$pid" 2>/dev/null || true
      fi
      sleep 0.05
    done
  done
}

# Only what start made is removed; D itself only when nothing else is in it.
forget() {
  rm -rf "$dir"/node-* "$dir/address" "$dir/sasl-address" "$dir/tls-address" "$dir/tls" \
    "$dir/proxied-address"
  rm -f "$dir/.lock"
  rmdir "$dir" 2>/dev/null || true
}

start() {
  fetch
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  exec 9>"$dir/.lock"
  flock 9
  if running && [ -e "$dir/address" ]; then
    cat "$dir/address"
    return
  fi
  local attempt n id
  [ -n "$tls" ] && certificates
  for attempt in 1 2 3 4 5; do
    end_nodes
    rm -rf "$dir"/node-*
    taken="" voters=""
    plain=() control=() secured=() encrypted=() behind=()
    local bootstrap="" sasl_bootstrap="" tls_bootstrap=""
    for n in $(seq 1 "$nodes"); do
      free_port; plain[n]=$free_port_answer
      free_port; control[n]=$free_port_answer
      free_port; secured[n]=$free_port_answer
      free_port; encrypted[n]=$free_port_answer
      free_port; behind[n]=$free_port_answer
      voters="$voters${voters:+,}$n@127.0.0.1:${control[n]}"
      bootstrap="$bootstrap${bootstrap:+,}127.0.0.1:${plain[n]}"
      sasl_bootstrap="$sasl_bootstrap${sasl_bootstrap:+,}127.0.0.1:${secured[n]}"
      tls_bootstrap="$tls_bootstrap${tls_bootstrap:+,}127.0.0.1:${encrypted[n]}"
    done
    id=$(cluster_id)
    for n in $(seq 1 "$nodes"); do
      configure "$n"
      JOINSCOPE_JIT=1 java_class error 128m kafka.tools.StorageTool format \
        --cluster-id "$id" --config "$dir/node-$n/server.properties" \
        >"$dir/node-$n/format" 2>&1 ||
        fail "StorageTool could not format: $(cat "$dir/node-$n/format")"
      launch "$n"
    done
    if ready; then
      watch
      echo "$bootstrap" >"$dir/address"
      [ -n "$sasl" ] && echo "$sasl_bootstrap" >"$dir/sasl-address"
      [ -n "$tls" ] && echo "$tls_bootstrap" >"$dir/tls-address"
      [ -n "$proxied" ] && echo "127.0.0.1:${behind[1]}" >"$dir/proxied-address"
      echo "$bootstrap"
      return
    fi
    say "attempt $attempt: a node did not start; its last lines:"
    tail -n 5 "$dir"/node-*/log >&2 || true
  done
  end_nodes
  fail "Kafka did not start in five attempts; the logs are $dir/node-*/log"
}

# Kafka's tools by their short names.
tool() {
  fetch
  local name=$1
  shift
  case $name in
    *.*) ;;
    ConsoleConsumer) name=org.apache.kafka.tools.consumer.ConsoleConsumer ;;
    ConsumerGroupCommand) name=org.apache.kafka.tools.consumer.group.ConsumerGroupCommand ;;
    ConfigCommand) name=kafka.admin.ConfigCommand ;;
    StorageTool) name=kafka.tools.StorageTool ;;
    *) name=org.apache.kafka.tools.$name ;;
  esac
  # A tool runs for a second: the quick compiler alone.
  JOINSCOPE_JIT=${JOINSCOPE_JIT:-1} java_class error 256m "$name" "$@"
}

verb=${1:-help}
shift || true
if [ "$verb" = tool ]; then
  [ $# -gt 0 ] || fail "tool: name one, e.g. TopicCommand"
  tool "$@"
  exit
fi

dir=${JOINSCOPE_KAFKA_DIR:-${TMPDIR:-/tmp}/joinscope-kafka-$(id -u)}
nodes=1 sasl="" tls="" proxied="" victim="" with=""
while [ $# -gt 0 ]; do
  case $1 in
    --nodes) nodes=$2; shift 2 ;;
    --dir) dir=$2; shift 2 ;;
    --sasl) sasl=yes; shift ;;
    --tls) tls=yes; shift ;;
    --proxied) proxied=$2; shift 2 ;;
    --with) with=$2; shift 2 ;;
    --node) victim=$2; shift 2 ;;
    *) fail "unknown argument $1" ;;
  esac
done
case $nodes in 1 | 2 | 3) ;; *) fail "--nodes takes 1, 2 or 3" ;; esac
[ -z "$proxied" ] || [ "$nodes" = 1 ] || fail "--proxied is for one node: another has no port to be advertised at"

case $verb in
  start) start ;;
  stop)
    [ -d "$dir" ] || exit 0
    dir=$(cd "$dir" && pwd)
    end_nodes
    forget
    ;;
  address)
    [ -d "$dir" ] && dir=$(cd "$dir" && pwd)
    running || fail "no cluster runs in $dir: kafka.sh start --dir $dir"
    kind=${sasl:+sasl-}${tls:+tls-}${proxied:+proxied-}
    [ -e "$dir/${kind}address" ] || fail "the cluster in $dir has no such listener: start another with it, in another --dir"
    cat "$dir/${kind}address"
    ;;
  kill)
    dir=$(cd "$dir" && pwd)
    pid=$(node_pid "$dir/node-$victim") || fail "node $victim does not run in $dir"
    kill -KILL "$pid"
    ;;
  stall | wake)
    dir=$(cd "$dir" && pwd)
    pid=$(node_pid "$dir/node-$victim") || fail "node $victim does not run in $dir"
    if [ "$verb" = stall ]; then kill -STOP "$pid"; else kill -CONT "$pid"; fi
    ;;
  revive)
    dir=$(cd "$dir" && pwd)
    node=$dir/node-$victim
    node_pid "$node" >/dev/null && fail "node $victim runs in $dir"
    port=$(sed -n 's/^listeners=PLAINTEXT:..127.0.0.1:\([0-9]*\).*/\1/p' "$node/server.properties")
    launch "$victim"
    deadline=$((SECONDS + 60))
    until listens "$port" && grep -q 'Kafka Server started' "$node/log"; do
      [ $SECONDS -lt $deadline ] || fail "node $victim did not start again: $node/log"
      sleep 0.1
    done
    ;;
  fetch) fetch ;;
  *) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; [ "$verb" = help ] || exit 2 ;;
esac
