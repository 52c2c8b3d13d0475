# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of `cowbell run` share: a directory to run in, cases, and a look at what is left.

A case with a gate stops at a named pipe until the test opens it, so that a test can do something
at a known place of a run without waiting and hoping.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from cowbell.filesystems import find_filesystem
from test_results_schema import SCHEMA, problems

TOP = Path(__file__).resolve().parent.parent
COWBELL = TOP / os.environ.get("COWBELL_BUILD", "build") / "cowbell"
PATIENCE_SECONDS = 30

WRITE = {"op": "write", "fd": "a", "off": "0", "len": "1B"}
RED = WRITE | {"expect": {"ret": 7}}
# A read of which nothing is expected, since what the test writes is in no model.
GATE = [{"op": "fcntl", "fd": "gate", "clear": "nonblock"},
        {"op": "read", "fd": "gate", "len": "1", "expect": "any"}]
GATE_FILES = {"gate": {"type": "fifo", "open": "rdwr"}}


def wait_for(what, seconds=PATIENCE_SECONDS):
    """The first true value of what()."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.005)


def text_of(path):
    """What a file of the kernel's says; nothing if it has just gone."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def proc(pid, name):
    """A file of /proc/PID; empty if the process is gone."""
    return text_of(Path("/proc") / str(pid) / name)


def runs_cowbell(entry):
    """Is it the driver, whatever it calls itself? Actors bear names of their own."""
    try:
        return Path(os.readlink(entry / "exe")).name.startswith("cowbell")
    except OSError:
        return False


def state_of(pid):
    """State letter and parent of a process; ("", 0) if it is gone."""
    fields = proc(pid, "stat").rpartition(")")[2].split()
    return (fields[0], int(fields[1])) if fields else ("", 0)


def children(pid):
    return [int(p.name) for p in Path("/proc").iterdir()
            if p.name.isdigit() and state_of(p.name)[1] == pid]


@contextlib.contextmanager
def mounted(point, kind, options="rw", source="none"):
    point.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", kind, "-o", options, source, point], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=True)


@contextlib.contextmanager
def bound(point, directory):
    """A directory through a mount of its own."""
    point.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", directory, point], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=True)


@contextlib.contextmanager
def filesystem(kind, top, size=64 << 20):
    """A filesystem in an image below top, mounted, as small as it may be.

    Not the fixture cowbell_fs: it insists on the end of the loop device, which a copy of the mount
    in a namespace of somebody else's, made while a test froze the filesystem, can delay.
    """
    reason = find_filesystem(kind).missing()
    if reason:
        pytest.skip(f"{kind}: {reason}")
    image = top / f"{kind}.image"
    with image.open("wb") as file:
        file.truncate(max(size, find_filesystem(kind).least_bytes))
    subprocess.run([f"mkfs.{kind}", "-q", image], check=True)
    with mounted(top / kind, kind, "loop", image) as directory:
        yield directory


def lines_of(text):
    """The lines of a result file that is whole and obeys the schema."""
    lines = [json.loads(line) for line in text.splitlines()]
    assert [problem for line in lines for problem in problems(line, SCHEMA)] == []
    assert lines[0]["kind"] == "run" and lines[-1]["kind"] == "end"
    cases = [line for line in lines if line["kind"] == "case"]
    return SimpleNamespace(
        run=lines[0], cases=cases, end=lines[-1],
        counts={verdict: n for verdict, n in lines[-1]["counts"].items() if n},
        verdicts=[(case["case"], case["verdict"]) for case in cases])


class Run:
    """A driver at work."""

    def __init__(self, place, json_file, process):
        self.place, self.json, self.process = place, json_file, process

    def child_at_gate(self):
        """The one child that waits at a gate."""
        def found():
            waiting = [pid for pid in children(self.process.pid)
                       if "pipe_read" in proc(pid, "wchan")]
            return waiting[0] if waiting else None
        return wait_for(found)

    def gate(self):
        """A function that opens the gate at which the run stands, wherever it is moved to."""
        pid = self.child_at_gate()
        gate = next(fd for fd in Path(f"/proc/{pid}/fd").iterdir()
                    if os.readlink(fd).endswith("/gate"))
        fd = os.open(gate, os.O_WRONLY)

        def open_gate():
            os.write(fd, b"x")
            os.close(fd)
        return open_gate

    def finish(self):
        out, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        text = self.json.read_text() if self.json.exists() else None
        return SimpleNamespace(code=self.process.returncode, out=out, err=err,
                               **vars(lines_of(text)) if text else {"verdicts": None})


class Place:
    """A folder with cases, results, and a directory in which drivers run."""

    def __init__(self, top):
        self.top, self.dir, self.json = top, top / "dir", top / "results.json"
        self.cases = top / "cases"
        self.cases.mkdir()
        self.dir.mkdir()
        self.cowbell = COWBELL
        self.started = []

    def case(self, name, *steps, files=None, **more):
        """Write a case; a plain one if nothing else is said."""
        path = self.cases / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        steps = steps or [WRITE]
        files = dict(files or {})
        if any("a" in step.values() for step in steps):
            files.setdefault("a", {"size": "2B"})
        path.write_text(json.dumps({
            "checks": "a test of the driver works", "why": ["property:5"], "strength": "must",
            "files": files, "steps": steps} | more))
        return path

    def gated(self, name="gated", *steps, **more):
        return self.case(name, *GATE, *(steps or [WRITE]), files=GATE_FILES, **more)

    def start(self, *args, directory=None, json_file=None, before=(), env=None, **more):
        """Start `cowbell run` with these arguments."""
        json_file = json_file or self.json
        json_file.unlink(missing_ok=True)
        command = [*before, self.cowbell, "run", "--dir", directory or self.dir,
                   "--json", json_file, *args]
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | more
        process = subprocess.Popen(command, env=self.environment(**(env or {})), **more)
        self.started.append(process)
        return Run(self, json_file, process)

    def environment(self, **more):
        """Only the cases of the test, and no quirks."""
        return {**os.environ, "COWBELL_CASES": str(self.cases), **more}

    def run(self, *args, **more):
        done = self.start(*args, **more).finish()
        self.assert_clean(more.get("directory"))
        return done

    def run_folders(self, directory=None):
        folder = directory or self.dir
        return list(folder.glob("cowbell-run.*")) if folder.is_dir() else []

    def open_gate(self, point):
        """Let a point of the only run go on, or not even stop: p0, p1, ... in order of start."""
        (folder,) = self.run_folders()
        gate = folder / point / "gate"
        wait_for(gate.exists)
        gate.write_text("x")

    def processes(self):
        """Drivers of this place, their children and actors. Zombies have no command line."""
        return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()
                and f"{self.top}/" in proc(p.name, "cmdline") and runs_cowbell(p)]

    def assert_clean(self, directory=None):
        """Nothing of a run is left: folder, process, mount, swap space, loop device."""
        folder = directory or self.dir
        assert self.run_folders(folder) == []
        wait_for(lambda: not self.processes())
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        assert [mount for mount in mounts if mount.startswith(f"{folder}/")] == []
        used = [Path("/proc/swaps"), *Path("/sys/block").glob("loop*/loop/backing_file")]
        assert [path for path in used if f"{folder}/" in text_of(path)] == []

    def close(self):
        """End what a failed test has left."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        for process in self.started:
            process.wait(PATIENCE_SECONDS)
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
