"""course.py, the Makefile and the build: what they decide; and that no variable of the caller leads them astray."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import course
from tools import build


def test_help_names_every_command(capsys):
    assert course.main([]) == 0 == course.main(["book", "--help"])
    text = capsys.readouterr().out
    assert [name for name in course.COMMANDS if name not in text] == []


def test_unknown_command_is_an_error(capsys):
    assert course.main(["bok"]) == 2
    assert "python3 course.py book" in capsys.readouterr().out


def make(*words):
    """What `make` would run, and its exit code: the Python is one that prints its arguments."""
    outside = {name: value for name, value in os.environ.items() if "MAKE" not in name and name != "MFLAGS"}
    command = ["make", "PYTHON=echo", *words]
    done = subprocess.run(command, cwd=course.ROOT, env=outside, capture_output=True, text=True)
    return done.stdout.splitlines(), done.returncode


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make here")


@needs_make
def test_makefile_has_every_command():
    assert make(*course.COMMANDS) == ([f"course.py {name}" for name in course.COMMANDS], 0)
    assert make() == (["course.py book"], 0)


@needs_make
@pytest.mark.parametrize(
    "words", ["bench gram", "bench gram features", "notebooks kernels/kernel-trick", "test tests/test_course.py::x[1]"]
)
def test_further_words_reach_the_command_and_nothing_else_runs(words):
    assert make(*words.split()) == ([f"course.py {words}"], 0)


@needs_make
@pytest.mark.parametrize("words", ["bok", "bok book", "gram bench", "bench gram test"])
def test_words_without_one_command_are_refused_before_anything_runs(words):
    assert make(*words.split()) == ([], 2)


def test_an_unknown_benchmark_is_refused_before_any_runs(monkeypatch, capsys):
    monkeypatch.setattr(course, "bench_environment", lambda: pytest.fail("too late"))
    assert course.main(["bench", "gram", "gramm"]) == 1
    assert "no benchmark gramm; there are attention, dual, features, gram" in capsys.readouterr().err


@pytest.mark.skipif(not (course.ROOT / ".git").exists() or shutil.which("git") is None, reason="no checkout here")
@pytest.mark.parametrize(
    "folder", ["build", "_build", ".venv", ".venv-bench", "work", "kernels_to_performers.egg-info"]
)
def test_what_commands_and_pip_leave_behind_is_ignored(folder):
    assert subprocess.run(["git", "check-ignore", "-q", f"{folder}/file"], cwd=course.ROOT).returncode == 0


def test_old_python_is_refused_in_plain_words():
    with pytest.raises(course.CourseError, match=r"needs Python 3\.11 or newer; this is 3\.9"):
        course.check_python((3, 9))


def test_course_py_is_read_by_an_old_python_up_to_its_own_check():
    import ast

    ast.parse((course.ROOT / "course.py").read_text(), feature_version=(3, 8))


def test_it_imports_the_standard_library_only():
    code = (
        "import sys; sys.path.insert(0, '.'); import course; "
        "print({m.split('.')[0] for m in sys.modules} - sys.stdlib_module_names - {'course'})"
    )
    found = subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=course.ROOT, capture_output=True, text=True)
    assert found.stdout.strip() in ("set()", "{'__main__'}"), found.stdout + found.stderr


@pytest.fixture
def venv(tmp_path):
    python = course.python_of(tmp_path)
    python.parent.mkdir(parents=True)
    python.touch()
    return tmp_path


def test_environment_is_stale_when_a_pin_changes(venv, tmp_path):
    pins = tmp_path / "constraints.txt"
    pins.write_text("numpy==2.4.6\n")
    (venv / "book.stamp").write_text(course.fingerprint(pins))
    assert course.is_current(venv, "book", course.fingerprint(pins))
    pins.write_text("numpy==2.4.6\n\n[tool.ruff]\nline-length = 120\n")
    assert course.is_current(venv, "book", course.fingerprint(pins)), "a tool's settings make no environment stale"
    pins.write_text("numpy==2.4.7\n")
    assert not course.is_current(venv, "book", course.fingerprint(pins))


def test_environment_is_stale_when_another_torch_is_asked_for(venv, monkeypatch):
    monkeypatch.delenv("COURSE_TORCH_INDEX", raising=False)
    mark = course.fingerprint()
    monkeypatch.setenv("COURSE_TORCH_INDEX", "default")
    assert course.fingerprint() != mark


def test_whole_environment_serves_the_book_but_not_the_reverse(venv):
    (venv / "book.stamp").write_text("mark")
    assert course.is_current(venv, "book", "mark") and not course.is_current(venv, "all", "mark")
    (venv / "book.stamp").unlink()
    (venv / "all.stamp").write_text("mark")
    assert course.is_current(venv, "book", "mark")


def test_environment_without_python_is_stale(tmp_path):
    (tmp_path / "all.stamp").write_text("mark")
    assert not course.is_current(tmp_path, "all", "mark")


@pytest.fixture
def real_venv(tmp_path):
    """A folder whose python is this one, without a bin folder of its own to make."""
    python = course.python_of(tmp_path)
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    return tmp_path


def test_interrupted_install_goes_on_but_a_stale_or_half_made_environment_is_made_anew(real_venv, tmp_path):
    assert course.is_usable(real_venv, "mark")
    (real_venv / "book.stamp").write_text("mark")
    assert course.is_usable(real_venv, "mark")
    (real_venv / "book.stamp").write_text("another mark")
    assert not course.is_usable(real_venv, "mark")
    assert not course.is_usable(tmp_path / "nowhere", "mark")


def test_an_environment_without_pip_is_made_anew(venv):
    course.python_of(venv).write_text("#!/bin/sh\necho 'No module named pip' >&2; exit 1\n")
    course.python_of(venv).chmod(0o755)
    assert not course.is_usable(venv, "mark")


ASTRAY = {
    "PIP_TARGET": "elsewhere",
    "PIP_PREFIX": "elsewhere",
    "PIP_ROOT": "elsewhere",
    "PIP_USER": "1",
    "PIP_DRY_RUN": "1",
    "PIP_NO_DEPS": "1",
    "PIP_REQUIREMENT": "missing.txt",
    "PIP_CONSTRAINT": "missing.txt",
    "PYTHONWARNINGS": "error",
    "PYTHONUSERBASE": "elsewhere",
    "PYTHONHOME": "elsewhere",
    "VIRTUAL_ENV": "elsewhere",
    "CONDA_PREFIX": "elsewhere",
    "JUPYTER_PATH": "elsewhere",
    "MPLBACKEND": "agg",
}


def test_only_what_leads_astray_is_kept_from_pip_and_the_tools(monkeypatch):
    kept = "COURSE_THREADS CI HOME PATH HTTPS_PROXY SSL_CERT_FILE OPENBLAS_CORETYPE NPY_DISABLE_CPU_FEATURES"
    kept += " ATEN_CPU_CAPABILITY MKL_CBWR ONEDNN_MAX_CPU_ISA PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_CERT"
    kept += " PIP_PROXY PIP_CACHE_DIR PIP_CONFIG_FILE"
    for name in (*ASTRAY, *kept.split()):
        monkeypatch.setenv(name, "x")
    environment = course.clean_environment()
    assert set(ASTRAY) & set(environment) == set()
    assert set(kept.split()) - set(environment) == set()


def wheel(folder, name, *needs):
    """A wheel of one empty module, made by hand, for pip to install without a network."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", "")
        requires = "".join(f"{need}\n" for need in needs)
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")


