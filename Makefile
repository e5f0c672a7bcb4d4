# Each target is a command of course.py. Another Python: make book PYTHON=python3.12; further arguments: make test ARGS="-k kernels".
PYTHON ?= python3
ARGS ?=

.PHONY: book test notebooks lab bench doctor
book test notebooks lab bench doctor:
	@$(PYTHON) course.py $@ $(ARGS)
