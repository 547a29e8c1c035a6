# Everything starts from a bare Python 3.11 or later with pip; name another one with `make test PYTHON=python3.12`.
PYTHON ?= python3

UV := .tools/bin/uv
BIN := .venv/bin
BENCH := .venv-bench
TORCH := .venv-torch
LOWEST := .venv-lowest

# An environment remembers where it lies, so its stamp is named after the folder: a copied or moved checkout is set up anew.
# A change of what is pinned only installs the difference.
HERE := $(shell pwd | cksum | cut -d ' ' -f 1)
READY := .venv/.ready-$(HERE)
BENCH_READY := $(BENCH)/.ready-$(HERE)
TORCH_READY := $(TORCH)/.ready-$(HERE)

.DELETE_ON_ERROR:
.PHONY: help setup demo test test-all test-torch package lowest soak faults fuzz mutate audit docs bench lock clean

help:
	@echo "make demo      train a small network to remember an angle, and write runs/demo/report.html"
	@echo "make test      format, lint, import layers, types, tests"
	@echo "make test-all  the same with the full crosses, of which make test runs a slice"
	@echo "make test-torch  the tests on functions and modules of PyTorch, in an environment that has it"
	@echo "make soak      kill commands at 500 random moments, go on with them, and compare how they end"
	@echo "make faults    let every write fail in turn, in every way, go on, and compare how that ends"
	@echo "make fuzz      damage files at random and read them, a minute for each reader"
	@echo "make mutate    change the meaning of 300 places, and see whether the nearest tests notice"
	@echo "make package   build wheel and source archive into dist/, install each into a clean environment, and try it"
	@echo "make lowest    a slice of the tests with the lowest versions that pyproject.toml allows"
	@echo "make audit     ask PyPI for known weaknesses of what is locked"
	@echo "make docs      build the documentation into site/"
	@echo "make bench     measure against PyTorch, side by side"
	@echo "make setup     only set up .venv, as every command above does by itself"
	@echo "make lock      resolve requirements.lock again after a change of pyproject.toml"
	@echo "make clean     remove what these commands made, environments included; runs/ stays"

setup: $(READY)

demo: setup
	$(BIN)/gnode demo --out runs/demo

test test-all: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist worksteal $(if $(filter test,$@),-m "not full")

test-torch: $(TORCH_READY)
	$(TORCH)/bin/pytest tests/analysis/test_pytorch.py tests/analysis/test_pytorch_maps.py \
	  tests/documentation/test_python.py tests/documentation/test_examples.py tests/models/test_pytorch_models.py tests/models/test_from_torch.py tests/truths/test_fixed_points.py -k "pytorch"

package: | $(UV)
	.ci/package.sh

# Of each package that pyproject.toml names the lowest version, of those that these need the newest.
lowest: | $(UV)
	$(UV) venv --quiet --clear --python "$$(command -v $(PYTHON))" $(LOWEST)
	$(UV) pip install --quiet --python $(LOWEST) --resolution lowest-direct --editable .
	$(UV) pip freeze --quiet --exclude-editable --python $(LOWEST) > $(LOWEST)/constraints.txt
	$(UV) pip install --quiet --python $(LOWEST) --constraints $(LOWEST)/constraints.txt \
	  pytest pytest-xdist pytest-timeout hypothesis beartype
	$(LOWEST)/bin/pytest -n 0 -m "not full and not slow" tests/files tests/series tests/nn tests/models/test_model.py \
	  tests/models/test_storage.py tests/training/test_loop.py tests/training/test_resume.py tests/sweeps/test_sweep.py \
	  tests/estimators/test_members.py tests/report/test_plot.py tests/truths/test_topology.py tests/test_cli_table.py

soak: setup
	$(BIN)/python -m tests.soak.kills

fuzz: setup
	$(BIN)/python -W ignore -m tests.soak.damage

faults: setup
	$(BIN)/python tests/soak/faults.py

mutate: setup
	$(BIN)/python tests/mutants/mutate.py

# A tool beside the package, as uv is.
audit: | $(UV)
	test -e .tools/audit || $(UV) pip install --quiet --target .tools/audit pip-audit
	PYTHONPATH=.tools/audit $(PYTHON) .ci/audit.py

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(BENCH_READY)
	$(BENCH)/bin/python -m benchmarks

# Keeps the versions that are locked and still fit; `make lock LOCK=--upgrade` moves to the newest.
lock: | $(UV)
	$(UV) pip compile pyproject.toml --group test --group docs --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --no-emit-index-url --custom-compile-command "make lock" --quiet $(LOCK) --output-file requirements.lock

clean:
	rm -rf .venv .venv-bench .venv-torch .venv-lowest .tools .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis site dist

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Must have Python 3.11 or later, instead got $$($(PYTHON) --version 2>&1). Name one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m pip install --quiet --upgrade --target .tools uv

$(READY): requirements.lock pyproject.toml | $(UV)
	test -e $@ || $(UV) venv --quiet --clear --python "$$(command -v $(PYTHON))" .venv
	$(UV) pip sync --quiet --compile-bytecode --python .venv requirements.lock
	$(UV) pip install --quiet --python .venv --no-deps --editable .
	@touch $@

# PyTorch is no dependency, but its functions may be analysed. The version is that of the benchmarks.
$(TORCH_READY): requirements.lock pyproject.toml benchmarks/requirements.txt | $(UV)
	test -e $@ || $(UV) venv --quiet --clear --seed --python "$$(command -v $(PYTHON))" $(TORCH)
	$(UV) pip install --quiet --compile-bytecode --python $(TORCH) --requirements requirements.lock
	$(UV) pip install --quiet --python $(TORCH) --no-deps --editable .
	$(TORCH)/bin/python -m pip install --quiet $(shell grep ^torch== benchmarks/requirements.txt)
	@touch $@

# PyTorch is a peer to measure against and no part of the package; pip, unlike uv, may be set up to prefer a build for CPUs.
$(BENCH_READY): requirements.lock pyproject.toml benchmarks/requirements.txt | $(UV)
	test -e $@ || $(UV) venv --quiet --clear --seed --python "$$(command -v $(PYTHON))" $(BENCH)
	$(UV) pip install --quiet --compile-bytecode --python $(BENCH) --requirements requirements.lock
	$(UV) pip install --quiet --python $(BENCH) --no-deps --editable .
	$(BENCH)/bin/python -m pip install --quiet --requirement benchmarks/requirements.txt
	$(BENCH)/bin/python -m pip install --quiet --no-deps dysts==0.96  # its equations alone; what it requires is old
	@touch $@