WANTED = "companion[more]"


def install(folder):
    (folder / "pins.txt").touch()
    local = ["--no-index", "--find-links", str(folder / "wheels"), WANTED]
    return course.prepared(folder / "venv", "book", folder / "pins.txt", local, [WANTED], torch=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of an environment made while the caller's variables lead pip everywhere else."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "wheels").mkdir()
    extras = ["Provides-Extra: more", 'Requires-Dist: needle; extra == "more"', "Provides-Extra: less"]
    wheel(folder / "wheels", "companion", *extras, 'Requires-Dist: absent; extra == "less"')
    wheel(folder / "wheels", "needle", "Requires-Dist: thread")
    wheel(folder / "wheels", "thread")
    with zipfile.ZipFile(folder / "wheels" / "thread-1.0-py3-none-any.whl") as file:
        file.extractall(folder / "callers")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, value in {**ASTRAY, "PYTHONPATH": str(folder / "callers"), "PIP_CONFIG_FILE": os.devnull}.items():
            patch.setenv(name, value)
        install(folder)
    return folder


def test_an_environment_is_whole_whatever_variables_the_caller_has(installed):
    assert (installed / "venv" / "book.stamp").exists()
    code = "import companion, needle, thread; print(thread.__file__)"
    found = subprocess.run([course.python_of(installed / "venv"), "-I", "-c", code], capture_output=True, text=True)
    assert found.stdout.startswith(str(installed / "venv")), found.stderr
    assert not (installed / "elsewhere").exists()


def test_what_an_environment_lacks_is_found_through_extras_and_what_they_need(installed, monkeypatch):
    python = course.python_of(installed / "venv")
    assert course.lacking(python, WANTED) == []
    assert course.lacking(python, "companion[less]", "needle") == ["absent"]
    [info] = (installed / "venv").rglob("thread-1.0.dist-info")
    monkeypatch.setenv("PYTHONPATH", str(installed / "callers"))
    info.rename(installed / "aside")
    assert course.lacking(python, WANTED) == ["thread"]
    (installed / "aside").rename(info)


def test_an_environment_that_lacks_a_package_gets_no_stamp(installed, monkeypatch):
    stamp = installed / "venv" / "book.stamp"
    monkeypatch.setattr(course, "is_current", lambda *_: False)
    monkeypatch.setattr(course, "pip", lambda *_: stamp.unlink())
    monkeypatch.setattr(course, "lacking", lambda *_: ["thread"])
    mark = stamp.read_text()
    with pytest.raises(course.CourseError, match="lacks thread"):
        install(installed)
    assert not stamp.exists()
    stamp.write_text(mark)


@pytest.mark.parametrize("line", ["[global]\ntarget = elsewhere", "[install]\nuser = true"], ids=["target", "user"])
def test_a_configuration_of_pip_that_installs_elsewhere_is_refused(installed, tmp_path, monkeypatch, line):
    (tmp_path / "pip.conf").write_text(line)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setattr(course, "is_current", lambda *_: False)
    monkeypatch.setattr(course, "pip", lambda *_: pytest.fail("too late"))
    with pytest.raises(course.CourseError, match=line.split("\n")[1]):
        install(installed)
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://example.org\n[install]\nuser = false")
    course.check_pip(course.python_of(installed / "venv"))


@pytest.fixture
def started(tmp_path, monkeypatch, capfd):
    """``started(code)``: what a Python of the course prints, in an environment's folder of its own, and its stderr."""
    python = course.python_of(tmp_path)
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)

    def run(code):
        assert course.run(python, "-c", code) == 0
        return capfd.readouterr()

    return run


