# SPDX-License-Identifier: GPL-2.0-only
"""Sweeps of signals over a call: what they record, what turns them red, and what ends them.

sendfile moves data on every filesystem, so these tests run anywhere, without root.
"""

import os
import signal
import subprocess

import pytest
from run_place import COWBELL, Place, children, wait_for

pytestmark = pytest.mark.skipif(not COWBELL.exists(), reason="the driver is not built")
MUTANTS = COWBELL.parent / "libcowbell-mutants.so"

FILES = {"a": {"size": "2M", "sync": True}, "b": {}}
EMPTY = {"op": "truncate", "fd": "b", "size": "0"}
FIRST = {"op": "statx", "fd": "a"}


def sweep(*each, length="2M", **more):
    """An "interrupt" that sends SIGUSR1 into a sendfile from a to b."""
    start = {"op": "seek", "fd": "b", "off": "0"}
    call = {"op": "sendfile", "from": "a", "from_off": "0", "to": "b", "len": length}
    return {"each": [*(each or [EMPTY]), start], "call": call, "signal": "SIGUSR1",
            "handler": "plain", "shots": 16, "allow": "nothing+prefix+all", **more}


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    place.close()


def run(place, interrupt, *args, env=None, **more):
    case = place.case("sweep", FIRST, files=FILES, interrupt=interrupt, **more)
    done = place.run(case, *args, env=env)
    return done.cases[0]


@pytest.mark.parametrize("more", [
    {}, {"handler": "restart"}, {"signal": "SIGKILL", "handler": "none"},
    {"signal": "SIGTERM", "handler": "none"}, {"signal": "SIGSTOP", "handler": "none"},
], ids=["plain", "restart", "kill", "term", "stop"])
def test_what_is_recorded(place, more):
    case = run(place, sweep(**more))
    assert case["verdict"] == "pass", case
    seen, latency = case["observed"], case["observed"]["latency_ns"]
    assert seen["signals"] >= 16 and seen["signals"] / 4 <= seen["hits"] <= seen["signals"]
    assert sum(seen["states"].values()) == seen["signals"] == sum(seen["results"].values())
    assert set(seen["states"]) <= {"nothing", "prefix", "all"}
    assert 0 <= latency["min"] <= latency["median"] <= latency["p95"] <= latency["max"]
    assert seen["undisturbed_ns"] > 0
    killed = more.get("signal") in ("SIGKILL", "SIGTERM")
    assert set(seen["results"]) <= ({"killed", "some"} if killed else {"some", "EINTR"})


def test_a_copy_ends_early(place):
    case = run(place, sweep(cuts=True, signal="SIGKILL", handler="none"))
    assert case["verdict"] == "pass", case
    assert case["observed"]["states"]["prefix"] > 0


def test_what_is_left_must_be_allowed(place):
    case = run(place, sweep(allow="nothing+all", signal="SIGKILL", handler="none"))
    assert case["verdict"] == "fail", case
    assert case["allowed"] == "nothing or all"
    assert "b is new up to " in case["seen"] and " of 2097152 bytes" in case["seen"]
    assert any("to=b len=2097152, SIGKILL after " in line for line in case["trace"]), case
    assert case["place"] == "interrupt.call"


def test_each_must_restore(place):
    case = run(place, sweep({"op": "write", "fd": "b", "off": "1B", "len": "1B"}))
    assert (case["verdict"], case["reason"]) == \
        ("error", '"each" does not bring back what b held before the call')


def test_call_that_is_refused(place):
    case = run(place, sweep(call={"op": "sendfile", "from": "a", "from_off": "-1", "to": "b",
                                  "len": "1B"}))
    assert (case["verdict"], case["seen"], case["allowed"]) == ("fail", "EINVAL", "ok")


@pytest.mark.parametrize("name", ["says-more", "says-less", "forgets-count", "leaves-zeroes",
                                  "moves-too-far"])
def test_mutants_are_killed(place, name):
    name = f"sendfile-interrupted-{name}"
    case = run(place, sweep(), env={"COWBELL_MUTANT": name, "LD_PRELOAD": str(MUTANTS)})
    assert case["verdict"] == "fail", case


def test_copy_that_ignores_signals(place):
    case = run(place, sweep(cuts=True), env={"COWBELL_MUTANT": "sendfile-ignores-signals",
                                             "LD_PRELOAD": str(MUTANTS)})
    assert case["verdict"] == "fail", case
    assert case["seen"].startswith("0 of ")


