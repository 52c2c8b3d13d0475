# SPDX-License-Identifier: GPL-2.0-only
"""`cowbell bisect`: its arithmetic, its search, and both verbs over kernels that are made up.

The kernels are JSON that tests/fake_qemu.py "boots", so that all of this takes neither root nor
QEMU. The last tests boot real ones, where there are any.
"""

import itertools
import json
import math
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from cowbell import bisect_kernels, bisect_search as search, filesystems_local, fs, kernels
from cowbell.bisect_case import Trial, find_case, judge
from cowbell.bisect_rounds import chance_of_at_least, rate_at_least, rounds_needed
from cowbell.bisect_search import UNTOLD, UNTRIED
from cowbell.filesystems import find_filesystem
from cowbell.guests import POINT_SECONDS
from cowbell.tools import find_tool
from run_place import COWBELL, TOP, mounted, wait_for

BISECT = TOP / "harness/runner/cowbell-bisect"
CASE = "errno/overlap-in-one-file"
POINT = f"{CASE}[len=2B]"


# How many rounds.

def missed(rate, rounds):
    """The probability that a bug shows in no round, counted over all that may happen."""
    return math.fsum(math.prod(rate if shows else 1 - rate for shows in outcome)
                     for outcome in itertools.product((False, True), repeat=rounds)
                     if not any(outcome))


@pytest.mark.parametrize("rate", [0.2, 0.25, 0.3, 0.5, 0.75, 0.9, 0.99, 1])
@pytest.mark.parametrize("error", [0.5, 0.25, 0.2, 0.0625, 0.05])
def test_rounds_needed_is_the_smallest_number_that_will_do(rate, error):
    enumerated = next(n for n in range(1, 20) if missed(rate, n) <= error * (1 + 1e-12))
    assert rounds_needed(rate, error) == enumerated


@pytest.mark.parametrize("rate, error, rounds", [
    (0.5, 0.01, 7), (0.1, 0.01, 44), (0.01, 0.01, 459), (0.001, 0.001, 6905), (0.5, 0.5, 1),
    (0.5, 0.25, 2), (0.5, 2 ** -40, 40), (0.1, 0.9 ** 7, 7), (0.9, 0.1 ** 5, 5),
    # of these the logarithms' quotient is a little more than a whole number
    (0.3, 0.7 ** 5, 5), (0.25, 0.75 ** 3, 3), (0.01, 0.99 ** 13, 13),
    (1e-9, 0.01, 4605170184)])
def test_rounds_needed_by_hand(rate, error, rounds):
    assert rounds_needed(rate, error) == rounds


@pytest.mark.parametrize("rate, error", [(0, 0.1), (1.1, 0.1), (-1, 0.1), (0.5, 0), (0.5, 1),
                                         (math.nan, 0.1), (0.5, math.nan)])
def test_rounds_needed_refuses_what_is_no_probability(rate, error):
    with pytest.raises(ValueError):
        rounds_needed(rate, error)


@pytest.mark.parametrize("rounds", [1, 2, 5, 9])
def test_chance_is_that_of_all_outcomes_counted(rounds):
    for seen in range(rounds + 1):
        counted = math.fsum(math.prod(0.3 if shows else 0.7 for shows in outcome)
                            for outcome in itertools.product((0, 1), repeat=rounds)
                            if sum(outcome) >= seen)
        assert chance_of_at_least(seen, rounds, 0.3) == pytest.approx(counted)


@pytest.mark.parametrize("seen, rounds, rate", [
    (1, 1, 0.05), (10, 10, 0.05 ** 0.1), (1, 20, 1 - 0.95 ** (1 / 20)), (5, 10, 0.2224),
    (30, 100, 0.2249), (9000, 10000, 0.8949)])
def test_rate_at_least(seen, rounds, rate):
    # 5 of 10 and 30 of 100: from tables of the interval of Clopper and Pearson
    assert rate_at_least(seen, rounds) == pytest.approx(rate, abs=1e-4)


# The search.

def all_rows(keys, length):
    """Every row of this length with ends that can tell."""
    for row in itertools.product(keys, repeat=length):
        if row[0] is not UNTOLD and row[-1] is not UNTOLD:
            yield row


def explore(truth, everything=False, known=()):
    """What is known of a row in the end, and how many places were tried for it."""
    row = [truth[place] if place in known else UNTRIED for place in range(len(truth))]
    tried = 0
    while (place := search.next_to_try(row, everything)) is not None:
        assert row[place] is UNTRIED
        row[place] = truth[place]
        tried += 1
    return row, tried


@pytest.mark.parametrize("length", range(2, 8))
def test_each_change_found_is_one_and_there_is_one_if_the_ends_differ(length):
    for truth in all_rows("ab" if length > 6 else "abc", length):
        row, _ = explore(truth)
        found = list(search.changes(row))
        assert bool(found) or truth[0] == truth[-1]
        for change in found:
            assert change.right == change.left + 1
            assert truth[change.left] != truth[change.right]


@pytest.mark.parametrize("length", range(2, 8))
def test_what_cannot_tell_is_stepped_around(length):
    for truth in all_rows(("a", "b", UNTOLD), length):
        row, _ = explore(truth)
        for change in search.changes(row):
            assert {row[place] for place in change.between()} <= {UNTOLD}
            assert truth[change.left] != truth[change.right]


@pytest.mark.parametrize("length", range(2, 8))
def test_everything_finds_every_change_and_every_flip(length):
    for truth in all_rows(("a", "b", UNTOLD), length):
        row, tried = explore(truth, everything=True)
        assert row == list(truth) and tried == length
        keys = [key for key in truth if key is not UNTOLD]
        steps = sum(left != right for left, right in zip(keys, keys[1:]))
        assert len(list(search.changes(row))) == steps
        assert search.flips_back(row) == (steps > 1)


@pytest.mark.parametrize("length", [*range(2, 40), 100, 1000])
def test_one_change_takes_as_many_steps_as_halving_does(length):
    for at in range(1, length):
        row, tried = explore("a" * at + "b" * (length - at))
        assert list(search.changes(row)) == [search.Change(at - 1, at)]
        assert tried <= 2 + math.ceil(math.log2(length - 1)) if length > 2 else tried == 2


@pytest.mark.parametrize("length", [*range(2, 40), 100, 1000])
def test_ends_that_are_alike_take_as_many_steps_as_halving_does(length):
    row, tried = explore("a" * length)
    assert list(search.changes(row)) == []
    assert tried == 2 + search.halvings(length)
    assert tried <= 2 + math.ceil(math.log2(length - 1)) if length > 2 else tried == 2
    # no gap that is left is wider than its share of the row
    gaps = [len(list(places)) for key, places in itertools.groupby(row) if key is UNTRIED]
    assert max(gaps, default=0) <= length / (tried - 1) * 2