posix = pytest.mark.skipif(os.name == "nt", reason="the stand-in for Python is a shell script")


@posix
def test_the_number_of_threads_is_the_callers(started, monkeypatch):
    code = f"import json, os; print(json.dumps([os.environ[name] for name in {course.THREADS}]))"
    monkeypatch.delenv("COURSE_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert json.loads(started(code).out) == ["1"] * 4
    monkeypatch.setenv("COURSE_THREADS", "2")
    assert json.loads(started(code).out) == ["2"] * 4


@pytest.mark.parametrize("number", ["0", "-1", "two", "1.5", "", "1 "])
def test_another_number_of_threads_is_refused_before_anything_is_installed(monkeypatch, capsys, number):
    monkeypatch.setenv("COURSE_THREADS", number)
    monkeypatch.setattr(course, "is_current", lambda *_: pytest.fail("too late"))
    assert course.main(["book"]) == 1
    assert "COURSE_THREADS must be a whole number" in capsys.readouterr().err


@posix
def test_a_home_that_cannot_be_written_makes_no_noise(started, tmp_path, monkeypatch):
    for name in ("MPLCONFIGDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/dev/null/home")
    code = (
        "import matplotlib.pyplot, IPython.paths, jupyter_core.paths\n"
        "print(matplotlib.get_cachedir(), IPython.paths.get_ipython_dir(), jupyter_core.paths.jupyter_runtime_dir())"
    )
    out, err = started(code)
    assert err == ""
    assert [Path(folder).parent for folder in out.split()] == [tmp_path / "var"] * 3
    assert all(Path(folder).is_dir() for folder in out.split())


@posix
def test_the_kernel_of_the_environment_comes_before_the_callers(started, tmp_path, monkeypatch):
    kernel = {"argv": ["another-python"], "display_name": "Another", "language": "python"}
    folder = tmp_path / "foreign" / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(kernel))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "foreign"))
    code = "from jupyter_client.kernelspec import get_kernel_spec as get; print(get('python3').argv[1:])"
    assert "ipykernel_launcher" in started(code).out
    monkeypatch.delenv("JUPYTER_PATH")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "foreign"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    assert "ipykernel_launcher" in started(code).out


