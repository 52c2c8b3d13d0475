# SPDX-License-Identifier: GPL-2.0-only
"""The cases on filesystems of another kernel: one boot, one filesystem after the other.

A Job is one filesystem on that kernel; Guests boots and looks after them. Results go into a folder
of this machine as they come, so that they are there however the guest ends. If it dies, what ran is
a fail, what had not run is a miss, and the filesystems that are left get a guest of their own.
"""

import os
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterable, Sequence

from . import vm
from .completion import complete_results
from .driver import Point, driver_command, start
from .filesystems import Filesystem
from .kernels import Kernel, find_kernel, is_path
from .kmsg import DEATHS, is_complaint, without_time
from .results import file_name, find_started, lines_of
from .tools import (EXIT_HARNESS, EXIT_SKIPPED, Unsupported, exit_status, last_line,
                    lock_folder)

SCRIPT = Path(__file__).resolve().parent.parent / "cowbell-vm"
HOST = "host"
# The driver ends a point after so long, if its case does not say otherwise: what takes half a
# minute in an emulated guest takes three times that if other guests are on its CPUs, too.
POINT_SECONDS = 180
# Without a result for so long, a guest is taken for dead, if nothing runs that may take longer: the
# driver has ended a point by then, and nothing else that is done in a guest takes that long.
STALL_SECONDS = 300.0
# As long as cowbell vm may take to bring a guest up, with KVM in vain and spoilt each time.
BEGIN_SECONDS = (vm.SPOILT_MAX + 2) * vm.BOOT_SECONDS
# How long the console may lag behind the results.
CONSOLE_SECONDS = 30.0
KILL_SECONDS = 20.0
POLL_SECONDS = 0.05
TAIL_LINES = 20
# What the script says on the console before and after each filesystem.
BEGINS, ENDS = "cowbell begins", "cowbell ends"


@dataclass(frozen=True)
class GuestKernel:
    """A kernel as it was asked for."""

    # What it is called in names of results: the words given, or its release if they are a path.
    name: str
    # None if this machine cannot boot any.
    kernel: Kernel | None
    cannot: str = ""

    @property
    def release(self) -> str:
        """As uname -r says; nothing if there is no kernel."""
        return self.kernel.release if self.kernel else ""

    @property
    def words(self) -> str:
        """What has cowbell vm boot exactly this one."""
        assert self.kernel
        modules = f",{self.kernel.modules}" if self.kernel.modules else ""
        return f"{self.kernel.image}{modules}"


def find_kernels(texts: Iterable[str]) -> list[GuestKernel | None]:
    """The kernels that these words name, once each; None is the one that runs.

    They are fetched if they are not here. Of those that would be called the same, all but the first
    get a number. Raises UsageError, RunnerError.
    """
    found: dict[str, GuestKernel | None] = {}
    for text in dict.fromkeys(texts):
        if text == HOST:
            found[HOST] = None
            continue
        one = find_guest_kernel(text)
        if one.kernel and any(other and other.kernel and other.words == one.words
                              for other in found.values()):
            continue
        name, number = one.name, 1
        while name in found:
            number += 1
            name = f"{one.name}-{number}"
        found[name] = replace(one, name=name)
    return list(found.values())


def find_guest_kernel(text: str) -> GuestKernel:
    """One of them."""
    try:
        vm.find_qemu()
    except Unsupported as error:
        return GuestKernel(Path(text.partition(",")[0]).absolute().name, None, str(error))
    kernel = find_kernel(text)
    return GuestKernel(kernel.release if is_path(text) else text, kernel)


