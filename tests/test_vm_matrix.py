# SPDX-License-Identifier: GPL-2.0-only
"""pytest --kernel and cowbell matrix --kernel, with guests that are real and die.

Needs QEMU and a kernel that is here already: nothing is fetched for a test.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cowbell import kernels, results, vm
from cowbell.tools import RunnerError
from test_guests import fake_image
from test_plugin import FAKE, Pytest, names, outcomes

TOP = Path(__file__).resolve().parents[1]
DRIVER = TOP / "build" / "cowbell"
MATRIX = TOP / "harness" / "runner" / "cowbell-matrix"
VERSION = "6.12"
MARK = "cowbell-test-of-guests"

WRITE = {"op": "write", "fd": "a", "off": "0", "len": "1B"}
FILES = {"a": {"size": "8B"}}
# The hook push_down, of which xfs has none of its own, does what the test wants. Such cases run
# alone, after the others, in the order of their names.
CASES = {
    "a/first": {"steps": [WRITE]},
    "a/second": {"steps": [WRITE | {"expect": {"ret": 7}}]},
    "b/hook": {"needs": ["clone"], "steps": [WRITE, {"op": "push_down"}, WRITE]},
    "c/after": {"steps": [{"op": "remount"}, WRITE]},
}


def cannot():
    """Why no guest can be booted here; nothing if one can."""
    try:
        vm.find_qemu()
        here = kernels.choose(VERSION, [entry for _, entry in kernels.local().values()])
    except RunnerError as error:
        return str(error)
    if not DRIVER.exists():
        return "build/cowbell is not built"
    return "" if here else f"no kernel {VERSION} is here; cowbell kernel get {VERSION} fetches it"


needs_guest = pytest.mark.skipif(bool(cannot()), reason=cannot() or "none")


class GuestPytest(Pytest):
    """pytest with cases of the test's own, of which b/hook does as the test says, in a guest."""

    def __init__(self, folder, command):
        super().__init__(folder)
        for name, case in CASES.items():
            path = folder / "cases" / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"checks": "a test of guests works", "why": ["man:x(1)"],
                                        "strength": "should", "files": FILES, **case}))
        # Whatever goes wrong, this machine must live.
        guest_only = 'grep -qx cowbell-guest /proc/sys/kernel/hostname && [ -n "$COWBELL_VM" ]'
        hook = folder / "hook"
        hook.write_text(f"#!/bin/bash\n{guest_only} || exit 1\n{command}\n")
        self.driver = folder / "driver"
        self.driver.write_text(f'#!/bin/bash\nverb=$1\nshift\n[ "$verb" = run ] || exec {DRIVER} '
                               f'"$verb" "$@"\nexec {DRIVER} run --hook push_down={hook} "$@"\n')
        for path in (hook, self.driver):
            path.chmod(0o755)
        self.environment["COWBELL_CASES"] = str(folder / "cases")
        self.environment["COWBELL_TEST_MARK"] = MARK
        self.results = folder / "results"

    def options(self, *more):
        """Options that are the same in all tests."""
        return ("--kernel", VERSION, f"--results={self.results}", *more)

    def lines(self, name):
        """The result file of a filesystem."""
        return results.read_results(self.results / VERSION / f"{name}.jsonl")