@pytest.mark.parametrize("module", ["course", "tools.build"])
def test_what_a_terminal_cannot_show_stops_no_command(module):
    start = "course.main(['help'])" if module == "course" else ""
    code = f"import sys, {module}\n{start}\nprint('…\\udcff'); print('…\\udcff', file=sys.stderr)"
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1:strict", "PYTHONPATH": str(course.ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, encoding="latin-1")
    assert done.returncode == 0 and done.stdout.endswith("??\n") and done.stderr == "??\n", done.stderr


@pytest.mark.parametrize("name", [b"caf\xe9", "café au lait".encode()], ids=["latin-1", "space"])
def test_a_folder_of_any_name_has_a_doctor(tmp_path, name):
    folder = os.fsencode(tmp_path) + b"/" + name
    try:
        os.mkdir(folder)
    except OSError:
        pytest.skip("names of files are UTF-8 here")
    for file in ("course.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(os.fsencode(course.ROOT / file), folder)
    command = [sys.executable, folder + b"/course.py"]
    done = subprocess.run([*command, "doctor"], capture_output=True, encoding="utf-8")
    assert done.stderr == "" and "environment" in done.stdout
    assert ("is not UTF-8" in done.stdout) == (name == b"caf\xe9") == done.returncode
    if done.returncode:
        done = subprocess.run([*command, "book"], capture_output=True, encoding="utf-8")
        assert done.returncode == 1 and "Rename it" in done.stderr and "Traceback" not in done.stderr


def test_default_index_asks_no_other(monkeypatch):
    monkeypatch.setenv("COURSE_TORCH_INDEX", "default")
    assert course.torch_index(Path(sys.executable), course.PINS) == []


def test_an_index_that_is_no_address_is_refused(monkeypatch):
    monkeypatch.setenv("COURSE_TORCH_INDEX", "cpu")
    with pytest.raises(course.CourseError, match="`default` or the address of an index; it is 'cpu'"):
        course.torch_index(Path(sys.executable), course.PINS)


@pytest.mark.parametrize(
    ("machine", "versions", "said"),
    [
        ("x86_64", "torch (9.1)\nAvailable versions: 9.1, 9.0+cpu, 9.0", "finds the CPU build, torch 9.0+cpu"),
        ("x86_64", "torch (9.1)\nAvailable versions: 9.1+cpu, 9.1, 9.0", "may bring CUDA, gigabytes of it"),
        ("x86_64", "", "may bring CUDA, gigabytes of it"),
        ("aarch64", "", "takes torch 9.0 from its own index"),
    ],
)
def test_a_silent_index_is_left_out_and_gigabytes_are_announced(monkeypatch, capsys, tmp_path, machine, versions, said):
    (tmp_path / "pins.txt").write_text("torch==9.0\n")
    monkeypatch.setenv("COURSE_TORCH_INDEX", "http://127.0.0.1:9/whl")
    monkeypatch.setattr(course.sys, "platform", "linux")
    monkeypatch.setattr(course.platform, "machine", lambda: machine)
    monkeypatch.setattr(course, "ask", lambda *_: subprocess.CompletedProcess([], 0, stdout=versions))
    assert course.torch_index(Path("python"), tmp_path / "pins.txt") == []
    [line] = capsys.readouterr().out.splitlines()
    assert "does not answer" in line and said in line


@pytest.fixture
def builder(tmp_path, monkeypatch):
    """``builder(script)``: the build with a shell script in the place of Jupyter Book."""
    monkeypatch.setattr(build, "HTML", tmp_path / "_build" / "html")
    monkeypatch.setattr(build, "LOG", tmp_path / "_build" / "build.log")
    monkeypatch.setattr(build.sys, "executable", str(tmp_path / "python"))

    def start(script):
        (tmp_path / "jupyter-book").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "jupyter-book").chmod(0o755)
        return build.main([])

    return start


