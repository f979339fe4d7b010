# Everything runs from an environment made here from the lock files; only Python 3.11 or later and make are needed.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: .venv/run  ## run a whole campaign through all services, with a pause half-way, and explain it
	@$(BIN)/whatlead demo

up: .venv/run  ## start everything and leave it running until Ctrl-C
	@$(BIN)/whatlead up

test: .venv/dev  ## run all tests
	@$(BIN)/pytest tests -n 2 --dist loadgroup

check: .venv/dev  ## lint, types, architecture, contracts, generated code, deployment files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python tests/check_contracts.py
	@$(BIN)/python tests/check_deploy.py
	@$(BIN)/python tests/check_docs.py

protos: .venv/dev  ## generate libs/whatlead from protos/
	@$(BIN)/buf format -w --path protos/whatlead
	@$(BIN)/python tests/check_contracts.py --write

bench: .venv/dev  ## measure: beside other queues, with work waiting, a log of a million events, its sealing; into build/*.json
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench --only waiting --runs 1
	@$(BIN)/python -m tests.bench.volume 1
	@$(BIN)/python -m tests.bench.sealing

faults: .venv/dev  ## pause 500 times under faults, try every mutant, and report in docs/kill-switch.md
	@GRPC_ENABLE_FORK_SUPPORT=0 $(BIN)/python -m tests.faults

sim: .venv/dev  ## simulate the kill switch among faults, 500 seeds and all mutants, into build/sim.json (some 15 minutes)
	@$(BIN)/python -m tests.simulation

interop: .venv/run  ## drive the system from node and grpcurl, look at a page in a browser (needs node, npm and go)
	@tests/interop/run $(BIN)

fmt: .venv/dev  ## format the code and write docs/settings.md
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .
	@$(BIN)/python tests/check_docs.py --write

clean:  ## remove the environment and what was built
	rm -rf .venv build .whatlead .mypy_cache .ruff_cache .pytest_cache

.venv/run: requirements.lock pyproject.toml
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: .venv/run requirements-dev.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

.PHONY: help demo up test check protos bench faults sim interop fmt clean
