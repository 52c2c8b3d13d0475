# SPDX-License-Identifier: GPL-2.0-only
"""What all filesystems have, and those that a mount alone brings up: one class for each way.

An object says how a filesystem is made, mounted, checked and taken down in a Place; state.py says
where that is and who cleans up after a killed run. The objects themselves are in filesystems.py.
"""

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Iterator

from . import kernel
from .tools import RunnerError, find_tool, run_tool, try_tool


@dataclass(frozen=True)
class Place:
    """Where one filesystem lives: a folder with an image and mount points."""

    folder: Path
    size_bytes: int

    @property
    def image(self) -> Path:
        """The file that holds the filesystem."""
        return self.folder / "image"

    @property
    def directory(self) -> Path:
        """Where the filesystem under test is mounted."""
        return self.folder / "dir"

    @property
    def view(self) -> Path:
        """Where it is mounted a second time, if that was asked for: then this folder is there."""
        return self.folder / "view"

    @property
    def server(self) -> Path:
        """Where the server of a network filesystem has its files."""
        return self.folder / "server"

    @property
    def base(self) -> Path:
        """Where the filesystem below an overlay or a network filesystem is mounted."""
        return self.folder / "base"


@dataclass(frozen=True)
class Filesystem:
    """What all filesystems have; each class below is one way of making them."""

    name: str
    doc: str
    # Needs of cases that it meets on each kernel that it was run on: not to meet one is a fail, on
    # the oldest of them and those after it.
    offers: tuple[str, ...] = field(default=(), kw_only=True)
    offered_since: tuple[int, int] = field(default=(5, 10), kw_only=True)

    # The smallest size that mkfs accepts, in bytes.
    least_bytes = 0
    # What can be done to it while a command runs: names of methods, and options of cowbell fs.
    hooks: ClassVar[tuple[str, ...]] = ("remount",)
    # What serves it, as quirks call it; nothing if that makes no difference.
    server: ClassVar[str] = ""
    # Whether the size is taken from the disk that the state folder is on.
    on_disk = True

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules of the kernel that it needs, and that take a moment to load."""
        return ()

    def missing(self) -> str:
        """Why this machine cannot make it; nothing if it can."""
        raise NotImplementedError

    def make(self, place: Place) -> None:
        """Make it, not mounted yet. Raises RunnerError."""
        raise NotImplementedError

    def mount(self, place: Place) -> None:
        """Mount it at place.directory. Raises RunnerError."""
        raise NotImplementedError

    def mount_view(self, place: Place) -> None:
        """Mount it, mounted already, at place.view too. Raises RunnerError."""
        run_tool("mount", "--bind", str(place.directory), str(place.view))

    def check(self, place: Place) -> str:
        """Check it, not mounted any more; what is wrong with it, or nothing."""
        raise NotImplementedError

    def mount_all(self, place: Place) -> None:
        """Mount it wherever it was asked for. Raises RunnerError."""
        self.mount(place)
        if place.view.is_dir():
            self.mount_view(place)

    def remount(self, place: Place) -> None:
        """Unmount it and mount it again. Raises RunnerError."""
        self.unmount(place)
        self.mount_all(place)

    def unmount(self, place: Place) -> None:
        """Unmount it so that nothing of it is in use any more. Raises RunnerError."""
        kernel.unmount_below(place.folder)
        # The loop device goes by itself with its last user; until then the image may change.
        if not kernel.wait_until(lambda: not kernel.loops_of(place.image)):
            raise RunnerError(f"{' '.join(kernel.loops_of(place.image))} is still in use")


@dataclass(frozen=True)
class ImageFilesystem(Filesystem):
    """A filesystem in an image under a loop device."""

    type: str
    mkfs: tuple[str, ...]
    fsck: tuple[str, ...]
    options: tuple[str, ...] = ()
    least_bytes: int = 0
    # Each in turn: (file that says that the kernel can, mount option).
    choices: tuple[tuple[str, str], ...] = ()
    # Whether mkfs and fsck open it with O_DIRECT, which not every place for an image offers.
    direct: bool = False

    @property
    def modules(self) -> tuple[str, ...]:
        return (self.type,)

    def missing(self) -> str:
        return why_not(kernel_lacks(self.type), tools_lacking(self.mkfs[0], self.fsck[0])) or \
            ("the kernel offers none of " + ", ".join(option for _, option in self.choices)
             if self.choices and not self.chosen() else "")

    def chosen(self) -> tuple[str, ...]:
        """The first of `choices` that the kernel has."""
        return tuple(option for sign, option in self.choices if Path(sign).exists())[:1]

    def make(self, place: Place) -> None:
        with place.image.open("xb") as image:
            image.truncate(place.size_bytes)
        with self.opened(place) as path:
            run_tool(*self.mkfs, path)
        place.directory.mkdir()

    def mount(self, place: Place) -> None:
        self.mount_at(place, place.directory)

    def mount_at(self, place: Place, point: Path) -> None:
        """Mount it on a point of the caller's choice. Raises RunnerError."""
        # mount(8) finds a free loop device, again if it loses a race, and marks it to be freed
        # with its last user: so nothing is left of it even by SIGKILL.
        options = ",".join(("loop", *self.options, *self.chosen()))
        run_tool("mount", "-t", self.type, "-o", options, str(place.image), str(point))

    @contextlib.contextmanager
    def opened(self, place: Place) -> Iterator[str]:
        """The path that mkfs and fsck are given. Raises RunnerError."""
        if not self.direct:
            yield str(place.image)
            return
        device = run_tool("losetup", "--find", "--show", str(place.image)).strip()
        try:
            yield device
        finally:
            run_tool("losetup", "--detach", device)

    def check(self, place: Place) -> str:
        with self.opened(place) as path:
            done = try_tool(*self.fsck, path)
        return f"$ {' '.join(self.fsck)}\n{done.stdout}" if done.returncode else ""


