"""course.py: what it decides, without making environments."""

import subprocess
import sys

import pytest

import course


def test_help_names_every_command(capsys):
    assert course.main([]) == 0 == course.main(["book", "--help"])
    text = capsys.readouterr().out
    assert [name for name in course.COMMANDS if name not in text] == []


def test_unknown_command_is_an_error(capsys):
    assert course.main(["bok"]) == 2
    assert "python3 course.py book" in capsys.readouterr().out


def test_makefile_has_every_command():
    text = (course.ROOT / "Makefile").read_text()
    assert all(name in text.split(".PHONY:")[1].split("\n")[0] for name in course.COMMANDS)


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


def test_default_index_asks_no_other(monkeypatch):
    monkeypatch.setenv("COURSE_TORCH_INDEX", "default")
    assert course.torch_index() == []


def test_silent_index_is_reported_and_left_out(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_TORCH_INDEX", "http://127.0.0.1:9/whl")
    assert course.torch_index() == []
    assert "does not answer" in capsys.readouterr().out


def test_lab_never_overwrites_a_readers_page(tmp_path):
    source, target = tmp_path / "book", tmp_path / "work"
    (source / "part").mkdir(parents=True)
    (source / "part" / "page.md").write_text("text")
    (source / "part" / "page.ipynb").write_text("as published")
    (source / "notation.md").write_text("plain page")
    assert course.copy_pages(source, target) == (2, 0)
    assert not (target / "part" / "page.md").exists(), "a pair is copied as its notebook"
    (target / "part" / "page.ipynb").write_text("my notes")
    assert course.copy_pages(source, target) == (0, 2)
    assert (target / "part" / "page.ipynb").read_text() == "my notes"


def test_doctor_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(course, "find_browser", lambda: None)
    monkeypatch.setattr(course.shutil, "disk_usage", lambda _: course.shutil._ntuple_diskusage(0, 0, 2**30))
    monkeypatch.setattr(course, "is_current", lambda *_: False)
    assert course.main(["doctor"]) == 1
    text = capsys.readouterr().out
    assert "WRONG  disk" in text and "Free some space" in text
    assert "note  browser" in text and "COURSE_CHROMIUM" in text


def test_doctor_is_content_here(capsys, monkeypatch):
    monkeypatch.setattr(course, "is_current", lambda *_: True)
    assert course.main(["doctor"]) == 0
    assert "WRONG" not in capsys.readouterr().out
