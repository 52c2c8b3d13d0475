# SPDX-License-Identifier: GPL-2.0-only
"""`cowbell run` where things go wrong.

Whatever happens there is one clear line, the right exit code, a result file that is whole, and
nothing is left behind.
"""

import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from run_place import (COWBELL, GATE, GATE_FILES, PATIENCE_SECONDS, RED, WRITE, Place, bound,
                       children, filesystem, lines_of, mounted, proc, state_of, wait_for)

pytestmark = pytest.mark.skipif(not COWBELL.exists(), reason="the driver is not built")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
needs_fuse = pytest.mark.skipif(
    not (shutil.which("bindfs") and Path("/dev/fuse").exists() and os.geteuid() == 0),
    reason="needs root, bindfs and /dev/fuse")

HANG = [{"op": "pipe", "read": "r", "write": "w", "size": "4K", "blocking": True},
        {"op": "write", "fd": "w", "len": "8K"},
        {"op": "close", "fd": "r"}]
REMOUNT = {"op": "remount"}
QUIRK = {"case": "red", "reason": "as it has always been", "link": "contract:F8"}
WEDGED_TEST = "test_filesystem_that_never_answers_again"


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    place.close()


## Arguments and case files


@pytest.mark.parametrize("args, line", [
    (["nonsense"], "cowbell: no verb 'nonsense' (see: cowbell help)"),
    (["rnu"], "cowbell: no verb 'rnu'; did you mean 'run'?"),
    (["../run"], "cowbell: no verb '../run' (see: cowbell help)"),
    (["--nope"], "cowbell: bad option '--nope' (see: cowbell help)"),
    (["run", "--nope"], "cowbell run: bad option '--nope' (see: cowbell run --help)"),
    (["run", "--json"], "cowbell run: --json needs a value"),
    (["run", "--require", "clone,klone"],
     "cowbell run: --require: there is no need 'klone' (see: cowbell probe)"),
    (["run", "--server="], "cowbell run: --server must not be empty"),
    (["run", "--jobs", "0"], "cowbell run: --jobs must be a number from 1 to 64, not '0'"),
    (["run", "--seed", "1x"],
     "cowbell run: --seed must be a number from 0 to 9223372036854775807, not '1x'"),
    (["run", "--format", "xml"],
     "cowbell run: --format must be pretty, tap, ktap or junit, not 'xml'"),
    (["run", "--hook", "remount"],
     "cowbell run: --hook must be NAME=COMMAND, not 'remount'"),
], ids=" ".join)
def test_usage(args, line):
    done = subprocess.run([COWBELL, *args], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("", line + "\n", 2)


@pytest.mark.parametrize("text, line", [
    ("", "{}:1:0: '[' or '{{' expected near end of file"),
    ("[]", "{}: must be an object, not a list"),
    ('{"checks": 1, "checks": 2}', "{}:1:22: duplicate object key near '\"checks\"'"),
    ('{"checks": "x", "why": ["property:5"], "strength": "must", "steps": [], "stpes": []}',
     '{}: unknown key "stpes" (did you mean "steps"?)'),
    ('{"checks": "x", "why": ["property:5"], "strength": "must", "steps": [{"op": "clnoe"}]}',
     '{}: steps[0].op: unknown op "clnoe" (did you mean "clone"?)'),
], ids=["empty", "list", "duplicate", "unknown key", "unknown op"])
def test_case_with_a_defect(place, text, line):
    path = place.cases / "bad.json"
    path.write_text(text)
    done = place.run(path, place.case("good"))
    assert (done.out, done.err, done.code) == ("", line.format(path) + "\n", 2)
    assert not place.json.exists()


def test_case_that_is_not_there(place):
    place.case("small")
    path = place.cases / "nothing.json"
    done = place.run(path)
    assert (done.out, done.err, done.code) == ("", f'cowbell: "{path}" matches no case\n', 2)


## Directories


def test_directory_that_is_missing(place):
    done = place.run(place.case("small"), directory=place.top / "no")
    assert done.err == f"cowbell run: {place.top}/no: cannot be opened: No such file or directory\n"
    assert (done.out, done.code) == ("", 2) and not place.json.exists()


def test_directory_that_is_a_file(place):
    path = place.case("small")
    done = place.run(path, directory=path)
    assert done.err == f"cowbell run: {path}: cannot be opened: Not a directory\n"
    assert (done.out, done.code) == ("", 2)


@pytest.mark.parametrize("mode, what", [
    ("000", "cannot be opened"), ("333", "cannot be opened"),
    ("555", "cannot make a folder in it"), ("666", "cannot make a folder in it")])
def test_directory_without_permission(place, mode, what):
    """Root is here root without capabilities, who must obey modes as everyone else."""
    before = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []
    place.dir.chmod(int(mode, 8))
    done = place.start(place.case("small"), before=before).finish()
    place.dir.chmod(0o755)
    assert done.err == f"cowbell run: {place.dir}: {what}: Permission denied\n"
    assert (done.out, done.code) == ("", 2)
    place.assert_clean()


@needs_root
def test_directory_of_another_user():
    """Another user, first in a directory of root's and then in one of that user's own."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        place = Place(Path(folder))
        place.cowbell = shutil.copy(COWBELL, folder)
        who = {"user": 65534, "group": 65534, "extra_groups": []}
        done = place.run(place.case("small"), **who)
        assert done.err == \
            f"cowbell run: {place.dir}: cannot make a folder in it: Permission denied\n"
        assert (done.out, done.code) == ("", 2)
        os.chown(place.dir, 65534, 65534)
        done = place.run(place.case("small"), **who)
        assert (done.err, done.code, done.verdicts) == ("", 0, [("small", "pass")])
        assert done.run["needs"]["root"].startswith("no: ")
        place.close()


@needs_root
def test_directory_that_is_read_only(place):
    with mounted(place.top / "m", "tmpfs", "ro") as directory:
        done = place.run(place.case("small"), directory=directory)
    assert done.err == \
        f"cowbell run: {directory}: cannot make a folder in it: Read-only file system\n"
    assert (done.out, done.code) == ("", 2)


def preloaded(place, text):
    """The environment of a run whose calls go through this C text first, as `real(name)` allows."""
    source, library = place.top / "first.c", place.top / "first.so"
    source.write_text("#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <errno.h>\n"
                      "#include <sys/stat.h>\n#include <sys/statvfs.h>\n#include <unistd.h>\n"
                      f"#define real(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))\n{text}")
    subprocess.run(["cc", "-w", "-shared", "-fPIC", "-D_FILE_OFFSET_BITS=64", "-o", library,
                    source], check=True)
    return {"LD_PRELOAD": str(library)}


@pytest.mark.parametrize("error, answer", [
    ("EIO", "no: mkfifo: EIO"), ("EPERM", "no: mkfifo: EPERM"),
    ("ENOSPC", "broken: mkfifo: ENOSPC")])
def test_filesystem_that_makes_no_fifo(place, error, answer):
    """A client of SMB says EIO of all that its server does not know."""
    env = preloaded(place, "int mkfifoat(int folder, const char *path, mode_t mode)\n"
                           f"{{ errno = {error}; return -1; }}\n")
    done = place.run(place.case("small"), env=env)
    assert (done.err, done.code, done.run["needs"]["fifo"]) == ("", 0, answer)


@pytest.mark.parametrize("answer, told", [
    ("off", "no: SEEK_DATA takes a hole for data"),
    ("off * 4", "broken: SEEK_DATA: 33554432, with data at 16777216"),
    ("(errno = EINVAL, -1)", "no: SEEK_DATA: EINVAL")])
def test_filesystem_that_tells_no_holes(place, answer, told):
    """As over SMB of a file that grew by a write behind its end."""
    env = preloaded(place, "off_t lseek(int fd, off_t off, int whence)\n"
                           f"{{ return whence == SEEK_DATA ? {answer} : "
                           "real(lseek)(fd, off, whence); }\n")
    done = place.run(place.case("small"), env=env)
    assert (done.err, done.code, done.run["needs"]["sparse"]) == ("", 0, told)


@pytest.mark.parametrize("takes, told", [
    ("4, 4, 4", "yes"), ("4, 0, 4", "yes"),
    ("0, 4, 0", "no: statfs(2) after syncfs(2) does not tell of 2 MiB that were written")])
def test_filesystem_that_does_not_tell_what_is_used(place, takes, told):
    """As over SMB, where the server writes when it sees fit; each file takes so many MiB."""
    env = preloaded(place, "int fstatvfs(int fd, struct statvfs *st)\n{\n"
                           "/* the first look is for the run's own line */\n"
                           f"static int takes[] = {{ {takes} }}, looks = -1, gone;\n"
                           "int err = real(fstatvfs)(fd, st);\n"
                           "if (looks > 0 && looks % 2) gone += takes[looks / 2];\n"
                           "looks++;\n"
                           "st->f_frsize = 1 << 20; st->f_bfree = 1000 - gone;\n"
                           "return err; }\n")
    done = place.run("--dedicated", place.case("small"), env=env)
    assert (done.err, done.code) == ("", 0)
    assert done.run["needs"]["free_told"] == told


# A client to which the time of modification is told when it opens a file.
TOLD_WHEN_OPENED = """
static struct timespec told[1024];
int close(int fd) { if (fd >= 0) told[fd].tv_sec = 0; return real(close)(fd); }
int fstat(int fd, struct stat *st) {
	int err = real(fstat)(fd, st);
	if (!told[fd].tv_sec) told[fd] = st->st_mtim;
	st->st_mtim = told[fd];
	return err;
}
"""
FLUSH_MOVES = """
int fsync(int fd) {
	struct timespec times[] = { { 0, UTIME_OMIT }, { 0, UTIME_NOW } };
	return real(fsync)(fd) || futimens(fd, times);
}
"""


@pytest.mark.parametrize("more, told", [
    ("", ""), (FLUSH_MOVES, ", and each flush moves it again")], ids=["once", "again"])
def test_filesystem_that_dates_writes_late(place, more, told):
    done = place.run(place.case("small"), env=preloaded(place, TOLD_WHEN_OPENED + more))
    assert (done.err, done.code) == ("", 0)
    assert done.run["needs"]["times"] == \
        f"no: a write moves the mtime when the file is closed{told}"


@needs_root
def test_view_through_another_mount(place):
    through = [{"op": "open", "file": "a", "flags": "rdwr", "as": "seen", "via": "view"},
               {"op": "write", "fd": "seen", "off": "1B", "len": "1B"},
               {"op": "read", "fd": "a", "off": "0", "len": "2B"}]
    case = place.case("seen", *through)
    with bound(place.top / "view", place.dir) as view:
        done = place.run("--view", view, case, place.case("two", needs=["second_client"]))
    assert (done.err, done.code, done.verdicts) == ("", 0, [("two", "skip"), ("seen", "pass")])
    assert done.run["view"] == str(view) and done.run["needs"]["view"] == "yes"
    assert done.cases[0]["reason"] == "second_client: both mounts are of one superblock"
    skipped = place.run(case)
    assert skipped.cases[0]["reason"] == "view: needs --view" and "view" not in skipped.run


@needs_root
def test_command_that_repeats_a_failure_names_the_view(place):
    with bound(place.top / "view", place.dir) as view:
        done = place.run("--view", view, place.case("red", RED))
    assert f" --view {view} " in done.cases[0]["repeat"]


@needs_root
def test_view_that_is_none(place):
    other = place.top / "other"
    other.mkdir()
    for view, why in (
            (place.dir, f"--view {place.dir} is the same mount as that of --dir"),
            (other, f"--view {other} does not show what is made in --dir, so it is no mount of "
                    "the same"),
            (place.top / "gone", f"{place.top}/gone: cannot be opened: No such file or directory")):
        done = place.run("--view", view, place.case("small"))
        assert (done.err, done.out, done.code) == (f"cowbell run: {why}\n", "", 2)
        assert not place.json.exists()
    with mounted(other, "tmpfs"):
        done = place.run("--view", other, place.case("small"))
        assert (done.code, list(other.iterdir())) == (2, [])


def test_no_directory_given_means_the_current_one(place):
    done = subprocess.run([COWBELL, "run", "--json", place.json, place.case("small")],
                          cwd=place.dir, env=place.environment(), capture_output=True, text=True)
    assert done.stderr == "cowbell run: no --dir, so this is about the current directory\n"
    assert done.returncode == 0
    assert lines_of(place.json.read_text()).run["dir"] == str(place.dir)
    place.assert_clean()


## Full filesystems


@needs_root
@pytest.mark.parametrize("options, line", [
    ("size=64k", "{}: no space left to work in (ENOSPC)"),
    ("nr_inodes=2", "{}: cannot make a folder in it: No space left on device"),
    ("nr_inodes=4", "{}: no space left to work in (ENOSPC)"),
])
def test_filesystem_with_too_little_room(place, options, line):
    with mounted(place.top / "m", "tmpfs", options) as directory:
        done = place.run(place.case("small"), directory=directory)
    assert done.err == "cowbell run: " + line.format(directory) + "\n"
    assert (done.out, done.code) == ("", 2) and not place.json.exists()


@needs_root
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_filesystem_that_is_full(place, kind):
    with filesystem(kind, place.top) as directory:
        fill(directory)
        done = place.run(place.case("small"), directory=directory)
        assert sorted(p.name for p in directory.iterdir()) in (["full"], ["full", "lost+found"])
    assert re.fullmatch(rf"cowbell run: {directory}: (no space left to work in \(ENOSPC\)|"
                        r"cannot make a folder in it: No space left on device)\n", done.err)
    assert (done.out, done.code) == ("", 2)


def fill(directory):
    """Take all space of a filesystem, to the last byte."""
    with (directory / "full").open("wb", buffering=0) as file:
        size, part = 0, 1 << 30
        while part >= 512:
            try:
                os.posix_fallocate(file.fileno(), size, part)
                size += part
            except OSError:
                part //= 2


@needs_root
def test_filesystem_that_fills_up_in_mid_run(place):
    big = place.case("big", files={"a": {"size": "8M"}})
    with mounted(place.top / "m", "tmpfs", "size=4m") as directory:
        done = place.run("--jobs", "1", big, place.case("small"), directory=directory)
    assert (done.code, done.err) == (99, "")
    assert done.verdicts == [("big", "error"), ("small", "pass")]
    assert done.cases[0]["reason"] == "set-up: write a: No space left on device"


## What happens in mid-run


@pytest.mark.parametrize("how", ["removed", "removed with its parent"])
def test_directory_that_is_removed_in_mid_run(place, how):
    parent = place.top / "parent"
    (parent / "dir").mkdir(parents=True)
    run = place.start("--jobs", "1", "--repeat", "2", place.gated("a"), place.case("b"),
                      directory=parent / "dir")
    open_gate = run.gate()
    shutil.rmtree(parent if how.endswith("parent") else parent / "dir")
    open_gate()
    done = run.finish()
    why = f"the run folder in {parent}/dir went away: No such file or directory"
    assert (done.err, done.code) == (f"cowbell run: {why}\n", 99)
    assert done.end["aborted"] == why and f"\naborted: {why}\n" in done.out
    assert [case["verdict"] for case in done.cases].count("miss") >= 2
    assert {case["reason"] for case in done.cases if case["verdict"] == "miss"} == {why}
    assert len(done.cases) == 4 and "pass" not in done.counts
    place.assert_clean(parent / "dir")


@pytest.mark.parametrize("sig, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143),
                                       (signal.SIGHUP, 129)])
def test_signal_that_ends_a_run(place, sig, code):
    run = place.start("--jobs", "1", place.case("a"), place.gated("b"), place.case("c"))
    run.child_at_gate()
    assert place.run_folders()
    run.process.send_signal(sig)
    done = run.finish()
    assert (done.code, done.err) == (code, "")
    assert done.verdicts == [("a", "pass")] and done.counts == {"pass": 1}
    assert done.end["interrupted"] == sig.name and f"\ninterrupted: {sig.name}\n" in done.out
    place.assert_clean()


def test_signal_while_the_directory_is_probed(place):
    """Before there is any result there is no result file either."""
    run = place.start("--repeat", "1000", place.case("a"))
    wait_for(lambda: place.run_folders() or run.process.poll() is not None)
    run.process.send_signal(signal.SIGINT)
    done = run.finish()
    assert done.code == 130 and done.err == ""
    assert done.verdicts is None or done.end["interrupted"] == "SIGINT"
    place.assert_clean()


@needs_root
@pytest.mark.parametrize("steps", [
    [], [{"op": "become", "uid": "65534", "gid": "65534"}],
    [{"op": "become", "uid": "65534", "gid": "65534"}, {"op": "become", "uid": "0", "gid": "0"}]],
    ids=["root", "other user", "root again"])
def test_kill(place, steps):
    """Nobody can clean up after a SIGKILL, but children die with the driver, whoever they are."""
    path = place.case("gated", *steps, *GATE, WRITE, files=GATE_FILES)
    run = place.start(path)
    child = run.child_at_gate()
    run.process.kill()
    assert run.process.wait() == -signal.SIGKILL
    wait_for(lambda: state_of(child)[0] in ("", "Z"))
    (folder,) = place.run_folders()
    assert (folder / "p0" / "gate").exists()
    done = place.run(place.case("small"))
    assert (done.code, done.err) == (0, "")


@needs_root
@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_limit_after_a_kill(place, sig):
    """A quota would outlive everybody, so a guard turns it off whatever becomes of the driver."""
    def limited(directory):
        return subprocess.run(["btrfs", "qgroup", "show", directory], capture_output=True,
                              check=False).returncode == 0

    path = place.case("gated", {"op": "limit_quota", "fd": "a", "room": "1M"}, *GATE,
                      files=GATE_FILES)
    with filesystem("btrfs", place.top) as directory:
        run = place.start("--dedicated", path, directory=directory)
        run.child_at_gate()
        assert limited(directory)
        run.process.send_signal(sig)
        run.process.wait(PATIENCE_SECONDS)
        wait_for(lambda: not limited(directory) and not place.processes())


@pytest.mark.parametrize("sig, reason", [
    (signal.SIGSEGV, "crash: SIGSEGV at steps[1]"),
    (signal.SIGABRT, "crash: SIGABRT at steps[1]"),
    (signal.SIGKILL, "killed: by SIGKILL from elsewhere (out of memory?)")])
def test_child_that_dies(place, sig, reason):
    """No case can crash the driver by itself, so its child is killed from outside."""
    run = place.start("--jobs", "1", place.gated("a"), place.case("b"))
    os.kill(run.child_at_gate(), sig)
    done = run.finish()
    assert (done.code, done.err) == (99, "")
    assert done.verdicts == [("a", "error"), ("b", "pass")]
    case = done.cases[0]
    assert (case["reason"], case["place"]) == (reason, "steps[1]")
    assert case["done"] == "read fd=gate len=1"
    place.assert_clean()


def test_hang(place):
    """A write to a pipe that is full and that nobody empties."""
    path = place.case("hang", *HANG)
    done = place.run("--jobs", "1", "--timeout", "1", path, place.case("next"))
    assert (done.code, done.err) == (1, "")
    assert done.verdicts == [("hang", "fail"), ("next", "pass")]
    case = done.cases[0]
    assert (case["reason"], case["place"]) == ("hang", "steps[1]")
    assert case["seen"] == "no end after 1 s; it was killed"
    assert case["allowed"] == "an end within 1 s"
    assert case["done"] == "write fd=w len=8192"
    (name, stack), = case["stacks"].items()
    assert name.endswith(" cowbell") and "pipe_write" in stack and stack.startswith("state S\n")


@needs_root
def test_hang_that_cannot_be_killed(place):
    """The filesystem is frozen for a while: a writer waits in state D and heeds no signal.

    That takes the second until the timeout and the five that a child has to die.
    """
    with filesystem("ext4", place.top) as directory:
        run = place.start("--jobs", "1", "--timeout", "1", place.gated("a"), place.case("b"),
                          directory=directory)
        child = run.child_at_gate()
        open_gate = run.gate()
        with frozen(directory):
            open_gate()
            line = run.process.stderr.readline()
            assert state_of(child)[0] == "D"
        done = run.finish()
        place.assert_clean(directory)
    assert line == f"cowbell: process {child} of a cannot be killed and is left behind\n"
    assert (done.code, done.err) == (1, "")
    assert done.verdicts == [("a", "fail"), ("b", "pass")]
    case = done.cases[0]
    unit = done.run["filesystem"]["unit_bytes"]
    assert case["reason"] == "hang" and case["done"] == f"write fd=a off=0 len={unit}"
    assert case["seen"] == "no end after 1 s; it could not even be killed, and was left behind"
    assert case["stacks"][f"{child} cowbell"].startswith("state D\n")


@contextlib.contextmanager
def frozen(directory):
    subprocess.run(["fsfreeze", "-f", directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "-u", directory], check=True)


@pytest.fixture(scope="module", autouse=True)
def wedged(request, tmp_path_factory):
    """A run on a filesystem that freezes and stays so until the driver has given up.

    This is 20 seconds of mere waiting, so it goes on beside the other tests.
    """
    if os.geteuid() != 0 or not any(item.name == WEDGED_TEST for item in request.session.items):
        yield None
        return
    place = Place(tmp_path_factory.mktemp("wedged"))
    out = SimpleNamespace(directory=place.top / "ext4", done=None, clean=False)

    def work():
        with filesystem("ext4", place.top) as directory:
            run = place.start("--jobs", "1", "--timeout", "1", place.gated("a"), place.case("b"),
                              "--repeat", "2", directory=directory)
            open_gate = run.gate()
            with frozen(directory):
                open_gate()
                wait_for(lambda: '"miss"' in place.json.read_text(), 60)
            out.done = run.finish()
            place.assert_clean(directory)
            out.clean = True

    thread = threading.Thread(target=work)
    thread.start()
    out.join = thread.join
    yield out
    thread.join()
    place.close()


# As time(1) does it: the most that any one process of the run had in memory, in KiB.
PEAK = """import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)"""
LARGE = {"off": "0", "len": "16M"}


@pytest.mark.parametrize("steps", [
    [{"op": op, "fd": "a", "how": "call"} | LARGE for op in ["write", *["read"] * 4]],
    [{"op": op, "fd": "a", "how": "mmap"} | LARGE for op in ["write", *["read"] * 4]],
    [{"op": "map", "fd": "a", "as": "m"} | LARGE, *[{"op": "load", "map": "m"} | LARGE] * 4]],
    ids=["call", "mmap", "load"])
def test_memory(place, steps):
    """A point needs room for what one step moves, 16 MiB at most, and for what it has mapped."""
    path = place.case("large", *steps, files={"a": {"size": "16M"}})
    done = place.run(path, before=[sys.executable, "-c", PEAK])
    assert (done.code, done.counts) == (0, {"pass": 1})
    assert int(done.err) < 64 << 10


@pytest.mark.parametrize("steps, how", [
    [[{"op": "read", "fd": "b"} | LARGE], "read"],
    [[{"op": "map", "fd": "b", "as": "m"} | LARGE, {"op": "load", "map": "m"} | LARGE],
     "mapping m"]], ids=["read", "load"])
def test_wrong_bytes_at_the_end_of_much(place, steps, how):
    """What a step reads is compared to its end, and what is wrong there is named."""
    size, tail = 1 << 20, 100
    steps = [step | {"len": str(size + tail)} for step in steps]
    path = place.case("tail", {"op": "copy_range", "from": "a", "from_off": "0", "to": "b",
                               "to_off": "0", "len": str(size + tail), "loop": True}, *steps,
                      files={"a": {"size": str(size + tail)}, "b": {}})
    done = place.run(path, env={"LD_PRELOAD": str(COWBELL.parent / "libcowbell-mutants.so"),
                                "COWBELL_MUTANT": "copy-range-spoils-tail"})
    assert done.code == 1
    (case,) = done.cases
    assert case["place"] == f"steps[{len(steps)}]"
    assert re.fullmatch(rf"b\[(\d+)\.\.{size + tail}\) holds zeroes, wanted a@\1 \({how}\)",
                        case["seen"])
    assert size <= int(case["seen"].split("..")[0][2:]) < size + tail


@needs_root
def test_complaint_of_the_kernel(place):
    """A line in the kernel log that stands for a warning about this filesystem's device."""
    run = place.start("--jobs", "1", place.gated("a"), place.case("b"))
    open_gate = run.gate()
    header = json.loads(place.json.read_text().splitlines()[0])
    device = Path(header["filesystem"]["device"]).name
    if "/" not in header["filesystem"]["device"]:
        open_gate()
        run.finish()
        pytest.skip(f"the tests' files are on {device}, which has no device")
    Path("/dev/kmsg").write_text(f"cowbell-kmsg-test ({device}): hello\n")
    open_gate()
    done = run.finish()
    assert (done.code, done.err) == (1, "")
    assert done.verdicts == [("a", "fail"), ("b", "pass")]
    case = done.cases[0]
    assert case["reason"] == "kmsg" and case["allowed"] == "no complaint in the kernel log"
    assert case["seen"] == f"cowbell-kmsg-test ({device}): hello"
    assert case["seen"] in case["kmsg"]
    place.assert_clean()


