"""Records: the same bits come back, a fault of any kind is told, and no kill, full disk or rival loses the old one."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from companion import checkpoint
from companion.checkpoint import load, save

sys.path.insert(0, str(Path(__file__).parent))
import killed_run  # noqa: E402

FIELDS = {"version": "0.1.0", "dim": 2, "dtype": "float64", "scale": 0.5, "proposal": None, "warm": True}
OLD, NEW = {"step": 1, "x": np.arange(3.0)}, {"step": 2, "x": np.arange(30.0)}
true_open = os.open
posix = pytest.mark.skipif(os.name != "posix", reason="rename and flock as POSIX has them")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "chain"


def same(a, b):
    """Equal in type, and in every bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray | np.generic):
        layout = (a.flags.c_contiguous, a.flags.f_contiguous) == (b.flags.c_contiguous, b.flags.f_contiguous)
        return a.dtype == b.dtype and a.shape == b.shape and layout and a.tobytes() == b.tobytes()
    return a == b if isinstance(a, int) else repr(a) == repr(b)


def back(content, path):
    save(path, content, fields=FIELDS)
    return load(path, expect=FIELDS)


rng = np.random.default_rng(0)
VALUES = {
    "none": None, "true": True, "zero": 0, "negative": -5, "2**63": 2**63, "-2**63": -(2**63),
    "128 bits": -(2**127) - 1,
    "20,000 bits": 3**20_000, "float": 0.1, "-0.0": -0.0, "tiny": 5e-324, "nan": float("nan"), "inf": float("-inf"),
    "text": 'a "line"\nand \u2028 another\\ \ud800', "empty": "",
    "list": [1, [2.0, "x", []], {}], "dict": {"": {"dict": 1}},
    "marks": {"array": 0, "int": "0x1", "tensor": [], "scalar": {"array": None}},
    "float64": rng.standard_normal((2, 3)), "float32": rng.random(5, np.float32), "float16": np.float16([1, np.nan]),
    "payload": np.array([0x7FF8000000000123], np.uint64).view(np.float64), "uint64": np.uint64([2**64 - 1]),
    "complex": np.array([1j]), "bool array": np.array([True, False]), "strings": np.array(["a", "\u00e9t\u00e9"]),
    "bytes": np.array([b"a"]), "big-endian": np.arange(3, dtype=">i4"), "0-d": np.array(3.0),
    "no rows": np.zeros((0, 4)),
    "Fortran": np.asfortranarray(rng.random((3, 4))), "pairs": np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
    "float scalar": np.float64(0.1), "int scalar": np.int8(-3), "bool scalar": np.True_,
    "time": np.array(["2020-01-01"], "datetime64[D]"),
}  # fmt: skip


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_every_value_comes_back_bit_for_bit(value, path):
    assert same(back({"value": value}, path), {"value": value})


def test_all_values_together_come_back_and_are_the_readers_own(path):
    content = {**VALUES, "again": [VALUES["float64"], VALUES["float64"]]}
    result = back(content, path)
    assert same(result, content)
    result["float64"][:] = 0.0
    assert same(load(path, expect=FIELDS), content) and result["again"][0].any() and result["again"][1].any()


def test_strided_arrays_and_memory_maps_come_back_as_plain_arrays(path, tmp_path):
    mapped = np.memmap(tmp_path / "map", np.int16, "w+", shape=(4,))
    mapped[:] = 1, 2, 3, 4
    result = back({"strided": np.arange(12)[::-3], "mapped": mapped}, path)
    assert same(result, {"strided": np.array([11, 8, 5, 2]), "mapped": np.array([1, 2, 3, 4], np.int16)})


