#!/usr/bin/env bash
# Installs the Debian packages that Joinscope needs, or names them where this
# user may not install.
#   scripts/packages.sh run     what building and running needs
#   scripts/packages.sh test    what the tests need besides
#   scripts/packages.sh kafka   what a Kafka needs, and nothing else
set -euo pipefail

# RocksDB and librdkafka are compiled from source (bindgen wants libclang;
# librdkafka includes curl's header); the rest is what winit and wgpu load.
run=(build-essential clang libclang-dev cmake pkg-config libssl-dev libcurl4-openssl-dev zlib1g-dev
  mesa-vulkan-drivers libegl1 libgl1 libgl1-mesa-dri libvulkan1
  libxkbcommon0 libxkbcommon-x11-0 libx11-6 libx11-xcb1 libxcursor1 libxi6 libxrandr2 libwayland-client0)
kafka=(openjdk-17-jdk-headless maven)
test=("${kafka[@]}" curl python3 python3-venv zstd
  xvfb openbox xdotool x11-utils)

case "${1:-}" in
  run) want=("${run[@]}") ;;
  test) want=("${run[@]}" "${test[@]}") ;;
  kafka) want=("${kafka[@]}") ;;
  *) echo "usage: $0 run|test|kafka" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "Not a Debian system: make sure that these, or what they are called here, are installed:" >&2
  echo "  ${want[*]}" >&2
  exit 0
fi

# A JDK or Maven that is there by other means is as good.
have() {
  case "$1" in
    openjdk-17-jdk-headless) command -v javac >/dev/null ;;
    maven) command -v mvn >/dev/null ;;
    *) [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
  esac
}
missing=()
for package in "${want[@]}"; do have "$package" || missing+=("$package"); done
[ ${#missing[@]} -eq 0 ] && exit 0

# A newer Debian has a newer JDK instead, which is as good; what apt has it knows
# only once it is up to date.
candidate() {
  [[ $(LC_ALL=C apt-cache policy "$1" 2>/dev/null) == *"Candidate: "[^\(]* ]]
}
named() {
  local package
  for package in "${missing[@]}"; do
    if [ "$package" = openjdk-17-jdk-headless ] && ! candidate "$package" &&
      candidate default-jdk-headless; then
      package=default-jdk-headless
    fi
    echo "$package"
  done
}

if [ "$(id -u)" -ne 0 ]; then
  mapfile -t missing < <(named)
  echo "These packages are missing:" >&2
  echo "  sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
mapfile -t missing < <(named)
echo "Installing ${missing[*]}" >&2
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
