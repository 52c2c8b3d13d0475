# SPDX-License-Identifier: GPL-2.0-only
"""`cowbell gate`: answers to git bisect run, alone and in a real bisection of a toy repository."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from bench_files import COWBELL, TOP, cowbell, write_run, write_side

# A command whose median is its first argument, with noise of 1% between runs.
FAKE = f"""import os, pathlib, sys, time
sys.path.insert(0, {str(TOP / "tests")!r})
from bench_files import write_run
write_run(pathlib.Path(sys.argv[2]), time.monotonic_ns(),
          reference=float(os.environ.get("REFERENCE", 0)), median=float(sys.argv[1]))
"""
METRIC = "paths/clone[size=4K] time_ns"


@pytest.fixture
def gate(tmp_path):
    (tmp_path / "fake.py").write_text(FAKE)
    (tmp_path / "tmp").mkdir()
    good = write_side(tmp_path, "good", 5)
    bad = write_side(tmp_path, "bad", 5, 11000)

    def run(*command, good=good, bad=bad, options=()):
        if len(command) == 1 and not isinstance(command[0], str):
            command = (sys.executable, tmp_path / "fake.py", *command, "{json}")
        done = cowbell("gate", "--good", *good, "--bad", *bad, *options, "--", *command,
                       env=os.environ | {"TMPDIR": str(tmp_path / "tmp")})
        assert list((tmp_path / "tmp").iterdir()) == []
        return done
    return run


@pytest.mark.parametrize("median, status, word", [
    (10000, 0, "good"), (11000, 1, "bad"), (9000, 0, "good"), (15000, 1, "bad"),
])
def test_decides(gate, median, status, word):
    start = time.monotonic()
    done = gate(median)
    assert (done.returncode, done.stderr) == (status, "")
    assert done.stdout.startswith(f"{word}: {METRIC} is ") and "runs, " in done.stdout
    assert time.monotonic() - start < 30


def test_higher_is_better(tmp_path, gate):
    ends = [write_side(tmp_path, name, 4, median, better="higher")
            for name, median in (("g", 11000), ("b", 10000))]
    script = tmp_path / "fake.py"
    script.write_text(script.read_text().replace("[1]))", "[1]), better='higher')"))
    assert gate(10000, good=ends[0], bad=ends[1]).returncode == 1
    assert gate(11000, good=ends[0], bad=ends[1]).returncode == 0


def test_budget_is_used_up(gate, tmp_path):
    # half-way between good and bad, and no time for a second run
    done = gate("sh", "-c", f"sleep 0.2; {sys.executable} {tmp_path / 'fake.py'} 10488 {{json}}",
                options=["--budget", "0.1"])
    assert done.returncode == 125 and "undecided after" in done.stderr


@pytest.mark.parametrize("command, status, message", [
    ("exit 1", 125, "exit status 1"),
    ("echo no rule; exit 2", 125, "exit status 2: skip\n    no rule"),
    ("exit 77", 125, "exit status 77"),
    ("exit 125", 125, "exit status 125"),
    ("exit 126", 125, "exit status 126"),
    ("/no/such/program", 125, "exit status 127"),
    ("kill -SEGV $$", 125, "exit status 139"),
    ("exit 99", 200, "exit status 99"),
    ("exit 200", 200, "exit status 200"),
    ("sleep 60", 125, "no end after 0.5 s"),
    ("true", 200, "the command wrote no results"),
    ("echo {} >$COWBELL_JSON", 200, "run.json:1: this is no result line"),
])
def test_commands_that_fail(gate, command, status, message):
    done = gate("sh", "-c", command, options=["--timeout", "0.5" if "sleep" in command else "60"])
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr


def test_unfit_ends(tmp_path, gate):
    near = write_side(tmp_path, "near", 5, 10050)
    two = write_side(tmp_path, "two", 2)
    other = write_side(tmp_path, "other", 5, 11000, names=["paths/other"])
    far = write_side(tmp_path, "far", 5, 11000, run={"machine": {"cpus": 64}})
    (tmp_path / "cut.json").write_text(near[0].read_text()[:900])
    for ends, options, message in [
        ({"bad": near}, [], "the ends cannot be told apart"),
        ({"good": two}, [], "--good needs results of 3 to 200 runs, not 2"),
        ({"bad": other}, [], f"has no {METRIC}"),
        ({"bad": far}, [], "machine.cpus: 2"),
        ({"good": write_side(tmp_path, "slow", 5, 12000)}, [], "are --good and --bad swapped?"),
        ({"bad": [tmp_path / "cut.json"] * 3}, [], "cut.json:3: the line is cut off"),
        ({"bad": [tmp_path / "none"] * 3}, [], "none: No such file"),
        ({}, ["--threshold", "20"], "less than --threshold"),
        ({}, ["--metric", "nonsense"], "0 metrics like nonsense"),
    ]:
        done = gate("true", options=options, **ends)
        assert done.returncode == 200 and message in done.stderr, (message, done.stderr)


def test_no_room_for_results_aborts(tmp_path, gate):
    (tmp_path / "tmp").rmdir()
    (tmp_path / "tmp").write_text("x")
    ends = [sorted(tmp_path.glob(f"{name}?.json")) for name in ("good", "bad")]
    done = cowbell("gate", "--good", *ends[0], "--bad", *ends[1], "--", "true",
                   env=os.environ | {"TMPDIR": str(tmp_path / "tmp")})
    assert done.returncode == 200
    assert "/tmp: cannot make a folder in it: Not a directory" in done.stderr


def test_a_machine_that_is_another(tmp_path, gate):
    script = tmp_path / "fake.py"
    script.write_text(script.read_text().replace("[1]))", "[1]), run={'machine': {'cpus': 64}})"))
    done = gate(10000)
    assert done.returncode == 200 and "machine.cpus: 2" in done.stderr
    assert gate(10000, options=["--force"]).returncode == 0


@pytest.fixture
def drifting(tmp_path, gate, monkeypatch):
    """The gate with ends that have a reference row, and a step that has one."""
    def run(median, reference, *options, at_good=1000, at_bad=1000, clock=None):
        more = {"run": {"environment": {"clock": {"least_step_ns": clock}}}} if clock else {}
        ends = {"good": write_side(tmp_path, "g", 4, 10000, reference=at_good, **more),
                "bad": write_side(tmp_path, "b", 4, 11000, reference=at_bad, **more)}
        monkeypatch.setenv("REFERENCE", str(reference))
        return gate(median, options=options, **ends)
    return run


@pytest.mark.parametrize("median, reference, status", [
    (10000, 1000, 0), (11000, 1000, 1), (11000, 1020, 1),
    # what looks bad is the machine; and what looks good may be
    (11000, 1300, 125), (10000, 800, 125),
])
def test_a_machine_that_changed(drifting, median, reference, status):
    done = drifting(median, reference)
    assert done.returncode == status, done.stderr
    if status == 125:
        assert "the machine is not as it was when the ends were measured" in done.stderr
        assert "paths/getppid time_ns is " in done.stderr and done.stdout == ""
        assert done.stderr.endswith(": skip\n")
    else:
        assert done.stderr == "" and "1 reference rows looked at" in done.stdout


def test_a_changed_machine_by_force(drifting):
    done = drifting(11000, 1300, "--force")
    assert done.returncode == 1 and "note: the machine is not as it was" in done.stderr


def test_a_reference_row_that_is_itself_under_test(drifting):
    """If the ends differ in it, a step may have it as it likes."""
    for median, status in (10000, 0), (11000, 1):
        done = drifting(median, 2000, at_bad=1300)
        assert done.returncode == status
        assert "paths/getppid time_ns differs between the ends" in done.stderr
        assert "0 reference rows looked at" in done.stdout


def test_drift_of_a_step_of_the_clock_is_none(drifting):
    assert drifting(11000, 150, at_good=140, at_bad=140).returncode == 125
    assert drifting(11000, 150, at_good=140, at_bad=140, clock=10).returncode == 1


def test_without_reference_rows_drift_is_not_looked_for(drifting):
    done = drifting(11000, 0)
    assert done.returncode == 1 and "0 reference rows looked at" in done.stdout


def test_a_revision_without_the_metric(tmp_path, gate):
    script = tmp_path / "fake.py"
    script.write_text(script.read_text().replace("[1]))", "[1]), names=['paths/other'])"))
    done = gate(10000)
    assert done.returncode == 125 and f"this revision has no {METRIC}" in done.stderr


def test_several_metrics(tmp_path, gate):
    names = ["paths/clone[size=4K]", "paths/clone[size=8K]"]
    ends = {"good": write_side(tmp_path, "g", 4, names=names),
            "bad": write_side(tmp_path, "b", 4, 11000, names=names)}
    done = gate(10000, **ends)
    assert done.returncode == 200 and "2 metrics in " in done.stderr
    assert gate(10000, options=["--metric", names[0]], **ends).returncode == 0


@pytest.mark.parametrize("args", [[], ["--good", "x"], ["--budget", "x"], ["--nonsense"],
                                  ["--good", "x", "--bad", "y"],
                                  ["--good", "x", "--bad", "y", "--"]])
def test_usage_aborts_a_bisection(args):
    done = cowbell("gate", *args)
    assert done.returncode == 200 and done.stderr.count("\n") == 1


def test_a_signal_aborts_and_leaves_nothing(tmp_path, gate):
    ends = [sorted(tmp_path.glob(f"{name}?.json")) for name in ("good", "bad")]
    ready = tmp_path / "ready"
    run = subprocess.Popen([COWBELL, "gate", "--good", *ends[0], "--bad", *ends[1], "--", "sh",
                            "-c", f"sleep 100 & echo $! >{ready}.new; mv {ready}.new {ready}; "
                            "wait"],
                           env=os.environ | {"TMPDIR": str(tmp_path / "tmp")},
                           stderr=subprocess.PIPE)
    while not ready.exists():
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=30)
    assert run.returncode == 130
    assert not os.path.exists(f"/proc/{ready.read_text().strip()}")
    assert list((tmp_path / "tmp").iterdir()) == []


# The toy: a program that copies in a loop, and what it took as results. Its revisions differ in
# how much they copy, in whether they build, and in whether they run.
TOY = """#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#define WORK {work}
static double now(void)
{{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}}
int main(void)
{{
	static char from[65536], to[65536];
	{crash}
	for (int block = 0; block < 5; block++) {{
		printf("%s", block ? "\\n" : "");
		for (int sample = 0; sample < 20; sample++) {{
			double start = now();
			for (int i = 0; i < WORK; i++) {{
				memcpy(to, from, sizeof(to));
				__asm__ volatile("" : : "r"(to) : "memory");
			}}
			printf("%.0f ", now() - start);
		}}
	}}
	return {broken};
}}
"""

STEP = f"""#!{sys.executable}
import json, os, pathlib, subprocess, sys
sys.path.insert(0, {str(TOP / "tests")!r})
from bench_files import END, bench_line, run_line, write_lines
if subprocess.run(["cc", "-O2", "-o", "toy", "toy.c"]).returncode:
    sys.exit(125)
