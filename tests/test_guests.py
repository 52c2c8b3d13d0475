# SPDX-License-Identifier: GPL-2.0-only
"""Guests of the matrix, with a cowbell vm that is a script: what is made of it if one dies."""

import argparse
import json
import subprocess
import time
from pathlib import Path

import pytest
from cowbell import guests, matrix, results, vm
from cowbell.bisect_case import Trial
from cowbell.driver import Point, driver_command, require_words
from cowbell.filesystems import VARIANTS, find_filesystem
from cowbell.kernels import Kernel
from cowbell.tools import RunnerError
from run_place import COWBELL
from test_results_schema import SCHEMA, problems

RELEASE = "6.12.9-test"
SEED = 7
PANIC = "[    9.2][   T41] Kernel panic - not syncing: sysrq triggered crash"
POINTS = [Point(name, "must", ()) for name in ("a/one", "a/two", "a/three", "a/four")]


def run_line():
    """The first line that a driver writes; as the schema has it, but for what nobody reads."""
    return {"kind": "run", "schema": 1, "cowbell": "0", "started": "2026-11-20T09:00:00Z",
            "command": ["cowbell", "run"], "dir": "/x", "vm": "tcg",
            "kernel": {"release": RELEASE, "version": "#1", "machine": "x86_64"},
            "filesystem": {"type": "x", "mount_options": "", "unit_bytes": 1, "page_bytes": 4096},
            "machine": {"cpus": 2}, "seed": SEED, "jobs": 2, "repeat": 1, "points": 4, "needs": {}}


def start(name):
    """The announcement of a point."""
    return {"kind": "start", "case": name, "strength": "must", "seed": SEED,
            "repeat": f"cowbell run --dir /x {name}"}


def passed(name, **more):
    """A result."""
    return {"kind": "case", "case": name, "strength": "must", "verdict": "pass", "seed": SEED,
            **more}


class Fake:
    """A cowbell vm that does what a test says, and the guests that it makes."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.script = folder / "shared", folder / "cowbell-vm"
        self.folder.mkdir()
        self.body = ""
        monkeypatch.setattr(guests, "SCRIPT", self.script)

    def begin(self, name, *lines, torn=""):
        """The guest begins with a filesystem, and its driver writes these lines."""
        stem = self.folder / results.file_name(name)
        text = "".join(json.dumps(line) + "\n" for line in lines) + torn
        stem.with_suffix(".new").write_text(text)
        self.body += (f"echo '[    5.1] cowbell begins {name}' >>$console\n"
                      f"echo hello >{stem}.txt\nmv {stem}.new {stem}.jsonl\n")
        return self

    def say(self, *lines):
        """The kernel says something."""
        self.body += "".join(f"echo '{line}' >>$console\n" for line in lines)
        return self

    def end(self, name, status=0):
        """A filesystem is done."""
        stem = self.folder / results.file_name(name)
        return self.say(f"[    7.0] cowbell ends {name}").do(f"echo {status} >{stem}.status")

    def do(self, command):
        """Anything."""
        self.body += f"{command}\n"
        return self

    def guests(self, *names, **more):
        """The guests, with this script."""
        self.script.write_text('#!/bin/sh\nfor word; do\n\t[ "$last" != --log ] || console=$word\n'
                               f'\tlast=$word\ndone\n{self.body}')
        self.script.chmod(0o755)
        image = self.folder / "vmlinuz"
        kernel = guests.GuestKernel("6.12", Kernel(RELEASE, (6, 12), image, None, "given"))
        jobs = [guests.Job(Path("/driver"), find_filesystem(name), self.folder, POINTS, ())
                for name in names]
        for job in jobs:
            job.forget = lambda: None
        return guests.Guests(kernel, jobs, self.folder, **more)


@pytest.fixture(name="fake")
def fixture_fake(tmp_path, monkeypatch):
    """A cowbell vm of the test's own."""
    return Fake(tmp_path, monkeypatch)


def finish(some, seconds=20):
    """Look after guests until all is over."""
    limit = time.monotonic() + seconds
    while not all(job.over for job in some.jobs):
        some.advance()
        time.sleep(0.01)
        assert time.monotonic() < limit
    some.tidy()


