"""The record of a run on disk: saved whole or not at all, so that a run that is resumed equals an unbroken one.

    write a temporary file beside the record, fsync it, rename it, fsync the folder

A rename is one step: at every moment the name stands for the old record or for the new one, and the first fsync keeps
the name from reaching the disk before the bytes (Pillai et al. 2014, "All file systems are not created equal: on the
complexity of crafting crash-consistent applications", OSDI, section 4). A save that fails leaves the old record alone.

The file is a line with the version of its format, a line with the SHA-256 of all that follows, a line of JSON, and the
arrays as NumPy stores them (.npy). Nothing is pickled, and reading runs no code.

>>> from tempfile import TemporaryDirectory
>>> folder, rng = TemporaryDirectory(), np.random.default_rng(0)
>>> path = Path(folder.name, "chain")
>>> save(path, {"step": 3, "rng": rng.bit_generator.state}, fields={"dim": 2})
>>> rng.bit_generator.state == load(path, expect={"dim": 2})["rng"]
True
>>> load(path, expect={"dim": 5})  # doctest: +ELLIPSIS
Traceback (most recent call last):
ValueError: the field dim of .../chain must be 5; got 2. ...
>>> folder.cleanup()
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import array_api_compat as compat
import numpy as np

from companion._core import checks

try:
    import fcntl
except ImportError:  # on Windows, which also renames no open file and syncs no folder
    fcntl = None  # type: ignore[assignment]

__all__ = ["load", "save"]

_NAME = b"companion record, format "
_FORMAT = _NAME + b"1\n"
_PLACE = 64 * b"0" + b"\n"  # of the checksum


def save(path: str | os.PathLike[str], content: Any, *, fields: Mapping[str, Any]) -> None:
    """Write a record in the place of the one before.

    Parameters
    ----------
    path : str or path
        Its folder must exist. A temporary file ``.NAME.part`` stands beside it while it is written; one that a killed
        process left behind is used again.
    content : dict
        Of strings to None, bool, int of any size, float, str, list, dict, NumPy array or scalar without Python objects,
        torch tensor; nested as you like. State of a generator: ``rng.bit_generator.state`` (NumPy), ``get_state()``
        (torch). Arrays keep dtype, byte order and Fortran order; tensors come back contiguous, on the host.
    fields : dict
        What a run that resumes must agree in: names to None, bool, int, float or str.

    Raises
    ------
    TypeError
        If something in the content or the fields is of another type; the message says where it stands.
    BlockingIOError
        If another process or thread is just saving this record.
    OSError
        If the file cannot be written, with the system's reason. The record that was there still is.

    Notes
    -----
    The lock is the kernel's (flock), which dies with its owner. Windows has none: there each process has a temporary
    file of its own, and the last of two writers wins. On a network file system without locks two writers may spoil
    each other's file, which its checksum tells.
    """
    path = Path(os.path.realpath(path))  # a link stays one
    arrays: list[np.ndarray] = []
    text = json.dumps([_encoded_fields("fields", fields), _encode("content", content, arrays)])
    try:
        with _temporary(path) as (stream, temporary):
            _write(stream, text.encode() + b"\n", arrays)
            if fcntl is None:
                stream.close()
            os.replace(temporary, path)
    except OSError as error:
        reason = f"not saved, and the record before, if any, is as it was: {error.strerror}"
        raise OSError(error.errno, reason, str(path)) from error
    _sync_folder(path.parent)


def load(path: str | os.PathLike[str], *, expect: Mapping[str, Any]) -> Any:
    """The content of a record, bit for bit what was saved.

    Parameters
    ----------
    path : str or path
    expect : dict
        The fields that the record must have been saved with: all of them, and no others.

    Returns
    -------
    dict
        The content; its arrays are writable and shared with nobody.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If the file is no record or of another format, if it was cut or altered (its checksum is wrong), or if a field
        differs from ``expect``; the message names the field with both values.
    """
    wanted = _encoded_fields("expect", expect)
    with open(path, "rb") as stream:
        _require_format(path, stream.readline(len(_FORMAT) + 20))
        checksum, start = stream.read(len(_PLACE)), stream.tell()
        if file_digest(stream, "sha256").hexdigest().encode() + b"\n" != checksum:
            fix = "It was cut or altered: restore it from a copy, or delete it and start again."
            checks.fail(f"the record {path}", "what was saved", "another checksum", fix)
        stream.seek(start)
        fields, tree = json.loads(stream.readline())
        _require_fields(path, fields, wanted)
        return _decode(tree, stream)


def _encoded_fields(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in fields.items():
        if value is not None and type(value) not in (bool, int, float, str):
            _refuse(f"{name}[{key!r}]", "None, a bool, an int, a float or a str", value)
    return _encode(name, dict(fields), [])["dict"]


def _encode(name: str, value: Any, arrays: list[np.ndarray]) -> Any:
    """A value as JSON, in which a dict of one entry marks all that JSON does not have; arrays join the list."""
    if value is None or type(value) in (bool, float, str):
        return value
    if type(value) is int:
        return value if abs(value) < 2**63 else {"int": hex(value)}
    if type(value) is list:
        return [_encode(f"{name}[{i}]", item, arrays) for i, item in enumerate(value)]
    if type(value) is dict and all(type(key) is str for key in value):
        return {"dict": {key: _encode(f"{name}[{key!r}]", item, arrays) for key, item in value.items()}}
    if compat.is_torch_array(value):
        octets = value.detach().cpu().contiguous().reshape(-1).view(_torch().uint8).numpy()  # any dtype, bfloat16 too
        arrays.append(octets)
        return {"tensor": [str(value.dtype).rpartition(".")[2], *value.shape]}
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        checks.dense(name, value)
        arrays.append(np.asarray(value))
        return {"array" if isinstance(value, np.ndarray) else "scalar": None}
    _refuse(name, "None, a bool, int, float, str, list, dict with str keys, array without objects, or tensor", value)


def _refuse(name: str, expected: str, value: Any) -> NoReturn:
    checks.fail(name, expected, f"{value!r:.60} ({type(value).__name__})", "", TypeError)


def _decode(node: Any, stream: BinaryIO) -> Any:
    """The value that ``_encode`` made JSON of; arrays follow each other in the stream in the same order."""
    if isinstance(node, list):
        return [_decode(item, stream) for item in node]
    if not isinstance(node, dict):
        return node
    [(kind, value)] = node.items()
    if kind == "int":
        return int(value, 16)
    if kind == "dict":
        return {key: _decode(item, stream) for key, item in value.items()}
    array = np.lib.format.read_array(stream, allow_pickle=False)
    if kind == "tensor":
        tensor = _torch().empty(value[1:], dtype=getattr(_torch(), value[0]))
        tensor.reshape(-1).view(_torch().uint8).copy_(_torch().from_numpy(array))
        return tensor
    return array if kind == "array" else array[()]


def _torch() -> Any:
    with checks.needs("a record with tensors", "torch", extra="torch"):
        import torch
    return torch


class _Hashed:
    """A file to write to, with the SHA-256 of what was written."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream, self.hash = stream, sha256()

    def write(self, data: bytes) -> None:
        self.hash.update(data)
        self.stream.write(data)


