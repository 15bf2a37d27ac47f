# Conduit's commands. `make` or `make help` lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= python3
# More arguments for the test runner, as in: make test ARGS="-p conduit-core"
ARGS ?=
# `make chaos MINUTES=5 SEED=7`: how long, and which schedule; without a seed another one each time.
MINUTES ?= 5
SEED ?=
# `make demo ONCE=1` checks that every record came, and ends.
ONCE ?=
# `make soak SEEDS=100000` runs so many seeds of the simulator, from START on or from anywhere; GO_ON=1 goes on after a failure.
SEEDS ?= 10000
START ?=
GO_ON ?=

# Where rustup puts cargo, for shells that have not read its setup yet.
export PATH := $(PATH):$(HOME)/.cargo/bin
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help init build run-api run-worker dev demo test test-unit test-integration test-coverage test-watch test-api test-browser third-party \
        soak chaos mutations bench bench-peers fmt lint deny check-deploy clean need-python need-rust \
        docker-up docker-up-full docker-build docker-down docker-logs docker-status docker-clean docker-check

help: ## Lists the commands
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

init: need-python need-rust ## Makes a .env from .env.example and fetches the servers for the tests and the demo
	@if [ -e .env ]; then echo ".env is there already"; else cp .env.example .env && echo "made .env from .env.example"; fi
	@$(PYTHON) scripts/tools.py all
	@$(PYTHON) scripts/wheels.py all

build: need-rust ## Builds everything, optimised
	cargo build --workspace --all-features --release

run-api: need-rust ## Runs the control plane, with the settings of .env
	$(PYTHON) scripts/with_env.py cargo run -p conduit-server --bin conduit-server -- api

run-worker: need-rust ## Runs the data plane, with the settings of .env
	$(PYTHON) scripts/with_env.py cargo run -p conduit-server --bin conduit-server -- worker

dev: need-rust ## Runs the server with nothing to set up: a MongoDB of its own (or MONGODB_URI), state in .conduit
	@if [ -z "$$MONGODB_URI" ]; then CONDUIT_MONGOD=$$($(PYTHON) scripts/tools.py mongod) && export CONDUIT_MONGOD || exit 1; fi; \
	  cargo run -p conduit-server --bin conduit-server -- dev

demo: need-python ## Shows it all at work, with nothing to set up; ONCE=1 checks and ends
	@$(PYTHON) scripts/demo.py $(if $(filter-out 0,$(ONCE)),--once)

test: need-python ## Runs all tests, with servers of their own; ARGS="..." goes to the test runner
	@$(PYTHON) scripts/test.py all $(ARGS)

test-unit: need-python ## Runs the libraries' own tests and the doc tests, without servers
	@$(PYTHON) scripts/test.py unit $(ARGS)

test-integration: need-python ## Runs the tests that need servers
	@$(PYTHON) scripts/test.py integration $(ARGS)

test-api: need-rust ## Compares the API with its own OpenAPI document, by Schemathesis; ARGS="--seed N" repeats a run
	@$(PYTHON) scripts/schemathesis.py $(ARGS)

test-browser: need-rust ## Tests the dashboard in Chromium; ARGS="a b" names scenarios
	@$(PYTHON) scripts/dashboard_e2e.py $(ARGS)

test-coverage: need-python ## Measures what the tests cover, with cargo-llvm-cov
	@$(PYTHON) scripts/test.py coverage $(ARGS)

test-watch: need-python ## Runs the unit tests after every change of the sources
	@$(PYTHON) scripts/watch.py $(PYTHON) scripts/test.py unit $(ARGS)

soak: need-rust ## Runs SEEDS=N further seeds of the simulator, from START=S or from anywhere
	@SEEDS=$(SEEDS) START=$(START) GO_ON=$(GO_ON) cargo run --release -p conduit-testkit --features simulator --example soak

third-party: need-rust ## Runs the conformance suites on a sink and a store of a crate outside the workspace
	@$(PYTHON) scripts/third_party.py $(ARGS)

chaos: need-python ## Kills, freezes and refuses at random for MINUTES (5); SEED repeats a schedule
	@$(PYTHON) scripts/chaos.py --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

mutations: need-rust ## Plants known bugs one at a time and checks that the tests find each; ARGS names some
	@$(PYTHON) scripts/mutations.py $(ARGS)

bench: need-python ## Measures each figure beside its limit; ARGS="a b" names some; docs/performance.md
	@$(PYTHON) scripts/bench.py $(ARGS)

bench-peers: need-python ## The same with mq-bridge and the Debezium engine in figure h, which are fetched
	@$(PYTHON) scripts/bench.py --peers $(ARGS)

fmt: need-rust ## Formats the sources
	cargo fmt --all

lint: need-rust ## Checks format, lints, documentation, and what the crates may depend on
	cargo fmt --all --check
	cargo clippy --workspace --all-features --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps
	@$(PYTHON) scripts/firewall.py
	@$(PYTHON) scripts/file_size.py
	@$(PYTHON) scripts/links.py
	@cd scripts && for script in counts dockerfile links mongo_wire with_env firewall third_party; do $(PYTHON) -m doctest $$script.py || exit 1; done

deny: need-rust ## Checks what the dependencies are licensed as and where they come from; ARGS=advisories: known faults of them
	@$(PYTHON) scripts/deny.py $(ARGS)

check-deploy: need-rust deny docker-check ## Checks what is shipped: alert rules, metrics, compose.yaml, Dockerfile, unit, licences
	@$(PYTHON) scripts/promtool.py
	@$(PYTHON) scripts/service.py

docker-up: need-python ## Starts MongoDB, Redis and Mongo Express in containers, on 127.0.0.1
	@$(PYTHON) scripts/docker.py up

docker-up-full: need-python ## Starts these, and the API (8080) and a worker from the image
	@$(PYTHON) scripts/docker.py up-full

docker-build: need-python ## Builds the image of the server and the command line
	@$(PYTHON) scripts/docker.py build

docker-down: need-python ## Stops the containers and keeps their data
	@$(PYTHON) scripts/docker.py down

docker-logs: need-python ## Follows the logs of the containers
	@$(PYTHON) scripts/docker.py logs

docker-status: need-python ## Shows the containers, and whether they are healthy
	@$(PYTHON) scripts/docker.py status

docker-clean: need-python ## Removes the containers, the image and all their data
	@$(PYTHON) scripts/docker.py clean

docker-check: need-rust ## Checks compose.yaml and the Dockerfile without a Docker engine; ARGS=--build runs its build
	@$(PYTHON) scripts/compose.py
	@$(PYTHON) scripts/docker_steps.py $(ARGS)

clean: need-python ## Removes all that was built, fetched and stored here: target, .tools, .conduit, .conduit-demo
	@if command -v cargo >/dev/null; then cargo clean; else rm -rf target; fi
	rm -rf .tools .conduit .conduit-demo scripts/__pycache__

need-python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "error: Python 3 ($(PYTHON)) was not found" >&2; \
	  echo "  On Debian or Ubuntu: sudo apt-get install -y python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 9))' || { \
	  echo "error: $(PYTHON) is older than 3.9; set another: make PYTHON=python3.12 ..." >&2; exit 1; }

need-rust: need-python
	@$(PYTHON) scripts/toolchain.py
