# Two commands from a fresh clone: `make verify` and `make test`. Each makes the .venv anew.

PYTHON ?= python3
BIN = .venv/bin
LIGHT = autograd,mlx,mygrad,micrograd,tinygrad

# JAX compiles every op for every shape: once for all processes, and for the next run.
export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/.jax_cache
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS ?= 0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES ?= -1

# The tests start a hundred processes: what Python has compiled is kept for the next one.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: verify verify-light verify-all test lint wheel bench install links golden clean

verify: install  ## set up, make the short run, print its tables
	$(BIN)/backproof verify --frameworks torch,jax -n auto --dist worksteal

test: install links  ## set up, lint, check types, run the whole suite
	$(MAKE) --jobs=2 --output-sync lint wheel
	$(BIN)/python -m pytest -q --all --frameworks torch,jax -n auto --dist worksteal --ignore tests/wheel
	$(MAKE) verify-light

verify-light:  ## the worked example, a network and every op of the light frameworks, in a minute
	$(BIN)/backproof verify --frameworks $(LIGHT) -n auto --dist worksteal test_networks.py \
		-k 'not reference and (article or zero-weights or op and ordinary and (float32 and not tinygrad or float64 and micrograd))'

verify-all: install  ## set up, verify all frameworks on everything, print one matrix
	$(BIN)/backproof verify --all --frameworks torch,jax,$(LIGHT) -n auto --dist worksteal \
		-k 'not tinygrad or op or article or zero-weights'  # its interpreter takes hours for more

lint: links  ## check formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel:  ## build the wheel, install it, use it from an empty folder
	$(BIN)/python -m pytest -q tests/wheel

bench: install  ## set up, print what things cost, as ratios
	$(BIN)/python -m tests.benchmarks
	$(BIN)/python -m tests.benchmarks.variants
	$(BIN)/python -m tests.benchmarks.detection
	$(BIN)/python -m tests.benchmarks.faults
	$(BIN)/python -m tests.benchmarks.power
	$(BIN)/python -m tests.benchmarks.real_models
	$(BIN)/python -m tests.benchmarks.real_jax_models

install: clean
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-compile --editable '.[torch,jax,light,dev]' --constraint constraints.txt

links:  ## lay out the package as it is installed, of links, for mypy
	rm -rf .links && mkdir -p .links/backproof
	ln -s $(CURDIR)/backproof/* $(CURDIR)/reference $(CURDIR)/adapters $(CURDIR)/fixtures .links/backproof
	ln -s $(CURDIR)/tests/verification .links/backproof/verification

golden:  ## rewrite fixtures/golden/
	$(BIN)/python -m backproof.reference.article.record

clean:
	rm -rf .venv
