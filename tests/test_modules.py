# SPDX-License-Identifier: GPL-2.0-only
"""Modules as distributions pack them."""

import subprocess
from pathlib import Path

import pytest

from cowbell import modules
from cowbell.tools import RunnerError, find_tool

PACKERS = {".xz": "xz", ".gz": "gzip", ".zst": "zstd"}


def put_module(path, suffix=""):
    """A module packed with what the suffix names, or plain; its file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"content" * 100)
    if not suffix:
        return path
    if not find_tool(PACKERS[suffix]):
        pytest.skip(f"{PACKERS[suffix]} is not installed")
    packed = Path(f"{path}{suffix}")
    with packed.open("wb") as file:
        subprocess.run((PACKERS[suffix], "-qc", path), stdout=file, check=True)
    path.unlink()
    return packed


@pytest.mark.parametrize("suffix", ["", *PACKERS])
def test_packed_modules_are_unpacked(tmp_path, suffix):
    """Whatever distributions pack them with."""
    packed = put_module(tmp_path / "kernel/fs/m.ko", suffix)
    assert modules.plain_module(packed) == b"content" * 100
    hardware = put_module(tmp_path / "kernel/drivers/net/n.ko", suffix)
    modules.unpack_modules(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == [
        hardware, tmp_path / "kernel/fs/m.ko"]
    assert modules.plain_module(tmp_path / "kernel/fs/m.ko") == b"content" * 100


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_corrupt_module_is_named(tmp_path, suffix):
    """One line with the file, and nothing is lost."""
    path = put_module(tmp_path / "kernel/fs/m.ko", suffix)
    path.write_bytes(b"not packed")
    with pytest.raises(RunnerError, match=f"m.ko{suffix}") as error:
        modules.unpack_modules(tmp_path)
    assert "\n" not in str(error.value)
    assert path.read_bytes() == b"not packed" and len(list(path.parent.iterdir())) == 1
