# SPDX-License-Identifier: GPL-2.0-only
"""How the runner's commands end: exit status and what is said, whoever still reads it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cowbell import command

RUNNER = Path(command.__file__).resolve().parents[1]


def run(body, *, out=None, err=None, wrap="main"):
    """A command whose main() is this, as a program: exit status, output and errors.

    `out` and `err`: "gone" for a pipe that nobody reads, or a path.
    """
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(RUNNER)!r})
from cowbell import bisection, command
from cowbell.tools import UsageError
def main(argv):
    {body}
bisection.main = main
sys.exit(command.ends_well({wrap}, "cowbell test", []))
"""
    files = []
    for how in (out, err):
        if how == "gone":
            reader, writer = os.pipe()
            os.close(reader)
            files.append(writer)
        else:
            files.append(os.open(how, os.O_WRONLY) if how else subprocess.PIPE)
    try:
        done = subprocess.run((sys.executable, "-c", script), stdout=files[0], stderr=files[1],
                              text=True, check=False, env={"PATH": os.environ["PATH"]})
    finally:
        for file in files:
            if file != subprocess.PIPE:
                os.close(file)
    return done.returncode, done.stdout, done.stderr


TOLD = "print('text'); os.kill(os.getpid(), signal.{0}); signal.pause()"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_are_told_on_standard_error(number):
    """Standard output is what the command prints, and nothing else."""
    assert run(TOLD.format(number.name)) == (128 + number, "text\n",
                                             "cowbell test: interrupted\n")


@pytest.mark.parametrize("wrap", ["main", "bisection.main_of_step"])
@pytest.mark.parametrize("out, err", [("gone", None), ("gone", "gone"), (None, "gone")])
def test_signals_whoever_reads(wrap, out, err):
    """`git bisect run` takes 1 for bad."""
    status, _, said = run(TOLD.format("SIGTERM"), out=out, err=err, wrap=wrap)
    assert status == 143 and (said or "cowbell test: interrupted\n") == \
        "cowbell test: interrupted\n"


def test_errors_that_nobody_reads():
    """The exit status is still that of the error."""
    assert run("raise UsageError('no')", err="gone")[0] == 2


@pytest.mark.parametrize("wrap, wanted", [("main", 99), ("bisection.main_of_step", 200)])
@pytest.mark.parametrize("out, why", [("gone", "Broken pipe"),
                                      ("/dev/full", "No space left on device")])
def test_output_that_cannot_be_written(wrap, wanted, out, why):
    """It is an error, though not one of Python's that changes the exit status at its end."""
    status, _, said = run("print('text'); return 0", out=out, wrap=wrap)
    assert status == wanted and why in said and len(said.splitlines()) == 1


@pytest.mark.parametrize("verb", ["matrix", "mutants"])
@pytest.mark.parametrize("text", ["0", "some", "-1", "1e9", "nan"])
def test_a_budget_that_no_driver_takes(verb, text):
    """One line, before anything is made."""
    done = subprocess.run((RUNNER / f"cowbell-{verb}", f"--budget={text}"),
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"--budget {text}: must be a factor from 0.001 to 100000" in done.stderr
    assert done.stderr.count("\n") == 1
