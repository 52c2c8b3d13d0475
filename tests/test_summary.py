# SPDX-License-Identifier: GPL-2.0-only
"""cowbell summary and cowbell matrix: what they print about results, and how they end."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from cowbell import kernel, results
from cowbell.filesystems import find_filesystem

TOP = Path(__file__).resolve().parents[1]
RUNNER = TOP / "harness" / "runner"
FAKE = TOP / "tests" / "fake_driver.py"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="making filesystems needs root")

DIR = "/var/tmp/cowbell-fs/run-x1/1/dir"
DIR2 = "/var/tmp/cowbell-fs/run-x1/2/dir"
VIEW = "/var/tmp/cowbell-fs/run-x1/1/view"
HOOK = f"remount=/usr/libexec/cowbell/cowbell-fs --remount {DIR} {DIR2}"
RUN = {"kind": "run", "schema": 1, "dir": DIR, "command": [
    "cowbell", "run", "--dir", DIR, "--dir2", DIR2, "--view", VIEW, "--hook", HOOK]}
FAIL = {"kind": "case", "case": "a/fail[len=1]", "verdict": "fail", "wall_ns": 500_000_000,
        "reason": "the call succeeded", "place": "steps[0]", "done": "clone_range from=a",
        "seen": "ok", "allowed": "EINVAL",
        "repeat": f"cowbell run --dir {DIR} --dir2 {DIR2} --view {VIEW} --hook '{HOOK}' --seed 7 "
                  "'a/fail[len=1]'"}
CASES = [{"kind": "case", "case": "a/pass", "verdict": "pass", "wall_ns": 250_000_000}, FAIL,
         {"kind": "case", "case": "a/xpass", "verdict": "xpass", "round": 2},
         {"kind": "case", "case": "a/error", "verdict": "error", "reason": "no memory"}]
END = {"kind": "end", "counts": {"pass": 1, "fail": 1}, "wall_ns": 1_500_000_000}


def write(path, *lines, torn=""):
    """Write a result file, with half a line at its end if asked to."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + torn)
    return path


def summary(*paths):
    """Run cowbell summary."""
    return subprocess.run([RUNNER / "cowbell-summary", *paths], capture_output=True, text=True,
                          check=False)


def test_table_and_failures(tmp_path):
    done = summary(write(tmp_path / "xfs-1k.jsonl", RUN, *CASES, END),
                   write(tmp_path / "mine.jsonl", RUN, CASES[0], END))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == """\
filesystem   pass   done   skip  xfail  xpass   miss  error   fail      time
xfs:1k          1      0      0      0      1      0      1      1     1.5 s
mine            1      0      0      0      0      0      0      0     1.5 s

fail: xfs:1k: a/fail[len=1]
    place:   steps[0]
    done:    clone_range from=a
    seen:    ok
    allowed: EINVAL
    again:   cowbell fs xfs:1k --second --view -- cowbell run --dir {dir} --dir2 {dir2} \
--view {view} --hook 'remount={remount}' --seed 7 'a/fail[len=1]'

error: xfs:1k: a/error
    reason:  no memory

xpass: xfs:1k: a/xpass (round 2)

5 results in 3.0 s: 1 fail, 1 error, 1 xpass, 2 pass
"""


def test_points_of_one_case_are_told_once(tmp_path):
    points = [{**FAIL, "case": f"a/fail[len={i}]"} for i in (1, 2, 3, 2)]
    done = summary(write(tmp_path / "xfs.jsonl", RUN, *points, {**FAIL, "case": "b/other"}, END),
                   write(tmp_path / "btrfs.jsonl", RUN, *points[:1], END))
    assert [line for line in done.stdout.splitlines() if line.startswith(("fail:", "    also:"))] \
        == ["fail: xfs: a/fail[len=1]", "    also:    a/fail[len=2]", "    also:    a/fail[len=3]",
            "fail: btrfs: a/fail[len=1]", "fail: xfs: b/other"]


def test_command_of_a_lasting_directory_stays_as_it_is(tmp_path):
    run = {**RUN, "command": ["cowbell", "run", "--dir", "/mnt/xfs"]}
    case = {**FAIL, "repeat": "cowbell run --dir /mnt/xfs --seed 7 a/fail"}
    done = summary(write(tmp_path / "xfs.jsonl", run, case, END))
    assert "    again:   cowbell run --dir /mnt/xfs --seed 7 a/fail\n" in done.stdout


