"""Each mistake planted in tests/planted/ is caught by the test that it names; see tools/planted.py."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from tools import planted
from tools.exercises import exercises
from tools.pages import ROOT, notebook_pages, toc

MISTAKES = planted.mistakes()
OF_THE_PACKAGE = [mistake for mistake in MISTAKES if mistake.where]


@pytest.fixture(scope="module")
def verdicts(request):
    """Why a mistake was not caught, by name: one process makes all that were asked for."""
    asked = [item.name for item in request.session.items if item.nodeid.startswith(request.node.nodeid)]
    names = [mistake.name for mistake in OF_THE_PACKAGE if f"test_the_mistake_is_caught[{mistake.name}]" in asked]
    done = subprocess.run([sys.executable, "-m", "tools.planted", *names], cwd=ROOT, capture_output=True, text=True)
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


SOUND = OF_THE_PACKAGE[0]


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


HARMLESS = """
import json, sys
from dataclasses import replace
from tools import planted
m = next(m for m in planted.mistakes() if m.name == "bandwidth-without-its-factor-2")
harmless = replace(m, new=m.old + "  # the same")
missing = replace(m, test=m.test + "-nowhere")
print(json.dumps([planted.in_a_child(harmless), planted.in_a_child(missing)]))
"""


@pytest.mark.skipif(not hasattr(planted.os, "fork"), reason="this system has no fork")
def test_a_change_without_effect_and_a_test_that_is_missing_are_reported():
    done = subprocess.run([sys.executable, "-c", HARMLESS], cwd=ROOT, capture_output=True, text=True)
    harmless, missing = json.loads(done.stdout)
    assert "does not fail: exit code 0" in harmless and "does not fail: exit code 4" in missing
