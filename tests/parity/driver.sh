#!/usr/bin/env bash
# A released join as a filter: traces of the protocol on stdin, what comes out
# of the released classes on stdout. Built on first use, outside the checkout.
#
#   driver.sh flink [--heap | --fresh]
#                                  Flink's interval joins (SQL and DataStream), on
#                                  RocksDB, which is emptied between traces unless
#                                  --fresh
#   driver.sh kafka-streams        Kafka Streams' joins
#   driver.sh application --brokers B --left T --right T --kind K --before MS
#                         --after MS --grace MS --time FIELD --expect N
#                         --out FILE --dir STATE [--log yes] [--store S]
#                         [--task-idle MS] [--emit-interval MS]
#                                  a whole Kafka Streams application on a real
#                                  cluster; it ends when N records are taken, or
#                                  with its stdin
#   driver.sh build                only builds
#
# Needs java and javac (17 or newer) and mvn; the network only the first time.
# JOINSCOPE_JIT=4 compiles hot code better: for a run of many thousand traces.
# JOINSCOPE_HEAP (512m) is the largest heap.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${JOINSCOPE_CACHE:-$HOME/.cache/joinscope}/parity

say() { echo "driver.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

# One folder for each state of the sources, and one for each state of the poms'
# jars: checkouts that differ do not disturb one another.
hash_of() { (cd "$here" && cat "$@" | sha256sum | cut -c 1-16); }

mapfile -t poms < <(cd "$here" && find . -name pom.xml | LC_ALL=C sort)
mapfile -t sources < <(cd "$here" && find . -name '*.java' | LC_ALL=C sort)
libs=$cache/libs-$(hash_of "${poms[@]}")
built=$cache/build-$(hash_of "${poms[@]}" "${sources[@]}")

maven() { mvn -q -B -Dstyle.color=never -f "$here/pom.xml" "$@" >&2; }

# Built beside and then renamed: what is cut off leaves nothing that looks whole.
build() {
  [ -e "$built/.complete" ] && [ -e "$libs/.complete" ] && return
  command -v javac >/dev/null || fail "javac is missing: install JDK 17 (openjdk-17-jdk-headless; make test does)"
  command -v mvn >/dev/null || fail "mvn is missing: install Maven (maven; make test does)"
  mkdir -p "$cache"
  (
    flock 9
    if [ ! -e "$libs/.complete" ]; then
      say "fetching the jars of Flink and Kafka Streams from Maven Central into $libs"
      rm -rf "$libs" "$libs.part" "$built"
      maven -Dparity.build="$built.part" -Dparity.libs="$libs.part" compile dependency:copy-dependencies ||
        fail "Maven could not build the drivers: see its message above; is Maven Central reachable?"
      touch "$libs.part/.complete"
      mv "$libs.part" "$libs"
    elif [ ! -e "$built/.complete" ]; then
      rm -rf "$built.part"
      maven -o -Dparity.build="$built.part" compile || maven -Dparity.build="$built.part" compile ||
        fail "Maven could not build the drivers: see its message above"
    fi
    if [ ! -e "$built/.complete" ]; then
      touch "$built.part/.complete"
      mv "$built.part" "$built"
    fi
  ) 9>"$cache/.lock"
}

verb=${1:-help}
shift || true
case $verb in
  build) build ;;
  flink | kafka-streams | application)
    build
    part=$verb jit=1
    case $verb in
      flink) main=joinscope.parity.flink.Main ;;
      kafka-streams) main=joinscope.parity.kafka.Main ;;
      application) main=joinscope.parity.kafka.Application part=kafka-streams jit=4 ;;
    esac
    exec java -Xmx"${JOINSCOPE_HEAP:-512m}" -XX:+UseSerialGC -Xshare:auto -XX:TieredStopAtLevel="${JOINSCOPE_JIT:-$jit}" \
      -cp "$built/$part/classes:$built/protocol/classes:$libs/$part/*" "$main" "$@"
    ;;
  *) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; [ "$verb" = help ] || exit 2 ;;
esac