@pytest.mark.parametrize("length", range(3, 40))
def test_what_flips_back_over_the_half_of_a_row_is_found(length):
    for wide in range(length // 2, length - 1):
        for at in range(1, length - wide):
            row, _ = explore("a" * at + "b" * wide + "a" * (length - at - wide))
            assert list(search.changes(row)) == [search.Change(at - 1, at),
                                                 search.Change(at + wide - 1, at + wide)]
            assert search.flips_back(row)


def test_halvings_by_hand():
    assert [search.halvings(length) for length in (2, 3, 4, 6, 10, 12)] == [0, 1, 2, 3, 4, 4]


def test_what_is_known_is_used_and_not_tried():
    # a flip that only a stored result can know of
    row, tried = explore("aaabbaaa", known=(0, 3, 7))
    assert [(change.left, change.right) for change in search.changes(row)] == [(2, 3), (4, 5)]
    assert tried <= 4 and search.flips_back(row)


def test_three_behaviours_in_order_do_not_flip():
    row, _ = explore("aabbcc")
    assert len(list(search.changes(row))) == 2 and not search.flips_back(row)


# What results say.

def line(verdict="pass", case="c", **more):
    return {"kind": "case", "case": case, "strength": "must", "verdict": verdict, "seed": 1} | more


@pytest.mark.parametrize("verdicts, told", [
    (["pass", "pass"], "pass"), (["pass", "fail"], "fail"), (["xfail", "pass"], "fail"),
    (["xpass"], "pass"), (["done"], "done"), (["pass", "skip"], "pass"), (["pass", "error"], None),
    (["fail", "error"], "fail"), (["miss"], None), (["skip", "skip"], None), ([], None)])
def test_the_worst_point_decides(verdicts, told):
    finding = judge([line(verdict, reason=f"{verdict}!") for verdict in verdicts])
    assert (finding.behaviour.verdict if finding.behaviour else None) == told
    if told == "fail":
        assert finding.behaviour.reason in ("fail!", "xfail!")
    if told is None:
        assert verdicts == [] or f"{verdicts[-1]}!" in finding.why


def test_only_what_was_checked_is_damaged():
    assert fs.is_damage("xfs is damaged:\nxfs was not checked: x\n")
    assert not fs.is_damage("xfs:1k was not checked: busy\n")


def key(*lines, **more):
    return judge(lines, **more).behaviour.key


def test_observations_tell_behaviours_apart():
    def seen(value, **more):
        return line("done", strength="observe", observed={"result": value, "took_ns": id(value)},
                    answers={"steps[0] copy_range result": value}, **more)
    assert key(seen("EINVAL")) != key(seen("4096"))
    assert key(seen("EINVAL")) == key(seen("EINVAL"))
    assert key(seen("EINVAL")) != key(seen("EINVAL"), seen("4096", round=2))
    assert key(seen("1"), line("skip", case="d", strength="observe", reason="no")) != \
        key(seen("1"), seen("1", case="d"))
    assert key(seen("EINVAL"), observe="result") != key(seen("4096"), observe="result")
    other = judge([seen("1")], observe="size")
    assert other.behaviour is None and "size" in other.why


def test_answers_of_a_case_that_must_hold_do_not_count_unless_asked_for():
    def failed(errno):
        return line("fail", reason=errno, answers={"steps[0] clone": errno})
    assert key(failed("EXDEV")) == key(failed("EINVAL"))
    assert key(failed("EXDEV"), observe="steps[0] clone") != \
        key(failed("EINVAL"), observe="steps[0] clone")


def test_what_a_race_observes_by_chance_does_not_tell_behaviours_apart():
    def race(torn, **more):
        seen = {"rounds_torn": torn} | ({"first_torn": f"round {torn + 7}: old"} if torn else {})
        return line("done", strength="observe", observed=seen, **more)
    assert key(race(3)) == key(race(40)) != key(race(0))
    # one round of several is enough
    assert key(race(0), race(3, round=2)) == key(race(3), race(40, round=2))
    assert key(race(0), race(0, round=2)) == key(race(0))
    assert key(race(3), observe="rounds_torn") == key(race(4), observe="rounds_torn")
    # who asks for the text gets it
    assert key(race(3), observe="first_torn") != key(race(4), observe="first_torn")
    assert "rounds_torn more than 0" in judge([race(0), race(40, round=2)]).behaviour.text()


def test_damage_is_a_failure():
    finding = judge([line()], damage="phase 1\nbad magic\n")
    assert (finding.behaviour.verdict, finding.behaviour.reason) == ("fail", "damaged: bad magic")


# Both verbs, over kernels that are made up.

PASS = {"rounds": [[{}]]}
FAIL = {"rounds": [[{"verdict": "fail", "reason": "seen EXDEV"}]]}
SKIP = {"rounds": [[{"verdict": "skip", "reason": "no clone"}]]}
NO_BOOT = {"boots": False, "says": ["Linux", "cowbell: cannot load virtio_pci"]}
TWO = {"rounds": [[{}, {"case": f"{CASE}[len=4B]"}]]}
PANIC = PASS | {"panic": 2}
TWO_ERRORS = {"rounds": [[{"case": f"{CASE}[len=4B]", "verdict": "error", "reason": "no space"},
                          {"verdict": "miss", "reason": "wedged"}]]}
# What QEMU's emulation does to a kernel that patches itself.
TRIPPED = {"says": ["Linux", "int3: 0000 [#1] PREEMPT SMP NOPTI"]}
NO_KVM = "import cowbell.vm as vm; vm.kvm_may_work = lambda: {}"


def image_text(release, version, shows):
    """What "boots" as a kernel: JSON, with the version of the driver that is to have run there."""
    return json.dumps({"release": release, "cowbell": version} | shows)


def bzimage(release, version, shows):
    """The same with the header of an image that does not lie in the cache."""
    header = bytearray(0x300)
    header[0x202:0x206] = b"HdrS"
    header[0x20E:0x210] = struct.pack("<H", 0x100)
    return bytes(header) + f"{release} (a@example) #1\0".encode() + bytes(512) + \
        image_text(release, version, shows).encode()


class Lab:
    """A cache of made-up kernels, and a machine on which they boot."""

    def __init__(self, top):
        self.top, self.kernels, self.results = top, top / "kernels", top / "results"
        self.version = subprocess.run([COWBELL, "version"], capture_output=True, text=True,
                                      check=True).stdout.split()[1]
        bin_folder = top / "bin"
        bin_folder.mkdir()
        qemu = bin_folder / "qemu-system-x86_64"
        qemu.write_text(f"#!/bin/sh\necho \"$$ $*\" >>{top}/boots\n"
                        f"exec {sys.executable} {TOP}/tests/fake_qemu.py \"$@\"\n")
        # no ELF interpreter: static, for all that anyone can see
        (bin_folder / "busybox").write_bytes(bytes(64))
        for path in bin_folder.iterdir():
            path.chmod(0o755)
        self.env = os.environ | {
            "PATH": f"{bin_folder}:{os.environ['PATH']}", "COWBELL_KERNELS": str(self.kernels),
            "XDG_CACHE_HOME": str(top / "cache"), "COWBELL": str(COWBELL), "TMPDIR": str(top)}

    def kernel(self, version, shows):
        release = f"{version}-test"
        folder = self.kernels / release
        (folder / "boot").mkdir(parents=True, exist_ok=True)
        (folder / "boot" / f"vmlinuz-{release}").write_text(
            image_text(release, self.version, shows))
        (folder / "origin.json").write_text(json.dumps(
            {"release": release, "title": f"{version}-1", "origin": "test", "size_bytes": 1}))

    def row(self, *shows):
        """Kernels 6.1, 6.2, ..."""
        for minor, one in enumerate(shows, 1):
            self.kernel(f"6.{minor}", one)
        self.count = len(shows)

    def start(self, *words, **more):
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | more
        return subprocess.Popen([BISECT, *words], env=self.env, cwd=self.top, **more)

    def run(self, *words):
        process = self.start(*words)
        process.out, process.err = process.communicate(timeout=60)
        assert [path.name for path in self.top.glob("cowbell-bisect-*")] == []
        assert "Traceback" not in process.err
        return process

    def run_patched(self, patch, *words):
        """The same with a statement before it that changes a module."""
        script = f"import sys; sys.path.insert(0, {str(BISECT.parent)!r}); {patch}; " \
            f"sys.argv[1:] = {list(words)!r}; from cowbell.bisection import run; run()"
        return subprocess.run([sys.executable, "-c", script], env=self.env, cwd=self.top,
                              capture_output=True, text=True, check=False)

    def bisect(self, *more, case=POINT):
        return self.run("kernels", "--good", "6.1", "--bad", f"6.{self.count}", "--case", case,
                        "--fs", "xfs", "--cached", "--results", str(self.results), *more)

    def step(self, shows, *more, case=POINT):
        self.kernel("6.1", shows)
        return self.run("step", "--kernel", "6.1-test", "--case", case, "--fs", "xfs", *more)

    def boots(self):
        """How often a guest was started since this was asked last."""
        path = self.top / "boots"
        count = len(path.read_text().splitlines()) if path.exists() else 0
        path.unlink(missing_ok=True)
        return count


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)


