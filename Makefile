# Every target explains itself: `make help`. What they set up is in .ci/bootstrap.py.

PYTHON ?= python3
PORT ?= 8000
WITHOUT ?=
# For `make matrix`: one pair, as in ONLY="3.13 6.1".
ONLY ?=
# Tests that run side by side. Most of those of whole sites wait most of the time, so there are more
# of them than cores. tests/plan.py says which ones take turns.
WORKERS ?= 4

# Another project's settings or packages must not leak in from the caller's shell.
unexport DJANGO_SETTINGS_MODULE PYTHONPATH PYTHONHOME VIRTUAL_ENV
# Containers like to set it. Then each process that the tests start compiles realtime anew, which is
# a third of what it takes to start one.
unexport PYTHONDONTWRITEBYTECODE

# Relative, because make splits a path with spaces. Node may be in there too, see .ci/bootstrap.py.
RUN := .venv/bin/python
WITH_NODE := PATH="$(CURDIR)/.venv/bin:$$PATH"

space := $(subst ,, )
LEFT_OUT := $(strip $(WITHOUT))
MARKERS := $(if $(LEFT_OUT),-m "not $(subst $(space), and not ,$(LEFT_OUT))")

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## List these targets (the default)
	@echo 'make TARGET [PYTHON=python3.13] [PORT=8001] [WITHOUT="redis nginx postgres gettext browser node"]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: ## Set up .venv, the Node packages and the stock client for everything below
	@"$(PYTHON)" .ci/bootstrap.py test

.PHONY: demo
demo: ## Serve the chat demo at 127.0.0.1:PORT, with accounts to log in with; needs no Redis
	@"$(PYTHON)" .ci/port.py "$(PORT)"
	@"$(PYTHON)" .ci/bootstrap.py demo
	@$(RUN) manage.py migrate --verbosity 0
	@$(RUN) manage.py chat_demo
	@$(RUN) .ci/announce.py "$(PORT)" 'The chat: http://127.0.0.1:$(PORT)/ (stop it with Ctrl+C)' & \
		exec $(RUN) manage.py runserver "127.0.0.1:$(PORT)"

.PHONY: test
test: setup system lint types ## Lint, check types and run all tests; WITHOUT="redis browser" leaves some out
	@$(RUN) -m pytest -n $(WORKERS) $(MARKERS)
	@test -z '$(LEFT_OUT)' || echo 'Left out because WITHOUT says so: $(LEFT_OUT)'

# Not for people: redis-server, nginx, PostgreSQL, Chromium, and for the matrix HAProxy and Caddy: installed where that
# can be done without asking.
.PHONY: system
system: setup
	@$(RUN) .ci/system.py $(FULL) "$(LEFT_OUT)"

.PHONY: unit
unit: setup ## Run the fast tests: no servers, no Redis, no proxies, no browser, no Node
	@$(RUN) -m pytest -m 'not redis and not nginx and not postgres and not gettext and not browser and not node' \
		--ignore=tests/browser --ignore=tests/conformance --ignore=tests/live

.PHONY: lint
lint: setup ## Check style and formatting with ruff, and the syntax of the JavaScript
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@find chat tests realtime/static/realtime/admin realtime/static/realtime/page -name node_modules -prune -o -name '*.*js' -print | \
		$(WITH_NODE) xargs -I '{}' node --check '{}'

.PHONY: types
types: setup ## Check types with mypy
	@$(RUN) -m mypy

.PHONY: format
format: setup ## Format the Python code and fix what ruff can fix
	@$(RUN) -m ruff check --fix-only .
	@$(RUN) -m ruff format .

.PHONY: coverage
coverage: setup system ## Run all tests and show the lines that none of them ran
	@$(RUN) -m coverage erase
	@$(RUN) -m coverage run -m pytest -q -n $(WORKERS) $(MARKERS)
	@$(RUN) -m coverage combine -q
	@$(RUN) -m coverage report

.PHONY: matrix
matrix: FULL := --full
matrix: setup system ## Run all tests on each installed Python with each Django; ONLY="3.13 6.1" runs one pair
	@$(WITH_NODE) $(RUN) .ci/matrix.py $(if $(ONLY),--only "$(ONLY)") --full -n $(WORKERS) $(MARKERS)