class Job:
    """The cases of one filesystem in a guest: what is run, and what became of it."""

    def __init__(self, driver: Path, filesystem: Filesystem, folder: Path,
                 points: Sequence[Point], words: Sequence[str]) -> None:
        """Nothing is started yet.

        `points` are those that will be run; `words`, options and names, select them for the driver.
        """
        stem = folder / file_name(filesystem.name)
        self.filesystem = filesystem
        self.points = points
        self.results = stem.with_suffix(".jsonl")
        # What driver and cowbell fs print; the guest makes it when it begins.
        self.output = stem.with_suffix(".txt")
        self.check_log = stem.with_suffix(".fsck")
        self.status_file = stem.with_suffix(".status")
        self.command = driver_command(driver, filesystem, self.results, "--announce", "--timeout",
                                      str(POINT_SECONDS), *words, check_log=self.check_log)
        # The console of the guest that it is in, or was.
        self.console = folder / "console.txt"
        self.began: float | None = None
        # Exit status of the driver, or of cowbell fs; None if it has none yet, or never will.
        self.status: int | None = None
        # Why it came to no end, or was not begun.
        self.why = ""
        # Whether this machine, or this kernel, cannot do it at all.
        self.skipped = False

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.status is not None or bool(self.why)

    def forget(self) -> None:
        """Remove what an earlier run left."""
        for path in (self.results, self.output, self.check_log, self.status_file):
            path.unlink(missing_ok=True)

    def look(self) -> tuple[int, ...]:
        """See how far it is; what this returns changes when there is progress."""
        sizes = tuple(path.stat().st_size if path.exists() else -1
                      for path in (self.output, self.results, self.check_log, self.status_file))
        if self.began is None and sizes[0] >= 0:
            self.began = time.monotonic()
        if self.status is None and sizes[3] > 0:
            text = self.status_file.read_text()
            if text.endswith("\n"):
                self.status = int(text)
        return sizes

    def patience_s(self) -> float:
        """How much longer than others a point may take that runs now."""
        return max((line.get("timeout_s", 0) - POINT_SECONDS
                    for line in find_started(lines_of(self.results))), default=0)

    def script(self) -> str:
        """What the guest's shell does for it."""
        def say(word: str) -> str:
            return f"echo {shlex.quote(f'{word} {self.filesystem.name}')} >/dev/kmsg\n"
        return (f"{say(BEGINS)}{shlex.join(self.command)} >{shlex.quote(str(self.output))} 2>&1\n"
                f"status=$?\n{say(ENDS)}echo $status >{shlex.quote(str(self.status_file))}\n")

    def die(self, why: str) -> None:
        """The guest has died in it: complete the result file."""
        self.why = why
        kernel_log = self.outside()
        complete(self, kernel_log or console_lines(self.console)[-TAIL_LINES:])

    def own_console(self) -> list[str] | None:
        """What the console said while it ran; None if that may not be all yet."""
        begin, end = (f"{word} {self.filesystem.name}" for word in (BEGINS, ENDS))
        lines = console_lines(self.console)
        first = next((i for i, line in enumerate(lines) if line == begin), len(lines))
        last = next((i for i, line in enumerate(lines) if line == end), None)
        if last is None and not self.why:
            return None
        return lines[first + 1:last]

    def outside(self) -> list[str]:
        """What the kernel complained about, and no case tells: the lines.

        A console that shows no end of it may lack just that, which is a complaint as well.
        """
        limit = time.monotonic() + CONSOLE_SECONDS
        lines = self.own_console()
        while lines is None and time.monotonic() < limit:
            time.sleep(POLL_SECONDS)
            lines = self.own_console()
        if lines is None:
            return [f"{self.console} does not show the end of {self.filesystem.name}"]
        told = {str(line) for case in lines_of(self.results) for line in case.get("kmsg", ())}
        console = vm.Console(None, len(lines))
        for line in lines:
            console.add(line)
        found = []
        for text in console.complaints():
            # What is told may have something behind it that is not.
            own = text.splitlines()
            first = next((number for number, line in enumerate(own)
                          if is_complaint(line) and line not in told), len(own))
            found += own[first:]
        return found


def console_lines(path: Path) -> list[str]:
    """What a console said, without time stamps."""
    data = path.read_bytes() if path.exists() else b""
    console = vm.Console(None, data.count(b"\n") + 1)
    console.feed(data)
    console.close()
    return [without_time(line) for line in console.lines]


def complete(job: Job, kernel_log: Sequence[str]) -> None:
    """Add to a result file what its driver cannot write any more."""
    wall_ns = int((time.monotonic() - (job.began or time.monotonic())) * 1e9)
    complete_results(job.results, job.points, job.why, kernel_log, wall_ns)


