# SPDX-License-Identifier: GPL-2.0-only
"""`cowbell alternate`: order, results, failing commands, signals, nothing left."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from bench_files import COWBELL, TOP, cowbell

# Writes a run whose median is the first argument; notes its letter, and uses a seed of its own.
FAKE = f"""import os, pathlib, sys
sys.path.insert(0, {str(TOP / "tests")!r})
from bench_files import write_run
log = pathlib.Path(sys.argv[3])
log.open("a").write(sys.argv[2])
count = len(log.read_text())
write_run(pathlib.Path(sys.argv[4]), count, int(sys.argv[1]), 0.004, start=count, blocks=9)
"""


@pytest.fixture
def fake(tmp_path):
    """A command for the shell that writes a run with some median, and a log of who ran."""
    (tmp_path / "fake.py").write_text(FAKE)

    def command(median, letter, json_file="{json}"):
        return f"{sys.executable} {tmp_path}/fake.py {median} {letter} {tmp_path}/log {json_file}"
    return command


@pytest.fixture
def alternate(tmp_path):
    def run(a, b, *args):
        return cowbell("alternate", "--a", a, "--b", b, *args,
                       env=os.environ | {"TMPDIR": str(tmp_path / "tmp")})
    (tmp_path / "tmp").mkdir()
    return run


def test_takes_turns_and_compares(tmp_path, fake, alternate):
    done = alternate(fake(10000, "a"), fake(11000, "b"), "--blocks", 8, "--json",
                     tmp_path / "out.json")
    assert done.returncode == 1, done.stderr
    assert (tmp_path / "log").read_text() == "abba" * 4
    assert "block 8/8" in done.stderr and "worse" in done.stdout
    whole = json.loads((tmp_path / "out.json").read_text())
    assert whole["paired"] and whole["metrics"][0]["n"] == [8, 8]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_seed_chooses_who_is_first(tmp_path, fake, alternate):
    for seed, order in (1, "abba"), (2, "baab"), (7, "abba"):
        (tmp_path / "log").unlink(missing_ok=True)
        alternate(fake(10000, "a"), fake(10000, "b"), "--blocks", 2, "--seed", seed)
        assert (tmp_path / "log").read_text() == order


def test_out_keeps_results_by_the_environment_too(tmp_path, fake, alternate):
    out = tmp_path / "it's out"
    done = alternate(fake(10000, "a", '"$COWBELL_JSON"'), fake(10000, "b"), "--blocks", 2, "--out",
                     out)
    assert done.returncode == 0, done.stderr
    names = [f"{side}-00{i}.{end}" for side in "ab" for i in (1, 2) for end in ("json", "log")]
    assert sorted(path.name for path in out.iterdir()) == names
    again = alternate(fake(10000, "a"), fake(10000, "b"), "--blocks", 2, "--out", out)
    assert again.returncode == 2 and "is there already" in again.stderr


def test_time_ends_it_between_blocks(tmp_path, fake, alternate):
    done = alternate(fake(10000, "a") + "; sleep 0.3", fake(10000, "b"), "--time", "1.5")
    assert done.returncode == 0
    order = (tmp_path / "log").read_text()
    assert 2 <= len(order) < 24 and len(order) % 2 == 0
    assert f"{len(order) // 2} and {len(order) // 2} files" in done.stdout


@pytest.mark.parametrize("command, status, message", [
    ("echo out of room; exit 7", 99, "exit status 7 of: echo out of room; exit 7\n    out of room"),
    ("exit 1", 99, "exit status 1 of: exit 1"),
    ("exit 77", 77, "exit status 77"),
    ("kill -SEGV $$", 99, "exit status 139"),
    ("/no/such/program", 99, "exit status 127"),
    ("true", 99, "no results in"),
    ("sleep 60", 99, "no end after 0.5 s"),
])
def test_a_command_that_fails_stops_all(tmp_path, fake, alternate, command, status, message):
    done = alternate(fake(10000, "a"), command, "--timeout", "0.5" if "sleep" in command else "60")
    assert done.returncode == status
    assert "cowbell alternate: block 1, B: " in done.stderr and message in done.stderr
    assert done.stdout == ""
    assert list((tmp_path / "tmp").iterdir()) == []


def test_results_of_another_kind(tmp_path, alternate):
    done = alternate("echo {} >{json}", "echo {} >{json}", "--blocks", 1)
    assert done.returncode == 2 and "a-001.json:1: this is no result line" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stubborn", ["", "trap '' INT TERM; "])
def test_a_signal_ends_the_command_and_leaves_nothing(tmp_path, number, stubborn):
    if stubborn and number == signal.SIGTERM:
        pytest.skip("as with SIGINT")
    ready = tmp_path / "ready"
    run = subprocess.Popen([COWBELL, "alternate", "--a",
                            f"{stubborn}sleep 100 & echo $$ $! >{ready}.new; "
                            f"mv {ready}.new {ready}; while :; do wait; done",
                            "--b", "true"],
                           env=os.environ | {"TMPDIR": str(tmp_path)}, text=True,
                           stderr=subprocess.PIPE)
    while not ready.exists():
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(number)
    if stubborn:
        time.sleep(0.3)
        run.send_signal(number)
    _, stderr = run.communicate(timeout=30)
    assert run.returncode == 128 + number
    assert "block 1, A: ended by " in stderr
    for pid in ready.read_text().split():
        assert not os.path.exists(f"/proc/{pid}") or "Z" in open(f"/proc/{pid}/stat").read()
    assert [path.name for path in tmp_path.iterdir()] == ["ready"]


@pytest.mark.parametrize("args, message", [
    ([], "needs --a CMD and --b CMD"),
    (["--a", "x"], "needs --a CMD and --b CMD"),
    (["--a", "x", "--b", "y", "--blocks", "0"], "--blocks must be a whole number from 1 to 999"),
    (["--a", "x", "--b", "y", "z"], "what is 'z'?"),
    (["--a", "x", "--b", "y", "--out", "/no/such/folder"], "/no/such/folder: No such file"),
])
def test_usage(args, message):
    done = cowbell("alternate", *args)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1


