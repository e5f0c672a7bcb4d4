#!/usr/bin/env python3
"""The one entry of the course: python3 course.py book | test | notebooks | lab | bench | doctor.

Standard library only. Each command first makes the environment it needs in .venv (or leaves it alone if it stands),
then does its job; the Makefile's targets are these commands under their own names.

  book                  render the site from the stored outputs: _build/html/index.html
  test [--pages] [...]  run every test; --pages: only re-execute the pages and compare; what follows goes to pytest
  notebooks [PAGE ...]  execute the pages' .md and write their .ipynb; --check: execute, compare, write nothing;
                        --noise: the same with noise in the last bits
  lab [--edit]          open copies of the pages in JupyterLab (in work/, yours); --edit, for authors: the originals
  bench [NAME ...]      time the package beside its peers, in an environment of its own: benchmarks/results/NAME.json
  doctor                say in plain words what is wrong with this machine

COURSE_TORCH_INDEX chooses where torch comes from: the address of an index, or `default` for pip's own. Unset: PyTorch's
CPU index. COURSE_CHROMIUM names the browser of the browser tests. COURSE_THREADS is the number of threads that each
process may use, 1 if unset. COURSE_INSTRUCTIONS=avx2 or none computes as an older processor of the kind x86-64 would.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PINS = ROOT / "constraints.txt"
# Strict: every output is compared; the rest that is checked on a page rides on the same execution.
NBVAL = ("--nbval", "--nbval-current-env", "--nbval-cell-timeout=120", "-p", "tools.riders")
MIN_PYTHON = (3, 11)
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
EXTRAS = {"book": "book", "all": "book,lab,mcmc,notebooks,sklearn,test,torch"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PAUSE = 0.2 if sys.stdout.isatty() else 15  # seconds between two lines of progress
UTF8 = {"encoding": "utf-8", "errors": "replace"}
PROJECT = "kernels-to-performers"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
INSTRUCTIONS = {  # what makes NumPy, OpenBLAS, torch and oneDNN compute as a processor without AVX-512, or without AVX
    "avx2": {
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # older names, such as AVX512F, do nothing
        "OPENBLAS_CORETYPE": "HASWELL",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    },
    "none": {
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
        "OPENBLAS_CORETYPE": "NEHALEM",
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
    },
}

# Variables of the caller that no Python of the course may see. PYTHON* and those of other environments change what is
# imported: pip finds installed what the environment lacks, IPython adds another environment's packages. JUPYTER_PATH
# puts another Python's kernel before ours; a matplotlibrc or another backend draws other figures, or none.
FOREIGN = ("PYTHON", "__PYVENV_LAUNCHER__", "VIRTUAL_ENV", "CONDA_", "JUPYTER_PATH", "MATPLOTLIBRC", "MPLBACKEND")
# Of pip's own variables those stay that say where packages come from and how to fetch them. The others (PIP_TARGET,
# PIP_PREFIX, PIP_ROOT, PIP_USER, PIP_PYTHON, PIP_DRY_RUN, PIP_NO_DEPS, PIP_CONSTRAINT, ...) move an installation or
# change what is installed.
SOURCES = "INDEX_URL EXTRA_INDEX_URL NO_INDEX FIND_LINKS TRUSTED_HOST CERT CLIENT_CERT PROXY TIMEOUT DEFAULT_TIMEOUT"
SOURCES += " RETRIES RESUME_RETRIES KEYRING_PROVIDER USE_FEATURE CACHE_DIR NO_CACHE_DIR CONFIG_FILE"
PIP_KEPT = {f"PIP_{name}" for name in SOURCES.split()}
# The same in pip's configuration files, which must be read for the sake of their index.
MOVING = ("target", "prefix", "root", "user", "python", "dry-run", "no-deps")
OFF = ("", "0", "false", "no", "off")

# Prints what an environment does not find of the requirements in its arguments, their extras, and all that these need.
# The parser is that of the pip that installed them.
LACKING = """
import importlib.metadata, importlib.util, sys
from pip._vendor.packaging.requirements import Requirement
waiting, seen = [Requirement(text) for text in sys.argv[1:]], set()
while waiting:
    wanted = waiting.pop()
    for extra in {"", *wanted.extras}:
        if (wanted.name.lower(), extra) in seen:
            continue
        seen.add((wanted.name.lower(), extra))
        try:
            needs = map(Requirement, importlib.metadata.requires(wanted.name) or [])
        except importlib.metadata.PackageNotFoundError:
            print(wanted.name)
            break
        waiting += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})]