.PHONY: bench
bench: setup system ## Measure realtime beside comparable servers; writes docs/benchmarks
	@$(WITH_NODE) $(RUN) -m tests.bench

.PHONY: bench-cluster
bench-cluster: setup system ## Measure clusters of 1 to 8 processes; writes docs/benchmarks/cluster
	@$(RUN) -m tests.bench.cluster
	@$(RUN) -m tests.bench.cluster.model --write

# As SOAK_SECONDS=60 in the environment or after make: SEED, CLIENTS, ROOMS, RATE, WINDOW, STORE=memory, LAYER=pubsub.
SOAK := SECONDS SEED CLIENTS ROOMS RATE WINDOW STORE LAYER
.PHONY: soak
soak: setup system ## Break connections and processes for SOAK_SECONDS (600) from SOAK_SEED; check what clients miss
	@$(WITH_NODE) $(foreach name,$(SOAK),$(if $(SOAK_$(name)),SOAK_$(name)='$(SOAK_$(name))')) $(RUN) -m tests.soak

FUZZ_SECONDS ?= 60
.PHONY: fuzz
fuzz: setup ## Fuzz the decoders with atheris, FUZZ_SECONDS (60) for each of the five
	@$(RUN) -m pip install --quiet --disable-pip-version-check "atheris>=3"
	@for target in json orjson msgpack body frames; do \
		$(RUN) -m tests.fuzz.decoders $$target $(FUZZ_SECONDS) || exit 1; \
	done

.PHONY: compose
compose: setup ## Run docs/deploy/compose.yaml in Docker with clients, including an update of the site
	@$(RUN) -m tests.live.in_docker

.PHONY: stand-ins
stand-ins: setup ## Build the images that `make compose` needs from Debian's packages, where no registry can be reached
	@$(RUN) -m tests.live.stand_ins.images

.PHONY: machine
machine: setup ## Follow docs/deploy.md on a new Debian machine in systemd-nspawn, with clients; for root
	@$(RUN) -m tests.live.in_machine

# The installed schemas are of what it checks: no others are fetched.
.PHONY: schemas
schemas: setup ## Check compose.yaml, the Kubernetes manifest and GitHub's files against their schemas
	@$(RUN) -m pip install --quiet --disable-pip-version-check -e ".[schemas]"
	@$(RUN) .ci/schemas.py

# In the folder that they are for; the script, because `python -m django` would find our json.py there.
.PHONY: messages
messages: setup ## Collect the admin's texts into realtime/locale and compile the catalogues; needs gettext
	@cd realtime && ../.venv/bin/django-admin makemessages --verbosity 0 --all --no-location --no-wrap
	@cd realtime && ../.venv/bin/django-admin compilemessages --verbosity 0

.PHONY: wheel
wheel: setup ## Build the wheel and the sdist into dist/ and check their contents
	@$(RUN) .ci/wheel.py dist

# Warnings are errors. A link to a heading that is not there is a warning, and so is a page that no
# list of docs/index.md has.
SPHINX := $(RUN) -m sphinx --fail-on-warning --keep-going --quiet

.PHONY: docs
docs: setup ## Build the documentation site into build/docs, with warnings as errors
	@$(SPHINX) docs build/docs
	@echo 'The documentation: build/docs/index.html'

.PHONY: docs-links
docs-links: setup ## Check the documentation's links to other sites; needs the internet
	@$(SPHINX) -b linkcheck docs build/docs-links

.PHONY: screenshots
screenshots: setup system ## Take the screenshots in docs/images again
	@SCREENSHOTS=docs/images $(RUN) -m pytest tests/browser/test_screenshots.py

.PHONY: clean
clean: ## Delete everything that these targets created, except the demo's database
	rm -rf .venv .venvs node_modules tests/bench/node_modules tests/frontend/node_modules dist build htmlcov .coverage .coverage.* .hypothesis
	rm -rf .fuzz .mypy_cache .pytest_cache .ruff_cache .setup.lock
	rm -f realtime/static/realtime/*.js realtime/static/realtime/*.js.map \
		realtime/static/realtime/*.LICENSE.txt
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