@needs_root
def test_complaint_of_the_kernel_in_the_name_of_one_of_two(place):
    """The other one has nothing to do with it."""
    run = place.start("--jobs", "2", place.gated("a"), place.gated("b"))

    def waiting():
        return {pid for pid in children(run.process.pid) if "pipe_read" in proc(pid, "wchan")}
    wait_for(lambda: len(waiting()) == 2)
    device = Path(json.loads(place.json.read_text().splitlines()[0])["filesystem"]["device"])
    if device.name != str(device):
        of_b = next(pid for pid in waiting()
                    if any("/p1/" in os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()))
        Path("/dev/kmsg").write_text(
            f"cowbell-kmsg-test ({device.name}): CPU: 0 PID: {of_b} Comm: cowbell\n")
    for name in "p0", "p1":
        place.open_gate(name)
    done = run.finish()
    if device.name == str(device):
        pytest.skip(f"the tests' files are on {device}, which has no device")
    assert dict(done.verdicts) == {"a": "pass", "b": "fail"}
    place.assert_clean()


@needs_root
def test_filesystem_that_never_answers_again(wedged):
    wedged.join()
    done = wedged.done
    assert wedged.clean
    why = f"the filesystem of {wedged.directory} no longer answers"
    lost, last = done.err.splitlines()
    assert re.fullmatch(r"cowbell: process \d+ of a cannot be killed and is left behind", lost)
    assert (last, done.code) == (f"cowbell run: {why}", 99)
    assert [case["verdict"] for case in done.cases] == ["fail", "miss", "miss", "miss"]
    assert {case["reason"] for case in done.cases[1:]} == {why} and done.end["aborted"] == why