@pytest.mark.parametrize("lines, torn, note", [
    ((RUN, *CASES), "", "(no last line: the run was cut short)"),
    ((RUN, *CASES), '{"kind":"ca', "(ends in the middle of a line: the run was cut short)"),
    ((RUN, *CASES, {**END, "interrupted": "SIGINT"}), "", "(interrupted: SIGINT)"),
    ((RUN,), "", "(no last line: the run was cut short)"),
])
def test_run_that_was_cut_short_says_so(lines, torn, note, tmp_path):
    done = summary(write(tmp_path / "xfs.jsonl", *lines, torn=torn))
    assert done.returncode == 0
    row = done.stdout.splitlines()[1]
    assert row.endswith(note)
    assert row.split()[1] == str(len([line for line in lines if line.get("verdict") == "pass"]))
    if len(lines) > 1 and "wall_ns" not in lines[-1]:
        assert " 0.8 s " in row


def test_run_that_was_taken_up_again_is_one_run(tmp_path):
    lines = [{"kind": "run", "schema": 1}, {"kind": "case", "case": "a", "verdict": "pass"},
             {"kind": "end", "counts": {}, "interrupted": "SIGINT"},
             {"kind": "run", "schema": 1, "resumed": True},
             {"kind": "case", "case": "b", "verdict": "pass"}]
    path = tmp_path / "xfs.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = results.read_results(path)
    assert [case["case"] for case in found.cases] == ["a", "b"] and found.end is None


@pytest.mark.parametrize("text, why", [
    ("", "not a result file: no line of a run in it"),
    ('{"kind":"run","sch', "not a result file: no line of a run in it"),
    ("hello\n", "line 1: not a result file: no JSON"),
    ("[1]\n", "line 1: not a result file: no result line"),
    ('{"a":1}\n', "line 1: not a result file: no result line"),
    ('{"kind":"end"}\n', "line 1: not a result file: the first line is not that of a run"),
    ('{"kind":"run","schema":9}\n', "line 1: not a result file: schema 9, only 1 is known"),
    ('{"kind":"run","schema":1}\n' * 2, "line 2: not a result file: a second run in one file"),
    ('{"kind":"run","schema":1}\n{"kind":"case","case":"a","verdict":"good"}\n',
     "line 2: not a result file: a result without case or verdict"),
])
def test_foreign_file_is_refused_in_one_line(text, why, tmp_path):
    path = tmp_path / "file"
    path.write_text(text)
    done = summary(path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"cowbell summary: {path}: {why}\n"


def test_binary_and_missing_files_are_refused(tmp_path):
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 10)
    for path in (tmp_path / "binary", tmp_path / "missing", tmp_path):
        done = summary(path)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_follower_gives_whole_lines_once(tmp_path):
    path = tmp_path / "growing"
    follower = results.Follower(path)
    assert follower.new_lines() == []
    with path.open("w") as file:
        file.write(json.dumps(RUN) + '\n{"kind":"end",')
        file.flush()
        assert follower.new_lines() == [RUN]
        assert follower.new_lines() == []
        file.write('"wall_ns":1}\n')
        file.flush()
        assert follower.new_lines() == [{"kind": "end", "wall_ns": 1}]