def verdicts(job):
    """What the result file says, which must obey the schema."""
    file = results.read_results(job.results)
    lines = [json.loads(line) for line in job.results.read_text().splitlines()]
    assert [problem for line in lines for problem in problems(line, SCHEMA)] == []
    found = {line["case"]: line["verdict"] for line in file.cases}
    counts = {verdict: count for verdict, count in file.end["counts"].items() if count}
    assert counts == {verdict: list(found.values()).count(verdict) for verdict in counts}
    return found


ALL_MISS_BUT = {"a/one": "pass", "a/two": "fail", "a/three": "miss", "a/four": "miss"}


def test_a_panic_loses_no_result_and_names_the_case(fake):
    fake.begin("xfs", run_line(), start("a/one"), passed("a/one"), start("a/two"),
               torn='{"kind":"case","case":"a/tw')
    guest = fake.say("[    9.0][   T41] sysrq: Trigger a crash", PANIC, "[    9.2][   T41] CPU: 1",
                     "[    9.3][   T41] ---[ end Kernel panic - not syncing: sysrq ]---",
                     "[    9.4] not any more").do("exit 99").guests("xfs")
    finish(guest)
    (job,) = guest.jobs
    assert verdicts(job) == ALL_MISS_BUT
    file = results.read_results(job.results)
    failed, missed = file.cases[1], file.cases[2]
    assert failed["reason"] == "panic: sysrq triggered crash"
    assert failed["kmsg"] == ["Kernel panic - not syncing: sysrq triggered crash", "CPU: 1",
                              "---[ end Kernel panic - not syncing: sysrq ]---"]
    assert (failed["seed"], failed["repeat"]) == (SEED, "cowbell run --dir /x a/two")
    assert missed["reason"] == "panic: sysrq triggered crash while a/two ran"
    assert file.flaw() == "aborted: panic: sysrq triggered crash"
    assert file.started == []
    assert guest.boots == 1 and (job.status, job.why) == (None, "panic: sysrq triggered crash")


@pytest.mark.parametrize("torn", ['{"kind":"ca', '{"kind":"ca\n', "\0\0\n{}\n", "[]\n"])
def test_a_follower_sees_what_is_completed(fake, torn):
    follower = results.Follower(fake.folder / "xfs.jsonl")
    guest = fake.begin("xfs", run_line(), start("a/one"), torn=torn).say(PANIC).do(
        "sleep 0.3; exit 99").guests("xfs")
    seen = []
    while not guest.jobs[0].over:
        guest.advance()
        seen += follower.new_lines()
    seen += follower.new_lines()
    assert [line["kind"] for line in seen] == ["run", "start", *["case"] * 4, "end"]
    assert verdicts(guest.jobs[0]) == {**ALL_MISS_BUT, "a/one": "fail", "a/two": "miss"}


def test_of_two_that_ran_each_says_so(fake):
    guest = fake.begin("xfs", run_line(), start("a/one"), start("a/two")).say(PANIC).do(
        "exit 99").guests("xfs")
    finish(guest)
    assert verdicts(guest.jobs[0]) == {**ALL_MISS_BUT, "a/one": "fail"}
    reasons = [line["reason"] for line in results.read_results(guest.jobs[0].results).cases]
    assert reasons == ["panic: sysrq triggered crash (so did run a/two)",
                       "panic: sysrq triggered crash (so did run a/one)",
                       *["panic: sysrq triggered crash while a/one and a/two ran"] * 2]


def test_filesystems_that_are_left_get_another_guest(fake):
    fake.do('if [ "$(basename $console)" = console.txt ]; then')
    fake.begin("xfs", run_line(), *map(passed, "ab")).end("xfs")
    fake.begin("btrfs", run_line(), start("a/one")).say(PANIC).do("exit 99\nfi")
    fake.begin("ext4", run_line(), passed("a/one")).end("ext4").do("exit 0")
    guest = fake.guests("xfs", "btrfs", "ext4")
    finish(guest)
    assert [(job.status, job.why) for job in guest.jobs] == [
        (0, ""), (None, "panic: sysrq triggered crash"), (0, "")]
    assert guest.boots == 2
    assert verdicts(guest.jobs[1])["a/one"] == "fail"
    script = (fake.folder / "guest.sh")
    assert not script.exists() and not list(fake.folder.glob("*.status"))
    assert [job.console.name for job in guest.jobs] == ["console.txt", "console.txt",
                                                        "console-2.txt"]