def test_finds_the_neighbours(lab):
    lab.row(FAIL, FAIL, FAIL, FAIL, FAIL, PASS, PASS, PASS, PASS)
    done = lab.bisect()
    assert (done.returncode, done.err) == (0, "")
    assert "changes between 6.5-1 and 6.6-1\n  6.5-1  fail  seen EXDEV\n  6.6-1  pass\n" in done.out
    assert "5 kernels run, 0 stored" in done.out and lab.boots() == 5


def test_uses_what_is_stored(lab):
    lab.row(PASS, PASS, PASS, PASS, FAIL)
    first = lab.bisect()
    assert lab.boots() == 4
    again = lab.bisect()
    assert lab.boots() == 0 and again.returncode == 0 and "0 kernels run, 4 stored" in again.out
    assert again.out[again.out.index("changes"):].splitlines()[:3] == \
        first.out[first.out.index("changes"):].splitlines()[:3]
    lab.bisect("--again")
    assert lab.boots() == 4
    # another filesystem, another case, more rounds
    assert lab.bisect(case=f"{CASE}[len=4B]").returncode == 0 and lab.boots() == 4
    assert lab.bisect("--rounds", "2").returncode == 0 and lab.boots() == 4
    assert lab.bisect("--rounds", "2").returncode == 0 and lab.boots() == 0
    # another seed, another budget
    for more in (["--seed", "5"], ["--budget", "2"], ["--seed", "5", "--budget", "2"]):
        assert lab.bisect(*more).returncode == 0 and lab.boots() == 4
        assert lab.bisect(*more).returncode == 0 and lab.boots() == 0
    assert lab.bisect().returncode == 0 and lab.boots() == 4
    # another cowbell
    for path in lab.results.rglob("*.jsonl"):
        path.write_text(path.read_text().replace(lab.version, "0.0.1"))
    assert lab.bisect().returncode == 0 and lab.boots() == 4
    # a file that is none, or cut short
    stored = list(lab.results.rglob("*len=2B/*.jsonl"))
    for number, path in enumerate(stored):
        path.write_text("{" if number % 2 else path.read_text().splitlines()[0] + "\n")
    assert len(stored) == 4
    assert lab.bisect().returncode == 0 and lab.boots() == 4


def test_a_kernel_built_here_says_nothing_of_another_of_its_release(lab):
    lab.row(PASS, FAIL)
    image = lab.top / "vmlinuz"
    image.write_bytes(bzimage("6.1-test", lab.version, FAIL))
    done = lab.bisect("--good", str(image), "--list", "6.2")
    assert done.returncode == 1 and "2 kernels run, 0 stored" in done.out
    assert [path.name for path in lab.results.rglob("*.jsonl")] == ["6.2-test.jsonl"]
    done = lab.bisect()
    assert done.returncode == 0 and "1 kernels run, 1 stored" in done.out
    # nor is what is stored of that one used
    done = lab.bisect("--good", str(image), "--list", "6.2")
    assert done.returncode == 1 and "1 kernels run, 1 stored" in done.out


def test_what_is_stored_of_an_installed_kernel_is_of_this_image(lab):
    lab.row(PASS, PASS)
    (lab.top / "boot").mkdir()
    image = lab.top / "boot/vmlinuz-5.9-test"

    def bisect():
        patch = f"import cowbell.kernels as k; k.BOOT = k.Path({str(image.parent)!r})"
        done = lab.run_patched(patch, "kernels", "--good", "5.9", "--bad", "6.2", "--case", POINT,
                               "--fs", "xfs", "--cached", "--results", str(lab.results))
        assert done.stderr == ""
        return done.stdout
    image.write_bytes(bzimage("5.9-test", lab.version, PASS))
    assert "3 kernels run, 0 stored" in bisect()
    assert "0 kernels run, 3 stored" in bisect()
    # as from a package that was made long ago
    image.write_bytes(bzimage("5.9-test", lab.version, FAIL))
    os.utime(image, (1, 1))
    said = bisect()
    assert "1 kernels run, 2 stored" in said and "changes between 5.9-test and 6.1-1\n" in said


def test_what_is_stored_is_not_older_than_what_made_it(tmp_path, monkeypatch):
    pattern = "errno/splice-f*"
    points, _, files = find_case(COWBELL, pattern)
    assert {path.stem for path in files} == {point.case.partition("/")[2] for point in points}
    assert len(files) > 1
    runner = {Path(module.__file__) for module in (filesystems_local, fs)}
    assert runner < set(bisect_kernels.RUNNER_FILES)
    assert all(path.is_file() for path in bisect_kernels.RUNNER_FILES)
    made = [tmp_path / name for name in ("a.json", "b.json", "fs.py", "state.py")]
    trial = Trial(COWBELL, find_filesystem("xfs"), pattern, points)
    monkeypatch.setattr(bisect_kernels, "RUNNER_FILES", made[2:])
    monkeypatch.setattr(bisect_kernels, "driver_version", lambda driver: "1")
    for changed in made:
        for path in made:
            path.touch()
            os.utime(path, (1000, 2000 if path == changed else 1000))
        store = bisect_kernels.make_store(SimpleNamespace(results=tmp_path), trial, made[:2])
        assert store.since == 2000


