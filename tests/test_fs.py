# SPDX-License-Identifier: GPL-2.0-only
"""cowbell fs: makes what it says, passes on what it is told, and leaves nothing, killed or not."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from cowbell import filesystems, fs, kernel, server, state
from cowbell import filesystems_local as local, filesystems_network as network
from cowbell.tools import RunnerError, Unsupported, run_tool
from run_place import COWBELL

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="making filesystems needs root")
NOBODY = 65534


@pytest.fixture(name="home", autouse=True)
def fixture_home(tmp_path, monkeypatch):
    """A state folder of the test's own, of which nothing may be left."""
    home = tmp_path / "state"
    monkeypatch.setenv("COWBELL_STATE", str(home))
    yield home
    if home.exists():
        left = leftovers(home)
        state.sweep(home, "test")
        assert left == []


def leftovers(home):
    """What is left of runs: folders, mounts, loop devices, swap files."""
    loops = [entry for entry in Path("/sys/block").glob("loop*/loop/backing_file")
             if str(home) in entry.read_text()]
    swaps = [path for path in kernel.swap_files() if str(home) in path]
    return [*home.glob("run-*"), *kernel.mounts_below(home), *loops, *swaps]


def wait_for(true, what):
    """Wait until something is true, and fail if that takes long."""
    assert kernel.wait_until(true, 20), f"waited in vain for {what}"


def arguments(filesystem, *options, script):
    """The command line that runs a shell script on a filesystem."""
    return [fs.SCRIPT, filesystem, *options, "--", "sh", "-c", script]


def run(filesystem, *options, script):
    """Run a shell script on a filesystem."""
    return subprocess.run(arguments(filesystem, *options, script=script), capture_output=True,
                          text=True, check=False)