def test_the_second_guest_is_given_only_what_is_left(fake):
    fake.do(f'cp {fake.folder}/guest.sh {fake.folder}/$(basename $console).sh')
    fake.do('if [ "$(basename $console)" = console.txt ]; then')
    fake.begin("xfs", run_line()).say(PANIC).do("exit 99\nfi")
    finish(fake.begin("ext4").end("ext4", 77).guests("xfs", "ext4"))
    first, second = ((fake.folder / f"{name}.txt.sh").read_text()
                     for name in ("console", "console-2"))
    assert "cowbell-fs xfs --second" in first and "cowbell-fs ext4 --second" in first
    assert "cowbell-fs xfs" not in second and "--announce" in second


def test_a_guest_that_does_not_come_up_is_not_tried_again(fake):
    guest = fake.say("nothing good").do("echo 'cowbell vm: the guest did not come up' >&2\nexit 99"
                                        ).guests("xfs", "ext4")
    finish(guest)
    assert guest.boots == 1
    assert {job.why for job in guest.jobs} == {
        "the guest did not get to it: died: the guest did not come up"}
    assert not any(job.skipped or job.results.exists() for job in guest.jobs)


def test_a_machine_that_cannot_run_guests_skips(fake):
    guest = fake.do("echo 'cowbell vm: qemu is not installed' >&2\nexit 77").guests("xfs", "ext4")
    finish(guest)
    assert [(job.skipped, job.why) for job in guest.jobs] == [(True, "qemu is not installed")] * 2


def test_a_guest_that_falls_silent_is_killed(fake):
    fake.begin("xfs", run_line(), start("a/one")).say("[    6.0] the last word")
    guest = fake.do(f"echo $$ >{fake.folder}/pid\nexec sleep 100").guests("xfs", stall_s=0.5)
    finish(guest)
    failed = results.read_results(guest.jobs[0].results).cases[0]
    assert failed["reason"] == "wedged: nothing came from the guest for 0.5 s"
    assert failed["kmsg"][-1] == "the last word"
    assert not Path("/proc", (fake.folder / "pid").read_text().strip()).exists()


def test_a_guest_in_which_nothing_begins_is_killed(fake, monkeypatch):
    """It came up and hung before the first filesystem: that takes longer, but has an end, too."""
    monkeypatch.setattr(guests, "BEGIN_SECONDS", 0.6)
    fake.do(f"echo $$ >{fake.folder}/pid\nexec sleep 100")
    guest = fake.guests("xfs", "ext4", stall_s=0.2)
    finish(guest)
    assert {job.why for job in guest.jobs} == {
        "the guest did not get to it: wedged: nothing came from the guest for 0.8 s"}
    assert guest.boots == 1
    assert not Path("/proc", (fake.folder / "pid").read_text().strip()).exists()


@pytest.mark.parametrize("limit_s, verdict", [(guests.POINT_SECONDS + 60, "pass"),
                                              (guests.POINT_SECONDS, "fail")])
def test_a_point_with_a_longer_limit_may_be_silent_for_longer(fake, limit_s, verdict):
    fake.begin("xfs", run_line(), {**start("a/one"), "timeout_s": limit_s})
    fake.do(f"sleep 1.5; echo '{json.dumps(passed('a/one'))}' >>{fake.folder}/xfs.jsonl")
    guest = fake.end("xfs").guests("xfs", stall_s=0.5)
    finish(guest)
    if verdict == "fail":
        assert verdicts(guest.jobs[0])["a/one"] == verdict
    else:
        assert results.read_results(guest.jobs[0].results).cases == [passed("a/one")]


def test_points_of_a_guest_have_more_time(fake):
    (job,) = fake.guests("xfs").jobs
    assert job.command[job.command.index("--timeout") + 1] == str(guests.POINT_SECONDS)
    assert 60 < guests.POINT_SECONDS < guests.STALL_SECONDS


def test_results_that_come_slowly_are_no_silence(fake):
    fake.begin("xfs", run_line())
    for name in "abcd":
        fake.do(f"sleep 0.3; echo '{json.dumps(passed(name))}' >>{fake.folder}/xfs.jsonl")
    guest = fake.end("xfs").guests("xfs", stall_s=0.8)
    finish(guest)
    assert (guest.jobs[0].status, guest.jobs[0].why) == (0, "")


def test_a_guest_that_dies_after_the_last_result_leaves_the_file_alone(fake):
    end = {"kind": "end", "counts": dict.fromkeys(results.VERDICTS, 0), "wall_ns": 1}
    guest = fake.begin("xfs", run_line(), end).say(PANIC).do("exit 99").guests("xfs")
    finish(guest)
    assert [json.loads(line) for line in guest.jobs[0].results.read_text().splitlines()] == [
        run_line(), end]
    assert guest.jobs[0].why == "panic: sysrq triggered crash"