@pytest.mark.parametrize("first", [
    SKIP, TWO_ERRORS | {"status": 99}, PASS | {"status": 99},
    PASS | {"stops": 3}, NO_BOOT])
def test_what_cannot_tell_is_asked_again(lab, first):
    lab.row(PASS, first, FAIL)
    done = lab.bisect()
    assert "on which side of it 6.2-1 belong cannot be told" in done.out
    if first.get("rounds") == TWO_ERRORS["rounds"]:
        assert f"6.2-1  cannot tell: {CASE}[len=4B]: error: no space" in done.out
    lab.kernel("6.2", PASS)
    done = lab.bisect()
    assert "changes between 6.2-1 and 6.3-1\n" in done.out and "1 kernels run, 2 stored" in done.out


def test_says_that_nothing_changes(lab):
    lab.row(PASS, FAIL, PASS, PASS, PASS, PASS, PASS)
    done = lab.bisect()
    assert done.returncode == 1 and lab.boots() == 5
    assert "does not change between 6.1-1 and 6.7-1: 5 kernels are alike; 2 in between were not " \
        "run (--all runs them)\n" in done.out
    lab.row(PASS, PASS, PASS, PASS)
    done = lab.bisect("--all", "--again")
    assert done.returncode == 1
    assert "does not change between 6.1-1 and 6.4-1: 4 kernels are alike\n" in done.out


def test_finds_what_flips_back_between_ends_that_are_alike(lab):
    lab.row(*[PASS] * 5, *[FAIL] * 3, *[PASS] * 4)
    done = lab.bisect()
    assert done.returncode == 0 and "it flips back" in done.out
    for pair in ("6.5-1 and 6.6-1", "6.8-1 and 6.9-1"):
        assert f"changes between {pair}\n" in done.out
    assert lab.boots() < 12


def test_says_that_it_flips_back(lab):
    lab.row(PASS, PASS, FAIL, FAIL, PASS, PASS, PASS, FAIL)
    done = lab.bisect("--all")
    assert done.returncode == 0 and lab.boots() == 8
    assert "it flips back" in done.out
    for pair in ("6.2-1 and 6.3-1", "6.4-1 and 6.5-1", "6.7-1 and 6.8-1"):
        assert f"changes between {pair}\n" in done.out
    row = done.out[done.out.index("in order:"):].splitlines()[1:9]
    assert [text.split()[1] for text in row] == \
        ["pass", "pass", "fail", "fail", "pass", "pass", "pass", "fail"]
    # what is stored tells it also to who does not ask for all
    assert "it flips back" in lab.bisect().out


def test_does_not_claim_what_it_has_not_seen(lab):
    lab.row(PASS, FAIL, PASS, PASS, PASS, FAIL, FAIL, FAIL, FAIL)
    done = lab.bisect()
    assert done.returncode == 0 and "changes between 6.5-1 and 6.6-1\n" in done.out
    assert "flips back there is not seen without --all" in done.out
    assert "it flips back" not in done.out


def test_steps_around_what_cannot_tell(lab):
    lab.row(PASS, PASS, PASS, SKIP, NO_BOOT, FAIL, FAIL)
    done = lab.bisect()
    assert done.returncode == 0
    assert "6.4-1  cannot tell: skipped: no clone" in done.out
    assert "6.5-1  cannot tell: the guest cannot load virtio_pci" in done.out
    assert "changes between 6.3-1 and 6.6-1; on which side of it 6.4-1, 6.5-1 belong cannot be " \
        "told" in done.out


def test_an_end_that_cannot_tell_is_no_end(lab):
    lab.row(SKIP, PASS, FAIL)
    done = lab.bisect()
    assert done.returncode == 77 and lab.boots() == 1
    assert "cannot tell at the end 6.1-1: skipped: no clone" in done.out


def test_a_panic_is_a_failure_of_the_case_that_ran(lab):
    lab.row(PASS, PASS, PANIC, PANIC)
    done = lab.bisect()
    assert done.returncode == 0 and "changes between 6.2-1 and 6.3-1" in done.out
    assert "6.3-1  fail  the guest died: Kernel panic - not syncing: sysrq" in done.out
    stored = next(lab.results.rglob("6.3-test.jsonl")).read_text().splitlines()
    assert json.loads(stored[2])["case"] == POINT and json.loads(stored[2])["verdict"] == "fail"
    assert "Kernel panic" in json.loads(stored[3])["aborted"]
    lab.boots()
    lab.bisect()
    assert lab.boots() == 0


def test_observations_of_both_are_shown(lab):
    def shows(value):
        return {"rounds": [[{"strength": "observe", "verdict": "done", "observed": {
            "result": value, "same": "1"}}]]}
    lab.row(shows("EINVAL"), shows("EINVAL"), shows("4096"), shows("8192"), shows("8192"))
    done = lab.bisect("--observe", "result")
    assert done.returncode == 0
    assert f"changes between 6.2-1 and 6.3-1\n  6.2-1  done\n      {POINT}: result  EINVAL\n" \
        f"  6.3-1  done\n      {POINT}: result  4096\n" in done.out
    assert "changes between 6.3-1 and 6.4-1\n" in done.out and "flips" not in done.out
    assert lab.bisect("--observe", "same").returncode == 1


def test_list_names_those_in_between(lab):
    lab.row(PASS, PASS, PASS, FAIL, FAIL, FAIL)
    done = lab.bisect("--list", "6.3,6.5")
    assert done.returncode == 0 and "changes between 6.3-1 and 6.5-1\n" in done.out


@pytest.mark.parametrize("more, message", [
    (["--good", "6.3", "--bad", "6.1"], "6.3 (6.3-1) is newer than 6.1 (6.1-1); the older one"),
    (["--good", "6.1", "--bad", "6.1-test"], "6.1 and 6.1-test are both 6.1-1"),
    (["--good", "6.0"], "there is no kernel 6.0; near it are"),
    (["--list", "6.2,5.5"], "there is no kernel 5.5"),
    (["--case", "errno/no-such-case"], "matches no case"),
    (["--fs", "ext5"], "there is no filesystem ext5"),
    (["--rounds", "0"], "--rounds 0"),
    (["--good", "bookwurm"], "there is no kernel bookwurm"),
])
def test_bad_input_of_kernels(lab, more, message):
    lab.row(PASS, PASS, FAIL)
    # so that nothing is asked of a mirror
    (lab.kernels / "apt").mkdir()
    (lab.kernels / "apt/kernels.json").write_text("[]\n")
    done = lab.bisect(*more)
    assert (done.returncode, len(done.err.splitlines())) == (2, 1) and message in done.err
    assert lab.boots() == 0