@pytest.mark.parametrize("name", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_a_numpy_generator_goes_on_where_it_was(name, path):
    first = np.random.Generator(getattr(np.random, name)(3))
    first.random(5, np.float32)  # half of a word is left over
    state = back({"rng": first.bit_generator.state}, path)["rng"]
    second = np.random.Generator(getattr(np.random, name)(4))
    second.bit_generator.state = state
    assert same(first.random(9, np.float32), second.random(9, np.float32)) and first.normal() == second.normal()


def test_tensors_come_back_bit_for_bit(path):
    torch = pytest.importorskip("torch")
    first = torch.Generator().manual_seed(3)
    torch.rand(3, generator=first)
    made = [
        torch.randn(4, 3, generator=first).to(t) for t in (torch.float64, torch.float32, torch.bfloat16, torch.float16)
    ]
    made += [torch.arange(3), torch.tensor([True, False]), torch.tensor(2.5), torch.zeros(0, 3), made[0].T]
    made += [torch.nn.Parameter(torch.ones(2)), torch.tensor([1 + 2j])]
    result = back({"tensors": made, "rng": first.get_state(), "between": np.arange(2)}, path)
    for old, new in zip(made, result["tensors"], strict=True):
        assert type(new) is torch.Tensor and new.dtype == old.dtype and torch.equal(new, old.detach())
    second = torch.Generator()
    second.set_state(result["rng"])
    assert torch.equal(torch.rand(5, generator=first), torch.rand(5, generator=second))
    result["tensors"][0][:] = 0.0  # it may be written to


class Odd:
    def __repr__(self):
        return "odd"


BAD = {
    "tuple": ({"a": [0, (1, 2)]}, r"content\['a'\]\[1\] must be None, a bool, .* got \(1, 2\) \(tuple\)"),
    "object": ({"a": {"b": Odd()}}, r"content\['a'\]\['b'\] must be .* got odd \(Odd\)"),
    "object array": ({"a": np.array([None])}, r"content\['a'\] must be .* \(ndarray\)"),
    "key": ({"a": {1: 2}}, r"content\['a'\] must be .* dict with str keys.* got \{1: 2\}"),
    "bytes": (b"x", "content must be .* got b'x'"),
    "generator": ({"rng": np.random.default_rng(0)}, r"content\['rng'\] must be .* got Generator\(PCG64\)"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_stored_is_refused_by_its_place_before_anything_is_written(content, message, path):
    with pytest.raises(TypeError, match="^" + message):
        save(path, content, fields=FIELDS)
    assert not list(path.parent.iterdir())


def test_b2_34_masked_entries_are_refused(path):
    with pytest.raises(ValueError, match=r"^content\['a'\] must be without masked entries; got 1 masked"):
        save(path, {"a": np.ma.array([1, 2], mask=[0, 1])}, fields=FIELDS)


@pytest.mark.parametrize("value", [np.float64(1.0), [1], Odd()], ids=repr)
def test_fields_are_plain(value, path):
    with pytest.raises(TypeError, match=r"^fields\['dim'\] must be None, a bool, an int, a float or a str; got "):
        save(path, OLD, fields={"dim": value})
    save(path, OLD, fields={"dim": 1})
    with pytest.raises(TypeError, match=r"^expect\['dim'\] must be None, a bool, an int, a float or a str; got "):
        load(path, expect={"dim": value})


DIFFERENT = {
    "value": (FIELDS | {"dim": 3}, "the field dim of .*chain must be 3; got 2. It is the record of another run"),
    "type": (FIELDS | {"warm": 1}, "the field warm of .*chain must be 1; got true"),
    "float": (FIELDS | {"dim": 2.0}, "the field dim of .*chain must be 2.0; got 2."),
    "more": (FIELDS | {"chains": 4}, "the field chains of .*chain must be 4; got absent"),
    "fewer": ({k: v for k, v in FIELDS.items() if k != "dtype"}, 'the field dtype of .* must be absent; got "float64"'),
    "version": (FIELDS | {"version": "0.2.0"}, 'the field version of .* must be "0.2.0"; got "0.1.0"'),
}


@pytest.mark.parametrize(("expect", "message"), DIFFERENT.values(), ids=[f"B2-80-{key}" for key in DIFFERENT])
def test_a_record_of_another_configuration_is_refused_by_the_field(expect, message, path):
    save(path, OLD, fields=FIELDS)
    with pytest.raises(ValueError, match="^" + message):
        load(path, expect=expect)
    assert same(load(path, expect=dict(reversed(FIELDS.items()))), OLD)


def test_fields_that_are_not_a_number_agree_with_themselves(path):
    save(path, OLD, fields={"scale": float("nan"), "seed": 2**127})
    assert same(load(path, expect={"scale": float("nan"), "seed": 2**127}), OLD)


def test_every_cut_and_every_altered_byte_is_found(path):
    save(path, {"step": 2**70, "x": np.arange(2.0)}, fields={"dim": 2})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="record"):
            load(path, expect={"dim": 2})
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        with pytest.raises(ValueError, match="record"):
            load(path, expect={"dim": 2})
    path.write_bytes(whole + b"\0")
    with pytest.raises(
        ValueError, match=r"^the record .*chain must be what was saved; got another checksum. It was cut"
    ):
        load(path, expect={"dim": 2})


def test_foreign_files_and_other_formats_are_refused(path):
    with pytest.raises(FileNotFoundError, match="chain"):
        load(path, expect=FIELDS)
    np.savez(path.with_suffix(".npz"), x=np.zeros(3))
    for content in (path.with_suffix(".npz").read_bytes(), b"", b"\xff" * 10_000):
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match="^the file .*chain must be a record of companion.checkpoint; got one that beg"
        ):
            load(path, expect=FIELDS)
    save(path, OLD, fields=FIELDS)
    path.write_bytes(path.read_bytes().replace(b"format 1", b"format 2", 1))
    with pytest.raises(ValueError, match="^the record .*chain must be of format 1; got format 2. Read it with"):
        load(path, expect=FIELDS)


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FAILING = {"write": (checkpoint._Hashed, "write"), "fsync": (os, "fsync"), "rename": (os, "replace")}


@pytest.mark.parametrize("where", FAILING.values(), ids=FAILING.keys())
def test_a_full_disk_loses_nothing_and_leaves_nothing(where, path, monkeypatch):
    save(path, OLD, fields=FIELDS)
    with monkeypatch.context() as patch:
        patch.setattr(*where, full_disk)
        with pytest.raises(
            OSError, match=r"not saved, and the record before, if any, is as it was: .*: '.*chain'"
        ) as caught:
            save(path, NEW, fields=FIELDS)
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(path)
    assert list(path.parent.iterdir()) == [path] and same(load(path, expect=FIELDS), OLD)
    assert same(back(NEW, path), NEW)


def test_an_interrupt_loses_nothing_and_leaves_nothing(path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    save(path, OLD, fields=FIELDS)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "fsync", interrupt)
        save(path, NEW, fields=FIELDS)
    assert list(path.parent.iterdir()) == [path] and same(load(path, expect=FIELDS), OLD)


@posix
def test_the_systems_own_refusal_in_the_middle_of_a_file_loses_nothing(path):
    """As a full disk, but real: the system lets no file grow beyond 4 kB, and says so when a buffer is flushed."""
    import resource

    save(path, OLD, fields=FIELDS)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        for size in (1000, 100_000):
            with pytest.raises(OSError, match="not saved, .*: File too large: '.*chain'"):
                save(path, {"x": np.zeros(size)}, fields=FIELDS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(path.parent.iterdir()) == [path] and same(load(path, expect=FIELDS), OLD)


@posix
def test_folders_that_cannot_be_written_are_told(path):
    save(path, OLD, fields=FIELDS)
    with pytest.raises(NotADirectoryError, match="not saved, .*: Not a directory: '.*chain/below'"):
        save(path / "below", NEW, fields=FIELDS)
    with pytest.raises(FileNotFoundError, match="not saved, .*: No such file or directory: '.*missing/chain'"):
        save(path.parent / "missing" / "chain", NEW, fields=FIELDS)
    with pytest.raises(IsADirectoryError, match="not saved, .*: Is a directory"):
        save(path.parent, NEW, fields=FIELDS)
    assert list(path.parent.iterdir()) == [path] and not path.parent.with_name(f".{path.parent.name}.part").exists()
    assert same(load(path, expect=FIELDS), OLD)


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_told(path):
    path.parent.chmod(0o500)
    with pytest.raises(PermissionError, match="not saved, .*: Permission denied"):
        save(path, NEW, fields=FIELDS)
    path.parent.chmod(0o700)


@posix
def test_a_link_stays_a_link(path, tmp_path):
    (tmp_path / "scratch").mkdir()
    path.symlink_to(tmp_path / "scratch" / "chain")
    assert same(back(OLD, path), OLD) and path.is_symlink() and (tmp_path / "scratch" / "chain").is_file()


@posix
def test_order_of_the_steps_on_disk(path, monkeypatch):
    """Bytes, then name, then folder: the fsync of the file stands before the rename, that of the folder after it."""
    done, true_fsync, true_replace = [], os.fsync, os.replace

    def fsync(descriptor):
        kind = "folder" if os.path.samestat(os.fstat(descriptor), os.stat(path.parent)) else "file"
        done.append(f"fsync {kind}, {os.fstat(descriptor).st_size if kind == 'file' else path.stat().st_size} bytes")
        true_fsync(descriptor)

    def replace(old, new):
        done.append(f"rename {old.name} to {new.name}")
        true_replace(old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    save(path, NEW, fields=FIELDS)
    size = path.stat().st_size
    assert done == [f"fsync file, {size} bytes", "rename .chain.part to chain", f"fsync folder, {size} bytes"]


@posix
def test_the_second_of_two_writers_is_told_and_the_first_one_wins(path, monkeypatch):
    true_replace, told = os.replace, []

    def meanwhile(old, new):
        monkeypatch.setattr(os, "replace", true_replace)
        for _ in range(2):  # the failure of a rival removes nothing
            with pytest.raises(BlockingIOError, match="another process or thread is just saving there") as caught:
                save(path, OLD, fields=FIELDS)
            told.append(caught.value)
        true_replace(old, new)

    monkeypatch.setattr(os, "replace", meanwhile)
    save(path, NEW, fields=FIELDS)
    assert len(told) == 2 and list(path.parent.iterdir()) == [path] and same(load(path, expect=FIELDS), NEW)


@posix
def test_a_writer_that_locks_what_has_just_become_the_record_leaves_it_alone(path, monkeypatch):
    """It opened the temporary file before its owner renamed it, and has the lock after: it begins anew."""
    true_lock, rival = checkpoint._lock, iter([True])

    def lock(stream, where):
        if next(rival, False):
            true_lock(stream, where)  # the owner's file, complete, is renamed under this writer
            stream.truncate()
            checkpoint._write(stream, b"[{}, 1]\n", [])
            os.replace(path.with_name(".chain.part"), path)
            kept.append(path.read_bytes())
        else:
            assert path.read_bytes() == kept[0]
            true_lock(stream, where)

    kept = []
    monkeypatch.setattr(checkpoint, "_lock", lock)
    save(path, NEW, fields=FIELDS)
    assert list(path.parent.iterdir()) == [path] and same(load(path, expect=FIELDS), NEW)


def test_where_the_kernel_locks_nothing_records_are_as_whole(path, monkeypatch):
    """As on Windows: no lock, the file closed before it is renamed, no fsync of a folder."""
    true_replace, opened = os.replace, []
    monkeypatch.setattr(checkpoint, "fcntl", None)
    monkeypatch.setattr(os, "open", lambda *arguments: opened.append(true_open(*arguments)) or opened[-1])
    assert same(back(OLD, path), OLD)

    def replace(old, new):
        with pytest.raises(OSError):
            os.fstat(opened[-1])
        true_replace(old, new)

    monkeypatch.setattr(os, "replace", replace)
    assert same(back(NEW, path), NEW)
    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="not saved"):
        save(path, OLD, fields=FIELDS)
    assert list(path.parent.iterdir()) == [path] and same(load(path, expect=FIELDS), NEW) and len(opened) == 3


@posix
def test_a_file_system_without_locks_takes_records_all_the_same(path, monkeypatch):
    import fcntl

    def no_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert same(back(NEW, path), NEW)


def test_what_a_dead_process_left_behind_is_no_obstacle(path):
    path.with_name(".chain.part").write_bytes(b"x" * 100_000)
    assert same(back(OLD, path), OLD) and list(path.parent.iterdir()) == [path]


@posix
def test_the_lock_of_a_killed_process_dies_with_it(path):
    code = f"""import os, signal
from companion import checkpoint
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
checkpoint.save({str(path)!r}, {{"step": 1}}, fields={{}})"""
    run = subprocess.run([sys.executable, "-c", code], cwd=Path(checkpoint.__file__).parents[1])
    assert run.returncode == -signal.SIGKILL and path.with_name(".chain.part").exists() and not path.exists()
    assert same(back(NEW, path), NEW)


@posix
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_that_is_killed_at_any_moment_resumes_as_if_it_had_not_been(tmp_path):
    """20 seeded moments, and each of the operations of one save: its pieces, its fsyncs, its rename."""
    whole = list(killed_run.walk(killed_run.start()))

    def killed_at(moments):
        command = [sys.executable, killed_run.__file__, str(tmp_path), *map(str, moments)]
        environment = os.environ | {"PYTHONPATH": str(Path(checkpoint.__file__).parents[1])}
        subprocess.run(command, env=environment, check=True)

    killed_at([0])
    n_operations = int((tmp_path / "operations").read_text())
    assert same(load(tmp_path / "0", expect=killed_run.FIELDS), whole[(killed_run.N_STEPS // killed_run.EVERY) * 3 - 1])
    seeded = np.random.default_rng(11).choice(np.arange(1, n_operations + 1), 20, replace=False)
    a_save = n_operations // 2 + np.arange(n_operations * killed_run.EVERY // killed_run.N_STEPS)
    moments = sorted({*seeded.tolist(), *a_save.tolist()})
    killed_at(moments)
    steps, left_behind = [], 0
    for n in moments:
        path = tmp_path / str(n)
        state = load(path, expect=killed_run.FIELDS) if path.exists() else killed_run.start()
        assert state["step"] == 0 or same(state, whole[state["step"] - 1])
        left_behind += path.with_name(f".{n}.part").exists()
        assert same(list(killed_run.walk(state)), whole[state["step"] :])
        assert same(back(whole[-1], path), whole[-1])
        assert not path.with_name(f".{n}.part").exists()
        steps.append(state["step"])
    assert steps == sorted(steps) and len(set(steps)) > 5 and left_behind > 5
