"""The tables and the figure of recorded timings: every row appears once, and losses and limits are told apart."""

import pytest

from companion import show

ROW = {"seconds": 0.002, "times_ours": 1.0, "quartiles": [1.0, 1.0]}
PEER = {"seconds": 0.004, "times_ours": 2.0, "quartiles": [1.9, 2.25]}
FASTER = {"seconds": 0.001, "times_ours": 0.5, "quartiles": [0.45, 0.6]}
LIMITS = {"product": {"times_ours": 0.25}, "writing once": {"times_ours": 0.125}}
TIMES = {"companion": ROW, "companion, torch tensor": FASTER, "slow": PEER, "fast": FASTER} | LIMITS


def cells(text):
    """The cells of a Markdown table by the names of their rows, without the rule below the headings."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert len({len(row) for row in rows}) == 1, "a row has other columns than the headings"
    del rows[1]
    return {name: found for name, *found in rows}


def test_a_table_has_ratios_and_their_quartiles():
    found = cells(show.tabulated({"float32": TIMES}, "task"))
    assert found["task"] == ["float32"] and found["slow"] == ["2.00 (1.90–2.25)"]
    assert "ms" not in str(found) and "s 0.00" not in str(found), "seconds count on a GPU only"


def test_losses_are_named_by_a_word_and_only_where_a_competitor_is_faster():
    found = cells(show.tabulated({"float32": TIMES}))
    assert found["fast"] == ["0.50 (0.45–0.60) loss"]
    assert [name for name, row in found.items() if "loss" in row[0]] == ["fast"]
    assert "loss" not in show.tabulated({"": {"peer": {"times_ours": 0.996}}}), "1.00 and a loss contradict each other"


def test_the_rows_of_the_package_are_bold_and_limits_come_last_with_their_sum():
    found = cells(show.tabulated({"float32": TIMES, "error": {"fast": 0.5, "companion": "none"}}))
    assert list(found)[1:3] == ["**companion**", "**companion, torch tensor**"]
    assert list(found)[-3:] == ["*limit: product*", "*limit: writing once*", "*limit, all parts*"]
    assert found["**companion**"] == ["1", "none"] and found["fast"][1] == "0.50"
    assert found["*limit, all parts*"] == ["*0.38*", ""]


def test_seconds_stand_in_a_table_that_asks_for_them():
    found = cells(show.tabulated({"GPU": {"companion": ROW, "fast": FASTER}}, milliseconds=True))
    assert found["**companion**"] == ["1, 2.00 ms"] and found["fast"] == ["0.50 (0.45–0.60) loss, 1.00 ms"]


def test_a_figure_gets_the_competitors_and_one_limit():
    assert show.peers(TIMES) == {"slow": PEER, "fast": FASTER, "limit": {"times_ours": 0.375}}
    assert show.peers({"companion": ROW, "slow": PEER}) == {"slow": PEER}


NAMES = ["gram", "dual", "growth", "features", "primal", "tutorial", "attention"]


@pytest.mark.parametrize("name", NAMES)
def test_the_machine_of_a_recording_stands_in_one_column(name, monkeypatch):
    shown = []
    monkeypatch.setattr(show, "_display", shown.append)
    record = show.recorded(name)
    other = record | {"machine": record["machine"] | {"cpu": "another"}, "versions": {"numpy": "9.9"}}
    show.machine({"first": record, "second": record, "third": other})
    found = cells(shown[0])
    assert found[""] == ["first, second", "third"]
    assert found["processor"] == [record["machine"]["cpu"].replace("(R)", ""), "another"]
    assert found["numpy"] == [record["versions"]["numpy"], "9.9"] and found["python"][1] == ""


def test_tables_are_markdown_in_a_notebook(capsys):
    display = pytest.importorskip("IPython.display")
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(display, "display", shown.append)
        show.table({"float32": TIMES}, "task")
        show.source(show.number)
    assert [type(each) for each in shown] == [display.Markdown] * 2 and capsys.readouterr().out == ""
    assert shown[0].data == show.tabulated({"float32": TIMES}, "task") and shown[1].data.startswith("```python")


def test_the_figure_of_ratios_rings_every_loss_and_draws_a_limit_as_a_bar():
    plotting = pytest.importorskip("companion.plotting", reason="needs matplotlib")
    task = {"libsvm, tol=1e-5": FASTER, "scikit-learn": PEER, "torch, by hand": PEER, "limit": {"times_ours": 0.25}}
    with plotting.mpl.rc_context():
        plotting.use_style()
        ax = plotting.paired_ratios({"I": {"one": task, "two": {"GPyTorch": PEER}}, "II": {"three": task}})
        marks = [line for line in ax.lines if line.get_marker() != "None"]
        at = [(mark.get_label(), float(mark.get_xdata()[0])) for mark in marks]
        legend = [text.get_text() for text in ax.figure.legends[0].get_texts()]
        names = [label.get_text() for label in ax.get_yticklabels()]
        smallest = min(text.get_fontsize() for text in (*ax.get_xticklabels(), *ax.get_yticklabels()))
        width = ax.figure.get_size_inches()[0] * 72
        plotting.plt.close(ax.figure)
    assert names == ["I", "one", "two", "II", "three"]
    assert at.count(("loss", 0.5)) == 2 and at.count(("limit", 0.25)) == 2
    assert [x for label, x in at if label == "loss"] == [0.5, 0.5], "no other mark has a ring"
    assert legend == ["scikit-learn", "torch", "GPyTorch", "limit", "loss"]
    assert smallest * 350 / width >= 7, "type on a phone"
