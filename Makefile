# make demo          installs, trains the main experiment, prints where the figure is
# make test          installs, checks style and types, runs the tests
# make test-engines  the slow tests, half an hour: forty runs killed twenty times; a real Ray cluster and a real SLURM
#                    (root on Debian; installs both)
# make claims        the studies of configs/claim/, and the ledger of their verdicts
# make docs          a reference of every function and class, from their docstrings, into build/docs/
# make theory        the closed forms under the lab's measurements, one page with residuals in standard errors
# make bench         the benchmarks, as ratios, into the README's table
# make test-gpu      the tests that need a CUDA GPU, on a machine whose PYTHON has a torch with CUDA, and
# make bench-gpu     the benchmarks of the GPU. Neither needs a network: what else they need comes from WHEELS, a folder
#                    that `make wheels` fills elsewhere with the same Python
# make test-oldest   the tests with the oldest packages that pyproject.toml allows; on Python 3.11
# make uv.lock       for those who use uv: what `uv sync --extra dev` installs; git ignores it
# TORCH=cpu          beside any of them: torch without CUDA's libraries, which are most of what is installed (after
#                    `make clean`, where there is an installation already)
PYTHON ?= python3
TORCH ?= default
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-engines test-gpu test-oldest claims theory docs bench bench-gpu wheels check format clean

demo: $(READY)
	$(BIN)/python scripts/train.py -m experiment=model_wise hydra/launcher=local

test: check
	$(BIN)/python -m pytest -n 2 --dist loadscope

test-engines: $(READY)
	$(PIP) -c requirements.lock -e '.[ray,slurm,optuna]'
	apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends munge slurm-wlm
	$(BIN)/python -m pytest -m engines

claims: $(READY)
	$(BIN)/python scripts/claims.py

ROOMS := $(subst /,.,$(patsubst src/%/__init__.py,%,$(wildcard src/overparam/*/__init__.py)))

docs: $(READY)
	$(BIN)/pdoc --docformat google --output-directory build/docs overparam.api $(ROOMS)

theory: $(READY)
	$(BIN)/python scripts/theory.py

bench: $(READY)
	$(BIN)/python -m tests.bench --write README.md

# A GPU machine's torch is its own, and its torchvision the one made for that torch (0.26 for 2.11).
WHEELS ?= wheels
TORCHVISION ?= torchvision==0.26.0
SITE := .gpu-site
GPU := PYTHONPATH=$(CURDIR)/src:$(CURDIR)/$(SITE) $(PYTHON)
OTHERS := torch|torchvision|ray|hydra-ray-launcher|selenium|mypy|ruff|pre-commit

wheels:
	mkdir -p $(WHEELS)
	grep -vE '^(#|($(OTHERS))==)' requirements.lock > $(WHEELS)/requirements.txt
	echo '$(TORCHVISION)' >> $(WHEELS)/requirements.txt
	$(PYTHON) -m pip wheel --quiet --disable-pip-version-check --no-deps -w $(WHEELS) -r $(WHEELS)/requirements.txt

$(SITE)/.ready: $(WHEELS)/requirements.txt
	rm -rf $(SITE)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-index --no-deps --find-links $(WHEELS) --target $(SITE) -r $<
	@touch $@

test-gpu: $(SITE)/.ready
	$(GPU) -m pytest -m gpu -n0 -rs

bench-gpu: $(SITE)/.ready
	$(GPU) -m tests.bench --only gpu,memory

OLDEST := .venv-oldest
ifeq ($(TORCH),cpu)
CPU_TORCH := $(PIP) --no-deps --index-url https://download.pytorch.org/whl/cpu $$(grep -E '^torch(vision)?==' requirements.lock)
UV_TORCH := --torch-backend cpu
endif

test-oldest:
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(OLDEST)/bin/uv pip install --quiet --python $(OLDEST) --resolution lowest-direct $(UV_TORCH) -e '.[dev]'
	$(OLDEST)/bin/python -m pytest -n 2 --dist loadscope

uv.lock: pyproject.toml $(READY)
	$(PIP) uv
	$(BIN)/uv lock

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
	$(CPU_TORCH)
	$(PIP) -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf $(VENV) $(OLDEST) $(SITE) .pytest_cache .mypy_cache .ruff_cache