@pytest.mark.parametrize("shows, status, said", [
    (PASS, 0, "good: 6.1-test: pass"),
    (FAIL, 1, f"bad: 6.1-test: {POINT}: seen EXDEV"),
    (SKIP, 125, "cannot tell: 6.1-test: skipped: no clone"),
    (NO_BOOT, 125, "cannot tell: 6.1-test: the guest cannot load virtio_pci"),
    ({"boots": False, "says": ["Kernel panic - not syncing: no init"]}, 125,
     "cannot tell: 6.1-test: Kernel panic - not syncing: no init"),
    (PANIC, 1, f"bad: 6.1-test: {POINT}: the guest died: Kernel panic"),
    (PASS | {"panic": 0}, 125, "cannot tell: 6.1-test: Kernel panic"),
    # before any point, between two, after the last, and with nothing left to be written
    (PASS | {"panic": 1}, 125, "cannot tell: 6.1-test: Kernel panic"),
    (PASS | {"panic": 3}, 1, "bad: 6.1-test: damaged: the guest died: Kernel panic"),
    (PASS | {"panic": 4}, 1, "bad: 6.1-test: damaged: the guest died: Kernel panic"),
    (TWO | {"panic": 3}, 1, "bad: 6.1-test: damaged: the guest died: Kernel panic"),
    (TWO | {"panic": 4}, 1, f"bad: 6.1-test: {CASE}[len=4B]: the guest died: Kernel panic"),
    (SKIP | {"panic": 2}, 125, "cannot tell: 6.1-test: Kernel panic"),
    (FAIL | {"stops": 3}, 1, f"bad: 6.1-test: {POINT}: seen EXDEV"),
    (PASS | {"torn": "[]\n"}, 125, "cannot tell: 6.1-test: "),
    # cowbell fs could not unmount or check; the driver crashed
    (PASS | {"status": 99, "prints": "one\nxfs was not checked: busy\n",
             "damage": "xfs was not checked: busy\n"}, 125,
     "cannot tell: 6.1-test: exit status 99: xfs was not checked: busy"),
    (SKIP | {"status": 77, "damage": "xfs was not checked: busy\n"}, 125,
     "cannot tell: 6.1-test: xfs was not checked: busy"),
    (FAIL | {"status": 1, "damage": "xfs was not checked: busy\n"}, 1,
     f"bad: 6.1-test: {POINT}: seen EXDEV"),
    (SKIP | {"status": 77, "damage": "xfs is damaged:\nbad magic\n"}, 1,
     "bad: 6.1-test: damaged: bad magic"),
    (PASS | {"status": 139}, 125, "cannot tell: 6.1-test: exit status 139"),
    (FAIL | {"status": 99}, 1, f"bad: 6.1-test: {POINT}: seen EXDEV"),
    (SKIP | {"status": 77}, 125, "cannot tell: 6.1-test: skipped: no clone"),
    (PASS | {"stops": 1}, 125, "cannot tell: 6.1-test: the guest ended before the command did"),
    # as the driver exits, and what it prints
    (TWO_ERRORS | {"status": 99, "prints": "2 points, 1 error\n"}, 125,
     f"cannot tell: 6.1-test: {CASE}[len=4B]: error: no space"),
    ({"rounds": [[{"verdict": "miss", "reason": "wedged"}]], "status": 99}, 125,
     f"cannot tell: 6.1-test: {POINT}: miss: wedged"),
    (TWO_ERRORS | {"status": 99, "damage": "xfs was not checked: busy\n"}, 125,
     f"cannot tell: 6.1-test: {CASE}[len=4B]: error: no space"),
    (PASS | {"damage": "bad magic\n", "status": 1}, 1, "bad: 6.1-test: damaged: bad magic"),
    ({"status": 77, "prints": "cowbell fs: the kernel has no xfs\n"}, 125,
     "no results, exit status "
     "77: cowbell fs: the kernel has no xfs"),
])
def test_answers_of_a_step(lab, shows, status, said):
    done = lab.step(shows)
    assert (done.returncode, done.err) == (status, "") and said in done.out


@pytest.mark.parametrize("shows", [PASS, FAIL, PANIC, PASS | {"panic": 3}, FAIL | {"status": 99},
                                   FAIL | {"stops": 3}])
def test_what_the_emulation_has_spoilt_says_nothing(lab, shows):
    lab.row(PASS, shows | TRIPPED, FAIL)
    words = ["--case", POINT, "--fs", "xfs"]
    done = lab.run_patched(NO_KVM.format(False), "step", "--kernel", "6.2-test", *words)
    assert (done.returncode, done.stderr) == (125, "")
    assert "cannot tell: 6.2-test: the emulation failed: int3: 0000 [#1]" in done.stdout
    done = lab.run_patched(NO_KVM.format(False), "kernels", "--good", "6.1", "--bad", "6.3",
                           "--cached", "--results", str(lab.results), *words)
    assert "on which side of it 6.2-1 belong cannot be told" in done.stdout
    assert {path.stem for path in lab.results.rglob("*.jsonl")} == {"6.1-test", "6.3-test"}


def test_on_hardware_the_same_oops_is_the_kernels(lab):
    lab.kernel("6.1", FAIL | TRIPPED)
    done = lab.run_patched(NO_KVM.format(True), "step", "--kernel", "6.1-test", "--case", POINT,
                           "--fs", "xfs")
    assert (done.returncode, done.stderr) == (1, "") and "seen EXDEV" in done.stdout


def test_a_guest_that_does_not_end(lab):
    done = lab.step({"rounds": [[]], "hangs": True}, "--timeout", "0.5")
    assert done.returncode == 125 and "no end after 0.5 s" in done.out
    done = lab.step(FAIL | {"hangs": True}, "--timeout", "0.5")
    assert done.returncode == 1 and "seen EXDEV" in done.out
    lab.row(FAIL | {"hangs": True}, PASS)
    done = lab.bisect("--timeout", "5")
    assert done.returncode == 0 and "changes between 6.1-1 and 6.2-1" in done.out


def test_a_step_gives_points_the_time_that_other_guests_give_them(lab):
    done = lab.step(PASS, "--keep", "kept")
    assert done.returncode == 0
    command = json.loads(next(lab.top.glob("kept/*/results.jsonl")).read_text().splitlines()[0]
                         )["command"]
    assert command[command.index("--timeout") + 1] == str(POINT_SECONDS)


def rounds(*verdicts):
    return {"rounds": [[{"verdict": verdict, "reason": "once"}] for verdict in verdicts]}


