# SPDX-License-Identifier: GPL-2.0-only
"""The pytest plugin: which items there are, what becomes of each verdict, and one driver each."""

import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from cowbell import kernel
from cowbell.filesystems import find_filesystem

TOP = Path(__file__).resolve().parents[1]
DRIVER = TOP / "build" / "cowbell"
FAKE = TOP / "tests" / "fake_driver.py"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="making filesystems needs root")

RESULTS = [
    {"case": "a/pass[len=1]", "verdict": "pass", "strength": "must", "tags": ["quick"]},
    {"case": "a/pass[len=2]", "verdict": "pass", "strength": "must", "sleep_s": 0.2},
    {"case": "a/fail", "verdict": "fail", "reason": "the call succeeded", "strength": "must",
     "done": "clone_range from=a", "seen": "ok", "allowed": "EINVAL",
     "trace": ["write fd=a -> 4096"], "stacks": {"12 cowbell": "deep\ndeeper"}},
    {"case": "b/skip", "verdict": "skip", "reason": "FICLONE: EOPNOTSUPP"},
    {"case": "b/xfail", "verdict": "xfail", "strength": "should", "quirk": {"reason": "known"}},
    {"case": "b/xpass", "verdict": "xpass", "quirk": {"reason": "known"}},
    {"case": "b/done", "verdict": "done", "strength": "observe", "observed": {"key": "EINVAL"}},
    {"case": "b/error", "verdict": "error", "reason": "the set-up failed"},
    {"case": "b/long", "verdict": "pass", "tags": ["long"]},
]
TINY = {
    "tiny/good.json": {
        "checks": "a write outlives a remount", "why": ["man:mount(8)"], "strength": "must",
        "files": {"a": {"size": "8B", "sync": True}},
        "steps": [{"op": "write", "fd": "a", "off": "0", "len": "1B"}, {"op": "remount"}]},
    "tiny/bad.json": {
        "checks": "a write is refused, which it is not", "why": ["man:pwrite(2)"],
        "strength": "should", "vary": {"len": ["1", "2"]}, "files": {"a": {"size": "8B"}},
        "steps": [{"op": "write", "fd": "a", "off": "0", "len": "$len",
                   "expect": {"err": "ENOSPC"}, "twin": "none", "reason": "meant to fail"}]},
}
USUAL = [entry["case"] for entry in RESULTS if entry["case"] != "b/long"]


class Pytest:
    """Runs pytest on the checkout with a fake driver."""

    def __init__(self, folder):
        self.folder = folder
        self.state = folder / "state"
        self.driver = FAKE
        self.environment = {**os.environ, "COWBELL_STATE": str(self.state),
                            "FAKE_RESULTS": str(folder / "results.json")}
        self.give(RESULTS)

    def give(self, results):
        """Have the fake driver know these results."""
        (self.folder / "results.json").write_text(json.dumps(results))

    def command(self, *options):
        """The command line."""
        return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA",
                f"--cowbell={self.driver}", *options]

    def __call__(self, *options):
        done = subprocess.run(self.command(*options), cwd=TOP, capture_output=True, text=True,
                              check=False, env=self.environment)
        assert not list(self.state.glob("run-*"))
        assert kernel.mounts_below(self.state) == []
        return done


@pytest.fixture(name="run_pytest")
def fixture_run_pytest(tmp_path):
    """A pytest of the test's own."""
    return Pytest(tmp_path)


def outcomes(done):
    """Which item came out how, from the short summary."""
    summary = done.stdout.partition("short test summary info")[2]
    found = {}
    for line in summary.splitlines():
        word, _, rest = line.partition(" ")
        if word in ("PASSED", "FAILED", "XFAIL", "XPASS", "ERROR"):
            found[rest.split(" ")[0]] = word
    return found


def names(done):
    """The collected items, of a run with --collect-only -q."""
    return [line for line in done.stdout.splitlines() if "::" in line]


