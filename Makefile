# Two commands from a fresh clone: `make verify` and `make test`. Each makes its environment anew.

PYTHON ?= python3
FRAMEWORKS ?= torch,jax
LIGHT = autograd,casadi,mlx,mygrad,micrograd,tinygrad
TOGETHER = torch,jax,$(LIGHT)
# Frameworks that cannot live with the others, or weigh gigabytes: names with spaces between them.
HEAVY = tensorflow keras_tensorflow keras_jax keras_torch paddle pytensor mindspore

# By default the environment is that of the tests; FRAMEWORKS=paddle has one of its own, .venv-paddle,
# with its own constraints where there is a file constraints-paddle.txt.
comma = ,
OTHER = $(filter-out torch$(comma)jax,$(FRAMEWORKS))
NAMES = $(subst $(comma), ,$(OTHER))
VENV = .venv$(if $(OTHER),-$(subst $(comma),-,$(OTHER)))
BIN = $(VENV)/bin
EXTRAS = $(or $(subst _,-,$(OTHER)),torch$(comma)jax$(comma)light$(comma)dev)
CONSTRAINTS = $(firstword $(wildcard $(NAMES:%=constraints-%.txt)) constraints.txt)

ON_ALL_CORES = -n auto --dist worksteal
# tinygrad's interpreter takes hours for more.
SLOW = -k 'not tinygrad or op or article or zero-weights'
ALL = --all

# JAX compiles every op for every shape: once for all processes, and for the next run.
export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/.jax_cache
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS ?= 0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES ?= -1

# The tests start a hundred processes: what Python has compiled is kept for the next one.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: verify verify-light verify-all test lint wheel bench install links golden clean

verify: install  ## set up, print the article's matrix, then make the short run of FRAMEWORKS
	$(BIN)/backproof verify --frameworks $(FRAMEWORKS) test_article.py
	$(BIN)/backproof verify --frameworks $(FRAMEWORKS) $(ON_ALL_CORES) $(ARGUMENTS)

test: install links  ## set up, lint, check types, run the whole suite
	$(MAKE) --jobs=2 --output-sync lint wheel
	$(BIN)/python -m pytest -q --all --frameworks torch,jax $(ON_ALL_CORES) --ignore tests/wheel
	$(MAKE) verify-light

verify-light:  ## the worked example, a network and every op of the light frameworks, in a minute
	$(BIN)/backproof verify --frameworks $(LIGHT) $(ON_ALL_CORES) test_networks.py \
		-k 'not reference and (article or zero-weights or op and ordinary and (float32 and not tinygrad or float64 and (casadi or micrograd)))'

# The last command prints the matrix of all; it fails if a run is red, or could not be made.
verify-all: install  ## verify everything in all frameworks, print one matrix, draw it for the README
	rm -rf reports && mkdir reports
	-$(BIN)/backproof verify --frameworks $(TOGETHER) $(ON_ALL_CORES) $(ALL) $(SLOW) \
		--report-json reports/together.json
	-for name in $(HEAVY); do \
		$(MAKE) verify FRAMEWORKS=$$name ARGUMENTS="$(ALL) --report-json reports/$$name.json"; \
	done
	$(BIN)/backproof report merge reports/*.json --json reports/all.json
	$(BIN)/backproof report matrix reports/all.json --svg docs/frameworks.svg; red=$$?; \
		ls $(HEAVY:%=reports/%.json) > /dev/null && exit $$red

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
	$(BIN)/python -m tests.benchmarks.op_table
	$(BIN)/python -m tests.benchmarks.real_models
	$(BIN)/python -m tests.benchmarks.real_jax_models

install: clean
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --editable '.[$(EXTRAS)]' --constraint $(CONSTRAINTS)

links:  ## lay out the package as it is installed, of links, for mypy
	rm -rf .links && mkdir -p .links/backproof
	ln -s $(CURDIR)/backproof/* $(CURDIR)/reference $(CURDIR)/adapters $(CURDIR)/fixtures .links/backproof
	ln -s $(CURDIR)/tests/verification .links/backproof/verification

golden:  ## rewrite fixtures/golden/
	$(BIN)/python -m backproof.reference.article.record

clean:
	rm -rf $(VENV)
