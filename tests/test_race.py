# SPDX-License-Identifier: GPL-2.0-only
"""`cowbell run` of cases with actors: what may go wrong with them, and how they are done again."""

import json
import os
import signal
import subprocess
import threading

import pytest
from run_place import COWBELL, Place, filesystem, proc, wait_for

PUT = {"op": "put", "fd": "a", "within": "64K", "len": "4K"}
# Of another file: who reads what is being written may see it torn on some filesystems.
GET = {"op": "get", "fd": "b", "within": "64K", "len": "4K"}


@pytest.fixture(name="place")
def fixture_place(tmp_path):
    made = Place(tmp_path)
    yield made
    made.close()


def race(place, actors, name="race", **more):
    """A race for one file; what is not said is as small as it can be."""
    top = {"files": {"a": {"size": "64K"}, "b": {"size": "64K"}}, "actors": actors,
           "after": ["linear"], "race": {"budget_ms": 50}} | more
    path = place.cases / f"{name}.json"
    path.write_text(json.dumps({"checks": "a test of races works", "why": ["gap:N1"],
                                "strength": "must"} | top))
    return path


def actor_pid(place, name):
    """The process of an actor, as soon as there is one."""
    return wait_for(lambda: next((pid for pid in place.processes()
                                  if proc(pid, "comm").strip() == name), 0))


def test_race_passes_and_says_how_much_it_raced(place):
    race(place, {"reader": [GET], "writer": {"times": 4, "steps": [PUT]}})
    done = place.run()
    (case,) = done.cases
    assert (done.code, case["verdict"]) == (0, "pass"), case
    assert case["checked"]["rounds"] >= 8
    assert 0 < case["checked"]["overlaps"] <= case["checked"]["rounds"]
    assert case["checked"]["bytes"] > 0


@pytest.mark.parametrize("by", ["processes", "threads"])
def test_more_actors_than_cpus(place, by):
    actors = {"reader": [GET]} | {
        f"writer{i}": [PUT | {"off": f"{4 * i}K", "within": "4K"}] for i in range(12)}
    race(place, actors, race={"budget_ms": 100, "by": by})
    done = place.run()
    assert (done.code, done.cases[0]["verdict"]) == (0, "pass"), done.cases


def test_actor_that_dies(place):
    race(place, {"reader": [GET], "writer": [PUT]}, race={"budget_ms": 20000})
    run = place.start()
    os.kill(actor_pid(place, "writer"), signal.SIGKILL)
    done = run.finish()
    (case,) = done.cases
    assert (done.code, case["verdict"]) == (99, "error")
    assert "actor writer died of signal 9 in round" in case["reason"]
    place.assert_clean()


def test_actor_that_never_comes_back(place):
    """It is a hang, and says where every actor stands."""
    race(place, {"reader": [GET], "stuck": [{"op": "read", "fd": "gate", "len": "1",
                                             "expect": "any"}]},
         files={"b": {"size": "64K"}, "gate": {"type": "fifo"}},
         steps=[{"op": "fcntl", "fd": "gate", "clear": "nonblock"}])
    (case,) = place.run("--timeout", "1").cases
    assert (case["verdict"], case["reason"]) == ("fail", "hang")
    assert {name.split()[1] for name in case["stacks"]} >= {"reader", "stuck"}


def test_history_that_overflows(place):
    race(place, {"reader": {"times": 1000, "steps": [GET, GET]}, "writer": [PUT]})
    (case,) = place.run().cases
    assert case["verdict"] == "error", case["reason"]
    assert case["reason"] == "the history of actor reader has room for 1024 calls, not 2000"


def test_results_that_overflow(place):
    """Every sector that is read differs from its neighbour, so it takes room of its own."""
    race(place, {"reader": {"times": 200, "steps": [GET | {"len": "1M", "within": "1M"}]},
                 "writer": [PUT]}, files={"a": {"size": "64K"}, "b": {"size": "1M"}})
    (case,) = place.run().cases
    assert case["verdict"] in ("error", "pass")
    if case["verdict"] == "error":
        assert "results of actor reader exceed their memory by" in case["reason"]


def test_actors_that_never_meet(place):
    """A race that is none proves nothing."""
    race(place, {"reader": [GET], "writer": [PUT]}, race={"budget_ms": 1, "overlaps": 100})
    (case,) = place.run().cases
    assert case["verdict"] in ("error", "pass")
    if case["verdict"] == "error":
        assert "rounds overlapped, which proves little; 100% are needed" in case["reason"]


def test_step_that_never_works(place):
    race(place, {"reader": [GET], "writer": [
        PUT, {"op": "fallocate", "mode": "collapse", "fd": "a", "off": "1", "len": "1",
              "expect": {"or_err": ["EINVAL", "EOPNOTSUPP"]}}]})
    (case,) = place.run().cases
    assert case["verdict"] in ("error", "skip")
    assert "never worked: nothing was raced" in case["reason"] or case["verdict"] == "skip"


