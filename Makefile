# make run         build, and open the window on the shipped sample
# make test        all but the long ones: unit, end-to-end (a real Kafka, the real window)
# make build       the program alone: target/debug/joinscope
# make kafka       a Kafka on this machine, and its address; make kafka-stop ends it
# make bench       how fast the engine is (joinscope bench --help has more)
# make bench-window  the window's figures, over the run that make bench leaves
# make parity      100,000 random traces of each released join against its own classes
# make torture     random faults on a simulated cluster, and on a real one
# make unsafe      the unsafe code: its calls under Valgrind, its pure part under Miri
# make lint        format and clippy; make deny: the dependencies' licences and advisories
# make pictures    the README's pictures; make reference-pictures: the window tests' own
# make clean       removes what was built

SHELL := /bin/bash
.DEFAULT_GOAL := help

# RocksDB and librdkafka are compiled once a machine: one profile, one folder.
export CARGO_TARGET_DIR ?= $(CURDIR)/target
BIN := $(CARGO_TARGET_DIR)/debug/joinscope
SAMPLE := sample-data/feed

.PHONY: help run build test parity torture lint deny kafka kafka-stop bench packages packages-test packages-kafka clean

help:
	@sed -n 's/^# make /make /p' Makefile

packages:
	@scripts/packages.sh run

# Renews what the window's tests compare its panels with; look at them before
# they are committed.
.PHONY: reference-pictures
reference-pictures: packages-test
	UPDATE_SNAPSHOTS=1 cargo test --workspace --bins -- window::tests_pictures

# The README's pictures, made by the program itself.
.PHONY: pictures
pictures: build
	@rm -rf $(CARGO_TARGET_DIR)/pictures && mkdir -p $(CARGO_TARGET_DIR)/pictures
	$(BIN) run $(SAMPLE)/feed.toml --recording $(SAMPLE)/feed.mcap --out $(CARGO_TARGET_DIR)/pictures/feed
	for theme in dark light; do \
	$(BIN) screenshot $(CARGO_TARGET_DIR)/pictures/feed --panel all --size 1600x1000 --theme $$theme \
	  --select 'engagements[2]@1401' -o assets/window-$$theme.png || exit 1; done

packages-test:
	@scripts/packages.sh test

packages-kafka:
	@scripts/packages.sh kafka

build: packages
	cargo build --workspace

run: build
	@scripts/run-sample.sh $(BIN) $(SAMPLE)

test: packages-test
	cargo build --workspace --all-targets
	scripts/test.sh

# 100,000 random traces of each released join and kind against the releases' own
# classes; then real Flink SQL jobs and a real Kafka Streams application over a
# real Kafka.
parity: packages-test
	JOINSCOPE_JIT=4 JOINSCOPE_PARITY_TRACES=$${JOINSCOPE_PARITY_TRACES:-100000} \
	cargo test --manifest-path core/operator/Cargo.toml --test parity -- --nocapture
	cargo test --workspace --test chain -- --include-ignored --nocapture --test-threads 1

# Random fault schedules on the simulated cluster and on a real broker, and what must
# hold after each; then SIGKILL at random points of jobs on a real broker.
torture: build
	$(BIN) torture --schedules $${JOINSCOPE_TORTURE:-10000}
	JOINSCOPE_SCHEDULES=$${JOINSCOPE_SCHEDULES:-200} cargo test --workspace --test kafka -- \
	  --include-ignored --nocapture the_simulated_log_is_as_a_real_broker \
	  exactly_once_through_random_crashes

# The project's `unsafe` under Valgrind, and under Miri where a nightly has it.
.PHONY: unsafe
unsafe:
	scripts/unsafe.sh

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

deny:
	scripts/deny.sh

kafka: packages-kafka
	@tests/kafka/kafka.sh start

kafka-stop:
	@tests/kafka/kafka.sh stop

bench: build
	$(BIN) bench

BENCH_RUN := $${TMPDIR:-/tmp}/joinscope-bench/run
.PHONY: bench-window
bench-window: build
	@test -d "$(BENCH_RUN)" || $(BIN) bench --brief --rounds 1
	$(BIN) bench window "$(BENCH_RUN)"

clean:
	cargo clean