@needs_root
@pytest.mark.parametrize("options", [(), ("--budget", "0.5")])
def test_budget_and_what_is_offered_go_to_the_driver(run_pytest, tmp_path, options):
    run_pytest.driver = tmp_path / "driver"
    run_pytest.driver.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/said\nexec {FAKE} "$@"\n')
    run_pytest.driver.chmod(0o755)
    run_pytest("--fs", "tmpfs", *options)
    (said,) = [line.split() for line in (tmp_path / "said").read_text().splitlines()
               if line.startswith("run ")]
    found = said[said.index("--budget"):][:2] if "--budget" in said else []
    assert found == list(options)
    offers = ",".join(find_filesystem("tmpfs").offers)
    assert said[said.index("--require"):][:2] == ["--require", offers]


@needs_root
def test_verdicts_become_outcomes(run_pytest):
    done = run_pytest("--fs", "tmpfs")
    assert done.returncode == 1
    assert outcomes(done) == {
        "tmpfs::a/pass[len=1]": "PASSED", "tmpfs::a/pass[len=2]": "PASSED",
        "tmpfs::a/fail": "FAILED", "tmpfs::b/xfail": "XFAIL", "tmpfs::b/xpass": "XPASS",
        "tmpfs::b/done": "PASSED", "tmpfs::b/error": "FAILED", "tmpfs::fsck": "PASSED"}
    assert "SKIPPED [1] tmpfs: FICLONE: EOPNOTSUPP" in done.stdout
    assert "XFAIL tmpfs::b/xfail - reason: known" in done.stdout
    assert "XPASS tmpfs::b/xpass known" in done.stdout
    assert "2 failed, 4 passed, 1 skipped, 1 xfailed, 1 xpassed" in done.stdout
    assert "warning" not in done.stdout.lower()


@needs_root
def test_red_result_says_all(run_pytest):
    done = run_pytest("--fs", "tmpfs", "-k", "fail and not xfail")
    for line in ("fail: tmpfs: a/fail", "    done:    clone_range from=a", "    seen:    ok",
                 "    allowed: EINVAL",
                 "    again:   cowbell fs tmpfs --second -- cowbell run --dir {dir} "
                 "--dir2 {dir2} --seed 7 'a/fail'",
                 "        write fd=a -> 4096", "    stack of 12 cowbell:", "        deeper"):
        assert line in done.stdout.splitlines()
    assert "Traceback" not in done.stdout


def test_items_are_named_by_filesystem_case_and_point(run_pytest):
    done = run_pytest("--fs", "xfs:1k,btrfs", "--fs", "tmpfs", "--collect-only", "-q")
    assert done.returncode == 0
    assert names(done) == [f"{name}::{case}" for name in ("xfs:1k", "btrfs", "tmpfs")
                           for case in (*USUAL, "fsck")]


@pytest.mark.parametrize("expression, cases", [
    ("must", ["a/pass[len=1]", "a/pass[len=2]", "a/fail", "b/skip", "b/xpass", "b/error"]),
    ("observe or should", ["b/xfail", "b/done"]),
    ("quick", ["a/pass[len=1]"]),
    ("a and not quick", ["a/pass[len=2]", "a/fail"]),
    ("long", ["b/long"]),
    ("xfs and quick", ["a/pass[len=1]"]),
    ("xfs_1k and quick", ["a/pass[len=1]"]),
    ("btrfs", []),
])
def test_markers_choose(expression, cases, run_pytest):
    done = run_pytest("--fs", "xfs:1k", "--collect-only", "-q", "-m", expression)
    assert names(done) == [f"xfs:1k::{case}" for case in (*cases, "fsck") if cases]


@pytest.mark.parametrize("expression, cases", [
    ("len=1", None), ("pass and not xpass", ["a/pass[len=1]", "a/pass[len=2]"]),
    ("long", ["b/long"]), ("fsck", []),
])
def test_words_choose(expression, cases, run_pytest):
    done = run_pytest("--fs", "ext4", "--collect-only", "-q", "-k", expression)
    if cases is None:
        assert "Wrong expression" in done.stderr + done.stdout
    else:
        assert names(done) == [f"ext4::{case}" for case in (*cases, "fsck") if cases]


@needs_root
def test_driver_is_given_the_chosen_points_only(run_pytest):
    # An unchosen result would end the driver before the chosen one.
    run_pytest.give([{"case": "a/first", "exit": 5}, {"case": "a/second", "verdict": "pass"}])
    done = run_pytest("--fs", "tmpfs", "-k", "second")
    assert outcomes(done) == {"tmpfs::a/second": "PASSED", "tmpfs::fsck": "PASSED"}