@pytest.mark.parametrize("more, shows, status, said", [
    # 7 rounds miss a bug of rate 1/2 in 1 of 128 cases
    (["--flaky-rate", "0.5"], rounds("pass"), 0, "good: 6.1-test: 7 rounds"),
    (["--flaky-rate", "0.5"], rounds(*["pass"] * 6, "fail"), 1, "once in round 7 of 7"),
    (["--flaky-rate", "0.5"], rounds(*["pass"] * 7, "fail"), 0, "good: 6.1-test: 7 rounds"),
    (["--flaky-rate", "0.5", "--error-rate", "0.25"], rounds("pass", "pass", "fail"), 0,
     "2 rounds"),
    (["--flaky-rate", "0.5"], rounds("pass", "error", "pass") | {"status": 99}, 125,
     f"{POINT}: error: once"),
    (["--flaky-rate", "0.5"], rounds("pass", "skip"), 125, "1 of 7 rounds say something"),
    (["--flaky-rate", "0.5", "--good-is", "fail"], rounds("pass", "pass", "fail"), 0,
     "good: 6.1-test"),
    (["--flaky-rate", "0.5", "--good-is", "fail"], rounds("pass"), 1, "bad: 6.1-test: 7 rounds"),
])
def test_a_flaky_bug_is_looked_for_as_often_as_need_be(lab, more, shows, status, said):
    done = lab.step(shows, *more)
    assert done.returncode == status and said in done.out and lab.boots() == 1


def observed(*values):
    return {"rounds": [[{"verdict": "done", "strength": "observe", "observed": {"result": value}}]
                       for value in values]}


@pytest.mark.parametrize("shows, status", [
    (observed("EXDEV"), 0), (observed("0"), 1), (PASS, 125), (PANIC, 125), (SKIP, 125)])
def test_good_may_be_an_observation(lab, shows, status):
    done = lab.step(shows, "--good-is", "result=EXDEV")
    assert (done.returncode, done.err) == (status, "")


def shown(value, **more):
    """A result with a value, whatever its verdict."""
    return {"observed": {"result": value}} | more


FOUR = f"{CASE}[len=4B]"
GOOD_ONE = shown("EXDEV", case=POINT)


def test_a_failure_ends_no_rounds_whose_values_count(lab):
    failed = {"verdict": "fail", "reason": "seen EXDEV"}
    for last, status in (("EXDEV", 0), ("0", 1)):
        done = lab.step({"rounds": [[GOOD_ONE | failed], *[[GOOD_ONE]] * 5, [shown(last)]]},
                        "--good-is", "result=EXDEV", "--flaky-rate", "0.5")
        assert (done.returncode, done.err) == (status, "")
        assert "7 rounds" in done.out or "result 0 in round 7 of 7" in done.out


@pytest.mark.parametrize("more, shows, status, said", [
    # dead while the second point ran, between two, before the end of the results, and after it
    ([], {"rounds": [[GOOD_ONE, shown("EXDEV", case=FOUR)]], "panic": 4}, 125, "Kernel panic"),
    ([], {"rounds": [[GOOD_ONE, shown("EXDEV", case=FOUR)]], "panic": 3}, 125, "Kernel panic"),
    ([], {"rounds": [[GOOD_ONE]], "panic": 3}, 125, "Kernel panic"),
    ([], {"rounds": [[GOOD_ONE]], "panic": 4}, 0, "good"),
    ([], {"rounds": [[shown("0"), shown("0", case=FOUR)]], "panic": 4}, 1, "result 0"),
    # a point without a value, and one that was skipped
    ([], {"rounds": [[GOOD_ONE, {"case": FOUR}]]}, 125, "0 of 1 rounds say something of result"),
    ([], {"rounds": [[GOOD_ONE, {"case": FOUR, "verdict": "fail", "reason": "no"}]]}, 125,
     "0 of 1 rounds say something of result"),
    ([], {"rounds": [[GOOD_ONE, {"case": FOUR, "verdict": "skip", "reason": "no"}]]}, 0, "good"),
    # between two rounds, twice in the second, and after it
    (["--flaky-rate", "0.9"], {"rounds": [[GOOD_ONE]], "panic": 3}, 125, "Kernel panic"),
    (["--flaky-rate", "0.9"], {"rounds": [[GOOD_ONE]], "panic": 4}, 125, "Kernel panic"),
    (["--flaky-rate", "0.9"], {"rounds": [[GOOD_ONE, shown("EXDEV", case=FOUR)]], "panic": 7}, 125,
     "Kernel panic"),
    (["--flaky-rate", "0.9"], {"rounds": [[GOOD_ONE]], "panic": 6}, 0, "good"),
    # cut short, and not by a panic
    ([], {"rounds": [[shown("EXDEV", verdict="fail", reason="no")]], "stops": 3}, 125,
     "the guest ended before the command did"),
    (["--calibrate", "2"], {"rounds": [[shown("0")], [GOOD_ONE, {"case": FOUR}]]}, 0,
     "bad in 1 of 1 rounds"),
])
def test_no_value_is_good_that_not_all_have_shown(lab, more, shows, status, said):
    done = lab.step(shows, "--good-is", "result=EXDEV", *more, case=CASE)
    assert (done.returncode, done.err) == (status, "") and said in done.out


def test_a_round_with_an_error_says_nothing_of_the_rate(lab):
    done = lab.step({"rounds": [[{"verdict": "fail"}], [{}, {"case": FOUR, "verdict": "error"}],
                                [{}]]}, "--calibrate", "3")
    assert done.returncode == 0 and "bad in 1 of 2 rounds" in done.out


def test_calibrate_measures_the_rate(lab):
    done = lab.step(rounds(*["fail", "pass"] * 5, *["fail"] * 25, "pass"), "--calibrate")
    assert done.returncode == 0 and "bad in 30 of 100 rounds" in done.out
    assert f"--flaky-rate 0.224: {rounds_needed(0.224, 0.01)} rounds" in done.out
    done = lab.step(PASS, "--calibrate", "20")
    assert done.returncode == 1 and "bad in 0 of 20 rounds" in done.out


@pytest.mark.parametrize("shows, said", [
    (PASS | {"damage": "xfs is damaged:\nbad magic\n", "status": 1}, "damaged: bad magic"),
    (SKIP | {"damage": "xfs is damaged:\nbad magic\n", "status": 77}, "damaged: bad magic"),
    # between two rounds, and after the last
    (PASS | {"panic": 3}, "damaged: the guest died: Kernel panic - not syncing: sysrq"),
    (PASS | {"panic": 7}, "damaged: the guest died: Kernel panic - not syncing: sysrq"),
])
def test_what_shows_once_for_each_boot_has_no_rate(lab, shows, said):
    done = lab.step(shows, "--calibrate", "3")
    assert (done.returncode, done.err) == (1, "")
    assert f"bad, but not in a round: {said}\n" in done.out
    assert "shows once for each boot" in done.out and "no rate" in done.out
    assert "0 of 3 rounds" not in done.out and "no bad end" not in done.out
    # what rounds show has one
    done = lab.step(rounds("fail", "pass") | {"damage": "xfs is damaged:\n", "status": 1},
                    "--calibrate", "3")
    assert done.returncode == 0 and "bad in 1 of 3 rounds" in done.out
    # damage is no value
    done = lab.step(observed("EXDEV") | {"damage": "xfs is damaged:\n", "status": 1},
                    "--calibrate", "3", "--good-is", "result=EXDEV")
    assert done.returncode == 1 and "bad in 0 of 3 rounds" in done.out