def test_stopping_ends_the_guest(fake):
    guest = fake.begin("xfs").do("exec sleep 100").guests("xfs")
    while guest.jobs[0].began is None:
        guest.advance()
    pid = guest.child.pid
    guest.tidy()
    assert not Path("/proc", str(pid)).exists()


def test_complaints_that_no_case_tells_are_told(fake):
    told = passed("a/one", kmsg=["WARNING: CPU: 0 PID: 1 at fs/one.c:1", "more"])
    fake.say("[    1.0] WARNING: CPU: 0 PID: 1 at boot/early.c:1", "[    1.0] ---[ end trace ]---")
    fake.begin("xfs", run_line(), told)
    fake.say("[    6.0] WARNING: CPU: 0 PID: 1 at fs/one.c:1", "[    6.0] ---[ end trace 0 ]---",
             "[    6.5] INFO: task rm:7 blocked for more than 120 seconds.",
             "[    6.5] ---[ end trace 1 ]---", "[    6.6] all is well")
    guest = fake.end("xfs").begin("ext4", run_line()).end("ext4").guests("xfs", "ext4")
    finish(guest)
    assert guest.jobs[0].outside() == ["INFO: task rm:7 blocked for more than 120 seconds.",
                                       "---[ end trace 1 ]---"]
    assert guest.jobs[1].outside() == []


def test_what_is_not_told_shows_behind_what_is(fake):
    told = passed("a/one", kmsg=["INFO: task rm:7 blocked for more than 120 seconds."])
    fake.begin("xfs", run_line(), told)
    fake.say("[    6.5] INFO: task rm:7 blocked for more than 120 seconds.",
             "[    6.6] Call Trace:", "[    6.7] BUG: Bad page state",
             "[    6.8] ---[ end trace 0 ]---")
    guest = fake.end("xfs").guests("xfs")
    finish(guest)
    assert guest.jobs[0].outside() == ["BUG: Bad page state", "---[ end trace 0 ]---"]


def test_a_long_console_hides_nothing(fake):
    fake.begin("xfs", run_line()).say("[    6.0] BUG: bad page")
    fake.do(f"yes '[    6.1] and so on' | head -n {vm.LINES_KEPT + 10} >>$console")
    guest = fake.end("xfs").guests("xfs")
    finish(guest)
    assert guest.jobs[0].outside()[0] == "BUG: bad page"


def test_a_console_without_an_end_is_a_complaint(fake, monkeypatch):
    monkeypatch.setattr(guests, "CONSOLE_SECONDS", 0.2)
    fake.begin("xfs", run_line()).do(f"echo 0 >{fake.folder}/xfs.status")
    guest = fake.guests("xfs")
    finish(guest)
    assert guest.jobs[0].outside() == [f"{guest.jobs[0].console} does not show the end of xfs"]


def test_two_runs_do_not_share_a_folder(fake):
    guest = fake.guests("xfs")
    with pytest.raises(RunnerError, match="another run writes its results there"):
        fake.guests("xfs")
    guest.tidy()
    other = fake.guests("xfs")
    # As often as there are filesystems; what is locked now is not its own.
    guest.tidy()
    with pytest.raises(RunnerError, match="another run writes its results there"):
        fake.guests("xfs")
    other.tidy()


def test_what_each_guest_said_is_kept(fake):
    fake.do("echo no >&2")
    guest = fake.begin("xfs", run_line()).do("echo last words; exit 99").guests("xfs", "ext4")
    finish(guest)
    assert guest.boots == 2 and guest.said.read_text().count("last words") == 2


def test_a_console_that_lags_is_waited_for(fake):
    fake.begin("xfs", run_line()).do(f"echo 0 >{fake.folder}/xfs.status\nsleep 0.5")
    guest = fake.say("[    6.0] BUG: bad page", "[    7.0] cowbell ends xfs").guests("xfs")
    finish_without_tidying = guest.jobs[0]
    while not finish_without_tidying.over:
        guest.advance()
    assert finish_without_tidying.outside()[0] == "BUG: bad page"
    guest.tidy()


