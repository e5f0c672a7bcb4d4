"""What the API page reads from the source: the public names of files and of folders, wherever they are defined."""

import ast

import pytest

from tools import api
from tools.sphinx_course import signature

FILES = {
    "flat.py": "import math\n\n\ndef f(x: int = 1): ...\n\n\ndef _g(): ...\n",
    "folder/__init__.py": "from companion.flat import f\nfrom companion.folder.one import B as C, f as h\n\n"
    "def own(*, rng=None): ...\n\nLIMIT = 2\n__all__ = ['LIMIT', 'own', 'h']\n__all__ += ['C', 'f']\n",
    "folder/one.py": "from companion.flat import f\n\n\n@dataclass\nclass A:\n    k: int\n    _n: int\n\n\n"
    "@dataclass\nclass B(A):\n    m: int = 3\n",
}


@pytest.fixture
def root(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "companion" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_names_are_found_through_folders_and_imports(root):
    assert {found.name: found.file.name for found in api.public("companion.folder", root)} == {
        "own": "__init__.py", "f": "flat.py", "B": "one.py"
    }  # fmt: skip
    assert [found.name for found in api.public("companion.flat", root)] == ["f"]
    assert list(api.files(root)) == ["companion.flat", "companion.folder", "companion.folder.one"]


def test_a_name_that_is_listed_and_missing_is_reported(root):
    with (root / "companion/folder/__init__.py").open("a") as file:
        file.write("__all__ += ['nowhere']\n")
    with pytest.raises(LookupError, match="the __all__ of companion.folder lists nowhere, which it does not have"):
        api.public("companion.folder", root)


def test_the_package_has_what_it_lists():
    import companion

    for module in companion.__all__:
        assert all(
            isinstance(found.node, api.Definition) and ast.get_docstring(found.node)
            for found in api.public(f"companion.{module}")
        )