def preload(folder, body, more=""):
    """A library in which sendfile() does this if the process has a handler for SIGUSR1.

    `more` are other functions.
    """
    source, library = folder / "preload.c", folder / "preload.so"
    source.write_text("""
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <signal.h>
        #include <sys/syscall.h>
        #include <time.h>
        #include <unistd.h>
        MORE
        ssize_t sendfile64(int out, int in, off_t *off, size_t len)
        {
            struct sigaction act;
            sigaction(SIGUSR1, NULL, &act);
            if (act.sa_handler != SIG_DFL) { BODY }
            return syscall(SYS_sendfile, out, in, off, len);
        }
        ssize_t sendfile(int out, int in, off_t *off, size_t len)
        {
            return sendfile64(out, in, off, len);
        }
        """.replace("BODY", body).replace("MORE", more))
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    return {"LD_PRELOAD": str(library)}


def test_process_that_crashes(place):
    case = run(place, sweep(), env=preload(place.top, "raise(SIGSEGV);"))
    assert (case["verdict"], case["reason"]) == \
        ("error", "the process that makes the call ended by itself, status 11")


def test_call_that_never_ends(place):
    case = run(place, sweep(), "--timeout", "2", env=preload(place.top, "for (;;) pause();"))
    assert case["verdict"] == "fail" and case["reason"].startswith("hang"), case


UNSENT = """int timer_settime(timer_t id, int flags, const struct itimerspec *when,
    struct itimerspec *old) { return 0; }"""


# The timer is set, and then this process does not come to its call before the signal is due.
EARLY = """int timer_settime(timer_t id, int flags, const struct itimerspec *when,
    struct itimerspec *old)
{
    int (*real)(timer_t, int, const struct itimerspec *, struct itimerspec *) =
        dlsym(RTLD_NEXT, "timer_settime");
    struct timespec now, due = when->it_value;
    const int status = real(id, flags, when, old);
    clock_gettime(CLOCK_MONOTONIC, &now);
    due.tv_nsec = due.tv_nsec < 999000000 ? due.tv_nsec + 1000000 : 999999999;
    if (due.tv_sec < now.tv_sec + 3600)
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL)) ;
    return status;
}"""


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGKILL", "SIGSTOP"])
def test_signals_that_come_before_the_call(place, name):
    """They say nothing about it, so they have not landed."""
    handler = "plain" if name == "SIGUSR1" else "none"
    case = run(place, sweep(shots=4, signal=name, handler=handler),
               env=preload(place.top, "", EARLY))
    assert (case["verdict"], case["reason"]) == \
        ("error", "only 0 of 16 signals landed inside the call")


@pytest.mark.parametrize("machine, verdict", [("", "error"), ("kvm", "error"), ("tcg", "skip")])
def test_signals_that_miss_the_call(place, machine, verdict):
    """Most of them have to land inside it: here none does, as their timer is never set.

    CPUs that are emulated run when they are let, and nobody is to blame for it.
    """
    case = run(place, sweep(shots=8), env=preload(place.top, "", UNSENT) | {"COWBELL_VM": machine})
    assert (case["verdict"], case["reason"]) == \
        (verdict, "only 0 of 32 signals landed inside the call")


def test_signals_that_miss_the_call_of_a_small_budget(place):
    """A sweep of one signal sends more until one lands, but not for ever."""
    case = run(place, sweep(), "--budget", "0.01", env=preload(place.top, "", UNSENT))
    assert case["observed"]["signals"] == 16, case
    assert (case["verdict"], case["reason"]) == \
        ("error", "only 0 of 16 signals landed inside the call")
    case = run(place, sweep(), "--budget", "0.01")
    assert case["verdict"] == "pass" and case["observed"]["signals"] < 16, case


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("name", ["SIGUSR1", "SIGSTOP"])
def test_end_in_the_middle(place, number, name):
    """Processes that make calls end with the run, stopped ones too."""
    handler = "plain" if name == "SIGUSR1" else "none"
    path = place.case("sweep", FIRST, files=FILES,
                      interrupt=sweep(shots=100000, signal=name, handler=handler))
    running = place.start(path)
    wait_for(lambda: [pid for child in children(running.process.pid) for pid in children(child)])
    os.kill(running.process.pid, number)
    running.process.communicate(timeout=30)
    wait_for(lambda: not place.processes())
    if number != signal.SIGKILL:
        place.assert_clean()
