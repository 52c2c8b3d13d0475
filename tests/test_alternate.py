# SPDX-License-Identifier: GPL-2.0-only
"""`cowbell alternate`: order, results, failing commands, signals, nothing left."""

import json
import os
import pty
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
    ("exit 2", 99, "exit status 2 of: exit 2"),
    ("exit 99", 99, "exit status 99"),
    ("kill -SEGV $$", 99, "exit status 139"),
    ("kill -KILL $$", 99, "exit status 137"),
    ("kill -INT $$", 99, "exit status 130"),
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


def test_a_command_may_fail_late(tmp_path, fake, alternate):
    """Whole blocks were measured; all the same there is no verdict."""
    late = f"[ $(wc -c <{tmp_path}/log) -lt 6 ] && {fake(10000, 'b')} || exit 7"
    done = alternate(fake(10000, "a"), late, "--blocks", 8)
    assert done.returncode == 99 and done.stdout == ""
    assert "block 3/8" in done.stderr and "block 4, B: exit status 7" in done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []


def other(fake, **changes):
    """The command of B, whose first line or cells have something else in them."""
    words = ", ".join(f"{key}={value!r}" for key, value in changes.items())
    return fake(10000, "b").replace("fake.py", "other.py"), words


@pytest.mark.parametrize("changes, status, message", [
    ({"names": ["paths/other"]}, 77, "no metric is both in "),
    ({"run": {"machine": {"cpus": 64}}}, 77, "  machine.cpus: 2 ("),
    ({"observed": {"mechanism": "copied"}}, 77, "the data was shared in A and copied in B"),
    ({"run": {"schema": 2}}, 2, "b-001.json:1: schema 2; this cowbell reads schema 1"),
])
def test_what_cannot_be_compared(tmp_path, fake, alternate, changes, status, message):
    command, words = other(fake, **changes)
    (tmp_path / "other.py").write_text(FAKE.replace("blocks=9)", f"blocks=9, {words})"))
    done = alternate(fake(10000, "a"), command, "--blocks", 2)
    assert done.returncode == status and message in done.stderr + done.stdout
    assert list((tmp_path / "tmp").iterdir()) == []


def test_force_and_metric_are_those_of_compare(tmp_path, fake, alternate):
    command, words = other(fake, run={"machine": {"cpus": 64}})
    (tmp_path / "other.py").write_text(FAKE.replace("blocks=9)", f"blocks=9, {words})"))
    done = alternate(fake(10000, "a"), command, "--blocks", 2, "--force")
    assert done.returncode == 0 and "compared by force" in done.stderr
    done = alternate(fake(10000, "a"), fake(10000, "b"), "--blocks", 2, "--metric", "nothing*")
    assert done.returncode == 77 and "no metric like nothing* is both in" in done.stderr


def test_partial_takes_what_was_cut_short(tmp_path, fake, alternate):
    cut = fake(10000, "b") + "; sed -i '$d' {json}"
    done = alternate(fake(10000, "a"), cut, "--blocks", 2)
    assert done.returncode == 2 and 'without an "end" line' in done.stderr
    assert alternate(fake(10000, "a"), cut, "--blocks", 2, "--partial").returncode == 0


def test_out_that_cannot_be_written_to(tmp_path, fake, alternate):
    """Said before anything runs."""
    (tmp_path / "file").write_text("x")
    for out in tmp_path / "file", tmp_path / "file/below", "/proc", "/sys":
        done = alternate(fake(10000, "a"), fake(10000, "b"), "--out", out)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith(f"cowbell alternate: {out}") and done.stderr.count("\n") == 1
        assert not (tmp_path / "log").exists()
    assert (tmp_path / "file").read_text() == "x"
    done = cowbell("alternate", "--a", "x", "--b", "y",
                   env=os.environ | {"TMPDIR": str(tmp_path / "none")})
    assert done.returncode == 2 and f"{tmp_path}/none: cannot make a folder in" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fake.py", "file", "tmp"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_verdict_that_nobody_gets_is_an_error(tmp_path, fake, alternate):
    done = alternate(fake(10000, "a"), fake(11000, "b"), "--blocks", 8, "--json", "/dev/full")
    assert done.returncode == 99 and "worse" in done.stdout
    assert "cowbell alternate: /dev/full: No space left on device" in done.stderr
    with open("/dev/full", "w", encoding="utf-8") as full:
        for more in [], ["--json", "-"]:
            done = subprocess.run([COWBELL, "alternate", "--a", fake(10000, "a"), "--b",
                                   fake(10000, "b"), "--blocks", "2", *more], stdout=full,
                                  stderr=subprocess.PIPE, text=True, check=False,
                                  env=os.environ | {"TMPDIR": str(tmp_path / "tmp")})
            assert done.returncode == 99 and "No space left on device" in done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []


def test_results_of_another_kind(tmp_path, alternate):
    done = alternate("echo {} >{json}", "echo {} >{json}", "--blocks", 1)
    assert done.returncode == 2 and "a-001.json:1: this is no result line" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("stubborn", ["", "trap '' INT TERM; "])
def test_a_signal_ends_the_command_and_leaves_nothing(tmp_path, number, stubborn):
    if stubborn and number != signal.SIGINT:
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


def test_a_signal_after_the_last_run_ends_it_too(tmp_path, fake):
    """The last command tells us to end, and ends; what was kept is whole."""
    out = tmp_path / "out"
    last = f"{fake(10000, 'b')}; [ $(wc -c <{tmp_path}/log) = 4 ] && kill -TERM $PPID; true"
    done = cowbell("alternate", "--a", last, "--b", fake(10000, "b"), "--blocks", "2", "--out", out,
                   env=os.environ | {"TMPDIR": str(tmp_path)})
    assert done.returncode == 143 or done.returncode == -signal.SIGTERM
    assert len(list(out.glob("*.json"))) == 4


def test_interrupted_at_the_terminal(tmp_path):
    """^C goes to the foreground: to us, and not to the command, which we end ourselves."""
    ready = tmp_path / "ready"
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TMPDIR"] = str(tmp_path)
        os.execv(COWBELL, [str(COWBELL), "alternate", "--a", f"echo $$ >{ready}; exec sleep 100",
                           "--b", "true"])
    while not (ready.exists() and ready.read_text()):
        assert os.waitpid(pid, os.WNOHANG) == (0, 0)
        time.sleep(0.01)
    os.write(terminal, b"\x03")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    os.close(terminal)
    assert not os.path.exists(f"/proc/{ready.read_text().strip()}")
    assert [path.name for path in tmp_path.iterdir()] == ["ready"]