def _write(stream: BinaryIO, text: bytes, arrays: list[np.ndarray]) -> None:
    stream.write(_FORMAT + _PLACE)
    hashed = _Hashed(stream)
    hashed.write(text)
    for array in arrays:
        np.lib.format.write_array(hashed, array, allow_pickle=False)  # type: ignore[arg-type]
    stream.seek(len(_FORMAT))
    stream.write(hashed.hash.hexdigest().encode())
    stream.flush()
    os.fsync(stream.fileno())


@contextmanager
def _temporary(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """The temporary file of a record, empty and locked; removed if the block fails."""
    temporary = path.with_name(f".{path.name}.part" if fcntl else f".{path.name}.{os.getpid()}.part")
    while True:
        with open(temporary, "r+b", opener=lambda name, flags: os.open(name, flags | os.O_CREAT, 0o666)) as stream:
            _lock(stream, path)
            if not _stands_at(stream, temporary):  # its owner renamed it before this lock was ours
                continue
            try:
                stream.truncate()
                yield stream, temporary
            except BaseException:
                if _stands_at(stream, temporary):
                    temporary.unlink()
                raise
            return


def _lock(stream: BinaryIO, path: Path) -> None:
    try:
        if fcntl is not None:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        reason = "another process or thread is just saving there; give each run a path of its own"
        raise BlockingIOError(error.errno, reason, str(path)) from None
    except OSError:
        pass  # no locks on this file system


def _stands_at(stream: BinaryIO, name: Path) -> bool:
    """Whether the open file is the one of this name."""
    return name.exists() and (stream.closed or os.path.samestat(os.fstat(stream.fileno()), os.stat(name)))


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk."""
    if fcntl is None:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require_format(path: Any, line: bytes) -> None:
    if line == _FORMAT:
        return
    if line.startswith(_NAME):
        got = f"format {line[len(_NAME) :].decode(errors='replace').strip()}"
        checks.fail(f"the record {path}", "of format 1", got, "Read it with the version that wrote it.")
    checks.fail(f"the file {path}", "a record of companion.checkpoint", f"one that begins {line[:16]!r}", "")


def _require_fields(path: Any, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    for key in wanted | found:
        want, got = (json.dumps(fields[key]) if key in fields else "absent" for fields in (wanted, found))
        if want != got:
            fix = "It is the record of another run: give this one a path of its own, or delete the record."
            checks.fail(f"the field {key} of {path}", want, got, fix)
