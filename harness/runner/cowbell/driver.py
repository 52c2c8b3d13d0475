# SPDX-License-Identifier: GPL-2.0-only
"""Starting the driver: where it is, its command line on a filesystem made for it, and its end."""

import json
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Container, Sequence

from . import fs, kernel
from .filesystems import Filesystem
from .tools import UsageError

# From harness/runner/cowbell to the top of the checkout.
CHECKOUT = Path(__file__).resolve().parents[3]


def find_driver(given: str | None) -> Path:
    """The driver: the path given, or the one that called us, that of the checkout, or in PATH.

    Raises UsageError if there is none.
    """
    built = CHECKOUT / "build" / "cowbell"
    given = given or os.environ.get("COWBELL")
    if not given:
        given = str(built) if built.exists() else shutil.which("cowbell")
    path = Path(given or built).absolute()
    if not os.access(path, os.X_OK) or path.is_dir():
        raise UsageError(f"{path} is not there; make builds it")
    return path


# What cases may need of cowbell fs: its option, and the driver's for what comes of it.
PLACES = {"second_fs": ("--second", "--dir2", "{dir2}"), "view": ("--view", "--view", "{view}")}


def driver_command(driver: Path, filesystem: Filesystem, results: Path, *more: str,
                   check_log: Path | None = None, needs: Container[str] = PLACES) -> list[str]:
    """The command that makes filesystems and runs the driver on them, results into a file.

    What is not in `needs` is not made.
    """
    places = [words for need, words in PLACES.items() if need in needs]
    log = ["--check-log", str(check_log)] if check_log else []
    hook = [word for name in filesystem.hooks for word in ("--hook", f"{name}={{{name}}}")]
    server = ["--server", filesystem.server] if filesystem.server else []
    return [str(fs.SCRIPT), filesystem.name, *(option for option, *_ in places), *log, "--",
            str(driver), "run", "--dedicated", "--dir", "{dir}",
            *(word for _, *words in places for word in words), *server, *hook,
            "--json", str(results), *more]


def require_words(filesystem: Filesystem, release: str) -> list[str]:
    """The driver's option that has the lack of what a filesystem offers be a fail, and no skip.

    Nothing on a kernel, a release as uname -r says, of which that is not known.
    """
    found = re.match(r"(\d+)\.(\d+)", release)
    known = found is not None and (int(found[1]), int(found[2])) >= filesystem.offered_since
    return ["--require", ",".join(filesystem.offers)] if known and filesystem.offers else []


def start(command: Sequence[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start such a command, out of reach of the terminal's keys: its starter forwards signals.

    It is told to end when this process dies.
    """
    parent = os.getpid()
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                            stderr=subprocess.STDOUT, start_new_session=True,
                            preexec_fn=lambda: kernel.die_with_parent(parent, signal.SIGTERM))


# The tag of cases that run only if they are asked for.
LONG = "long"


@dataclass(frozen=True)
class Point:
    """A case at one place of its cross product, as `cowbell list --json` tells it."""

    name: str
    strength: str
    tags: tuple[str, ...]

    @classmethod
    def of_entry(cls, entry: dict[str, Any]) -> "Point":
        """One of the list."""
        return cls(entry["case"], entry.get("strength", ""), tuple(entry.get("tags", ())))

    @property
    def case(self) -> str:
        """The name without the place in the cross product."""
        return self.name.partition("[")[0]

    @property
    def area(self) -> str:
        """The first part of the name."""
        return self.name.partition("/")[0]


def list_points(driver: Path, *select: str) -> list[Point]:
    """The points of these cases, or all, that a driver knows. Raises UsageError if it says so."""
    done = subprocess.run((driver, "list", "--json", *select), capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise UsageError(done.stderr.strip() or f"{driver} list --json failed")
    return [Point.of_entry(entry) for entry in parse_list(done.stdout)]


def parse_list(text: str) -> list[dict[str, Any]]:
    """What `cowbell list --json` prints: JSON lines, or one array of the same."""
    if text.startswith("["):
        return list(json.loads(text))
    return [json.loads(line) for line in text.splitlines()]