def test_two_runs_in_one_directory(place):
    """Both stand at a gate at the same time, and a third comes and goes in between."""
    path = place.gated()
    one = place.start(path)
    gates = [one.gate()]
    two = place.start(path, json_file=place.top / "two.json")
    gates.append(two.gate())
    assert len(place.run_folders()) == 2
    three = place.start(place.case("small"), json_file=place.top / "three.json").finish()
    assert (three.code, three.err) == (0, "") and len(place.run_folders()) == 2
    for open_gate in gates:
        open_gate()
    for done in one.finish(), two.finish():
        assert (done.code, done.err, done.verdicts) == (0, "", [("gated", "pass")])
    place.assert_clean()


## FUSE


@contextlib.contextmanager
def bindfs(top):
    """A directory seen through FUSE."""
    point = top / "fuse"
    (top / "below").mkdir()
    point.mkdir()
    subprocess.run(["bindfs", top / "below", point], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=True)


@needs_fuse
def test_fuse(place):
    """FUSE stands here for network filesystems too: like nfs it cannot remove what is open.

    What it refuses are skips; all else works as on any filesystem.
    """
    with bindfs(place.top) as directory:
        clone = {"op": "clone", "from": "a", "to": "b"}
        copy = {"op": "copy_range", "from": "a", "from_off": "0", "to": "b", "to_off": "0",
                "len": "2B"}
        unlinked = place.case("unlinked", {"op": "unlink", "file": "a"}, WRITE)
        done = place.run(place.case("copied", copy, files={"b": {}}), unlinked,
                         place.case("shared", clone, files={"b": {}}), directory=directory)
        assert (done.code, done.err) == (0, "")
        assert list((place.top / "below").iterdir()) == []
    assert dict(done.verdicts) == {"copied": "pass", "shared": "skip", "unlinked": "pass"}
    assert re.fullmatch(r"clone: FICLONE: E\w+",
                        next(c["reason"] for c in done.cases if c["case"] == "shared"))
    fs = done.run["filesystem"]
    assert fs["type"] == "fuse" and fs["unit_bytes"] > 0