def test_without_fs_there_are_ordinary_tests_only(run_pytest):
    done = run_pytest("--collect-only", "-q")
    assert names(done)
    assert all(name.startswith("tests/") for name in names(done))


def test_paths_add_ordinary_tests(run_pytest):
    done = run_pytest("--collect-only", "-q", "--fs", "tmpfs", "tests/test_plugin.py")
    assert "tests/test_plugin.py::test_paths_add_ordinary_tests" in names(done)
    assert "tmpfs::a/fail" in names(done)


@needs_root
def test_junit_xml(run_pytest, tmp_path):
    run_pytest("--fs", "tmpfs", f"--junitxml={tmp_path}/junit.xml")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()[0]
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "9", "failures": "2", "errors": "0", "skipped": "2"}
    failed = next(case for case in suite if case.get("name") == "a/fail")
    assert failed.get("classname") == "tmpfs"
    # With what pytest needs itself to set it up and tear it down.
    assert 2 <= float(failed.get("time")) < 3
    assert "allowed: EINVAL" in failed[1].text


@needs_root
def test_workers_keep_a_filesystem_together(run_pytest):
    pytest.importorskip("xdist")
    done = run_pytest("--fs", "tmpfs,ext4", "-n", "2", "-v")
    assert "4 failed, 8 passed, 2 skipped, 2 xfailed, 2 xpassed" in done.stdout
    workers = {}
    for line in done.stdout.splitlines():
        if line.startswith("[gw") and "::" in line:
            workers.setdefault(line.split("::")[0].split()[-1], set()).add(line[:5])
    assert sorted(workers) == ["ext4", "tmpfs"]
    assert all(len(found) == 1 for found in workers.values())
    assert len(outcomes(done)) == 16


@needs_root
def test_damage_fails_the_item_fsck(run_pytest):
    run_pytest.give([{"case": "a/pass", "verdict": "pass", "damage_at": 1 << 20}])
    done = run_pytest("--fs", "ext4")
    assert outcomes(done) == {"ext4::a/pass": "PASSED", "ext4::fsck": "FAILED"}
    assert "ext4 is damaged:\n$ e2fsck -f -n\n" in done.stdout


@needs_root
def test_driver_that_ends_early_is_a_miss(run_pytest):
    run_pytest.give([{"case": "a/pass", "verdict": "pass"}, {"case": "a/gone", "exit": 99},
                     {"case": "a/after", "verdict": "pass"}])
    done = run_pytest("--fs", "tmpfs")
    assert outcomes(done) == {"tmpfs::a/pass": "PASSED", "tmpfs::a/gone": "FAILED",
                              "tmpfs::a/after": "FAILED", "tmpfs::fsck": "FAILED"}
    assert "miss: tmpfs: a/gone: the driver ended with status 99 before it came to this\n" \
        "the fake driver gives up\n" in done.stdout


@needs_root
def test_without_root_all_is_skipped(run_pytest):
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    if subprocess.run(["test", "-r", FAKE], check=False, **nobody).returncode != 0:
        pytest.skip("the checkout is not readable for others")
    with tempfile.NamedTemporaryFile("w") as results:
        json.dump(RESULTS, results)
        results.flush()
        Path(results.name).chmod(0o644)
        done = subprocess.run(run_pytest.command("--fs", "tmpfs"), cwd=TOP, capture_output=True,
                              text=True, check=False, **nobody,
                              env={**run_pytest.environment, "FAKE_RESULTS": results.name})
    assert f"SKIPPED [{len(USUAL) + 1}] tmpfs: cowbell fs: making and mounting filesystems needs " \
        "root" in done.stdout


@needs_root
def test_stopping_early_ends_the_driver(run_pytest):
    run_pytest.give([{"case": "a/fail", "verdict": "fail"},
                     {"case": "a/slow", "verdict": "pass", "sleep_s": 60}])
    done = run_pytest("--fs", "xfs", "-x")
    assert outcomes(done) == {"xfs::a/fail": "FAILED"}


