# What a person does with this project; `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help setup browser demo ui test test-unit test-slow test-long test-pages test-builds check format lock lock-env envs-digest clean
PYTEST := .venv/bin/python -m pytest
# Two files at a time: most of them wait for a process to start. A file's tests stay together, and share its fixtures.
SIDE_BY_SIDE := -n 2 --dist loadfile

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## environment from the lock, Java, Delta's jars, .env
	@scripts/setup.sh

browser: ## Chromium and its driver for `test-pages`, by apt-get where that is possible
	@scripts/install_browser.sh

demo: setup ## sample feed, three data versions, the chain for each
	@.venv/bin/repro demo

ui: setup ## Dagster's and MLflow's pages on loopback
	@.venv/bin/repro ui

test: setup ## unit, Dagster definitions, Spark, one end-to-end on real files (REPRO_REAL_DATA)
	$(PYTEST) $(SIDE_BY_SIDE) -m "not slow and not long and not pages and not builds"

test-unit: setup ## unit tests alone: no JVM, seconds
	$(PYTEST) $(SIDE_BY_SIDE) -m "not slow and not long and not pages and not builds" repro_assets_tests/unit

test-slow: setup ## faults, reproductions, two installations, your own tables
	$(PYTEST) $(SIDE_BY_SIDE) -m slow

test-long: setup ## replaced components, retention, clusters, secrets, kinds of Delta tables, crashes, fuzz with many examples; minutes each
	$(PYTEST) $(SIDE_BY_SIDE) -m long

test-pages: setup browser ## both pages, one in a browser, backfills that are interrupted; minutes each
	$(PYTEST) -m pages

test-builds: setup ## makes both environments, 3 GB, and reproduces across them
	$(PYTEST) -m builds

check: setup ## lint, format, types, layering
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: setup ## rewrite the sources as `check` wants them
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

lock: setup ## resolve pyproject.toml into envs/dev.lock (web, tests) around envs/conda/ml-v1.lock (what computes)
	scripts/lock.sh

lock-env: setup ## a new environment: NAME=ml-v3 [SET='PACKAGE==VERSION …'], resolved and registered
	@test -n "$(NAME)" || { echo "make lock-env NAME=ml-v3 [SET='PACKAGE==VERSION …']" >&2; exit 2; }
	scripts/lock.sh $(NAME) $(SET)
	.venv/bin/python -m scripts.envs_digest

envs-digest: setup ## add new files of envs/ to envs/digests.lock; an edited old one is refused
	.venv/bin/python -m scripts.envs_digest

clean: ## end clusters that are up, remove state and environment
	-@test ! -x .venv/bin/repro || .venv/bin/repro cluster down --all
	rm -rf var .venv .tools .env