out = subprocess.run(["./toy"], stdout=subprocess.PIPE, text=True)
if out.returncode:
    sys.exit(out.returncode if out.returncode > 0 else 1)
machine = json.loads(os.environ.get("TOY_MACHINE", '{{"cpus": 2}}'))
write_lines(pathlib.Path(sys.argv[1]), [run_line(machine=machine)] + [
    bench_line("toy/copy", block=i, samples=list(map(int, line.split())))
    for i, line in enumerate(out.stdout.splitlines())] + [END])
"""
# A machine that others use makes loops 15% slower, too; the small effects are for make verdicts.
GOOD_WORK, BAD_WORK, CULPRIT = 200, 500, 11


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A repository of 16 revisions, number 11 of which is slower; 6 does not build, 9 crashes."""
    top = tmp_path_factory.mktemp("toy")
    (top / "repo").mkdir()
    (top / "step").write_text(STEP)
    (top / "step").chmod(0o755)

    def git(*args):
        return subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *args],
                              cwd=top / "repo", capture_output=True, text=True, check=True).stdout

    git("init", "-q")
    for number in range(16):
        work = GOOD_WORK if number < CULPRIT else BAD_WORK
        text = TOY.format(work=work, broken=0, crash="abort();" if number == 9 else "")
        if number == 6:
            text = text.replace("int main", "int mai n")
        (top / "repo/toy.c").write_text(f"/* {number} */\n{text}")
        git("add", "toy.c")
        git("commit", "-q", "-m", f"revision {number}")
        git("tag", f"r{number}")
    for end in "r0", "r15":
        git("checkout", "-q", end)
        for i in range(6):
            subprocess.run([top / "step", top / f"{end}-{i}.json"], cwd=top / "repo", check=True)
    return top, git