def test_a_step_builds_first(lab):
    assert lab.step(PASS, "--build", "touch built").returncode == 0
    assert (lab.top / "built").exists()
    lab.boots()
    done = lab.step(PASS, "--build", "echo no rule; exit 2")
    assert (done.returncode, done.out) == (125, "no rule\nthe build failed, exit status 2\n")
    assert lab.boots() == 0


def test_what_is_kept_is_called_after_the_revision(lab, tmp_path_factory):
    subprocess.run(f"git init -q {lab.top} && cd {lab.top} && git -c user.name=A -c "
                   "user.email=a@example.org commit -q --allow-empty -m one", shell=True,
                   check=True)
    commit = subprocess.check_output(["git", "-C", lab.top, "rev-parse", "--short", "HEAD"],
                                     text=True).strip()
    # what make O= builds is outside of the repository
    tree = tmp_path_factory.mktemp("built")
    done = lab.step(PASS, "--keep", str(lab.top / "kept"), "--tree", str(tree))
    assert done.returncode == 0
    assert [path.name for path in (lab.top / "kept").iterdir()] == [f"{commit}-6.1-test"]


def test_keep_keeps_what_a_step_left(lab):
    for name in ("6.1-test", "6.1-test-2"):
        done = lab.step(FAIL, "--keep", str(lab.top / "kept"))
        assert done.returncode == 1
        folder = lab.top / "kept" / name
        assert {path.name for path in folder.iterdir()} == \
            {"results.jsonl", "console.txt", "output.txt"}
        assert "fail" in (folder / "results.jsonl").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize("command", ["cat /dev/zero >tree/file", "cat /dev/zero >tree/file; true"])
def test_a_full_disk_aborts(lab, command):
    with mounted(lab.top / "tree", "tmpfs", "size=4M"):
        done = lab.step(PASS, "--build", command, "--tree", "tree", "--keep", "tree/kept")
    assert done.returncode == 200 and len(done.err.splitlines()) == 2
    assert "No space left on device" in done.err


GATE = ["--case", "", "--bench", "extents", "--metric", "clone*"]
ENDS = [*GATE, "--good", "g", "--bad", "b"]


@pytest.mark.parametrize("shows, status", [
    ({"status": 0, "prints": "good: clone\n"}, 0), ({"status": 1, "prints": "bad: clone\n"}, 1),
    ({"status": 125}, 125), ({"status": 200}, 200), ({"status": 77}, 125), ({"status": 99}, 125),
    (NO_BOOT, 125), ({"hangs": True}, 125),
    ({"status": 1, "damage": "xfs is damaged:\nbad magic\n"}, 125),
    ({"status": 1, "damage": "xfs was not checked: busy\n"}, 125)])
def test_a_step_that_measures_answers_what_gate_does(lab, shows, status):
    for name in ("g", "b"):
        (lab.top / name).write_text("{}\n")
    done = lab.step(shows, *GATE, "--good", "g", "g", "g", "--bad", "b", "b", "b",
                    "--timeout", "1")
    assert done.returncode == status
    assert shows.get("prints", "") in done.out
    if "damage" in shows:
        why = shows["damage"].splitlines()[-1].replace("bad magic", "damaged: bad magic")
        assert f"cannot tell: {why}\n" in done.out


def test_what_the_emulation_has_spoilt_is_no_measurement(lab):
    lab.kernel("6.1", TRIPPED | {"status": 1})
    (lab.top / "end").write_text("{}\n")
    done = lab.run_patched(NO_KVM.format(False), "step", "--kernel", "6.1-test", "--fs", "xfs",
                           *GATE, "--good", "end", "--bad", "end")
    assert done.returncode == 125 and "cannot tell: the emulation failed: int3" in done.stdout


@pytest.mark.parametrize("more, message", [
    (["--case", "errno/no-such-case"], "matches no case"),
    (["--case", ""], "either --case or --bench"),
    (["--fs", "ext5"], "there is no filesystem ext5"),
    (["--good-is", "green"], "--good-is green"),
    (["--flaky-rate", "0"], "--flaky-rate 0"),
    (["--flaky-rate", "x"], "--flaky-rate"),
    (["--error-rate", "1"], "--error-rate 1"),
    (["--metric", "x"], "--metric belongs to --bench"),
    (["--calibrate", "-1"], "--calibrate -1"),
    (["--no-such-option"], "--no-such-option"),
    (["--kernel", "/no/such/vmlinuz"], "/no/such/vmlinuz"),
    (["--cowbell", "/no/such/cowbell"], "/no/such/cowbell"),
    ([*GATE, "--good", "nowhere", "--bad", "nowhere"], "nowhere is not there"),
    ([*GATE], "--bench needs results of both ends"),
    ([*ENDS, "--good-is", "fail"], "--good-is belongs to --case"),
    ([*ENDS, "--good-is", "pass"], "--good-is belongs to --case"),
    ([*ENDS, "--good-is", ""], "--good-is belongs to --case"),
    ([*ENDS, "--flaky-rate", "1"], "--flaky-rate belongs to --case"),
    ([*ENDS, "--error-rate", "0.05"], "--error-rate belongs to --case"),
    ([*ENDS, "--seed", "0"], "--seed belongs to --case"),
    ([*ENDS, "--calibrate", "5"], "--calibrate belongs to --case"),
    (["--keep", "/proc/no"], "/proc/no"),
])
def test_bad_input_aborts_a_bisection(lab, more, message):
    done = lab.step(PASS, *more)
    assert (done.returncode, len(done.err.splitlines())) == (200, 1) and message in done.err


def test_a_tree_without_a_kernel_aborts(lab):
    done = lab.run("step", "--case", POINT, "--fs", "xfs", "--build", "true")
    assert done.returncode == 200 and "no kernel was built there" in done.err


def put_tree(lab, makefile):
    """A tree in which a kernel was built that has a module."""
    tree = lab.top / "linux"
    (tree / "arch/x86/boot").mkdir(parents=True)
    (tree / "arch/x86/boot/bzImage").write_bytes(bzimage("6.19.0", lab.version, PASS))
    (tree / "modules.order").write_text("fs/a.o\n")
    (tree / "Makefile").write_text(
        f"M = $(INSTALL_MOD_PATH)/lib/modules/6.19.0\nmodules_install:\n\t{makefile}\n")