class Guests:
    """The guests of one kernel: one for all jobs, and another for the rest if one dies."""

    def __init__(self, kernel: GuestKernel, jobs: Sequence[Job], folder: Path,
                 stall_s: float = STALL_SECONDS, options: Sequence[str] = ()) -> None:
        """Nothing is started yet; `options` are more of cowbell vm."""
        self.kernel, self.jobs, self.folder = kernel, jobs, folder
        self.stall_s, self.options = stall_s, options
        self.script = folder / "guest.sh"
        self.said = folder / "vm.txt"
        self.child: subprocess.Popen[bytes] | None = None
        self.boots = 0
        # Those for which the last guest was started.
        self.booted: list[Job] = []
        self.seen: tuple[tuple[int, ...], ...] = ()
        self.progress_at = 0.0
        self.wedged = False
        self.lock: int | None = lock_folder(folder)
        for old in (*folder.glob("console*.txt"), self.said):
            old.unlink(missing_ok=True)
        for job in jobs:
            job.forget()
            job.why, job.skipped = kernel.cannot, bool(kernel.cannot)

    def advance(self) -> None:
        """Look after the guest. To be called again and again until all jobs are over."""
        if self.child is None:
            if not all(job.over for job in self.jobs):
                self.boot()
            return
        status = self.child.poll()
        seen = tuple(job.look() for job in self.jobs)
        if status is not None:
            self.child = None
            self.finish(exit_status(status))
        elif seen != self.seen:
            self.seen, self.progress_at = seen, time.monotonic()
        elif self.silent_s() > self.limit_s:
            self.wedged = True
            self.stop()
            self.finish(EXIT_HARNESS)

    @property
    def limit_s(self) -> float:
        """For how long nothing may come: until the first filesystem begins, cowbell vm is at it."""
        began = any(job.began for job in self.booted)
        return self.stall_s if began else self.stall_s + BEGIN_SECONDS

    def silent_s(self) -> float:
        """For how long nothing has come, less what points with limits of their own may take."""
        silent = time.monotonic() - self.progress_at
        # Result files are read only if it matters.
        if silent > self.limit_s:
            silent -= max(0, *(job.patience_s() for job in self.booted))
        return silent

    def boot(self) -> None:
        """Start a guest for the jobs that are left."""
        self.boots += 1
        console = self.folder / ("console.txt" if self.boots == 1 else f"console-{self.boots}.txt")
        left = [job for job in self.jobs if not job.over]
        for job in left:
            job.console = console
        # A file, since a word of a command line is 128 KiB at most.
        self.script.write_text("".join(job.script() for job in left) + "exit 0\n")
        load = [f"--load={module}" for module in left[0].filesystem.modules]
        command = [str(SCRIPT), "--kernel", self.kernel.words, "--rw", str(self.folder),
                   "--log", str(console), *load, *self.options, "--", "/bin/sh", str(self.script)]
        self.wedged, self.seen, self.progress_at = False, (), time.monotonic()
        self.booted = left
        with self.said.open("ab") as output:
            self.child = start(command, output)

    def finish(self, status: int) -> None:
        """The guest has ended: see what is not done, and why."""
        left = [job for job in self.jobs if not job.over]
        if not left:
            return
        said = last_line(self.said.read_text(errors="replace")).removeprefix(f"{vm.NAME}: ")
        begun = [job for job in left if job.began is not None]
        if status == EXIT_SKIPPED:
            for job in left:
                job.why, job.skipped = said, True
        elif begun:
            why = self.death(begun[0].console, said or f"cowbell vm ended with status {status}")
            for job in begun:
                job.die(why)
        elif left == self.booted:
            # Another guest would not come up either.
            why = self.death(left[0].console, said or f"cowbell vm ended with status {status}")
            for job in left:
                job.why = f"the guest did not get to it: {why}"

    def death(self, console: Path, said: str) -> str:
        """Why the guest ended, in one line."""
        if self.wedged:
            return f"wedged: nothing came from the guest for {self.limit_s:g} s"
        for line in console_lines(console):
            for word in DEATHS:
                if word in line:
                    return f"panic: {line.partition(word)[2].lstrip(': ')}"
        return f"died: {said}"

    def stop(self) -> None:
        """End the guest, if there is one, whatever it does."""
        if self.child is None:
            return
        child, self.child = self.child, None
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(KILL_SECONDS)
        except subprocess.TimeoutExpired:
            # QEMU dies with it.
            child.kill()
            child.wait()

    def tidy(self) -> None:
        """End the guest, and remove what only it needed."""
        self.stop()
        for path in (self.script, *(job.status_file for job in self.jobs)):
            path.unlink(missing_ok=True)
        # Each filesystem of a kernel tidies up in pytest.
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None