def test_a_kernel_is_called_as_it_was_asked_for(tmp_path):
    image = fake_image(tmp_path)
    assert guests.find_kernels(["host"]) == [None]
    (one,) = guests.find_kernels([str(image), str(image)])
    assert one.name == RELEASE and one.words == str(image)


def test_kernels_of_one_release_have_names_of_their_own(tmp_path, monkeypatch):
    before, after = (fake_image(folder) for folder in (tmp_path / "before", tmp_path / "after"))
    monkeypatch.chdir(tmp_path)
    found = guests.find_kernels([str(before), str(after), "before/vmlinuz"])
    assert [one.name for one in found] == [RELEASE, f"{RELEASE}-2"]
    assert [one.words for one in found] == [str(before), str(after)]


def test_a_kernel_that_is_here_is_not_called_by_a_dot(tmp_path, monkeypatch):
    """Results would go where those of the host are."""
    monkeypatch.setattr(guests, "find_kernel", lambda _: Kernel(RELEASE, (), tmp_path, None, ""))
    monkeypatch.chdir(tmp_path)
    for text in (".", "..", "./vmlinuz,modules"):
        assert [one.name for one in guests.find_kernels([text])] == [RELEASE]


def fake_image(folder):
    """A file that looks like a kernel image."""
    folder.mkdir(exist_ok=True)
    data = bytearray(0x400)
    data[0x202:0x206] = b"HdrS"
    data[0x20E:0x210] = (0x100).to_bytes(2, "little")
    banner = f"{RELEASE} (a@b) #1 SMP {RELEASE}\0".encode()
    data[0x300:0x300 + len(banner)] = banner
    image = folder / "vmlinuz"
    image.write_bytes(data)
    return image


@pytest.mark.parametrize("complaints, status", [([], 77), (["BUG: bad page"], 1)])
def test_a_matrix_of_skips_alone_is_no_excuse_for_the_kernel(complaints, status, tmp_path, capsys):
    outcome = matrix.Outcome("6.12/xfs", 77, None, "no xfs", tmp_path / "xfs.txt", complaints)
    assert matrix.finish(argparse.Namespace(results=tmp_path), [outcome]) == status
    assert capsys.readouterr().out == f"results: {tmp_path}\n"


@pytest.mark.parametrize("release, required", [
    ("6.18.44", True), ("5.10.0-46-amd64", True), ("7.2", True), ("5.9.1", False),
    ("4.19.0", False), ("", False), ("next-20261130", False)])
def test_what_a_filesystem_offers_is_required_where_it_was_found_by_running(release, required):
    words = require_words(find_filesystem("xfs"), release)
    assert words[:1] == ["--require"] * required
    assert not required or {"clone", "unshare", "free_told"} < set(words[1].split(","))


def test_every_filesystem_offers_needs_that_there_are():
    """A word that is none would be an error of usage, on that filesystem alone."""
    for filesystem in VARIANTS.values():
        offers = filesystem.offers
        assert len(set(offers)) == len(offers)
        words = ["--require", ",".join(offers)] if offers else []
        done = subprocess.run([str(COWBELL), "run", *words, "--dir", "/nowhere"],
                              capture_output=True, text=True, check=False)
        assert (done.returncode, "/nowhere" in done.stderr) == (2, True), filesystem.name


def test_the_matrix_requires_what_is_offered():
    """On this machine and in guests; a bisection, which may come to older kernels, does not."""
    args = argparse.Namespace(jobs=2, seed="", budget="", cases=[])
    words = matrix.driver_words(args, find_filesystem("nfs"), "6.12.9")
    assert words[words.index("--require") + 1].split(",") == list(find_filesystem("nfs").offers)
    assert "--require" not in matrix.driver_words(args, find_filesystem("nfs"), "4.4.1")
    assert "--require" not in matrix.driver_words(args, find_filesystem("cifs"), "6.6.1")
    trial = Trial(Path("cowbell"), find_filesystem("nfs"), "a/b", ())
    assert "--require" not in trial.command(Path("r.jsonl"), Path("r.fsck"))


@pytest.mark.parametrize("name, words", [
    ("cifs", ["--server", "ksmbd"]), ("cifs:samba", ["--server", "samba"]), ("nfs", []),
    ("xfs", [])])
def test_driver_is_told_what_serves(name, words):
    """Some quirks are those of a server, and no mount says which it is."""
    command = driver_command(Path("cowbell"), find_filesystem(name), Path("r.jsonl"))
    at = command.index("--server") if "--server" in command else len(command)
    assert command[at:at + 2] == words
