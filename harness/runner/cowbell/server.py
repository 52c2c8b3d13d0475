# SPDX-License-Identifier: GPL-2.0-only
"""Servers of network filesystems: a process for each place, which serves until it is told to end.

Such a process is `cowbell-fs --serve FOLDER`. The place's folder, with a random part in its name,
is how it is found again, by whoever takes down the run. What a server may change of the machine it
changes in namespaces of its own, so that servers that run anyway are not disturbed.
"""

import os
import signal
import subprocess
import sys
import threading
from contextlib import AbstractContextManager
from pathlib import Path

from . import kernel
from .tools import RunnerError, last_line

SCRIPT = Path(__file__).resolve().parent.parent / "cowbell-fs"
OPTION = "--serve"
READY = "ready"
# A server stops its daemons and waits for the kernel before it ends.
END_SECONDS = 30.0


def words_of(pid: int) -> list[str]:
    """The command line of a process; nothing if it is gone, a zombie or the kernel's."""
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")[:-1]
    except OSError:
        return []


def is_server(pid: int, folder: Path) -> bool:
    """Whether a process is the server of a place's folder."""
    return words_of(pid)[-2:] == [OPTION, str(folder)]


def find(folder: Path) -> int | None:
    """The process that serves a place's folder, None if there is none."""
    return next((process.pid for process in kernel.all_processes()
                 if is_server(process.pid, folder)), None)


def start(folder: Path) -> int:
    """Start the server of a place's folder and wait until it serves; the process.

    Raises RunnerError with what it said if it cannot.
    """
    child = subprocess.Popen((sys.executable, str(SCRIPT), OPTION, str(folder)),
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True, text=True,
                             errors="replace", preexec_fn=take_signals)
    assert child.stdout
    with child.stdout:
        said = child.stdout.readline()
        if said.strip() == READY:
            return child.pid
        said += child.stdout.read()
    child.wait()
    raise RunnerError(last_line(said) or f"a server ended with status {child.returncode}")


def take_signals() -> None:
    """Undo that set-up keeps signals waiting; a server is ended by one."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def end(folder: Path) -> None:
    """End the server of a place's folder if there is one. Raises RunnerError if it stays."""
    pid = find(folder)
    if pid is None:
        return
    namespace = kernel.namespace_of(pid)
    kernel.end_process(pid, lambda: is_server(pid, folder), signal.SIGTERM)
    if kernel.wait_until(lambda: not is_server(pid, folder), END_SECONDS):
        return
    kernel.end_process(pid, lambda: is_server(pid, folder))
    if namespace not in (kernel.namespace_of("self"), kernel.namespace_of(1)):
        kernel.end_namespace(namespace, folder)
    if not kernel.wait_until(lambda: not is_server(pid, folder)):
        raise RunnerError(f"the server, process {pid}, cannot be ended")


def serve(serving: AbstractContextManager[None]) -> None:
    """Be a server: what is entered serves, and is left on SIGTERM. Says so if it cannot."""
    told = threading.Event()
    # What is being set up is not left half-way. Daemons get the signal as it is by default.
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    try:
        with serving:
            print(READY, flush=True)
            silence()
            told.wait()
    except (RunnerError, OSError) as error:
        print(error, flush=True)
        sys.exit(RunnerError.status)


def silence() -> None:
    """Nobody reads what a server prints once it serves."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
