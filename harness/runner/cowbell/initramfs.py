# SPDX-License-Identifier: GPL-2.0-only
"""The little root that a guest starts from: busybox, the modules that reach the host, and init.

Made in memory for each start, as a cpio archive in the format "newc" (the kernel's
Documentation/driver-api/early-userspace/buffer-format.rst); nothing of it is ever a file.
"""

import os
import stat
from pathlib import Path
from typing import Iterable

from .kernels import Kernel
from .modules import module_name, plain_module
from .tools import RunnerError, Unsupported, find_tool

# What init needs before the host's files are there; what is built in is left out.
MODULES = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay")
INIT = Path(__file__).resolve().parent / "guest" / "init"


class Archive:
    """A cpio archive that grows."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.data = bytearray()
        self.number = 0

    def add(self, name: str, mode: int, content: bytes = b"") -> None:
        """Add an entry; mode holds the file's type too. Folders come before what is in them."""
        self.number += 1
        path = name.encode() + b"\0"
        fields = (self.number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        self.data += b"070701" + b"".join(b"%08X" % value for value in fields) + path
        self.pad()
        self.data += content
        self.pad()

    def pad(self) -> None:
        """Fill up to a multiple of four bytes."""
        self.data += b"\0" * (-len(self.data) % 4)

    def end(self) -> bytes:
        """The whole archive."""
        self.number = -1
        self.add("TRAILER!!!", 0)
        return bytes(self.data)


def module_files(kernel: Kernel, names: Iterable[str]) -> list[Path]:
    """Files of modules and of all they depend on, in the order in which they can be loaded.

    Raises Unsupported with the name of a module that the kernel has not got.
    """
    folder = kernel.modules
    if folder is None:
        return []
    depends: dict[str, tuple[str, list[str]]] = {}
    try:
        for line in (folder / "modules.dep").read_text(errors="replace").splitlines():
            path, _, needed = line.partition(":")
            depends[module_name(path)] = (path, needed.split())
        builtin = (folder / "modules.builtin").read_text(errors="replace").splitlines()
    except OSError as error:
        raise RunnerError(f"{error.filename}: {error.strerror}") from None
    wanted: dict[str, None] = {}
    built_in = set(map(module_name, builtin))
    for name in names:
        if name in depends:
            path, needed = depends[name]
            # The last of what is needed has to come first.
            wanted.update(dict.fromkeys((*reversed(needed), path)))
        elif name not in built_in:
            raise Unsupported(f"{kernel.release} has no module {name}")
    return [folder / path for path in wanted]


def is_static(program: Path) -> bool:
    """Does an ELF program need no loader? One that does names it (PT_INTERP)."""
    data = program.read_bytes()
    offset = int.from_bytes(data[32:40], "little")
    size, count = (int.from_bytes(data[at:at + 2], "little") for at in (54, 56))
    kinds = {int.from_bytes(data[offset + i * size:offset + i * size + 4], "little")
             for i in range(count)}
    return 3 not in kinds


def find_busybox() -> Path:
    """A busybox that needs no libraries. Raises Unsupported."""
    found = find_tool("busybox")
    if not found:
        raise Unsupported("busybox is not installed; a guest starts from it (busybox-static)")
    path = Path(found).resolve()
    if not is_static(path):
        raise Unsupported(f"{path} needs libraries; install busybox-static")
    return path


def make_initramfs(kernel: Kernel, files: dict[str, str]) -> bytes:
    """The archive: busybox, modules, init, and files of the caller's (in /cowbell, by name)."""
    archive = Archive()
    for name in ("bin", "cowbell", "dev", "modules", "proc", "sys", "host", "over", "new"):
        archive.add(name, stat.S_IFDIR | 0o755)
    archive.add("bin/busybox", stat.S_IFREG | 0o755, find_busybox().read_bytes())
    archive.add("init", stat.S_IFREG | 0o755, INIT.read_bytes())
    for number, path in enumerate(module_files(kernel, MODULES)):
        archive.add(f"modules/{number:02}-{module_name(path.name)}.ko", stat.S_IFREG | 0o644,
                    plain_module(path))
    for name, text in files.items():
        archive.add(f"cowbell/{name}", stat.S_IFREG | 0o755, os.fsencode(text))
    return archive.end()
