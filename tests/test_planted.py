"""Each mistake planted in tests/planted/ is caught by the test that it names; see tools/planted.py."""

import json
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from tools import planted
from tools.exercises import exercises
from tools.pages import ROOT, notebook_pages, toc

MISTAKES = planted.mistakes()
OF_THE_PACKAGE = [mistake for mistake in MISTAKES if mistake.where]


SOUND = next(mistake for mistake in OF_THE_PACKAGE if mistake.name == "bandwidth-without-its-factor-2")
HARMLESS = replace(SOUND, name="harmless", new=SOUND.old + "  # the same")
MISSING = replace(SOUND, name="missing", test=SOUND.test + "-nowhere")
OTHERWISE = replace(SOUND, name="otherwise", new="raise MemoryError")


@pytest.fixture(scope="module")
def verdicts(request):
    """Why a mistake was not caught, by name: one process makes all that the chosen tests ask for."""
    chosen = {item.name for item in request.session.items if item.nodeid.startswith(request.node.nodeid)}
    asked = [m for m in OF_THE_PACKAGE if f"{test_the_mistake_is_caught.__name__}[{m.name}]" in chosen]
    records = json.dumps([asdict(mistake) for mistake in (*asked, HARMLESS, MISSING, OTHERWISE)])
    command = [sys.executable, "-m", "tools.planted", "-"]
    done = subprocess.run(command, input=records, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.parametrize("mistake", OF_THE_PACKAGE, ids=lambda mistake: mistake.name)
def test_the_mistake_is_caught(mistake, verdicts):
    assert verdicts[mistake.name] == ""


def test_every_code_exercise_has_a_wrong_answer_and_every_answer_an_exercise():
    labels = {exercise.label for page in notebook_pages() for exercise in exercises(page) if exercise.is_code}
    assert labels == {mistake.exercise for mistake in MISTAKES if mistake.exercise}


def test_records_belong_to_pages_and_have_names_of_their_own():
    assert {mistake.page for mistake in MISTAKES} <= set(toc())
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"old": "no such text"}, "occurs 0 times"),
        ({"new": SOUND.old}, "and becomes"),
        ({"where": "companion.nowhere.f"}, "no module"),
        ({"where": SOUND.where + "x"}, "has no"),
    ],
)
def test_a_record_that_changes_nothing_is_refused(damage, words):
    with pytest.raises(ValueError, match=words):
        planted.damaged(replace(SOUND, **damage))


def test_a_record_says_who_notices():
    with pytest.raises(ValueError, match="it needs `where` and `test`, or else `exercise`"):
        replace(SOUND, test="")


def test_a_change_without_effect_a_missing_test_and_another_error_are_no_catch(verdicts):
    assert "does not fail: exit code 0" in verdicts["harmless"]
    assert "does not fail: exit code 4" in verdicts["missing"]
    assert "does not fail by AssertionError, but by ['MemoryError" in verdicts["otherwise"]
