# make demo   the main job, from a fresh clone        make test    every test
# make quick  a fast loop, a minute                 make check   lint, types, imports, generated code up to date
# make docs   the site, under out/site
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
CUDA := .venv/.cuda
DOCS := .venv/.docs
OLDEST := .venv/oldest

# A worker a core; the one that has ended first takes over half of what another has before it.
SHARED_OUT := -n auto --dist worksteal

# Without bytecode every interpreter that a test starts would compile all sources anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test quick night check oldest docs generate benchmarks studies gpu rivals torch torture mutants clean

$(READY): setup.cfg pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv"
	@$(BIN)/python -m pip install -q --editable ".[data,test,check]"
	@touch $@

# NVIDIA's compiler, 190 MB: the tests turn kernels into PTX with it, no GPU needed, and are skipped without it.
$(CUDA): $(READY)
	@-$(BIN)/python -m pip install -q --editable ".[cuda]"
	@touch $@

$(DOCS): $(READY)
	@$(BIN)/python -m pip install -q --editable ".[docs]"
	@touch $@

# The oldest versions that setup.cfg allows, in an environment of their own.
$(OLDEST)/.ready: setup.cfg
	@rm -rf $(OLDEST)
	@$(PYTHON) -m venv $(OLDEST)
	@echo "installing the oldest versions into $(OLDEST)"
	@sed -n 's/^    \([a-z0-9-]*\)>=\(.*\)/\1==\2.*/p' setup.cfg | grep -v -E '^(ruff|mypy|import-linter|torch|sphinx|docutils|myst-parser|pydata-sphinx-theme)=' | sort -u > $(OLDEST)/versions.txt
	@$(OLDEST)/bin/python -m pip install -q -r $(OLDEST)/versions.txt
	@$(OLDEST)/bin/python -m pip install -q --no-deps --editable .
	@touch $@

demo: $(READY)
	@$(BIN)/continua demo --out out/demo

# Notebooks of studies, minutes of them, are executed when their code changes (a test sees to it) and every night.
STUDIES := $(wildcard notebooks/8_* notebooks/9_* notebooks/1[0-6]_*)

test: $(CUDA)
	$(BIN)/python -m pytest $(SHARED_OUT) --nbmake $(filter-out $(STUDIES),$(wildcard notebooks/*.ipynb)) tests

quick: $(READY)
	$(BIN)/python -m pytest $(SHARED_OUT) -x -m "not slow" --hypothesis-profile=quick

# Fifty times the examples, new ones every night, for an hour at most; what fails is kept in .hypothesis/ and tried first.
night: $(READY)
	$(BIN)/python -m pytest $(SHARED_OUT) --nbmake $(STUDIES)
	timeout --signal=INT 3600 $(BIN)/python -m pytest $(SHARED_OUT) -m hypothesis --hypothesis-profile=night || test $$? = 124

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config setup.cfg
	$(BIN)/continua generate --check specs/*.toml

# The fast tests, and the same bytes of generated code, with the oldest versions.
oldest: $(OLDEST)/.ready
	PYTHONHASHSEED=1 $(OLDEST)/bin/continua generate --check specs/*.toml
	$(OLDEST)/bin/python -m pytest $(SHARED_OUT) -x -m "not slow" --hypothesis-profile=quick -p no:cacheprovider

# The site, under out/site: without a network, warnings and broken links are errors.
docs: $(DOCS)
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d out/site.doctrees docs out/site
	@echo "out/site/index.html"

generate: $(READY)
	$(BIN)/continua generate specs/*.toml

benchmarks: $(READY)
	$(BIN)/python benchmarks/kernels.py benchmarks/records/kernels.txt
	$(BIN)/python benchmarks/derivation.py benchmarks/records/derivation.txt
	$(BIN)/python benchmarks/first_use.py benchmarks/records/first_use.txt
	$(BIN)/python benchmarks/specs.py benchmarks/records/specs.txt
	$(BIN)/python benchmarks/settings.py benchmarks/records/settings.txt
	$(BIN)/python benchmarks/burgers.py benchmarks/records/burgers.txt
	CONTINUA_THREADS=1 $(BIN)/python benchmarks/darcy.py benchmarks/records/darcy.txt --seconds 40 --seeds 2
	CONTINUA_THREADS=1 $(BIN)/python benchmarks/vorticity.py benchmarks/records/vorticity.txt
	CONTINUA_THREADS=1 $(BIN)/python benchmarks/levels.py --layers 32 --out benchmarks/records/levels-32.txt
	$(BIN)/python benchmarks/projections.py benchmarks/records/projections.txt
	$(BIN)/python benchmarks/goal.py --out benchmarks/records/goal.txt
	$(BIN)/python benchmarks/loop.py benchmarks/records/loop.txt --sets GunPoint ItalyPowerDemand --seconds 3 --metrics L2 outputs
	$(BIN)/python benchmarks/loop.py benchmarks/records/loop-burgers.txt --sets Burgers --seconds 24 --seeds 3
	$(BIN)/python benchmarks/pockets.py benchmarks/records/pockets.txt
	$(BIN)/python benchmarks/signals.py benchmarks/records/signals.txt
	$(BIN)/python benchmarks/shares.py benchmarks/records/shares.txt
	$(BIN)/python benchmarks/digits.py benchmarks/records/digits.txt
	$(BIN)/python benchmarks/tecator.py benchmarks/records/tecator.txt
	$(BIN)/python benchmarks/estimators.py benchmarks/records/estimators.txt
	$(BIN)/python benchmarks/choices.py benchmarks/records/choices.txt
	$(BIN)/python benchmarks/epochs.py benchmarks/records/epochs.txt
	$(BIN)/python -m benchmarks.figures

# The claims of the texts that the project grew from, tested at length.
studies: $(READY)
	$(BIN)/python -m benchmarks.studies --long --record benchmarks/records/studies

# On a machine with a GPU, in nine minutes: whether the kernels are right there, and how fast.
gpu: $(CUDA)
	PYTHON=$(BIN)/python sh benchmarks/gpu.sh

# What benchmarks compare with, in an environment of its own (torch: 6 GB); without it their rows are left out.
rivals: .venv/rivals/.ready

.venv/rivals/.ready:
	@$(PYTHON) -m venv .venv/rivals
	@.venv/rivals/bin/python -m pip install -q --editable ".[test,torch]" jax diffrax torchdiffeq torchdyn neuraloperator aeon
	@touch $@

# What is about PyTorch, which is too large for the environment of the other tests.
torch: .venv/rivals/.ready
	.venv/rivals/bin/python -m pytest -n 2 tests/numerics/estimators

torture: $(READY)
	$(BIN)/python -m tests.torture --out benchmarks/records/torture.txt

# A check that takes three times the processor time that it takes without a fault counts as failed.
mutants: $(READY)
	@$(BIN)/python -m pip install -q --editable ".[mutants]"
	$(BIN)/python -m tests.mutants --out benchmarks/records/mutants.txt

clean:
	rm -rf .venv out build *.egg-info
