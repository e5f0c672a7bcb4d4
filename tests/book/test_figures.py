"""The stored figures are those that the pages draw now: nbval compares text only."""

import pytest

from tools.notebooks import compare_figures
from tools.pages import notebook_pages


@pytest.mark.parametrize("page", notebook_pages(), ids=lambda page: page.name)
def test_figures_are_as_stored(page):
    assert compare_figures(page) == []