@pytest.mark.parametrize("options, message", [
    (("--fs", "zfs"), "there is no filesystem zfs; there are xfs, "),
    (("--fs", "xfs", "--cowbell=/nowhere"), "/nowhere is not there; make builds it"),
    (("--fs", "xfs", "--budget", "0"), "--budget 0: must be a factor from 0.001 to 100000"),
    (("--fs", "xfs", "--budget", "some"), "--budget some: must be a factor from"),
    (("--fs", "xfs", "-n", "2", "--dist", "load"), "--dist load would tear"),
])
def test_usage_errors(options, message, run_pytest):
    done = run_pytest(*options)
    assert done.returncode == 4
    assert message in done.stderr


def test_kernel_host_is_fine(run_pytest):
    assert run_pytest("--fs", "tmpfs", "--kernel", "host", "--collect-only").returncode == 0


@needs_root
def test_plugin_works_elsewhere(run_pytest, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(run_pytest.command("-p", "cowbell.plugin", "--rootdir", elsewhere,
                                             "--fs", "tmpfs", "-k", "done"),
                          cwd=elsewhere, capture_output=True, text=True, check=False,
                          env={**run_pytest.environment,
                               "PYTHONPATH": str(TOP / "harness" / "runner")})
    assert outcomes(done) == {"tmpfs::b/done": "PASSED", "tmpfs::fsck": "PASSED"}


@pytest.fixture(name="run_driver")
def fixture_run_driver(run_pytest, tmp_path):
    """A pytest of the test's own with the real driver and two tiny cases."""
    if not DRIVER.exists():
        pytest.skip("build/cowbell is not built")
    for name, case in TINY.items():
        (tmp_path / "cases" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cases" / name).write_text(json.dumps(case))
    run_pytest.driver = DRIVER
    run_pytest.environment["COWBELL_CASES"] = str(tmp_path / "cases")
    return run_pytest


@needs_root
def test_real_driver(run_driver):
    pytest.importorskip("xdist")
    done = run_driver("--fs", "tmpfs,overlay", "-n", "2")
    bad = {f"{name}::tiny/bad[len={size}]": "FAILED" for name in ("tmpfs", "overlay")
           for size in (1, 2)}
    assert outcomes(done) == {**bad, "tmpfs::fsck": "PASSED", "overlay::fsck": "PASSED",
                              "overlay::tiny/good": "PASSED"}
    assert "SKIPPED [1] tmpfs: hook:remount: " in done.stdout


@needs_root
def test_real_driver_with_chosen_points(run_driver):
    done = run_driver("--fs", "ext4", "-k", "bad and 2")
    assert outcomes(done) == {"ext4::tiny/bad[len=2]": "FAILED", "ext4::fsck": "PASSED"}
    assert outcomes(run_driver("--fs", "ext4", "-m", "must")) == {
        "ext4::tiny/good": "PASSED", "ext4::fsck": "PASSED"}


@needs_root
def test_command_for_again_fails_again(run_driver):
    done = run_driver("--fs", "xfs:1k", "-k", "bad and 1 and not 2")
    again = re.search(r"^    again:   cowbell fs (.*)$", done.stdout, re.MULTILINE)[1]
    once_more = subprocess.run(
        f"PATH={DRIVER.parent}:$PATH; {DRIVER} fs {again}", shell=True, capture_output=True,
        text=True, check=False, env=run_driver.environment)
    assert once_more.returncode == 1
    assert "tiny/bad[len=1]" in once_more.stdout


@needs_root
@pytest.mark.parametrize("name", ["xfs", "tmpfs", "overlay"])
def test_fixture_mounts_for_a_while(name, cowbell_fs, tmp_path, monkeypatch):
    monkeypatch.setenv("COWBELL_STATE", str(tmp_path / "state"))
    with cowbell_fs(name) as directory:
        (directory / "file").write_text("x")
        assert kernel.mounts_below(directory) == [str(directory)]
    assert not directory.exists()
    assert kernel.mounts_below(tmp_path) == []


@needs_root
def test_fixture_removes_the_filesystem_after_an_error(cowbell_fs, tmp_path, monkeypatch):
    monkeypatch.setenv("COWBELL_STATE", str(tmp_path / "state"))
    with pytest.raises(KeyError):
        with cowbell_fs("ext4") as directory:
            raise KeyError("of the test")
    assert not directory.exists()
