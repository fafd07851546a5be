.PHONY: build lint test docs

build:
	python setup.py -q build_ext --inplace

lint:
	ruff check .
	ruff format --check .
	cython-lint cnncli/_fast
	mypy cnncli

test:
	pytest

docs:
	python docs/make_config_reference.py
