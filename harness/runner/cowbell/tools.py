# SPDX-License-Identifier: GPL-2.0-only
"""Running other programs, and the errors that end a runner command with one line."""

import contextlib
import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Sequence

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_SKIPPED = 77
EXIT_HARNESS = 99

TOOL_SECONDS = 120
TOOL_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))

class RunnerError(Exception):
    """Something that the caller is told in one line; `status` is the exit code for it."""

    status = EXIT_HARNESS

class UsageError(RunnerError):
    """The command line makes no sense."""

    status = EXIT_USAGE

class Unsupported(RunnerError):
    """This machine cannot do it; that is a skip, not a fault."""

    status = EXIT_SKIPPED

def find_tool(name: str) -> str | None:
    """The path of a program, looked up in the folders for administrators too; None if missing."""
    return shutil.which(name, path=TOOL_PATH)

def try_tool(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever its exit status; its output and errors are .stdout.

    Raises RunnerError if it cannot be started or takes longer than TOOL_SECONDS.
    """
    path = find_tool(command[0])
    if path is None:
        raise Unsupported(f"{command[0]} is not installed")
    try:
        return subprocess.run((path, *command[1:]), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=TOOL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise RunnerError(f"{command[0]} did not end within {TOOL_SECONDS} s") from None
    except OSError as error:
        raise RunnerError(f"{command[0]}: {error.strerror}") from None

def run_tool(*command: str) -> str:
    """Run a program that must succeed and return its output.

    Raises RunnerError with the last line that it printed.
    """
    done = try_tool(*command)
    if done.returncode != 0:
        # mount and mount.cifs say what is wrong and then where there may be more about it.
        errors = [line for line in done.stdout.splitlines()
                  if line.startswith(("mount: ", "mount error"))]
        said = last_line("".join(errors[-1:]) or done.stdout) or f"exit status {done.returncode}"
        raise RunnerError(f"{' '.join(command)}: {said}")
    return done.stdout

def last_line(text: str) -> str:
    """The last line of a text that is not blank, or nothing."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""

def exit_status(returncode: int) -> int:
    """A shell's exit status from that of subprocess: 128 + number for a death by a signal."""
    return returncode if returncode >= 0 else 128 - returncode

def lock_folder(folder: Path) -> int:
    """Have a folder for one run alone until the descriptor that this returns is closed.

    The kernel lets go of it when this process ends. Raises RunnerError if another one has it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise RunnerError(f"{folder}: another run writes its results there") from None
    return descriptor

def complain(who: str, what: object) -> None:
    """Print one line on standard error in the name of a command, if somebody reads it."""
    with contextlib.suppress(OSError):
        os.write(2, f"{who}: {what}\n".encode(errors="replace"))

def require_root() -> None:
    """Raise Unsupported unless filesystems can be made and mounted here."""
    if os.geteuid() != 0:
        raise Unsupported("making and mounting filesystems needs root")

def words(text: str | Sequence[str]) -> list[str]:
    """Words that may be separated by commas or blanks, of one text or several."""
    if isinstance(text, str):
        text = [text]
    return [word for part in text for word in part.replace(",", " ").split()]