@pytest.mark.parametrize("winners, verdict", [(1, "pass"), (2, "fail")])
def test_as_many_calls_work_as_the_race_has_winners(place, winners, verdict):
    """Of three that take one name away, one does; each that runs alone to be measured does, too."""
    take = {"op": "unlink", "file": "b", "expect": {"or_err": "ENOENT"}}
    race(place, {"one": [take], "two": [take], "three": [take]}, files={"b": {}}, after=["no-hang"],
         race={"restore": True, "winners": winners})
    (case,) = place.run().cases
    assert case["verdict"] == verdict, case
    if verdict == "fail":
        assert case["allowed"] == "2 of the calls that may be refused work"
        assert case["seen"] == "1 of 3 worked"


def test_filesystem_that_fills_up(place):
    if os.geteuid():
        pytest.skip("needs root")
    small = place.top / "small"
    small.mkdir()
    with filesystem("ext4", small, size=16 << 20) as directory:
        race(place, {"reader": [GET],
                     "writer": [{"op": "put", "fd": "a", "len": "1M", "how": "append"}]},
             files={"a": {}, "b": {"size": "64K"}}, race={"budget_ms": 5000})
        (case,) = place.run(directory=directory).cases
    assert case["verdict"] == "error", case["reason"]
    assert "the filesystem ran full" in case["reason"] or "cannot read all" in case["reason"]


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_signal_in_mid_race(place, sig):
    race(place, {"reader": [GET], "writer": [PUT]}, race={"budget_ms": 20000})
    run = place.start()
    actor_pid(place, "writer")
    run.process.send_signal(sig)
    done = run.finish()
    assert done.code == 128 + sig
    place.assert_clean()


def test_budget_scales_the_time(place):
    race(place, {"reader": [GET], "writer": [PUT]}, race={"budget_ms": 100, "overlaps": 0})
    (short,) = place.run("--budget", "0.1").cases
    (long,) = place.run("--budget", "10").cases
    assert long["wall_ns"] > 900_000_000 > short["wall_ns"]
    assert long["checked"]["rounds"] > short["checked"]["rounds"]


def test_race_that_takes_longer_than_points_may(place):
    """The time that it is given is no hang."""
    race(place, {"reader": [GET], "writer": [PUT]}, race={"budget_ms": 1500, "overlaps": 0})
    (case,) = place.run("--timeout", "1").cases
    assert (case["verdict"], case["wall_ns"] > 1_500_000_000) == ("pass", True), case


def test_put_that_wrote_nothing_has_no_sectors(place):
    """A store beyond the end of file is a signal."""
    race(place, {"reader": [GET], "writer": [{"op": "put", "fd": "a", "len": "4K", "how": "mmap"}]},
         files={"a": {}, "b": {"size": "64K"}}, race={"budget_ms": 20, "overlaps": 0})
    (case,) = place.run().cases
    assert case["verdict"] == "fail", case
    puts = [call for call in case["history"]["calls"] if "put" in call]
    assert puts and all("SIGBUS" in put["result"] and "sectors" not in put for put in puts)


@pytest.mark.parametrize("text", ["0", "-1", "x", "1e9", ""])
def test_budget_that_is_none(place, text):
    race(place, {"reader": [GET], "writer": [PUT]})
    done = subprocess.run([COWBELL, "run", "--budget", text], env=place.environment(),
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("cowbell run: --budget must be a factor from 0.001 to 100000")


def put_places(case):
    """Where the puts of the failed round went."""
    return [call["sectors"] for call in case["history"]["calls"] if "put" in call]


def test_failed_round_is_kept_and_can_be_done_again(place):
    """Somebody who is no actor writes into the file: values that nobody wrote."""
    race(place, {"reader": [GET], "writer": {"times": 6, "steps": [PUT]}},
         race={"budget_ms": 20000})
    found = []
    for _ in range(2):
        run = place.start("--seed", "5", *(("--round", str(found[0]["history"]["round"]))
                                           if found else ()))
        actor_pid(place, "writer")
        # past the first rounds, in which each actor is alone
        threading.Event().wait(0.5)
        (folder,) = place.run_folders()
        with (folder / "p0" / "a").open("r+b") as file:
            file.write(b"x" * 65536)
        (case,) = run.finish().cases
        assert case["verdict"] == "fail", case
        assert f"--round {case['history']['round']} --seed 5" in case["repeat"]
        found.append(case)
    assert found[0]["history"]["round"] == found[1]["history"]["round"]
    # the same plan: the same places in the same order
    assert put_places(found[0])[:2] == put_places(found[1])[:2]
    shown = subprocess.run([COWBELL, "history", place.json], capture_output=True, text=True,
                           check=False)
    assert shown.returncode == 0
    assert "writer  put" in shown.stdout and "before  a (65536 bytes)" in shown.stdout


def test_steps_after_a_round_are_taken(place):
    race(place, {"reader": [GET], "writer": [PUT]}, then=[{"op": "fsync", "fd": "negative"}])
    (case,) = place.run().cases
    assert (case["verdict"], case["reason"], case["place"]) == \
        ("fail", "after round 0: fsync fd=negative: seen EBADF, allowed ok", "then[0]")


def test_history_of_a_file_without_one(place):
    race(place, {"reader": [GET], "writer": [PUT]})
    place.run()
    shown = subprocess.run([COWBELL, "history", place.json], capture_output=True, text=True,
                           check=False)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "keeps the history of a round" in shown.stderr