@posix
def test_a_build_that_fails_shows_what_is_wrong_and_keeps_the_rest_in_its_log(builder, capfd):
    talk = "printf 'reading\\n\\033[91mpage.md:7: WARNING: no such label\\033[0m\\nwriting\\n'; exit 1"
    assert builder(talk) == 1
    out, err = capfd.readouterr()
    assert "\npage.md:7: WARNING: no such label\n" in err and "reading" not in out + err
    assert build.LOG.read_text() == "reading\npage.md:7: WARNING: no such label\nwriting\n"
    assert builder("echo a traceback; exit 1") == 1
    assert "a traceback" in capfd.readouterr().err


@posix
def test_a_build_that_leaves_out_a_page_has_failed(builder, capfd, monkeypatch):
    monkeypatch.setattr(build, "toc", lambda: ["intro", "page"])
    folder = build.HTML / "book"
    assert builder(f"mkdir -p '{folder}'; touch '{folder}/intro.html'; echo much") == 1
    assert "left out page" in capfd.readouterr().err
    assert builder(f"mkdir -p '{folder}'; touch '{folder}/intro.html' '{folder}/page.html'; echo much") == 0
    out = capfd.readouterr().out
    assert "much" not in out and out.splitlines()[-1].endswith("intro.html")


def test_doctor_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(course, "find_browser", lambda: None)
    monkeypatch.setattr(course.shutil, "disk_usage", lambda _: course.shutil._ntuple_diskusage(0, 0, 2**30))
    monkeypatch.setattr(course, "is_current", lambda *_: False)
    assert course.main(["doctor", "now"]) == 1 and "no further words; got now" in capsys.readouterr().err
    assert course.main(["doctor"]) == 1
    text = capsys.readouterr().out
    assert "WRONG  disk" in text and "Free some space" in text
    assert "note  browser" in text and "COURSE_CHROMIUM" in text


def test_doctor_is_content_here(capsys, monkeypatch):
    monkeypatch.setattr(course, "is_current", lambda *_: True)
    monkeypatch.setattr(course, "lacking", lambda *_: [])
    assert course.main(["doctor"]) == 0
    assert "WRONG" not in capsys.readouterr().out


def test_doctor_tells_what_a_stamped_environment_lacks(capsys, monkeypatch):
    monkeypatch.setattr(course, "is_current", lambda venv, tier, mark: tier == "book")
    asked = []
    monkeypatch.setattr(course, "lacking", lambda python, *wanted: asked.extend(wanted) or ["python-dateutil"])
    assert course.main(["doctor"]) == 1
    text = capsys.readouterr().out
    assert "WRONG  environment" in text and "python-dateutil" in text and "Delete .venv" in text
    assert asked == ["kernels-to-performers[book]"]
