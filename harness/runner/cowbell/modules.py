# SPDX-License-Identifier: GPL-2.0-only
"""Files of kernel modules, which distributions pack: xfs.ko, xfs.ko.xz, xfs.ko.zst, xfs.ko.gz."""

import lzma
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .tools import RunnerError, Unsupported, find_tool

# Most of a kernel's modules; a guest has next to none of this hardware.
LEFT_PACKED = ("drivers", "sound")


def module_name(path: str) -> str:
    """The name of a module from that of its file."""
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def plain_module(path: Path) -> bytes:
    """What a module's file holds, unpacked. Raises Unsupported without the tool, RunnerError."""
    try:
        data = path.read_bytes()
        if path.suffix == ".xz":
            return lzma.decompress(data)
    except (OSError, lzma.LZMAError) as error:
        raise RunnerError(f"{path}: {error}") from None
    if path.suffix not in (".zst", ".gz"):
        return data
    tool = "zstd" if path.suffix == ".zst" else "gzip"
    program = find_tool(tool)
    if not program:
        raise Unsupported(f"{tool} is not installed; {path.name} is packed with it")
    done = subprocess.run((program, "-dc"), input=data, capture_output=True, check=False)
    if done.returncode:
        raise RunnerError(f"{path}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def unpack_modules(folder: Path) -> None:
    """Replace the packed modules below lib/modules/RELEASE that guests load by plain ones.

    A guest that is emulated takes more than a second to unpack that of XFS, in each of its starts.
    modules.dep has to be made anew afterwards. Raises as plain_module() does, and OSError.
    """
    def unpack(packed: Path) -> None:
        packed.with_suffix("").write_bytes(plain_module(packed))
        packed.unlink()

    packed = [path for part in (folder / "kernel").glob("*") if part.name not in LEFT_PACKED
              for path in part.rglob("*.ko.*")]
    # lzma lets other threads run while it works.
    with ThreadPoolExecutor() as pool:
        list(pool.map(unpack, packed))
