.PHONY: build lint test torture docs

build:
	python setup.py -q build_ext --inplace

lint:
	ruff check .
	ruff format --check .
	cython-lint cnncli/_fast
	mypy cnncli

test:
	pytest

torture:
	TORTURE_RELEASE=1 pytest tests/torture

docs:
	python docs/make_config_reference.py