@dataclass(frozen=True)
class Tmpfs(Filesystem):
    """A filesystem in memory."""

    # What it holds does not outlive an unmount.
    hooks = ()
    on_disk = False

    def missing(self) -> str:
        return kernel_lacks("tmpfs")

    def make(self, place: Place) -> None:
        place.directory.mkdir()

    def mount(self, place: Place) -> None:
        run_tool("mount", "-t", "tmpfs", "-o", f"size={place.size_bytes},mode=0755", "cowbell",
                 str(place.directory))

    def check(self, place: Place) -> str:
        return ""


@dataclass(frozen=True)
class Overlay(Filesystem):
    """An overlay whose lower and upper folders are on one filesystem of their own."""

    below: ImageFilesystem

    hooks = ("remount", "push_down")

    @property
    def least_bytes(self) -> int:
        """The smallest size of the filesystem below, in bytes."""
        return self.below.least_bytes

    @property
    def modules(self) -> tuple[str, ...]:
        return self.below.modules

    def missing(self) -> str:
        return why_not(kernel_lacks("overlay"), self.below.missing())

    def make(self, place: Place) -> None:
        self.below.make(place)
        place.base.mkdir()

    def mount(self, place: Place) -> None:
        self.below.mount_at(place, place.base)
        for name in ("lower", "upper", "work"):
            (place.base / name).mkdir(exist_ok=True)
        options = ",".join(f"{name}dir={place.base / name}" for name in ("lower", "upper", "work"))
        run_tool("mount", "-t", "overlay", "-o", options, "cowbell", str(place.directory))

    def push_down(self, place: Place) -> None:
        """Have all of it in the lower folder, and the upper one empty. Raises RunnerError."""
        merged = place.base / "merged"
        run_tool("cp", "-a", "--reflink=auto", str(place.directory), str(merged))
        self.unmount(place)
        self.below.mount_at(place, place.base)
        for name in ("lower", "upper", "work"):
            run_tool("rm", "-rf", str(place.base / name))
        merged.rename(place.base / "lower")
        self.remount(place)

    def check(self, place: Place) -> str:
        return self.below.check(place)


def kernel_lacks(kind: str) -> str:
    """Why the kernel cannot mount filesystems of a type; nothing if it can. Loads its module."""
    def is_known() -> bool:
        lines = Path("/proc/filesystems").read_text().splitlines()
        return any(line.split()[-1] == kind for line in lines)

    if not is_known():
        load_module(kind)
    return "" if is_known() else f"the kernel has no {kind}"


def module_lacks(name: str) -> str:
    """Why a module of the kernel is not there; nothing if it is. Loads it."""
    entry = Path("/sys/module") / name
    if not entry.exists():
        load_module(name)
    return "" if entry.exists() else f"the kernel has no {name}"


def load_module(name: str) -> None:
    """Load a module if there is one of that name and this process may."""
    if os.geteuid() == 0 and find_tool("modprobe"):
        try_tool("modprobe", name)


def tools_lacking(*tools: str) -> str:
    """Which programs are not installed; nothing if all are."""
    lacking = [tool for tool in dict.fromkeys(tools) if find_tool(tool) is None]
    return f"{' and '.join(lacking)} not installed" if lacking else ""


def why_not(*reasons: str) -> str:
    """All reasons there are, in one line; nothing if there is none."""
    return "; ".join(dict.fromkeys(reason for reason in reasons if reason))
