# Everything runs in .venv, which is made from any Python >= 3.11.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
# One BLAS thread a process: the matrices are small, and there is a process for each core.
ONE_THREAD = OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: help setup reproduce test test-long lint types wheel oldest accuracy overhead spectra avalanche nhtebd first-use threads gpu oracle memory noise trotter steps estimates points growth blind faint levels open clean fuzz torture history baseline lock hooks

help:
	@echo "make reproduce  draw the papers' figures at quick size into out/"
	@echo "make test       run the test suite"
	@echo "make test-long  run the tests that take too long for it (two minutes)"
	@echo "make fuzz       compare random cases with a dense reference (SEED=1 CASES=2000; ten minutes)"
	@echo "make torture    kill workers and main processes, damage and share stores at random, and count what is lost (SEED=1 ROUNDS=500; an hour)"
	@echo "make lint       check format and style"
	@echo "make types      check types, and that a planted error is found"
	@echo "make wheel      build the wheel and use it from outside of the checkout"
	@echo "make docs       build the documentation site into build/docs"
	@echo "make docs-test  build it and look at it in a browser (needs Chromium)"
	@echo "make oldest     run the tests with the oldest allowed versions of all dependencies"
	@echo "make lock       renew requirements.lock, the versions of everything that setup installs"
	@echo "make hooks      run format, style and types before each commit and push"
	@echo "make history    compare the CPU time of the hot paths with the stored one (three minutes)"
	@echo "make baseline   store it anew"
	@echo "make accuracy   compare the truncation of NHTEBD with other libraries"
	@echo "make nhtebd     time NHTEBD next to TeNPy and quimb at the same truncation error (twenty minutes)"
	@echo "make first-use  time the first NHTEBD on a machine, while nothing is compiled yet (half a minute)"
	@echo "make threads    time NHTEBD with one thread and with two (five minutes; on idle cores)"
	@echo "make gpu        time NHTEBD on a GPU next to one core (five minutes; needs pip install mpsnh[cuda])"
	@echo "make oracle     compare NHTEBD at N = 560 with free fermions (ten minutes)"
	@echo "make spectra    time exact spectra next to LAPACK and ARPACK, and check their certificates (an hour)"
	@echo "make noise      compare NHTEBD's estimate of its error with the error, over 420 random runs (forty minutes)"
	@echo "make levels     find levels of chains and rings next to closed forms and exact spectra (an hour)"
	@echo "make faint      count amplitudes that NHTEBD misses as gain makes them large later (ten minutes)"
	@echo "make trotter    compare its estimate of the error of time steps with the error, over 200 runs (ten minutes)"
	@echo "make steps      time steps that NHTEBD chooses next to fixed ones, with the error of each (ten minutes)"
	@echo "make estimates  what NHTEBD's estimates of its errors cost (five minutes)"
	@echo "make points     what a point of an ensemble of small rings costs next to LAPACK (a minute)"
	@echo "make blind      how often the analysis of the first paper finds what was planted in synthetic data (twenty minutes)"
	@echo "make growth     exponents of time and memory of each algorithm (ten minutes)"
	@echo "make open       trajectories next to the master equation and QuTiP (five minutes; pip install qutip to compare)"
	@echo "make avalanche  time a realisation of the avalanche model next to the plain route (three minutes)"
	@echo "make memory     measure the memory of a chain of 560 sites with bond dimension 768 (some minutes, 8 GB)"
	@echo "make overhead   measure what a sweep costs besides its simulations"

setup: $(STAMP)

# The versions of requirements.lock, so that a new one of any package is tried on purpose: by `make lock`.
VERSIONS = $(VENV)/versions.txt
$(STAMP): setup.cfg pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "mpsnh needs Python >= 3.11; set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	grep == requirements.lock | tr -d '\\' > $(VERSIONS)
	$(BIN)/python -m pip install --quiet --constraint $(VERSIONS) --editable '.[dev]'
	touch $@

reproduce: $(STAMP)
	$(ONE_THREAD) $(BIN)/mpsnh reproduce brighi2025 --scale quick --out out/brighi2025
	$(ONE_THREAD) $(BIN)/mpsnh reproduce ha2023 --scale quick --out out/ha2023

test: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m pytest --numprocesses auto --dist worksteal --durations 10 -m "not long"

test-long: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m pytest --numprocesses auto --dist worksteal --durations 10 -m long

# Another seed makes other cases; FIRST is the number of the first one, to see one again.
SEED ?= 1
CASES ?= 2000
FIRST ?= 0
fuzz: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m tests.fuzz --seed $(SEED) --cases $(CASES) --first $(FIRST)

ROUNDS ?= 500
torture: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m tests.torture --seed $(SEED) --rounds $(ROUNDS)

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/zizmor --offline --quiet .github

# Type checkers see the mapped packages only in an installed wheel.
types: $(STAMP)
	sh tests/project/check_types.sh $(BIN)/python

wheel: $(STAMP)
	sh tests/project/check_wheel.sh $(BIN)/python

.PHONY: docs docs-test
# What the site needs is installed when it is built; it asks the network for the inventories of other sites, and does without.
DOCS_STAMP = $(VENV)/.installed-docs
$(DOCS_STAMP): $(STAMP) setup.cfg
	$(BIN)/python -m pip install --quiet --constraint $(VERSIONS) --editable '.[docs]'
	touch $@

docs: $(DOCS_STAMP)
	$(ONE_THREAD) $(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --doctree-dir build/doctrees docs build/docs
	@echo "build/docs/index.html"

docs-test: docs
	$(BIN)/python -m pytest tests/project/check_site.py tests/project/check_browser.py

oldest:
	sh tests/project/check_oldest.sh $(PYTHON)

lock: $(STAMP)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--extra dev --extra docs --extra bench --no-emit-package mpsnh --output-file requirements.lock setup.cfg

hooks: $(STAMP)
	$(BIN)/pre-commit install --hook-type pre-commit --hook-type pre-push

# The plugin is named, so that pytest knows it only here.
HISTORY = $(ONE_THREAD) $(BIN)/python -m pytest benchmarks/history.py --timeout 600 -p pytest_benchmark.plugin \
	--benchmark-timer=time.process_time --benchmark-columns=min,median,rounds --benchmark-sort=name
BASELINE = benchmarks/history.json

history: $(STAMP)
	$(BIN)/python -m pip install --quiet 'pytest-benchmark>=5.1'
	$(HISTORY) --benchmark-compare=$(BASELINE) --benchmark-compare-fail=min:50%

baseline: $(STAMP)
	$(BIN)/python -m pip install --quiet 'pytest-benchmark>=5.1'
	$(HISTORY) --benchmark-json=$(BASELINE)

accuracy: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.nhtebd_accuracy

nhtebd: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.nhtebd

first-use: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.first_use

threads: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.threads

gpu: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.gpu

oracle: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.free_fermions

overhead: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.sweep

spectra: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.spectra

noise: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.noise --figure docs/figures/nhtebd-noise.png

levels: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.levels

faint: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.faint

trotter: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.trotter

steps: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.steps

estimates: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.estimates

points: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.points

open: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.open
	$(ONE_THREAD) $(BIN)/python -m benchmarks.open_density

blind: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.blind

growth: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.growth

avalanche: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.avalanche

memory: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.memory

clean:
	rm -rf .venv build dist out docs/api docs/examples *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