@contextlib.contextmanager
def started(tmp_path, filesystem, script):
    """A run whose script has come to the point where it says so; with its pid."""
    ready = tmp_path / "ready"
    ready.unlink(missing_ok=True)
    script = script.replace("READY", f"echo $$ >{ready}.new; mv {ready}.new {ready}")
    # Whoever is started in the background of a shell ignores SIGINT, and so would all below.
    with subprocess.Popen(arguments(filesystem, script=script), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as child:
        try:
            wait_for(ready.exists, "the command")
            yield child, int(ready.read_text())
        finally:
            child.kill()


@needs_root
@pytest.mark.parametrize("name", filesystems.VARIANTS)
def test_each_filesystem_is_made_and_removed(name):
    filesystem = filesystems.VARIANTS[name]
    if filesystem.missing():
        pytest.skip(filesystem.missing())
    script = r"""
        set -e
        test "$COWBELL_DIR $COWBELL_DIR2 $COWBELL_FS" = "{dir} {dir2} """ + name + r""""
        stat -f -c %T "{dir}" "{dir2}"
        grep -c " {dir} \| {dir2} " /proc/self/mountinfo
        echo kept >{dir}/a
        echo too >{dir2}/a
        test -z "$COWBELL_REMOUNT" || eval "$COWBELL_REMOUNT"
        cat {dir}/a {dir2}/a
        exit 7"""
    done = run(name, "--second", script=script)
    base = name.partition(":")[0]
    kind = {"overlay": "overlayfs", "ext4": "ext2/ext3", "cifs": "smb2"}.get(base, base)
    assert done.stderr == ""
    assert done.stdout.split() == [kind, kind, "2", "kept", "too"]
    assert done.returncode == 7


@needs_root
@pytest.mark.parametrize("name", [
    "xfs", "btrfs:compress", "ext4", "tmpfs", "overlay", "overlay:btrfs"])
def test_filesystems_tell_of_their_space_and_holes(name):
    """Else cases would be skipped there, whatever a kernel does."""
    filesystem = filesystems.VARIANTS[name]
    if filesystem.missing():
        pytest.skip(filesystem.missing())
    script = f"{COWBELL} probe --dedicated --dir {{dir}}"
    answers = dict(line.split()[:2] for line in run(name, script=script).stdout.splitlines()[4:])
    assert (answers["free_told"], answers["sparse"]) == ("yes", "yes")


@needs_root
@pytest.mark.parametrize("name, option", [
    ("xfs:1k", "bsize=1024"), ("xfs:noreflink", "reflink=0"), ("xfs:rmapbt", "rmapbt=1"),
])
def test_xfs_variants_are_what_they_are_called(name, option):
    assert option in run(name, script="xfs_info {dir} | tr ' ' '\n'").stdout.split()


@needs_root
@pytest.mark.parametrize("name, option", [
    ("btrfs:compress", "compress-force="), ("btrfs:nodatacow", "nodatacow"),
])
def test_btrfs_variants_are_mounted_as_they_are_called(name, option):
    assert option in run(name, script="grep ' {dir} ' /proc/mounts").stdout


@needs_root
@pytest.mark.parametrize("name, profile", [("btrfs:single", "single"), ("btrfs:dup", "DUP")])
def test_btrfs_profiles_are_what_they_are_called(name, profile):
    said = run(name, script="btrfs filesystem df {dir}").stdout
    assert f"Metadata, {profile}:" in said


@needs_root
@pytest.mark.parametrize("name", ["xfs", "overlay", "tmpfs"])
def test_view_is_a_second_mount_of_the_first(name):
    script = r"""
        set -e
        test "$COWBELL_VIEW" = "{view}"
        echo one >{dir}/a
        cat {view}/a
        ! ln {dir}/a {view}/b 2>/dev/null
        ! test -e "$(dirname {dir2})/view"
        test -z "$COWBELL_REMOUNT" || eval "$COWBELL_REMOUNT"
        echo two >{view}/a
        cat {dir}/a
        grep -c " {dir} \| {view} " /proc/self/mountinfo"""
    done = run(name, "--view", "--second", script=script)
    assert (done.stdout.split(), done.stderr, done.returncode) == (["one", "two", "2"], "", 0)


@needs_root
def test_size_is_as_asked_for():
    done = run("tmpfs", "--size", "48M", script="stat -f -c '%b*%S' {dir}")
    assert eval(done.stdout) == 48 << 20  # pylint: disable=eval-used


@needs_root
def test_mounts_are_seen_by_the_command_only(tmp_path, home):
    with started(tmp_path, "tmpfs", "echo x >{dir}/x; READY; sleep 60") as (child, pid):
        folder = next(home.glob("run-*"))
        assert kernel.mounts_below(folder) == []
        assert kernel.mounts_below(folder, pid) == [str(folder / "1" / "dir")]
        child.terminate()
        child.wait()


@needs_root
@pytest.mark.parametrize("script, status", [
    ("exit 0", 0), ("exit 1", 1), ("exit 77", 77), ("exit 99", 99), ("kill -9 $$", 137),
    ("kill -15 $$", 143),
])
def test_exit_status_comes_back(script, status):
    done = run("tmpfs", script=script)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


@needs_root
def test_command_that_is_not_there():
    done = subprocess.run([fs.SCRIPT, "tmpfs", "--", "/nowhere/at-all"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 127
    assert done.stderr == "cowbell fs: /nowhere/at-all: No such file or directory\n"


@needs_root
def test_other_braces_and_other_environment_stay(monkeypatch):
    monkeypatch.setenv("COWBELL_DIR2", "of somebody else")
    done = run("tmpfs", script="echo '{x} {}'; echo \"<$COWBELL_DIR2$COWBELL_REMOUNT>\"")
    assert done.stdout == "{x} {}\n<>\n"


@needs_root
@pytest.mark.parametrize("name, why", [
    ("dir2", "there is no second filesystem; ask for it with --second"),
    ("remount", "what this filesystem holds does not outlive a remount"),
    ("view", "it is mounted only once; ask for a second time with --view"),
])
def test_braces_that_stand_for_nothing(name, why):
    done = run("tmpfs", script=f"echo '{{{name}}}'")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"cowbell fs: {{{name}}}: {why}\n"


@needs_root
@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_is_passed_on_and_all_is_removed(number, status, tmp_path):
    with started(tmp_path, "xfs", "READY; exec sleep 60") as (child, _):
        child.send_signal(number)
        assert child.wait() == status


@needs_root
def test_command_may_take_its_time_after_a_signal(tmp_path):
    script = "trap 'sleep 0.3; echo so be it >{dir}/x; cat {dir}/x; exit 5' TERM; READY; " \
        "while :; do sleep 0.05; done"
    with started(tmp_path, "ext4", script) as (child, _):
        child.terminate()
        assert child.communicate()[0] == "so be it\n"
        assert child.returncode == 5


@needs_root
def test_signal_during_set_up_is_safe(home):
    for delay_ms in range(0, 500, 50):
        with subprocess.Popen(arguments("xfs", script="sleep 60")) as child:
            time.sleep(delay_ms / 1000)
            child.terminate()
            assert child.wait() in (143, -signal.SIGTERM)
        assert leftovers(home) == []


STUBBORN = "trap '' TERM INT; cd {dir}; "
KILLED = {
    "plain": ("xfs", "READY; sleep 60"),
    "ignores-signals": ("overlay", STUBBORN + "READY; while :; do sleep 1; done"),
    "second-mount": ("btrfs", STUBBORN + "mkdir m; mount -t tmpfs x m; READY; "
                     "while :; do sleep 1; done"),
    "frozen": ("xfs", "trap '' TERM; fsfreeze -f {dir}; (: >{dir}/x) & READY; sleep 60"),
    "frozen-alone": ("ext4", "fsfreeze -f {dir}; READY; exec sleep 60"),
    "swap": ("ext4", "cd {dir}; dd if=/dev/zero of=s bs=1M count=8 status=none; chmod 600 s; "
             "mkswap -q s; swapon s; READY; sleep 60"),
}


@needs_root
@pytest.mark.parametrize("how", KILLED)
def test_next_start_removes_what_a_killed_run_left(how, tmp_path, home):
    with started(tmp_path, *KILLED[how]) as (child, pid):
        child.kill()
        child.wait()
        assert list(home.glob("run-*")) != []
        done = run("tmpfs", script="true")
        assert (done.returncode, done.stderr) == (0, "")
        assert leftovers(home) == []
        assert kernel.namespace_of(pid) == ""


@needs_root
def test_live_run_is_left_alone(tmp_path, home):
    script = "echo mine >{dir}/x; READY; while [ ! -e {dir}/go ]; do sleep 0.05; done; " \
        "cat {dir}/x; exit 4"
    with started(tmp_path, "xfs", script) as (child, pid):
        before = sorted(home.glob("run-*"))
        assert run("xfs", script="true").returncode == 0
        assert sorted(home.glob("run-*")) == before
        Path(f"/proc/{pid}/root{before[0]}/1/dir/go").touch()
        assert child.communicate()[0] == "mine\n"
        assert child.returncode == 4


@needs_root
def test_mounts_outside_are_not_kept_alive_by_a_run(tmp_path, cowbell_fs):
    with contextlib.ExitStack() as stack:
        with cowbell_fs("xfs") as directory:
            child, _ = stack.enter_context(started(tmp_path, "tmpfs", "READY; sleep 60"))
            assert directory.is_dir()
        child.terminate()
        child.wait()


@needs_root
def test_what_the_command_left_running_is_ended():
    done = run("xfs", script="cd {dir}; setsid sleep 60 >/dev/null 2>&1 & exit 6")
    assert done.returncode == 6
    # It may not have come to its exec yet.
    assert re.fullmatch(r"cowbell fs: ended what the command left running: "
                        r"\d+ (sh|setsid|sleep)\n", done.stderr)


DAMAGE = "dd if=/dev/zero of={dir}/../image bs=1M seek=%d count=20 conv=notrunc status=none; "


@needs_root
@pytest.mark.parametrize("name, offset_mib, checker", [
    ("xfs", 256, "xfs_repair"), ("ext4", 1, "e2fsck"), ("btrfs", 20, "btrfs check"),
    ("overlay", 256, "xfs_repair"),
])
def test_damage_is_reported(name, offset_mib, checker, tmp_path):
    log = tmp_path / "log"
    done = run(name, "--check-log", log, script=DAMAGE % offset_mib)
    assert done.returncode == 1
    assert done.stderr.startswith(f"cowbell fs: {name} is damaged:\n$ {checker} ")
    assert log.read_text().rstrip() in done.stderr
    assert fs.is_damage(log.read_text())
    done = run(name, script=DAMAGE % offset_mib + "exit 3")
    assert done.returncode == 3
    assert f"{name} is damaged" in done.stderr


@needs_root
@pytest.mark.parametrize("status", [0, 1])
def test_what_could_not_be_checked_is_reported(status, home, tmp_path):
    """Also where the command's own status is not zero, and so stays."""
    log = tmp_path / "log"
    busy = tmp_path / "busy"
    done = run("ext4", "--check-log", log, script="truncate -s 1M {dir}/image2; "
               f"losetup --find --show {{dir}}/image2 >{busy}; exit {status}")
    run_tool("losetup", "--detach", busy.read_text().strip())
    state.sweep(home, "test")
    assert done.returncode == (status or 99)
    assert log.read_text().startswith("ext4 was not checked: ")
    assert not fs.is_damage(log.read_text())
    assert f"cowbell fs: {log.read_text()}" in done.stderr


@needs_root
def test_sound_filesystem_leaves_no_log(tmp_path):
    log = tmp_path / "log"
    assert run("ext4", "--check-log", log, script="echo x >{dir}/x").returncode == 0
    assert not log.exists()


@needs_root
def test_no_room_is_said_beforehand():
    done = run("ext4", "--size", "9000000G", script="true")
    assert done.returncode == 99
    assert "MiB are needed" in done.stderr


def test_kernels_that_cannot_swap_have_no_swap_files(monkeypatch):
    """A kernel without CONFIG_SWAP has no /proc/swaps."""
    monkeypatch.setattr(kernel, "Path", lambda _: Path("/proc/no-such-file"))
    assert kernel.swap_files() == []


@needs_root
def test_mount_says_what_is_wrong(tmp_path):
    """And not only that there may be more in the kernel's log."""
    (tmp_path / "image").write_bytes(bytes(1 << 20))
    with pytest.raises(RunnerError, match="mount: .*(bad superblock|wrong fs type)"):
        run_tool("mount", "-t", "ext4", "-o", "loop", str(tmp_path / "image"), str(tmp_path))


@needs_root
def test_without_root_one_line_says_so(home):
    nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    if subprocess.run(["test", "-r", fs.SCRIPT], check=False, **nobody).returncode != 0:
        pytest.skip("the checkout is not readable for others")
    done = subprocess.run([fs.SCRIPT, "xfs", "--", "true"], capture_output=True, text=True,
                          check=False, **nobody)
    assert done.returncode == 77
    assert done.stderr == "cowbell fs: making and mounting filesystems needs root\n"
    assert not home.exists()


@pytest.mark.parametrize("words, message", [
    ("", "a filesystem and a command are needed"),
    ("xfs", "a filesystem and a command are needed"),
    ("xfs --", "a filesystem and a command are needed"),
    ("zfs -- true", "there is no filesystem zfs; there are xfs, "),
    ("xfs --size lots -- true", "lots is not a size such as 512M or 2G"),
    ("xfs --size 0 -- true", "0 is not a size"),
    ("--what -- true", "unrecognized arguments: --what"),
])
def test_usage_errors(words, message, home):
    done = subprocess.run([fs.SCRIPT, *shlex.split(words)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert not home.exists()


@needs_root
def test_too_small_is_a_usage_error():
    done = run("xfs", "--size", "20M", script="true")
    assert (done.returncode, done.stderr) == (2, "cowbell fs: xfs needs at least 300 MiB\n")


@needs_root
def test_remount_refuses_what_is_not_its_own(tmp_path):
    done = subprocess.run([fs.SCRIPT, "--remount", tmp_path], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 2
    assert done.stderr == f"cowbell fs: {tmp_path} is not a filesystem of cowbell fs\n"
    done = run("tmpfs", script=f"{fs.SCRIPT} --remount {{dir}}")
    assert (done.returncode, done.stderr) == (
        2, "cowbell fs: tmpfs has no remount\n")


@needs_root
def test_remount_says_that_it_is_in_use():
    done = run("xfs", script="cd {dir}; eval $COWBELL_REMOUNT")
    assert done.returncode == 99
    assert "busy" in done.stderr


@needs_root
@pytest.mark.parametrize("name", ["overlay", "overlay:btrfs"])
def test_push_down_leaves_all_in_the_lower_layer(name):
    script = r"""
        set -e
        cd /
        echo first >{dir}/a
        mkdir {dir}/d
        eval "$COWBELL_PUSH_DOWN"
        cat {dir}/a {dir}/../base/lower/a
        ls {dir}/../base/upper
        echo second >{dir}/a
        rm -r {dir}/d
        eval "$COWBELL_PUSH_DOWN"
        cat {dir}/a {dir}/../base/lower/a
        ls {dir} {dir}/../base/upper"""
    done = run(name, script=script)
    assert (done.returncode, done.stderr) == (0, "")
    words = done.stdout.split()
    assert words[:4] == ["first", "first", "second", "second"]
    assert "d" not in words and words.count("a") == 1


@needs_root
def test_push_down_is_for_overlays():
    script = f'test -z "$COWBELL_PUSH_DOWN" && {fs.SCRIPT} --push-down {{dir}}'
    done = run("xfs", script=script)
    assert (done.returncode, done.stderr) == (2, "cowbell fs: xfs has no push_down\n")


@needs_root
def test_only_a_server_crashes():
    script = f'test -z "$COWBELL_CRASH_SERVER" && {fs.SCRIPT} --crash-server {{dir}}'
    done = run("xfs", script=script)
    assert (done.returncode, done.stderr) == (2, "cowbell fs: xfs has no crash_server\n")
    done = run("xfs", script="{crash_server}")
    assert (done.returncode, done.stderr) == (
        2, "cowbell fs: {crash_server}: only a server of NFS on xfs is made to crash\n")


def test_list_names_each_filesystem_and_whether_it_can_be_made():
    done = subprocess.run([fs.SCRIPT, "--list"], capture_output=True, text=True, check=True)
    rows = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert list(rows) == list(filesystems.VARIANTS)
    for name, entry in filesystems.VARIANTS.items():
        assert rows[name].endswith(entry.doc)
        assert f"no: {entry.missing()}" in rows[name] if entry.missing() else " yes " in rows[name]


@needs_root
@pytest.mark.parametrize("entry, reason", [
    (filesystems.ImageFilesystem("odd", "", "ext4", ("mkfs.odd",), ("e2fsck",)),
     "odd: mkfs.odd not installed"),
    (filesystems.ImageFilesystem("odd", "", "oddfs", ("mkfs.ext4",), ("e2fsck",)),
     "odd: the kernel has no oddfs"),
    (filesystems.ImageFilesystem("odd", "", "oddfs", ("mkfs.odd", "now"), ("mkfs.odd", "then")),
     "odd: the kernel has no oddfs; mkfs.odd not installed"),
    (filesystems.Overlay("odd", "", filesystems.ImageFilesystem(
        "below", "", "oddfs", ("mkfs.ext4",), ("e2fsck",))), "odd: the kernel has no oddfs"),
    (filesystems.btrfs("odd", "", choices=(("/nowhere", "compress=odd"),)),
     "odd: the kernel offers none of compress=odd"),
])
def test_what_cannot_be_made_is_a_skip(entry, reason, home, monkeypatch, capfd):
    monkeypatch.setitem(filesystems.VARIANTS, "odd", entry)
    assert fs.main(["odd", "--", "true"]) == 77
    assert capfd.readouterr().err == f"cowbell fs: {reason}\n"
    assert not home.exists()


@needs_root
def test_state_of_somebody_else_is_refused(home):
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    done = run("tmpfs", script="true")
    assert (done.returncode, done.stderr) == (99, f"cowbell fs: {home} belongs to somebody else\n")


@needs_root
def test_half_made_run_is_removed(home):
    (home / "run-half" / "1" / "dir").mkdir(parents=True)
    (home / "run-half" / "1" / "image").touch()
    state.sweep(home, "test")


@pytest.mark.parametrize("text, size", [("4096", 4096), ("8k", 8192), ("1M", 1 << 20),
                                        ("2G", 2 << 30)])
def test_sizes(text, size):
    assert filesystems.parse_size(text) == size


NETWORK = [entry for entry in filesystems.VARIANTS.values()
           if isinstance(entry, network.NetworkFilesystem)]


@pytest.fixture(name="able")
def fixture_able(monkeypatch):
    """A machine that has every kernel module and every tool."""
    for name in ("kernel_lacks", "module_lacks", "tools_lacking"):
        monkeypatch.setattr(local, name, lambda *_: "")
        monkeypatch.setattr(network, name, lambda *_: "")
    monkeypatch.setenv("COWBELL_VM", "tcg")


@pytest.mark.parametrize("entry", NETWORK, ids=lambda entry: entry.name)
def test_network_filesystems_need_client_server_base_and_tools(entry, able, monkeypatch):
    assert entry.missing() == ""
    monkeypatch.setattr(network, "kernel_lacks", lambda kind: f"no {kind}")
    monkeypatch.setattr(network, "module_lacks", lambda name: f"no {name}")
    monkeypatch.setattr(local, "kernel_lacks", lambda kind: f"no {kind}")
    monkeypatch.setattr(network, "tools_lacking", lambda *tools: f"no {tools[0]}")
    assert entry.missing() == {
        "nfs": "no nfs4; no nfsd; no xfs; no mount.nfs4",
        "nfs:ext4": "no nfs4; no nfsd; no ext4; no mount.nfs4",
        "cifs": "no cifs; no ksmbd; no xfs; no mount.cifs",
        "cifs:samba": "no cifs; no btrfs; no mount.cifs"}[entry.name]


def test_ksmbd_is_for_guests_only(able, monkeypatch):
    monkeypatch.delenv("COWBELL_VM")
    reasons = {entry.name: entry.missing() for entry in NETWORK if entry.missing()}
    assert reasons == {
        "cifs": "ksmbd serves the whole machine; it is started in a guest of cowbell vm only"}


def test_ksmbd_is_not_started_where_it_does_not_survive(able, monkeypatch):
    for release, broken in (("6.1.0-57-amd64", True), ("6.12.118+deb13-amd64", False)):
        monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release=release))
        said = filesystems.find_filesystem("cifs").missing()
        assert said == (f"ksmbd of {release} stops at the first file that is opened "
                        "(bug B-ksmbd-4)" if broken else "")


@pytest.mark.parametrize("version, kind", [("3.4.7", Unsupported), ("3.5.2", RunnerError)])
def test_old_tools_of_ksmbd_are_told_of(version, kind, monkeypatch):
    def mount(*_):
        raise RunnerError("mount: mount error(2): No such file or directory")

    monkeypatch.setattr(network, "run_tool", mount)
    monkeypatch.setattr(network, "try_tool", lambda *_: SimpleNamespace(
        stdout=f"ksmbd-tools version : {version}\n"))
    place = local.Place(Path("/run/1"), 1 << 30)
    with pytest.raises(RunnerError) as error:
        filesystems.find_filesystem("cifs").mount_client(place, 1, place.directory)
    assert type(error.value) is kind
    assert kind is RunnerError or "ksmbd-tools 3.4.7: 3.5.2 is needed" in str(error.value)


def test_all_reasons_are_in_one_line():
    assert local.why_not("", "no x", "", "no y", "no x") == "no x; no y"
    assert local.why_not("", "") == ""
    assert local.tools_lacking("sh", "no-such-tool", "nor-this") == \
        "no-such-tool and nor-this not installed"
    assert local.module_lacks("no_such_module") == "the kernel has no no_such_module"


@needs_root
@pytest.mark.parametrize("words, message", [
    ("--serve /nowhere/1", "/nowhere/1 is not a filesystem of cowbell fs"),
    ("tmpfs -- FS --serve {dir}/..", "{dir}/.. is not a filesystem of cowbell fs"),
])
def test_server_is_for_network_filesystems(words, message, home):
    done = subprocess.run([fs.SCRIPT, *words.replace("FS", str(fs.SCRIPT)).split()],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message.rpartition("}")[2] in done.stderr


class Stub:
    """A process that is found as the server of a folder, and does as it is told."""

    def __init__(self, tmp_path, monkeypatch, script):
        """Have server.start start a Python script."""
        path = tmp_path / "server.py"
        path.write_text(script)
        monkeypatch.setattr(server, "SCRIPT", path)
        self.folder = tmp_path / "place"

    def start(self):
        """Start it; its process."""
        return server.start(self.folder)


SERVES = """import contextlib, sys
sys.path.insert(0, {runner!r})
from cowbell import server
@contextlib.contextmanager
def serving():
    yield
    open({mark!r}, "w").close()
server.serve(serving())
"""


def test_server_is_found_again_and_ended(tmp_path, monkeypatch):
    mark = tmp_path / "ended"
    stub = Stub(tmp_path, monkeypatch,
                SERVES.format(runner=str(fs.SCRIPT.parent), mark=str(mark)))
    assert server.find(stub.folder) is None
    pid = stub.start()
    assert server.find(stub.folder) == pid
    assert server.find(tmp_path) is None
    server.end(tmp_path)
    assert not mark.exists()
    server.end(stub.folder)
    assert mark.exists()
    assert server.find(stub.folder) is None
    server.end(stub.folder)


def test_server_that_will_not_end_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "END_SECONDS", 0.2)
    stub = Stub(tmp_path, monkeypatch, "import signal, time\n"
                "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                "print('ready', flush=True)\ntime.sleep(60)\n")
    stub.start()
    server.end(stub.folder)
    assert server.find(stub.folder) is None


@pytest.mark.parametrize("script, said", [
    ("print('one'); print('cannot: two')", "cannot: two"),
    ("raise SystemExit(3)", "a server ended with status 3"),
])
def test_server_that_does_not_come_up_says_why(script, said, tmp_path, monkeypatch):
    with pytest.raises(RunnerError, match=said):
        Stub(tmp_path, monkeypatch, script).start()


ALONE = """import socket, sys
sys.path.insert(0, {runner!r})
from cowbell import filesystems_network as network, kernel
kernel.own_namespace(network=True)
socket.sethostname("of-its-own")
server = socket.socket()
try:
    socket.create_connection(("127.0.0.1", 1), 1)
except OSError as error:
    print(error.strerror)
kernel.loopback_up()
server.bind(("127.0.0.1", 445))
server.listen()
network.wait_for_port(445)
print(sorted(name for _, name in socket.if_nameindex() if name == "lo"), socket.gethostname())
"""


@needs_root
def test_server_has_a_network_and_a_name_of_its_own():
    before = os.uname().nodename
    done = subprocess.run(["/usr/bin/python3", "-c", ALONE.format(runner=str(fs.SCRIPT.parent))],
                          capture_output=True, text=True, check=False)
    assert (done.stdout.splitlines(), done.stderr) == (
        ["Network is unreachable", "['lo'] of-its-own"], "")
    assert os.uname().nodename == before != "of-its-own"