if importlib.util.find_spec("companion") is None:
    print("companion")
"""


class CourseError(Exception):
    """Something the reader can mend; the message says how."""


# --------------------------------------------------------------------------------------------------- environments


def python_of(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def clean_environment() -> dict[str, str]:
    """The caller's variables without those that lead pip, venv or a Python of the course astray."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    return {k: v for k, v in kept.items() if not k.startswith("PIP_") or k in PIP_KEPT}


def ask(python: Path, *arguments: str) -> subprocess.CompletedProcess:
    """What `python` answers, started clean: with no variable, folder or user's package of the caller."""
    command = [str(python), "-I", *arguments]
    return subprocess.run(command, capture_output=True, env=clean_environment(), **UTF8)


def lacking(python: Path, *requirements: str) -> list[str]:
    """The packages that `python` does not find of `requirements` and of all that these need."""
    answer = ask(python, "-c", LACKING, *requirements)
    if answer.returncode:
        return [answer.stderr.strip().rpartition("\n")[2] or "a Python that runs"]
    return sorted(set(answer.stdout.split()))


def threads() -> str:
    """How many threads a process may use."""
    number = os.environ.get("COURSE_THREADS", "1")
    if not re.fullmatch("0*[1-9][0-9]*", number):
        raise CourseError(f"COURSE_THREADS must be a whole number, 1 or more; it is {number!r}.")
    return number


def instructions() -> dict[str, str]:
    """The variables that restrict the instruction set to what COURSE_INSTRUCTIONS asks for."""
    asked = os.environ.get("COURSE_INSTRUCTIONS") or "native"
    if asked not in (known := {"native": {}, **INSTRUCTIONS}):
        raise CourseError(f"COURSE_INSTRUCTIONS must be one of {', '.join(known)}; it is {asked!r}.")
    return known[asked]


def check_python(version: tuple[int, ...] = sys.version_info[:2]) -> None:
    if version < MIN_PYTHON:
        raise CourseError(
            f"The course needs Python {MIN_PYTHON[0]}.{MIN_PYTHON[1]} or newer; this is {version[0]}.{version[1]}. "
            "Install a newer one and call it by name, for example `python3.12 course.py book`."
        )
    if importlib.util.find_spec("ensurepip") is None:
        raise CourseError(
            "Python's venv module is incomplete here. On Debian and Ubuntu: `apt-get install python3-venv`."
        )


def check_folder(folder: Path = ROOT) -> None:
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise CourseError(
            f"The name of the folder {folder} is not UTF-8, and neither venv nor pip can write it down. Rename it."
        ) from None


def fingerprint(*files: Path) -> str:
    """What an environment was made from, and where: stale when this changes. Settings of tools do not count."""
    text = f"{ROOT} {sys.version_info[:2]} {os.environ.get('COURSE_TORCH_INDEX', '')}"
    digest = hashlib.sha256(os.fsencode(text))
    for file in files:
        digest.update(file.read_text(encoding="utf-8").split("\n[tool.")[0].encode())
    return digest.hexdigest()


def is_current(venv: Path, tier: str, mark: str) -> bool:
    stamps = [venv / f"{name}.stamp" for name in {tier, "all"}]
    return python_of(venv).exists() and any(s.exists() and s.read_text() == mark for s in stamps)


def is_usable(venv: Path, mark: str) -> bool:
    """Whether installing may go on in `venv`: its Python is this one, has pip, and nothing there was made from else."""
    code = "import pip, sys; print(sys.version_info[:2])"
    try:
        answer = ask(python_of(venv), "-c", code).stdout.strip()
    except OSError:
        return False
    return answer == str(sys.version_info[:2]) and all(stamp.read_text() == mark for stamp in venv.glob("*.stamp"))


def make_venv(venv: Path, mark: str) -> None:
    """Make `venv`, anew if it is stale or half made."""
    if is_usable(venv, mark):
        return
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    say(f"making {venv.name} with Python {version}")
    subprocess.run([sys.executable, "-I", "-m", "venv", "--clear", str(venv)], env=clean_environment(), check=True)