@needs_fuse
def test_fuse_that_dies_in_mid_run(place):
    """As a server does that goes away: each call fails then with ENOTCONN."""
    with bindfs(place.top) as directory:
        run = place.start("--jobs", "1", place.gated("a"), place.case("b"), directory=directory)
        open_gate = run.gate()
        (server,) = [p.name for p in Path("/proc").iterdir() if p.name.isdigit()
                     and f"\0{directory}\0" in proc(p.name, "cmdline")
                     and proc(p.name, "comm") == "bindfs\n"]
        os.kill(int(server), signal.SIGKILL)
        open_gate()
        done = run.finish()
    why = f"the run folder in {directory} went away: Transport endpoint is not connected"
    assert done.err.splitlines()[-1] == f"cowbell run: {why}" and done.code in (1, 99)
    assert done.end["aborted"] == why and done.verdicts[1] == ("b", "miss")


@needs_fuse
def test_fuse_after_a_kill(place):
    with bindfs(place.top) as directory:
        run = place.start(place.gated(), directory=directory)
        child = run.child_at_gate()
        run.process.kill()
        run.process.wait()
        wait_for(lambda: state_of(child)[0] in ("", "Z"))
        assert len(place.run_folders(directory)) == 1
        done = place.run(place.case("small"), directory=directory)
        assert (done.code, done.err) == (0, "")


