# SPDX-License-Identifier: GPL-2.0-only
"""Runs and what they leave behind.

A run is a folder below the state folder with its images and mount points and a file `owner`, which
is locked for as long as the run lives. The kernel drops the lock however the run dies, so a folder
whose owner can be locked is dead, and the next start takes down what is left of it.
"""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, TextIO

from . import kernel, server
from .filesystems import find_filesystem
from .filesystems_local import Filesystem, Place
from .filesystems_network import NetworkFilesystem
from .tools import RunnerError, Unsupported, UsageError, complain, require_root

DEFAULT_STATE = "/var/tmp/cowbell-fs"


def state_folder() -> Path:
    """The folder of all runs: COWBELL_STATE, or one below /var/tmp. It is made if need be."""
    folder = Path(os.environ.get("COWBELL_STATE") or DEFAULT_STATE).absolute()
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder = folder.resolve(strict=True)
        if folder.stat().st_uid != os.geteuid():
            raise RunnerError(f"{folder} belongs to somebody else")
    except OSError as error:
        raise RunnerError(f"{folder}: {error.strerror}") from None
    return folder


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the state folder: nobody else makes or takes down runs meanwhile."""
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def try_lock(owner: TextIO) -> bool:
    """Lock an owner file; False if its run is alive."""
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True)
class Run:
    """One or two filesystems of the same kind, with all they need."""

    folder: Path
    filesystem: Filesystem
    places: tuple[Place, ...]

    @property
    def directories(self) -> list[str]:
        """Where the filesystems are mounted."""
        return [str(place.directory) for place in self.places]

    def mount(self, view: bool = False) -> None:
        """Make and mount the filesystems; view: the first one twice. Raises RunnerError."""
        for place in self.places:
            place.folder.mkdir()
            self.filesystem.make(place)
            if view and place == self.places[0]:
                place.view.mkdir()
            self.filesystem.mount_all(place)

    def unmount(self) -> None:
        """Unmount the filesystems, the last one first. Raises RunnerError if one stays in use."""
        for place in reversed(self.places):
            self.filesystem.unmount(place)

    def check(self) -> str:
        """Check the filesystems, not mounted any more; what is wrong with them, or nothing."""
        return "".join(self.filesystem.check(place) for place in self.places)


def remove_folder(folder: Path) -> None:
    """Remove a run's folder. Raises RunnerError if anything in it is still mounted or attached.

    Only what a run makes is removed, by name: should something be mounted after all, it is safe.
    """
    for place in sorted(folder.glob("[0-9]")):
        (place / "image").unlink(missing_ok=True)
        for name in ("dir", "view", "server", "base", "."):
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(place / name if name != "." else place)
    (folder / "owner").unlink(missing_ok=True)
    folder.rmdir()


def take_down(folder: Path) -> None:
    """Unmount, detach and remove what is left of a run. Raises RunnerError if something stays."""
    kernel.unmount_below(folder)
    for place in sorted(folder.glob("[0-9]"), reverse=True):
        server.end(place)
        for device in kernel.loops_of(place / "image"):
            spot = place / "dir"
            spot.mkdir(exist_ok=True)
            kernel.release_loop(device, place / "image", spot)
    try:
        remove_folder(folder)
    except OSError as error:
        raise RunnerError(f"{error.filename}: {error.strerror}") from None


def read_owner(owner: TextIO) -> dict[str, object]:
    """What an owner file says; nothing if its run was killed before it wrote that."""
    try:
        value = json.load(owner)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def sweep_one(folder: Path) -> None:
    """Take down a run unless it is alive. Raises RunnerError if something stays."""
    with (folder / "owner").open("a+") as owner:
        if not try_lock(owner):
            return
        owner.seek(0)
        namespace = str(read_owner(owner).get("namespace", ""))
        if namespace:
            kernel.end_namespace(namespace, folder)
        take_down(folder)


def sweep(folder: Path, who: str) -> None:
    """Take down what dead runs left; complain about what cannot be, in the name of a command."""
    with locked(folder):
        for run in sorted(folder.glob("run-*")):
            try:
                sweep_one(run)
            except RunnerError as error:
                complain(who, f"{run}, left by an earlier run, cannot be removed: {error}")


def check_room(folder: Path, filesystem: Filesystem, size_bytes: int, count: int) -> None:
    """Raise RunnerError unless the images fit: a full disk would look like a broken filesystem."""
    free_bytes = shutil.disk_usage(folder).free
    if filesystem.on_disk and free_bytes < size_bytes * count:
        raise RunnerError(f"{folder} has {free_bytes >> 20} MiB free, "
                          f"{size_bytes * count >> 20} MiB are needed")


def new_run(state: Path, filesystem: Filesystem, size_bytes: int, count: int,
            namespace: str) -> tuple[Run, TextIO]:
    """A folder of a new run and its locked owner file; the run lives until that is closed."""
    with locked(state):
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=state))
        folder.chmod(0o755)
        owner = (folder / "owner").open("x")
        if not try_lock(owner):
            raise RunnerError(f"{folder} belongs to somebody else")
        json.dump({"pid": os.getpid(), "filesystem": filesystem.name, "size_bytes": size_bytes,
                   "namespace": namespace}, owner)
        owner.flush()
    places = tuple(Place(folder / str(i + 1), size_bytes) for i in range(count))
    return Run(folder, filesystem, places), owner


def give_back(state: Path, run: Run, who: str) -> None:
    """Take down a run of this process; complain if something stays."""
    try:
        with locked(state):
            take_down(run.folder)
    except RunnerError as error:
        complain(who, f"{run.folder} stays until the next start: {error}")


@contextlib.contextmanager
def mounted(filesystem: Filesystem, size_bytes: int, count: int, who: str,
            private: bool, view: bool = False) -> Iterator[Run]:
    """Filesystems, mounted; afterwards nothing is left of them.

    private: in a mount namespace of this process's own, which never ends. Else whoever sees this
    process's mounts sees them too. view: the first one is mounted a second time.
    Raises Unsupported if this machine cannot make them, RunnerError for anything else.
    """
    require_root()
    reason = filesystem.missing()
    if reason:
        raise Unsupported(f"{filesystem.name}: {reason}")
    if size_bytes < filesystem.least_bytes:
        raise UsageError(f"{filesystem.name} needs at least {filesystem.least_bytes >> 20} MiB")
    state = state_folder()
    sweep(state, who)
    check_room(state, filesystem, size_bytes, count)
    if private:
        kernel.own_namespace()
        # Copies of other runs' mounts would keep those alive after their end.
        kernel.detach_below(state)
    namespace = kernel.namespace_of("self") if private else ""
    run, owner = new_run(state, filesystem, size_bytes, count, namespace)
    with owner:
        try:
            run.mount(view)
            yield run
        finally:
            give_back(state, run, who)


def find_place(folder: Path) -> tuple[Filesystem, Place]:
    """What a run has in a folder. Raises UsageError."""
    try:
        with (folder.parent / "owner").open() as owner:
            said = read_owner(owner)
        place = Place(folder, int(str(said["size_bytes"])))
        return find_filesystem(str(said["filesystem"])), place
    except (OSError, KeyError, ValueError):
        raise UsageError(f"{folder} is not a filesystem of cowbell fs") from None


def serve(folder: Path) -> None:
    """Be the server of a run's filesystem in a folder (server.py). Raises RunnerError."""
    filesystem, place = find_place(folder)
    if not isinstance(filesystem, NetworkFilesystem):
        raise UsageError(f"{filesystem.name} has no server")
    server.serve(filesystem.serve(place))


def run_hook(name: str, directory: Path) -> None:
    """Do what a hook of a run's filesystem does. Raises RunnerError."""
    try:
        filesystem, place = find_place(directory.absolute().parent)
    except UsageError:
        raise UsageError(f"{directory} is not a filesystem of cowbell fs") from None
    if name not in filesystem.hooks:
        raise UsageError(f"{filesystem.name} has no {name}")
    getattr(filesystem, name)(place)