def guests_of(folder):
    """Processes of QEMU that share this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(folder).encode() in (entry / "cmdline").read_bytes():
                found.append((entry / "comm").read_text().strip())
        except OSError:
            pass
    return [name for name in found if name.startswith("qemu")]


@needs_guest
def test_panic_in_a_case_loses_nothing_and_names_it(tmp_path):
    run = GuestPytest(tmp_path, "echo c >/proc/sysrq-trigger; sleep 60")
    done = run(*run.options("--fs", "xfs"))
    where = f"{VERSION}/xfs::"
    assert outcomes(done) == {
        f"{where}a/first": "PASSED", f"{where}a/second": "FAILED", f"{where}b/hook": "FAILED",
        f"{where}c/after": "FAILED", f"{where}fsck": "FAILED"}
    said = done.stdout.splitlines()
    assert f"fail: {VERSION}/xfs: b/hook" in said
    assert "    reason:  panic: sysrq triggered crash" in said
    assert "        Kernel panic - not syncing: sysrq triggered crash" in said
    assert any(line.startswith("    again:   cowbell vm --kernel 6.12.") for line in said)
    assert f"miss: {VERSION}/xfs: c/after" in said
    assert "    reason:  panic: sysrq triggered crash while b/hook ran" in said
    assert "Kernel panic" in (run.results / VERSION / "console.txt").read_text()
    file = run.lines("xfs")
    assert file.run["vm"] in ("tcg", "kvm") and file.kernel.startswith(f"{VERSION}.")
    assert [(line["case"], line["verdict"]) for line in file.cases if line["case"] != "a/second"] \
        == [("a/first", "pass"), ("b/hook", "fail"), ("c/after", "miss")]
    assert guests_of(run.results) == []


@needs_guest
def test_guest_that_falls_silent_is_killed(tmp_path):
    # To make a filesystem, which is silent as well, takes a busy machine up to half a minute.
    run = GuestPytest(tmp_path, "sleep 300")
    done = run(*run.options("--fs", "xfs", "--guest-timeout", "40"))
    assert "    reason:  wedged: nothing came from the guest for 40 s" in \
        done.stdout.splitlines(), done.stdout
    assert [line["verdict"] for line in run.lines("xfs").cases][-2:] == ["fail", "miss"]
    assert guests_of(run.results) == []


@needs_guest
def test_complaint_outside_of_cases_is_told_by_the_check(tmp_path):
    # As a program says it, the driver does not count it as the kernel's.
    text = "WARNING: CPU: 1 PID: 9 at fs/test.c:7 test+0x1/0x2"
    run = GuestPytest(tmp_path, f"echo '{text}' >/dev/kmsg; echo w >/proc/sysrq-trigger\nexit 0")
    done = run(*run.options("--fs", "xfs", "-k", "hook"))
    assert outcomes(done) == {f"{VERSION}/xfs::b/hook": "PASSED", f"{VERSION}/xfs::fsck": "FAILED"}
    said = done.stdout.splitlines()
    assert f"{VERSION}/xfs: the kernel complained while no case ran:" in said
    assert f"    {text}" in said


@needs_guest
def test_interrupt_leaves_no_guest(tmp_path):
    run = GuestPytest(tmp_path, "sleep 50")
    folder = run.results / VERSION
    # What a shell starts in the background ignores SIGINT, and so would all its children.
    with subprocess.Popen(run.command(*run.options("--fs", "xfs")), cwd=TOP, env=run.environment,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
                          stdout=subprocess.DEVNULL) as child:
        limit = time.monotonic() + 120
        while not (folder / "xfs.jsonl").exists() or "b/hook" not in (
                folder / "xfs.jsonl").read_text():
            assert time.monotonic() < limit and child.poll() is None
            time.sleep(0.1)
        assert guests_of(folder)
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 2
    assert guests_of(folder) == []
    assert not list(folder.glob("*.status"))


@needs_guest
def test_matrix_goes_on_after_a_panic(tmp_path):
    # In another guest; ext4 cannot clone, so there nothing panics.
    run = GuestPytest(tmp_path, "echo c >/proc/sysrq-trigger; sleep 60")
    done = subprocess.run([MATRIX, "--cowbell", run.driver, "--kernel", VERSION, "--fs",
                           "xfs,ext4", "--results", run.results], capture_output=True, text=True,
                          check=False, env=run.environment)
    assert (done.returncode, done.stderr) == (1, "")
    xfs, ext4 = done.stdout.splitlines()[:2]
    assert xfs.split()[0] == f"{VERSION}/xfs" and ext4.split()[0] == f"{VERSION}/ext4"
    assert "2 fail, 1 miss, 1 pass" in xfs and xfs.endswith(": panic: sysrq triggered crash")
    assert "1 fail, 2 pass, 1 skip" in ext4
    assert f"fail: xfs {VERSION}: b/hook" in done.stdout
    assert {"console.txt", "console-2.txt", "xfs.jsonl", "ext4.jsonl"} <= {
        path.name for path in (run.results / VERSION).iterdir()}
    assert guests_of(run.results) == []


def test_items_are_named_by_kernel_too(tmp_path):
    image = fake_image(tmp_path)
    run = Pytest(tmp_path)
    done = run("--kernel", f"host,{image}", "--fs", "xfs:1k,ext4", "--collect-only", "-q", "-k",
               "pass and not xpass")
    assert [name for name in names(done) if "len=1" in name or "fsck" in name] == [
        "xfs:1k::a/pass[len=1]", "xfs:1k::fsck", "ext4::a/pass[len=1]", "ext4::fsck",
        "6.12.9-test/xfs:1k::a/pass[len=1]", "6.12.9-test/xfs:1k::fsck",
        "6.12.9-test/ext4::a/pass[len=1]", "6.12.9-test/ext4::fsck"]


@pytest.mark.parametrize("expression, count", [("host", 2), ("k6_12_9_test", 2), ("ext4", 4),
                                               ("k6_12_9_test and not ext4", 0)])
def test_markers_choose_kernels(expression, count, tmp_path):
    done = Pytest(tmp_path)("--kernel", f"host,{fake_image(tmp_path)}", "--fs", "ext4",
                            "--collect-only", "-q", "-m", f"({expression}) and quick")
    assert len(names(done)) == count


@pytest.fixture(name="without_qemu")
def fixture_without_qemu(tmp_path):
    """A pytest that finds no QEMU."""
    found = vm.find_tool(vm.QEMU)
    if found and Path(found).parent.name == "sbin":
        pytest.skip("QEMU is among the tools of the administrator")
    run = Pytest(tmp_path)
    run.environment["PATH"] = str(tmp_path)
    run.driver = tmp_path / "driver"
    # Without a PATH, env finds no Python.
    run.driver.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
    run.driver.chmod(0o755)
    return run


def test_without_qemu_all_of_a_guest_is_skipped(without_qemu):
    done = without_qemu("--kernel", "6.12", "--fs", "xfs", "-k", "pass and not xpass")
    assert done.returncode == 0
    assert "SKIPPED [3] 6.12/xfs: qemu-system-x86_64 is not installed (package " in done.stdout


def test_workers_keep_a_guest_together(without_qemu):
    pytest.importorskip("xdist")
    done = without_qemu("--kernel", "5.10,6.12", "--fs", "xfs,ext4", "-n", "2", "-v")
    workers = {}
    for line in done.stdout.splitlines():
        if line.startswith("[gw") and "SKIPPED" in line:
            workers.setdefault(line.split()[-1].partition("/")[0], set()).add(line[:5])
    assert sorted(workers) == ["5.10", "6.12"], done.stdout
    assert all(len(found) == 1 for found in workers.values())
    assert f"{4 * 9} skipped" in done.stdout


@pytest.mark.parametrize("options, message", [
    (("--kernel", "host,6.1"), "--kernel host,6.1: nothing is run on it without --fs"),
    (("--kernel", "/nowhere/vmlinuz", "--fs", "xfs"), "/nowhere/vmlinuz: No such file"),
    (("--kernel=IMAGE", "--fs", "xfs", "-n", "2", "--dist", "loadfile"),
     "--dist loadfile would tear the filesystems of a guest apart"),
])
def test_usage_errors(options, message, tmp_path):
    pytest.importorskip("xdist")
    image = str(fake_image(tmp_path))
    done = Pytest(tmp_path)(*(word.replace("IMAGE", image) for word in options))
    assert done.returncode == 4
    assert message in done.stderr