def check_pip(python: Path) -> None:
    """Refuse configuration files of pip that would install elsewhere, or nothing."""
    listed = ask(python, "-m", "pip", "config", "list").stdout
    found = re.findall(r"^(?:global|install)\.([\w-]+)=['\"](.*)['\"]$", listed, re.M)
    moving = [f"{key} = {value}" for key, value in found if key in MOVING and value.lower() not in OFF]
    if moving:
        raise CourseError(
            f"A configuration file of pip says `{', '.join(moving)}`, which would leave the environment empty. "
            f"`{python} -m pip config debug` shows which file. Take the line out, or set PIP_CONFIG_FILE={os.devnull}, "
            "so that pip reads none."
        )


def pip(venv: Path, what: str, *arguments: str) -> None:
    """pip install, with one line of progress and the whole log in the environment's folder."""
    options = ["--no-input", "--no-compile", "--disable-pip-version-check"]
    command = [str(python_of(venv)), "-I", "-m", "pip", "install", *options, *arguments]
    log, start, shown, count = venv / "install.log", time.monotonic(), 0.0, 0
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": clean_environment()}
    with subprocess.Popen(command, **pipes, **UTF8) as process:
        with log.open("a", encoding="utf-8") as file:
            for line in process.stdout:
                file.write(line)
                count += line.startswith("Collecting")
                if line.startswith(("Collecting", "Installing", "  Downloading")) and time.monotonic() - shown > PAUSE:
                    shown = time.monotonic()
                    progress(f"{what}: {count} packages, {shown - start:.0f} s, {line.strip().split(' (')[0][:60]}")
    progress("")
    if process.returncode:
        tail = "".join(log.read_text(encoding="utf-8").splitlines(keepends=True)[-15:])
        raise CourseError(
            f"pip could not install the packages. The end of {log.relative_to(ROOT)}:\n{tail}\n"
            "Is there a network? Run the same command again."
        )
    say(f"{what}: ready after {time.monotonic() - start:.0f} s")


def torch_index(python: Path, pins: Path) -> list[str]:
    """PyTorch's CPU index where a plain `torch` would be gigabytes of CUDA: Linux on x86-64."""
    chosen = os.environ.get("COURSE_TORCH_INDEX", TORCH_CPU_INDEX if sys.platform == "linux" else "default")
    if chosen == "default":
        return []
    try:
        urllib.request.urlopen(urllib.request.Request(chosen, method="HEAD"), timeout=10).close()
    except urllib.error.HTTPError:
        pass  # it answers, if not to this question
    except ValueError:
        what = "`default` or the address of an index"
        raise CourseError(f"COURSE_TORCH_INDEX must be {what}; it is {chosen!r}.") from None
    except OSError:
        say(f"{chosen} does not answer: {torch_elsewhere(python, pins)}")
        return []
    return ["--extra-index-url", chosen]


def torch_elsewhere(python: Path, pins: Path) -> str:
    """Which build of torch pip takes without PyTorch's index."""
    [pin] = re.findall(r"^torch==(.+)$", pins.read_text(encoding="utf-8"), re.M)
    offered = ask(python, "-m", "pip", "index", "versions", "torch", "--retries=1").stdout
    if f"{pin}+cpu" in re.split(r"[\s,()]+", offered):
        return f"pip finds the CPU build, torch {pin}+cpu, elsewhere"
    if sys.platform == "linux" and platform.machine() == "x86_64":
        return f"the torch {pin} that pip finds elsewhere may bring CUDA, gigabytes of it; Ctrl-C stops it"
    return f"pip takes torch {pin} from its own index"


def prepared(venv: Path, tier: str, pins: Path, arguments: list[str], wanted: list[str], torch: bool) -> Path:
    """The Python of `venv` with what pip's `arguments` ask for, at its pin; left alone when it is current.

    Stamped as current only when that Python, started clean, finds all that is `wanted`.
    """
    check_python()
    check_folder()
    threads(), instructions()  # a wrong value is refused before minutes of installing
    mark, python = fingerprint(ROOT / "pyproject.toml", pins), python_of(venv)
    if not is_current(venv, tier, mark):
        make_venv(venv, mark)
        check_pip(python)
        if torch:
            pip(venv, "torch", "-c", str(pins), *torch_index(python, pins), "torch")
        pip(venv, f"packages ({tier})", "-c", str(pins), *arguments)
        if lost := lacking(python, *wanted):
            raise CourseError(
                f"pip reports success, but {venv.name} lacks {', '.join(lost)}. Something leads pip elsewhere; "
                f"`python3 -m pip config list` may show it. Then delete {venv.name} and run the same command again."
            )
        (venv / f"{tier}.stamp").write_text(mark)
    return python