def step_of_tree(lab):
    return lab.run("step", "--case", POINT, "--fs", "xfs", "--build", "true", "--tree", "linux")


@pytest.mark.parametrize("makefile, said", [
    ("@echo cp: no fs/a.ko; false", "/linux: cp: no fs/a.ko"),
    ("@$(MAKE) a.ko", "/linux: make[1]: *** No rule to make target 'a.ko'."),
    pytest.param("mkdir -p $M/modules.dep/a", "depmod of 6.19.0: ", marks=pytest.mark.skipif(
        not find_tool("depmod"), reason="depmod is not installed"))])
def test_modules_that_cannot_be_installed_are_the_revisions_fault(lab, makefile, said):
    put_tree(lab, makefile)
    done = step_of_tree(lab)
    assert (done.returncode, done.err, lab.boots()) == (125, "", 0)
    assert done.out.startswith("cannot tell: ") and said in done.out
    assert len(done.out.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_modules_for_which_there_is_no_room_abort(lab):
    put_tree(lab, "mkdir -p $M && cat /dev/zero >$M/a.ko")
    with mounted(lab.kernels, "tmpfs", "size=4M"):
        done = step_of_tree(lab)
        assert done.returncode == 200 and "No space left on device" in done.err


def test_modules_that_nothing_can_install_abort(lab):
    put_tree(lab, "true")
    done = lab.run_patched("import cowbell.apt_root as a; a.find_tool = lambda name: None",
                           "step", "--case", POINT, "--fs", "xfs", "--tree", "linux")
    assert done.returncode == 200 and "make is not installed" in done.stderr


def test_a_tree_may_be_called_as_a_version_is(lab):
    lab.kernel("6.1", PASS)
    (lab.top / "6.1").mkdir()
    done = lab.run("step", "--case", POINT, "--fs", "xfs", "--tree", "6.1")
    assert done.returncode == 200 and "/6.1 has no arch" in done.err


@pytest.mark.parametrize("verb, status", [("step", 200), ("kernels", 77)])
@pytest.mark.parametrize("program, message", [
    ("qemu-system-x86_64", "qemu-system-x86_64 is not installed"),
    ("busybox", "busybox is not installed")])
def test_a_machine_without_guests(lab, verb, status, program, message):
    lab.row(PASS, FAIL)
    bin_folder = lab.top / "bin"
    (bin_folder / program).unlink()
    (bin_folder / "python3").symlink_to(sys.executable)
    more = ["--build", "touch built"] if verb == "step" else ["--good", "6.1", "--bad", "6.2"]
    done = lab.run_patched(f"import cowbell.tools; cowbell.tools.TOOL_PATH = {str(bin_folder)!r}",
                           verb, "--case", POINT, "--fs", "xfs", *more)
    assert done.returncode == status and message in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (lab.top / "built").exists()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("verb", [["step", "--kernel", "6.1-test"],
                                  ["kernels", "--good", "6.1", "--bad", "6.2", "--cached"]])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_guest_too(lab, verb, number):
    lab.row({"rounds": [[]], "hangs": True}, PASS)
    process = lab.start(*verb, "--case", POINT, "--fs", "xfs")
    boots = lab.top / "boots"
    wait_for(lambda: boots.exists() and boots.read_text())
    guest = int(boots.read_text().split()[0])
    assert alive(guest)
    process.send_signal(number)
    process.communicate(timeout=30)
    # git bisect takes what is above 127 as the end of the bisection
    assert process.returncode == 128 + number
    wait_for(lambda: not alive(guest))
    assert list(lab.top.glob("cowbell-bisect-*")) == []


def test_a_signal_ends_the_build_too(lab):
    lab.kernel("6.1", PASS)
    process = lab.start("step", "--kernel", "6.1-test", "--case", POINT, "--fs", "xfs", "--build",
                        "sh -c 'echo $$ >pid; exec sleep 600'; true")
    pid = int(wait_for(lambda: (lab.top / "pid").exists() and (lab.top / "pid").read_text()))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    wait_for(lambda: not alive(pid))


# Real kernels: splice took a negative length until 6.8.

SPLICE = "errno/splice-of-more-than-a-file-can-hold[len=all-ones,way=out-of-a-file]"


@pytest.fixture(name="real")
def fixture_real():
    """Two cached kernels that differ: the last one before 6.8, and the first one after it."""
    for tool in ("qemu-system-x86_64", "busybox"):
        if not find_tool(tool):
            pytest.skip(f"{tool} is not installed")
    row = sorted((kernel for kernel, _ in kernels.cached().values()),
                 key=lambda kernel: kernel.version)
    before = [kernel for kernel in row if kernel.version < (6, 8)]
    after = [kernel for kernel in row if kernel.version >= (6, 8)]
    if not before or not after:
        pytest.skip("no two cached kernels on both sides of 6.8")
    return before[-1], after[0]


def test_two_real_kernels(real, tmp_path):
    old, new = (kernel.release for kernel in real)
    done = subprocess.run([BISECT, "kernels", "--good", old, "--bad", new, "--cached", "--case",
                           SPLICE, "--fs", "xfs", "--results", tmp_path],
                          env=os.environ | {"COWBELL": str(COWBELL)}, capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout[done.stdout.index("changes between"):].splitlines()
    assert said[2].endswith(f"{SPLICE}: result  4096")
    assert said[4].endswith(f"{SPLICE}: result  EINVAL")
    assert {path.stem for path in tmp_path.rglob("*.jsonl")} == {old, new}


BUILD = """\
#!/bin/sh
kernel=$(cat kernel)
cp "$({cowbell} kernel path "$kernel")" vmlinuz &&
	ln -sfn "$({cowbell} kernel path --modules "$kernel")" modules
"""


def test_git_bisect_run_over_real_kernels(real, tmp_path):
    def git(*words, **more):
        return subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@example.org",
                               *words], cwd=tmp_path, capture_output=True, text=True, check=False,
                              **more)
    git("init", "-q")
    (tmp_path / "build").write_text(BUILD.format(cowbell=COWBELL))
    (tmp_path / "build").chmod(0o755)
    old, new = (kernel.release for kernel in real)
    for number, release in enumerate((old, old, new, new)):
        (tmp_path / "kernel").write_text(release)
        (tmp_path / "number").write_text(str(number))
        git("add", "build", "kernel", "number")
        git("commit", "-qm", f"change {number}")
    git("bisect", "start", "HEAD", "HEAD~3")
    done = git("bisect", "run", COWBELL, "bisect", "step", "--build", "./build", "--kernel",
               "./vmlinuz,modules", "--case", SPLICE, "--good-is", "result=4096", "--fs", "xfs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is the first bad commit" in done.stdout
    assert git("show", "-s", "--format=%s", "refs/bisect/bad").stdout == "change 2\n"
    assert f"good: {old}: " in done.stdout and f"bad: {new}: {SPLICE}: result EINVAL" in done.stdout
