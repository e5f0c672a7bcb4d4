"""A run that saves its record after every few steps, and a child of it that kills itself at a given operation.

``python killed_run.py FOLDER N ...`` makes a child for each N. A child counts its operations: each step of the run,
each piece of a file that reaches the system, each fsync and each rename, before it and after. At the N-th it ends by
SIGKILL, as by a power cut that loses nothing the system has; no clock and no luck decide where.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np

from companion import checkpoint

N_STEPS, EVERY = 40, 3
FIELDS = {"version": "0", "dim": 3}


def start():
    rng = np.random.default_rng(7)
    return {"step": 0, "x": np.zeros(3), "path": np.zeros((N_STEPS, 3)), "rng": rng.bit_generator.state}


def walk(state, path=None, after_step=lambda: None):
    """Yield every state from this one to the last, and save where a path is given."""
    rng = np.random.default_rng()
    rng.bit_generator.state = state["rng"]
    for step in range(state["step"], N_STEPS):
        x = np.cos(state["x"]) + rng.standard_normal(3)
        visited = state["path"].copy()
        visited[step] = x
        state = {"step": step + 1, "x": x, "path": visited, "rng": rng.bit_generator.state}
        if path and (step + 1) % EVERY == 0:
            checkpoint.save(path, state, fields=FIELDS)
        after_step()
        yield state


def counted(function, tick, flush=False):
    def operation(*arguments):
        tick()
        result = function(*arguments)
        if flush:  # what was written so far is what a cut file shows
            arguments[0].stream.flush()
        tick()
        return result

    return operation


def run_until_killed(path, n_operations=None):
    """The whole run; returns the number of its operations, unless it dies at one."""
    done = 0

    def tick():
        nonlocal done
        done += 1
        if done == n_operations:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace, os.fsync = counted(os.replace, tick), counted(os.fsync, tick)
    checkpoint._Hashed.write = counted(checkpoint._Hashed.write, tick, flush=True)
    for _ in walk(start(), path, tick):
        pass
    return done


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for n in sys.argv[2:]:
        child = os.fork()
        if child == 0:
            done = run_until_killed(folder / n, int(n) or None)
            (folder / "operations").write_text(str(done))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL or n == "0"
