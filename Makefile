# make demo          installs, trains the main experiment, prints where the figure is
# make test          installs, checks style and types, runs the tests
# make test-engines  the slow tests, half an hour: forty runs killed twenty times; a real Ray cluster and a real SLURM
#                    (root on Debian; installs both)
# make claims        the studies of configs/claim/, and the ledger of their verdicts
# make bench         the benchmarks, as ratios, into the README's table
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-engines claims bench check format clean

demo: $(READY)
	$(BIN)/python scripts/train.py -m experiment=model_wise hydra/launcher=local

test: check
	$(BIN)/python -m pytest -n 2 --dist loadscope

test-engines: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[ray,slurm,optuna]'
	apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends munge slurm-wlm
	$(BIN)/python -m pytest -m engines

claims: $(READY)
	$(BIN)/python scripts/claims.py

bench: $(READY)
	$(BIN)/python -m tests.bench --write README.md

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed; name one with make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