## Hooks


def test_hook_that_is_not_there(place):
    done = place.run(place.case("a", REMOUNT, needs=["hook:remount"]))
    assert (done.code, done.err, done.verdicts) == (77, "", [("a", "skip")])
    assert done.cases[0]["reason"] == "hook:remount: --hook remount=COMMAND was not given"


def test_hook_that_fails(place):
    path = place.case("a", REMOUNT, needs=["hook:remount"])
    done = place.run("--hook", "remount=exit 3", path)
    assert done.err == "cowbell: hook remount: its command failed\n"
    assert (done.code, done.verdicts) == (99, [("a", "error")])
    assert done.cases[0]["reason"] == \
        "remount: the harness's own part failed: Remote I/O error"


def test_hook_that_takes_the_directory_away(place):
    path = place.case("a", REMOUNT, needs=["hook:remount"])
    done = place.run("--jobs", "1", "--hook", 'remount=rm -r "$COWBELL_DIR"', path,
                     place.case("b"))
    assert done.code == 99
    assert re.fullmatch(rf"the run folder in {place.dir} .*: No such file or directory",
                        done.end["aborted"])
    assert done.err.splitlines()[-1] == f"cowbell run: {done.end['aborted']}"


def test_hook_that_works(place):
    path = place.case("a", WRITE, REMOUNT, needs=["hook:remount"])
    done = place.run("--hook", 'remount=echo "$COWBELL_DIR" >&2', path)
    assert (done.err, done.code) == (f"{place.dir}\n", 0)