def project(tier: str) -> str:
    """The requirement that stands for the whole environment of `tier`."""
    return f"{PROJECT}[{EXTRAS[tier]}]"


def environment(tier: str) -> Path:
    """The Python of .venv with the extras of `tier`."""
    editable = ["-e", f"{ROOT}[{EXTRAS[tier]}]"]
    return prepared(VENV, tier, PINS, editable, [project(tier)], torch=tier == "all")


def bench_environment() -> Path:
    """The Python of .venv-bench: the peers, at the pins of benchmarks/requirements.txt."""
    pins = ROOT / "benchmarks" / "requirements.txt"
    peers = [line for line in pins.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return prepared(
        ROOT / ".venv-bench", "bench", pins, ["-r", str(pins), "-e", str(ROOT)], [*peers, PROJECT], torch=True
    )


def run(python: Path, *arguments: str) -> int:
    """Run a module or script of the project and return its exit code."""
    # What must be writable lies in the environment: a home need not be, and a startup file or matplotlibrc that lies
    # there would change the pages.
    writable = {
        name: str(python.parent.parent / "var" / name.lower())
        for name in ("MPLCONFIGDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR")
    }
    for folder in writable.values():
        os.makedirs(folder, exist_ok=True)
    caller = clean_environment()
    names = {
        **dict.fromkeys(THREADS, threads()),
        **instructions(),
        **writable,
        "JUPYTER_PREFER_ENV_PATH": "1",  # the environment's kernel, not one of the same name in the home
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(ROOT),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PATH": os.pathsep.join([str(python.parent), *filter(None, [caller.get("PATH")])]),
    }
    return subprocess.run([str(python), *arguments], cwd=ROOT, env={**caller, **names}).returncode


def plain_output() -> None:
    """Let what the terminal cannot show be shown as `?`: a page's name or a folder's must not stop a command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def say(text: str) -> None:
    print(f"course: {text}", flush=True)


def progress(text: str) -> None:
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="", flush=True)
    elif text:
        say(text)


# ------------------------------------------------------------------------------------------------------- commands


def book(arguments: list[str]) -> int:
    return run(environment("book"), "-m", "tools.build", *arguments)


def test(arguments: list[str]) -> int:
    count = min(4, (os.cpu_count() or 1) // int(threads())) or 1
    workers = ["-n", str(count), "--dist", "loadfile", "--no-loadscope-reorder"]
    paths = []
    if "--pages" in arguments:
        arguments, paths = [a for a in arguments if a != "--pages"], ["book", "tests/book/test_noise.py"]
    return run(environment("all"), "-m", "pytest", *NBVAL, *workers, *paths, *arguments)


def notebooks(arguments: list[str]) -> int:
    return run(environment("all"), "-m", "tools.notebooks", *arguments)


def lab(arguments: list[str]) -> int:
    return run(environment("all"), "-m", "tools.lab", *arguments)


def bench(arguments: list[str]) -> int:
    scripts = [path for path in (ROOT / "benchmarks").glob("*.py") if "def main(" in path.read_text("utf-8")]
    names = sorted(path.stem for path in scripts)
    if unknown := [name for name in arguments if name not in names]:
        raise CourseError(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(names)}.")
    python = bench_environment()
    for name in arguments or names:
        say(f"timing {name}")
        if code := run(python, f"benchmarks/{name}.py", f"benchmarks/results/{name}.json"):
            return code
    return 0


def find_browser() -> str | None:
    return os.environ.get("COURSE_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


def gpu_name() -> str | None:
    if not shutil.which("nvidia-smi"):
        return None
    answer = subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, **UTF8)
    return answer.stdout.strip() or None if answer.returncode == 0 else None


def torch_build() -> str | None:
    if not python_of(VENV).exists():
        return None
    code = "import torch; print(torch.__version__, 'CUDA', torch.version.cuda, 'usable', torch.cuda.is_available())"
    return ask(python_of(VENV), "-c", code).stdout.strip() or None


def diagnose() -> list[tuple[str, str, str]]:
    """(verdict, subject, sentence); the verdict is `ok`, `note` (can do without) or `WRONG`."""
    rows: list[tuple[str, str, str]] = []

    def row(good: bool, subject: str, fine: str, bad: str, verdict: str = "WRONG") -> None:
        rows.append(("ok", subject, fine) if good else (verdict, subject, bad))

    version, free = ".".join(map(str, sys.version_info[:3])), shutil.disk_usage(ROOT).free / 2**30
    row(sys.version_info[:2] >= MIN_PYTHON, "Python", version, f"{version} is too old; install 3.11 or newer.")
    row(
        importlib.util.find_spec("ensurepip") is not None,
        "venv module",
        "present",
        "missing; on Debian and Ubuntu: apt-get install python3-venv.",
    )
    mark = fingerprint(ROOT / "pyproject.toml", PINS)
    missing = [tier for tier in EXTRAS if not is_current(VENV, tier, mark)]
    few = f"{free:.1f} GiB free; the environment takes about 3 GiB. Free some space."
    row(free > 4 or not missing, "disk", f"{free:.0f} GiB free", few)
    row(os.access(ROOT, os.W_OK), "folder", "writable", "not writable; clone the project to a folder of your own.")
    try:
        check_folder()
    except CourseError as error:
        rows.append(("WRONG", "folder", str(error)))
    whole = "all" if "all" not in missing else "book"
    lost = lacking(python_of(VENV), project(whole)) if whole not in missing else []
    if lost:
        anew = "Delete .venv; `make book` and `make test` make it anew."
        rows.append(("WRONG", "environment", f"it was made, but its Python does not find {', '.join(lost)}. {anew}"))
    else:
        unmade = f"not made yet or stale for: {', '.join(missing)}; `make book` and `make test` make it."
        row(not missing, "environment", "current", unmade, "note")
    torch = torch_build()
    row(torch is not None, "torch", torch or "", "not installed yet; `make test` and `make lab` install it.", "note")
    gpu, blind = gpu_name(), torch is not None and "usable True" not in torch
    row(gpu is not None, "GPU", gpu or "", "none; the course runs without one, the GPU tests are skipped.", "note")
    if gpu and blind:
        rows.append(("note", "GPU", "this torch cannot use it; set COURSE_TORCH_INDEX=default and run `make test`."))
    browser = find_browser()
    row(
        browser is not None,
        "browser",
        browser or "",
        "no Chromium or Chrome; the browser tests are skipped. Install one, or name it in COURSE_CHROMIUM.",
        "note",
    )
    fonts = shutil.which("fc-list") and subprocess.run(["fc-list"], capture_output=True, **UTF8).stdout.strip()
    row(
        bool(fonts) or sys.platform != "linux",
        "fonts",
        "present",
        "none that fontconfig knows; a browser may draw no text. Debian, Ubuntu: apt-get install fonts-dejavu-core.",
        "note",
    )
    row(
        shutil.which("git") is not None,
        "git",
        "present",
        "missing; the tests that read every committed file are skipped.",
        "note",
    )
    return rows


def doctor(arguments: list[str]) -> int:
    if arguments:
        raise CourseError(f"doctor takes no further words; got {' '.join(arguments)}.")
    rows = diagnose()
    for verdict, subject, sentence in rows:
        print(f"{verdict:>5}  {subject:<12} {sentence}")
    return int(any(verdict == "WRONG" for verdict, _, _ in rows))


COMMANDS = {"book": book, "test": test, "notebooks": notebooks, "lab": lab, "bench": bench, "doctor": doctor}


def main(arguments: list[str]) -> int:
    plain_output()
    wants_help = not arguments or arguments[0] == "help" or {"-h", "--help"} & set(arguments)
    if wants_help or arguments[0] not in COMMANDS:
        print(__doc__)
        return 0 if wants_help else 2
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except CourseError as error:
        print(f"course: {error}", file=sys.stderr)
        return 1
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"course: {error}. Is the disk full, or the folder read-only? `doctor` says more.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ncourse: stopped; run the same command again to go on.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
