# The two commands for a newcomer are `make demo` and `make test`; the rest serves who works here.
PYTHON ?= python3
PY := .venv/bin/python
export PORT ?= 8000
# Tests start dozens of processes, which would each compile everything anew if nothing were kept.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: venv format

# Rebuilt only when the lock changed. uv installs in seconds where pip takes a minute, and both check
# every hash; uv itself comes from the same lock.
venv: .venv/installed.stamp
.venv/installed.stamp: requirements-dev.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=python3.x")'
	test -x $(PY) || $(PYTHON) -m venv .venv
	sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.txt > .venv/uv-lock.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv-lock.txt
	$(PY) -m uv pip sync --quiet --python $(PY) --require-hashes requirements-dev.txt \
		|| $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	touch $@

# Compiled message catalogues, made anew when a translation changed.
.PHONY: catalogues
catalogues: venv
	@$(PY) -m hpcbilling.catalogues --compile

format: venv
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

.PHONY: test coverage test-slow services

TESTS = .venv/bin/pytest -n auto --dist worksteal --durations=15 -m "not slow and not slurm"
test: venv catalogues
	$(TESTS)

# The same tests, half as long again: fails when too little of the code is covered. CI has no time for it.
coverage: venv catalogues
	@mkdir -p test-artifacts
	$(TESTS) --cov --cov-report= --cov-report=json:test-artifacts/coverage.json
	@$(PY) -m tests.coverage_floors test-artifacts/coverage.json

# Only the tests that kill workers with -9 and run two beats; `make test-slow` has them too.
.PHONY: test-crash
test-crash: venv
	.venv/bin/pytest -n0 tests/scenarios/test_crashes.py tests/scenarios/test_two_beats.py

# What takes long: most pages in a real browser, workers killed at twenty places, backup and restore,
# the demo from nothing, every page in Thai. CI has no time for it: run it before a release.
test-slow: venv catalogues
	.venv/bin/pytest -n auto --dist worksteal -m slow

# Of the slow tests, those that look at pages in a real browser: three minutes. A module's tests
# share its web server, so they stay on one worker.
.PHONY: test-pages
test-pages: venv catalogues
	.venv/bin/pytest -n auto --dist loadfile -m slow tests/browser

# All properties with ten times the examples of `make test`.
.PHONY: test-properties
test-properties: venv catalogues
	HYPOTHESIS_PROFILE=deep .venv/bin/pytest -n auto --dist worksteal -m "hypothesis and not slow and not slurm"

# Against a real Slurm, which is installed (Debian, as root) and started on loopback: three minutes.
.PHONY: test-slurm
test-slurm: venv catalogues
	.venv/bin/pytest -n0 -m slurm tests/slurm

# Just the two servers of the demo; Ctrl-C stops them, their data stays.
services: venv catalogues
	$(PY) -m hpcbilling.embedded --keep

.PHONY: lint

# `check --deploy` runs with what a production site would set; the values are made up here.
DEPLOY_CHECK = ENVIRONMENT=production ALLOWED_HOSTS=billing.example \
	SITE_BASE_URL=https://billing.example \
	SECRET_KEY=$(shell head -c 60 /dev/urandom | base64 | tr -dc A-Za-z0-9)
lint: venv catalogues
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PY) -m hpcbilling.catalogues --check
	$(PY) -m hpcbilling.embedded sh -c '\
		LOG_LEVEL=WARNING $(PY) manage.py migrate --verbosity 0 && \
		$(PY) manage.py makemigrations --check --dry-run && \
		$(PY) manage.py spectacular --validate --fail-on-warn --file /dev/null && \
		$(DEPLOY_CHECK) $(PY) manage.py check --deploy --fail-level WARNING'

.PHONY: demo demo-reset

demo: venv catalogues
	@$(PY) -m hpcbilling.embedded.demo

demo-reset: venv
	$(PY) -m hpcbilling.embedded --reset

.PHONY: drill

# Dump, drop, restore and verify on throw-away services; BACKUP=FILE rehearses with a backup of yours.
drill: venv catalogues
	@$(PY) -m hpcbilling.embedded.drill $(BACKUP) $(if $(EXPECT),--expect $(EXPECT))

.PHONY: bench bench-memory

# The main job's speed on this machine, stage by stage, and as ratios: `make bench JOBS=1000000`.
bench: venv
	@LOG_LEVEL=WARNING $(PY) -m hpcbilling.embedded sh -c '\
		$(PY) manage.py migrate --verbosity 0 && \
		$(PY) manage.py shell --no-imports --command "from tests import bench; bench.main()"'

.PHONY: bench-run

# A monthly run against the bare SQL that inserts its rows: `make bench-run ADDRESSEES=100 CHARGES=100000`.
bench-run: venv
	@LOG_LEVEL=WARNING $(PY) -m hpcbilling.embedded sh -c '\
		$(PY) manage.py migrate --verbosity 0 && \
		$(PY) manage.py shell --no-imports --command "from tests import bench_run; bench_run.main()"'

# The most memory that an import of 5,000,000 jobs holds, and one of 100,000.
bench-memory: venv
	@LOG_LEVEL=WARNING $(PY) -m hpcbilling.embedded sh -c '\
		$(PY) manage.py migrate --verbosity 0 && \
		$(PY) manage.py shell --no-imports --command "from tests import bench; bench.compare_memory()"'

.PHONY: bench-sacct

# Import against the real sacct, over the same jobs in a real slurmdbd: `make bench-sacct JOBS=200000`.
bench-sacct: venv
	@LOG_LEVEL=WARNING $(PY) -m hpcbilling.embedded sh -c '\
		$(PY) manage.py migrate --verbosity 0 && \
		$(PY) manage.py shell --no-imports --command "from tests.slurm import bench; bench.main()"'