@pytest.fixture(name="matrix")
def fixture_matrix(tmp_path, monkeypatch):
    """The command of cowbell matrix with the fake driver, which has these results."""
    monkeypatch.setenv("COWBELL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("FAKE_RESULTS", str(tmp_path / "fake.json"))
    monkeypatch.setenv("RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("FS", raising=False)

    def command(entries, *options):
        (tmp_path / "fake.json").write_text(json.dumps(entries))
        return [RUNNER / "cowbell-matrix", "--cowbell", FAKE, *options]

    yield command
    assert not list((tmp_path / "state").glob("run-*"))
    assert kernel.mounts_below(tmp_path) == []


def run(command):
    """Run a command to its end."""
    return subprocess.run(command, capture_output=True, text=True, check=False)


PASS = [{"case": "a/pass", "verdict": "pass"}]
SKIP = [{"case": "a/skip", "verdict": "skip", "reason": "no clone"}]


@needs_root
def test_matrix_runs_each_filesystem(matrix, tmp_path):
    done = run(matrix(PASS, "--fs", "xfs:1k,tmpfs"))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["xfs:1k", "1", "pass", "(5.0", "s)"]
    assert lines[1].split() == ["tmpfs", "1", "pass", "(5.0", "s)"]
    assert lines[-2:] == ["2 results in 10.0 s: 2 pass", f"results: {tmp_path}/results"]
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == [
        "tmpfs.jsonl", "tmpfs.txt", "xfs-1k.jsonl", "xfs-1k.txt"]


@needs_root
def test_matrix_tells_the_driver_all_it_needs(matrix, tmp_path):
    done = run(matrix(PASS, "--fs", "ext4", "--seed", "5", "--jobs", "3", "a/pass"))
    assert done.returncode == 0
    words = json.loads((tmp_path / "results/ext4.jsonl").read_text().splitlines()[0])["command"][1:]
    folder = Path(words[words.index("--dir") + 1]).parents[1]
    assert words == ["run", "--dedicated", "--dir", f"{folder}/1/dir", "--dir2", f"{folder}/2/dir",
                     "--view", f"{folder}/1/view", "--hook",
                     f"remount={RUNNER}/cowbell-fs --remount {folder}/1/dir "
                     f"{folder}/2/dir", "--json", f"{tmp_path}/results/ext4.jsonl",
                     "--jobs", "3", "--require", ",".join(find_filesystem("ext4").offers),
                     "--seed", "5", "a/pass"]


@needs_root
@pytest.mark.parametrize("entries, status", [
    (PASS, 0),
    (PASS + [{"case": "a/fail", "verdict": "fail"}], 1),
    (PASS + [{"case": "a/gone", "exit": 99}], 99),
    (PASS + [{"case": "a/gone", "exit": 2}], 99),
    ([{"case": "a/gone", "exit": 0}], 99),
    (SKIP + [{"case": "a/gone", "exit": 77}], 77),
    ([{"case": "a/pass", "verdict": "pass", "damage_at": 1 << 20}], 1),
])
def test_matrix_exit_status(entries, status, matrix):
    assert run(matrix(entries, "--fs", "ext4")).returncode == status


@needs_root
def test_matrix_says_where_damage_is_described(matrix, tmp_path):
    entries = [{"case": "a/pass", "verdict": "pass", "damage_at": 1 << 20}]
    done = run(matrix(entries, "--fs", "ext4"))
    assert f"exit status 1, see {tmp_path}/results/ext4.txt" in done.stdout
    assert "ext4 is damaged" in (tmp_path / "results/ext4.txt").read_text()


@needs_root
def test_matrix_takes_fs_from_the_environment(matrix, monkeypatch):
    monkeypatch.setenv("FS", "tmpfs ext4")
    done = run(matrix(PASS))
    assert [line.split()[0] for line in done.stdout.splitlines()[:2]] == ["tmpfs", "ext4"]


@needs_root
def test_matrix_goes_on_after_what_cannot_be_made(matrix, monkeypatch, tmp_path):
    # A tool that is there but refuses stands for a broken machine.
    (tmp_path / "bin").mkdir()
    broken = tmp_path / "bin/mkfs.xfs"
    broken.write_text("#!/bin/sh\necho out of order\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    done = run(matrix(PASS, "--fs", "xfs,tmpfs"))
    lines = done.stdout.splitlines()
    assert lines[0].split()[0] == "xfs" and lines[0].endswith(": out of order")
    assert lines[1].split()[:3] == ["tmpfs", "1", "pass"]
    assert done.returncode == 99


@needs_root
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_matrix_cleans_up_when_told_to_end(number, matrix, tmp_path):
    slow = [{"case": "a/pass", "verdict": "pass"},
            {"case": "a/slow", "verdict": "pass", "sleep_s": 60}]
    with subprocess.Popen(matrix(slow, "--fs", "xfs"), stdout=subprocess.DEVNULL) as child:
        file = tmp_path / "results/xfs.jsonl"
        assert kernel.wait_until(lambda: file.exists() and "a/pass" in file.read_text(), 20)
        child.send_signal(number)
        assert child.wait() == 128 + number


@pytest.mark.parametrize("options, message", [
    (("--fs", "zfs"), "cowbell matrix: there is no filesystem zfs; there are "),
    (("--cowbell", "/nowhere"), "cowbell matrix: /nowhere is not there; make builds it"),
])
def test_matrix_usage(options, message):
    done = run([RUNNER / "cowbell-matrix", *options])
    assert done.returncode == 2
    assert done.stderr.startswith(message)
