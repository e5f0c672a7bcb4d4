# Each target is a command of course.py; further words go to it: make bench gram, make notebooks kernels/kernel-trick.
# Options need ARGS: make test ARGS="-k kernels". Another Python: make book PYTHON=python3.12.
PYTHON ?= python3
ARGS ?=
COMMANDS = book test notebooks lab bench doctor
WORDS = $(filter-out $(COMMANDS),$(MAKECMDGOALS))

.PHONY: $(COMMANDS) always
$(COMMANDS):
	@$(PYTHON) course.py $@ $(foreach word,$(WORDS),'$(word)') $(ARGS)

ifneq ($(WORDS),)
ifneq ($(filter $(COMMANDS),$(firstword $(MAKECMDGOALS))),)
ifneq ($(words $(filter $(COMMANDS),$(MAKECMDGOALS))),1)
$(error Which of the commands shall have the words `$(WORDS)`? Call make once for each)
endif
# The words are no targets: nothing is to be done for them, be there a file of that name or not.
Makefile: ;
%: always
	@:
endif
endif