## Result files


@pytest.mark.parametrize("where, what", [
    ("no/r.json", "No such file or directory"), ("dir", "Is a directory")])
def test_results_that_cannot_be_opened(place, where, what):
    done = subprocess.run([COWBELL, "run", "--dir", place.dir, "--json", place.top / where,
                           place.case("a")],
                          env=place.environment(), capture_output=True, text=True)
    assert done.stderr == f"cowbell run: {place.top / where}: {what}\n"
    assert (done.stdout, done.returncode) == ("", 2)
    place.assert_clean()


@pytest.mark.parametrize("args", [["--json", "/dev/full"], ["--json", "-"], []], ids=str)
def test_results_that_cannot_be_written(place, args):
    """A run whose results are lost stops, whether they go to a file or only to a full stdout."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([COWBELL, "run", "--dir", place.dir, *args, place.case("a")],
                              env=place.environment(), stdout=full, stderr=subprocess.PIPE,
                              text=True)
    assert done.stderr.splitlines()[-1] == \
        "cowbell run: results cannot be written: No space left on device"
    assert done.returncode == 99
    place.assert_clean()


@pytest.mark.parametrize("text, line", [
    (None, "{}: No such file or directory"),
    ("", "{}: line 1 is no result line; this is no result file"),
    ("hello\n", "{}: line 1 is no result line; this is no result file"),
    ('{"kind":"run","schema":99}\n', "{}: line 1 is no result line; this is no result file"),
], ids=["missing", "empty", "text", "schema"])
def test_resume_with_what_is_no_result_file(place, text, line):
    old = place.top / "old.json"
    if text is not None:
        old.write_text(text)
    done = place.run("--resume", old, place.case("a"))
    assert (done.out, done.err, done.code) == ("", f"cowbell run: {line.format(old)}\n", 2)
    assert not place.json.exists()
    assert text is None or old.read_text() == text


def test_resume_on_another_filesystem(place):
    path = place.case("a")
    done = place.run(path)
    here = done.run["filesystem"]["type"]
    old = place.top / "old.json"
    old.write_text(json.dumps(done.run | {"filesystem": done.run["filesystem"] | {"type": "zfs"}})
                   + "\n")
    done = place.run("--resume", old, path)
    assert done.err == f"cowbell run: {old} is of a run on zfs, this is {here}\n"
    assert (done.out, done.code) == ("", 2)


## Verdicts


@needs_root
@pytest.mark.parametrize("size, verdict", [("1", "pass"), ("1B", "pass"), ("1B+1", "error")])
def test_sharing_that_nobody_can_see(place, size, verdict):
    """Where FIEMAP knows no place, sharing was not judged, and the point must not say so.

    Data of a block at most may lie in the inode, where there is nothing to share.
    """
    path = place.case("a", {"op": "fsync", "fd": "a"}, files={"a": {"size": size}},
                      after=["sharing"])
    with filesystem("ext4", place.top) as directory:
        seen = place.run(path, directory=directory)
        done = place.run(path, directory=directory, env={
            "LD_PRELOAD": str(COWBELL.parent / "libcowbell-mutants.so"),
            "COWBELL_MUTANT": "fiemap-hides-places"})
    assert seen.verdicts == [("a", "pass")]
    assert done.verdicts == [("a", verdict)]
    if verdict == "error":
        assert done.cases[0]["reason"].startswith("sharing: nothing could be judged: ")


def quirks(place, *some, **more):
    """A file of quirks for the filesystem that the tests run on."""
    fs_type = place.run(place.case("look")).run["filesystem"]["type"]
    path = place.top / "quirks.json"
    path.write_text(json.dumps({"filesystem": fs_type, "quirks": list(some)} | more))
    return path


def test_everything_skipped(place):
    done = place.run(place.case("a", needs=["hook:x"]), place.case("b", needs=["second_fs"]))
    assert (done.code, done.err, done.counts) == (77, "", {"skip": 2})
    assert {case["reason"] for case in done.cases} == \
        {"hook:x: --hook x=COMMAND was not given", "second_fs: needs --dir2"}


@pytest.mark.parametrize("needs, verdict", [
    (["second_fs"], "fail"), (["hook:x", "second_fs"], "skip"), (["!fallocate"], "skip"),
    (["hook:x"], "skip"), ([], "pass")])
def test_require(place, needs, verdict):
    words = ["--require", "fallocate,second_fs", "--dedicated", "--seed", "7"]
    done = place.run(*words, place.case("a", WRITE, needs=needs))
    assert done.verdicts == [("a", verdict)]
    assert done.code == {"fail": 1, "skip": 77, "pass": 0}[verdict]
    if verdict != "fail":
        return
    assert done.cases[0]["reason"] == \
        "second_fs: needs --dir2; it must be there (--require)"
    again = done.cases[0]["repeat"]
    assert f"--require second_fs --dedicated --seed {done.cases[0]['seed']} " in again
    path = f"{COWBELL.parent}:{os.environ['PATH']}"
    assert subprocess.run(["sh", "-c", again], capture_output=True,
                          env=place.environment(PATH=path)).returncode == 1


def test_a_lack_may_be_known(place):
    lack = {"case": "a", "seen": "second_fs: needs --dir2", "reason": "r", "link": "contract:F1"}
    done = place.run("--require", "second_fs", "--quirks", quirks(place, lack), place.case(
        "a", WRITE, needs=["second_fs"]))
    assert (done.code, done.verdicts) == (0, [("a", "xfail")])
    assert done.cases[0]["quirk"] == {"reason": "r", "link": "contract:F1"}


def test_require_stops_on_fail(place):
    done = place.run("--require", "second_fs", "--stop-on-fail", "--jobs", "1",
                     place.case("a", WRITE, needs=["second_fs"]), place.case("b", WRITE))
    assert (done.code, len(done.cases), done.end["stopped"]) == (1, 1, "a failed")


@pytest.mark.parametrize("step, verdict, code", [(RED, "xfail", 0), (WRITE, "xpass", 0)])
def test_quirk(place, step, verdict, code):
    done = place.run("--quirks", quirks(place, QUIRK), place.case("red", step))
    assert (done.code, done.err, done.verdicts) == (code, "", [("red", verdict)])
    assert done.cases[0]["quirk"] == {"reason": QUIRK["reason"], "link": QUIRK["link"]}



@pytest.mark.parametrize("covers, verdict, code", [
    ({}, "fail", 1), ({"covers": ["hang"]}, "xfail", 0)], ids=["any", "hang"])
def test_quirk_of_a_hang(place, covers, verdict, code):
    done = place.run("--timeout", "1", "--quirks", quirks(place, QUIRK | covers),
                     place.case("red", *HANG))
    assert (done.code, done.verdicts, done.cases[0]["reason"]) == (code, [("red", verdict)], "hang")


@pytest.mark.parametrize("seen, verdict, code", [("40*", "xfail", 0), ("EIO", "fail", 1)])
def test_quirk_of_what_is_seen(place, seen, verdict, code):
    done = place.run("--quirks", quirks(place, QUIRK | {"seen": seen}), place.case("red", RED))
    assert (done.code, done.verdicts, done.cases[0]["seen"]) == (code, [("red", verdict)], "4096")


def test_quirk_of_what_must_not_be_run(place):
    """It is skipped, and says why; others run."""
    done = place.run("--quirks", quirks(place, QUIRK | {"skip": True}),
                     place.case("red", *HANG), place.case("b"))
    assert (done.code, done.counts) == (0, {"skip": 1, "pass": 1})
    red = next(case for case in done.cases if case["case"] == "red")
    assert red["reason"] == f"not safe to run: {QUIRK['reason']}"
    assert red["quirk"] == {"reason": QUIRK["reason"], "link": QUIRK["link"]}


def test_quirk_in_spite_of_which_it_is_run(place):
    done = place.run("--quirks", quirks(place, QUIRK | {"skip": True}), "--despite-quirks",
                     place.case("red", RED))
    assert (done.code, done.verdicts) == (1, [("red", "fail")])
    assert " --despite-quirks " in done.cases[0]["repeat"]


@pytest.mark.parametrize("text, line", [
    ("{", "{}:1: string or '}}' expected near end of file"),
    ("[]", '{}: must have "filesystem" and "quirks" only'),
    (json.dumps({"filesystem": "xfs", "quirks": [{"case": "a", "reason": "b"}]}),
     '{}: quirks[0]: has no "link"'),
    (json.dumps({"filesystem": "xfs", "quirks": [QUIRK, QUIRK | {"why": "x"}]}),
     "{}: quirks[1].why: unknown key"),
    (json.dumps({"filesystem": "xfs", "quirks": [QUIRK | {"reason": ""}]}),
     "{}: quirks[0].reason: must be some text"),
    (json.dumps({"filesystem": "xfs", "quirks": [QUIRK | {"skip": False}]}),
     "{}: quirks[0].skip: must be true"),
    (json.dumps({"filesystem": "xfs", "quirks": [QUIRK | {"kernel": "new"}]}),
     '{}: quirks[0].kernel: must be like ">=5.18 <6.20"'),
], ids=["text", "list", "link", "key", "reason", "skip", "kernel"])
def test_quirks_with_a_defect(place, text, line):
    path = place.top / "q.json"
    path.write_text(text)
    done = place.run("--quirks", path, place.case("a"))
    assert (done.out, done.err, done.code) == ("", f"cowbell run: {line.format(path)}\n", 2)


def test_quirks_that_are_not_there(place):
    done = place.run("--quirks", place.top / "no", place.case("a"))
    assert done.err == f"cowbell run: {place.top}/no: No such file or directory\n"
    assert (done.out, done.code) == ("", 2)


def test_red_result_says_how_to_have_it_again(place):
    """What was done, seen and allowed; and the command that is printed does it again."""
    place.case("area/red", RED, vary={"x": ["1"]}, tags=["t$x"])
    done = place.run("area/red")
    assert (done.code, done.err) == (1, "")
    case = done.cases[0]
    assert (case["done"], case["seen"], case["allowed"], case["place"]) == \
        ("write fd=a off=0 len=4096", "4096", "7", "steps[0]")
    for key in "done", "seen", "allowed", "repeat":
        assert case[key] in done.out, key
    assert case["repeat"] == \
        f"cowbell run --dir {place.dir} --seed {done.run['seed']} 'area/red[x=1]'"
    again = subprocess.run(["sh", "-c", case["repeat"]], text=True, capture_output=True,
                           env=place.environment(PATH=f"{COWBELL.parent}:{os.environ['PATH']}"))
    assert again.returncode == 1 and again.stderr == ""
    assert case["repeat"] in again.stdout and case["done"] in again.stdout


## Options


def test_repeat(place):
    done = place.run("--repeat", "3", "--seed", "5", place.case("a"), place.case("b"))
    assert done.code == 0 and done.counts == {"pass": 6}
    assert sorted((c["case"], c["round"], c["seed"]) for c in done.cases) == \
        [(name, n, n + 4) for name in "ab" for n in (1, 2, 3)]


def test_stop_on_fail(place):
    done = place.run("--jobs", "1", "--stop-on-fail", place.case("a"), place.case("b", RED),
                     place.case("c"))
    assert (done.code, done.err) == (1, "")
    assert done.verdicts == [("a", "pass"), ("b", "fail")]
    assert done.end["stopped"] == "b failed" and "\nstopped: b failed\n" in done.out


def test_keep(place):
    """The folder of a point that failed stays, even when the next run cleans up."""
    run = place.start("--keep", place.case("good"), place.case("red", RED))
    done = run.finish()
    good, red = sorted(done.cases, key=lambda case: case["case"])
    assert done.code == 1 and "kept" not in good
    kept = Path(red["kept"])
    assert f"{kept}\n" in done.out
    (folder,) = place.run_folders()
    assert list(folder.iterdir()) == [kept] and [p.name for p in kept.iterdir()] == ["a"]
    assert place.start(place.case("good")).finish().code == 0
    assert (kept / "a").stat().st_size == 2 * done.run["filesystem"]["unit_bytes"]


def test_jobs(place):
    """As many points at a time as there are jobs, each in a process of its own."""
    paths = [place.gated(f"g{i}") for i in range(3)]
    run = place.start("--jobs", "2", *paths)

    def waiting():
        return {pid for pid in children(run.process.pid) if "pipe_read" in proc(pid, "wchan")}
    wait_for(lambda: len(waiting()) == 2)
    (folder,) = place.run_folders()
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == ["p0", "p1"]
    for name in "p0", "p1", "p2":
        place.open_gate(name)
    done = run.finish()
    assert (done.code, done.counts, done.run["jobs"]) == (0, {"pass": 3}, 2)
    place.assert_clean()


@pytest.mark.parametrize("name, line", [
    ("pretty", r"fail  b [\d.]+ ms"), ("tap", "not ok 2 - b"), ("ktap", "not ok 2 b"),
    ("junit", '.*<testsuite name="[^"]*" tests="2" failures="1" .*')])
def test_format(place, name, line):
    done = place.run("--format", name, "--jobs", "1", place.case("a"), place.case("b", RED))
    assert (done.code, done.err) == (1, "")
    assert re.search(f"^{line}$", done.out, re.MULTILINE)


## A terminal


def read_until(terminal, text):
    """What a terminal is shown until it ends with this text."""
    shown = ""
    while not shown.endswith(text):
        assert select.select([terminal], [], [], 30)[0], f"only {shown!r}"
        shown += os.read(terminal, 65536).decode()
    return shown


def read_all(terminal):
    """What a terminal is shown until nobody writes to it any more; that is an error of Linux."""
    shown = b""
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 65536):
            shown += part
    return shown.decode()


@pytest.mark.parametrize("no_color, colour", [("", True), ("1", False)])
def test_terminal(place, no_color, colour):
    """A live line with counts, and above it what went wrong, in full; nothing else stays."""
    terminal, theirs = pty.openpty()
    run = place.start("--jobs", "1", place.gated("a"), place.gated("b"), place.case("c", RED),
                      stdout=theirs, env={"NO_COLOR": no_color})
    os.close(theirs)
    start = read_until(terminal, "\r\033[K0/3  a")
    # The line is drawn anew a tenth of a second later, at the earliest.
    time.sleep(0.2)
    place.open_gate("p0")
    live = read_until(terminal, "\r\033[K1/3  1 pass  b")
    place.open_gate("p1")
    rest = read_all(terminal)
    os.close(terminal)
    assert run.finish().code == 1
    place.assert_clean()
    assert start.startswith("cowbell ") and start.count("\n") == 1 and "\n" not in live
    stays = re.sub(r"[^\n]*\r\033\[K", "", rest).split("\r\n")
    before, after = ("\033[1;31m", "\033[0m") if colour else ("", "")
    assert re.fullmatch(re.escape(f"{before}fail {after} c ") + r"[\d.]+ ms", stays[0])
    assert stays[1:4] == ["      at       steps[0]", "      did      write fd=a off=0 len=4096",
                          "      saw      4096"]
    green = "\033[32m" if colour else ""
    last = f"1 {before}fail{after}, 2 {green}pass{after} in "
    assert stays[-2].startswith(last) and stays[-1] == ""
