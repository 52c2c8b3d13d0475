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
# What init calls by their names.
APPLETS = ("chroot", "cp", "grep", "insmod", "mkdir", "mount", "poweroff", "sleep", "uname")
# While a big module is loaded, others wait: this one, which main waits for, comes before those.
FIRST = ("loop",)
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


def read_index(folder: Path, name: str, needed: bool = True) -> list[str]:
    """The lines of a file of depmod's, which may be missing if not needed. Raises RunnerError."""
    path = folder / f"modules.{name}"
    if not needed and not path.exists():
        return []
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError as error:
        raise RunnerError(f"{error.filename}: {error.strerror}") from None


def loading_orders(folder: Path) -> dict[str, list[str]]:
    """By the name of each module: the files of what it depends on and last its own, in the order
    in which they can be loaded, as paths in the folder. Raises RunnerError."""
    orders = {}
    for line in read_index(folder, "dep"):
        path, _, needed = line.partition(":")
        # The last of what is needed has to come first.
        orders[module_name(path)] = [*reversed(needed.split()), path]
    return orders


def module_files(kernel: Kernel, names: Iterable[str]) -> list[Path]:
    """Files of modules and of all they depend on, in the order in which they can be loaded.

    Raises Unsupported with the name of a module that the kernel has not got, RunnerError.
    """
    if kernel.modules is None:
        return []
    orders = loading_orders(kernel.modules)
    built_in = set(map(module_name, read_index(kernel.modules, "builtin")))
    wanted: dict[str, None] = {}
    for name in names:
        if name in orders:
            wanted.update(dict.fromkeys(orders[name]))
        elif name not in built_in:
            raise Unsupported(f"{kernel.release} has no module {name}")
    return [kernel.modules / path for path in wanted]


def asked_before(folder: Path) -> dict[str, list[str]]:
    """What modules ask to be loaded before them though they do not depend on it: softdep(5)'s pre.

    By the modules' names; aliases are resolved. Raises RunnerError.
    """
    aliases: dict[str, list[str]] = {}
    for line in read_index(folder, "alias", needed=False):
        if line.startswith("alias "):
            alias, _, name = line.removeprefix("alias ").rpartition(" ")
            aliases.setdefault(alias, []).append(name)
    asked: dict[str, list[str]] = {}
    for line in read_index(folder, "softdep", needed=False):
        if line.startswith("softdep "):
            name, _, rest = line.removeprefix("softdep ").partition(" ")
            before = rest.partition("pre:")[2].partition("post:")[0].split()
            asked.setdefault(name, []).extend(
                real for each in before for real in aliases.get(each, [each]))
    return asked


def early_files(kernel: Kernel, names: Iterable[str]) -> list[Path]:
    """Files of modules to load while the guest comes up, in order; not those that init needs.

    What the kernel has not got is left out: who needs it will tell. Raises RunnerError.
    """
    if kernel.modules is None:
        return []
    orders, asked = loading_orders(kernel.modules), asked_before(kernel.modules)
    wanted: dict[str, None] = {}
    begun: set[str] = set()

    def add(name: str) -> None:
        for path in orders.get(name, ()):
            begun.add(module_name(path))
            for before in asked.get(module_name(path), ()):
                if before not in begun:
                    add(before)
            wanted[path] = None

    for name in names:
        add(name)
    own = module_files(kernel, MODULES)
    return [path for path in map(kernel.modules.joinpath, wanted) if path not in own]


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


def make_initramfs(kernel: Kernel, files: dict[str, str], load: Iterable[str] = ()) -> bytes:
    """The archive: busybox, modules, init, and files of the caller's (in /cowbell, by name).

    Modules in `load` are in /early, with what they need. Raises Unsupported, RunnerError.
    """
    archive = Archive()
    for name in ("bin", "cowbell", "dev", "early", "modules", "proc", "sys", "host", "over", "new"):
        archive.add(name, stat.S_IFDIR | 0o755)
    archive.add("bin/busybox", stat.S_IFREG | 0o755, find_busybox().read_bytes())
    for name in APPLETS:
        archive.add(f"bin/{name}", stat.S_IFLNK | 0o777, b"busybox")
    archive.add("init", stat.S_IFREG | 0o755, INIT.read_bytes())
    modules = {"modules": module_files(kernel, MODULES),
               "early": early_files(kernel, (*FIRST, *load))}
    for folder, paths in modules.items():
        for number, path in enumerate(paths):
            archive.add(f"{folder}/{number:02}-{module_name(path.name)}.ko", stat.S_IFREG | 0o644,
                        plain_module(path))
    for name, text in files.items():
        archive.add(f"cowbell/{name}", stat.S_IFREG | 0o755, os.fsencode(text))
    return archive.end()