def bisect(toy, *options, **environment):
    top, git = toy
    git("bisect", "start", "r15", "r0")
    ends = [sorted(str(path) for path in top.glob(f"{end}-*.json")) for end in ("r0", "r15")]
    done = subprocess.run(["git", "bisect", "run", COWBELL, "gate", "--good", *ends[0], "--bad",
                           *ends[1], *options, "--", top / "step", "{json}"],
                          cwd=top / "repo", capture_output=True, text=True, check=False,
                          env=os.environ | environment)
    log = git("bisect", "log")
    git("bisect", "reset")
    return done, log


def test_a_bisection_finds_the_revision(toy):
    done, log = bisect(toy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"# first bad commit: [{toy[1]('rev-parse', f'r{CULPRIT}').strip()}]" in log
    # what does not build or run was skipped if it was met, never called good or bad
    for number in 6, 9:
        commit = toy[1]("rev-parse", f"r{number}").strip()
        assert f"# bad: [{commit}]" not in log and f"# good: [{commit}]" not in log


def test_a_bisection_meets_what_cannot_run_and_goes_on(toy):
    top, git = toy
    ends = [sorted(str(path) for path in top.glob(f"{end}-*.json")) for end in ("r0", "r15")]
    git("bisect", "start", "r12", "r6")
    done = subprocess.run(["git", "bisect", "run", COWBELL, "gate", "--good", *ends[0], "--bad",
                           *ends[1], "--", top / "step", "{json}"],
                          cwd=top / "repo", capture_output=True, text=True, check=False)
    log = git("bisect", "log")
    git("bisect", "reset")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"# skip: [{git('rev-parse', 'r9').strip()}]" in log
    assert f"# first bad commit: [{git('rev-parse', f'r{CULPRIT}').strip()}]" in log


def test_a_bisection_is_aborted_on_another_machine(toy):
    done, log = bisect(toy, TOY_MACHINE=json.dumps({"cpus": 64}))
    assert done.returncode != 0 and "first bad commit" not in log
    assert "exit code 200" in done.stderr + done.stdout
