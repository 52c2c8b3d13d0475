# SPDX-License-Identifier: GPL-2.0-only
"""cowbell vm: what goes in, what comes out, and that nothing stays, whatever the guest does."""

import contextlib
import dataclasses
import os
import pty
import re
import select
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
import termios
import time
import tty
from pathlib import Path

import pytest

from cowbell import initramfs, kernels, kmsg, vm, vng
from cowbell.kernel import wait_until
from cowbell.tools import Unsupported, UsageError, find_tool
from test_guests import fake_image

SCRIPT = Path(vm.__file__).resolve().parent.parent / "cowbell-vm"
CACHED = sorted((kernel for kernel, _ in kernels.cached().values()),
                key=lambda kernel: kernel.version)
GUEST_SECONDS = 240
CAN = bool(find_tool(vm.QEMU) and find_tool("busybox"))
needs_tools = pytest.mark.skipif(not CAN, reason="guests need QEMU and busybox")
needs_guest = pytest.mark.skipif(
    not (CACHED and CAN),
    reason="guests need QEMU, busybox and a kernel: cowbell kernel get 6.12")


# What goes in

def make_kernel(folder, dep="", builtin="", files=()):
    """A kernel whose modules are a few files."""
    modules = folder / "lib/modules/6.99.0"
    modules.mkdir(parents=True)
    (modules / "modules.dep").write_text(dep)
    (modules / "modules.builtin").write_text(builtin)
    for name in files:
        (modules / name).parent.mkdir(parents=True, exist_ok=True)
        (modules / name).write_bytes(b"module " + name.encode())
    (folder / "vmlinuz-6.99.0").write_bytes(b"kernel")
    return kernels.Kernel("6.99.0", (6, 99), folder / "vmlinuz-6.99.0", modules, "test")


def test_modules_come_after_what_they_need(tmp_path):
    """As depmod says it, the last of what is needed first; what is built in is left out."""
    kernel = make_kernel(tmp_path, "kernel/a-top.ko: kernel/b.ko kernel/c.ko\n"
                                   "kernel/b.ko: kernel/c.ko\nkernel/c.ko:\n",
                         "kernel/builtin-one.ko\n")
    found = initramfs.module_files(kernel, ("b", "a_top", "builtin_one"))
    assert [path.name for path in found] == ["c.ko", "b.ko", "a-top.ko"]


def test_names_of_modules_need_not_be_utf8(tmp_path):
    """One that nobody asks for does no harm."""
    kernel = make_kernel(tmp_path, "kernel/b.ko:\n", "kernel/c.ko\n")
    for name in ("dep", "builtin"):
        with (kernel.modules / f"modules.{name}").open("ab") as file:
            file.write(b"kernel/\xff.ko:\n")
    assert [path.name for path in initramfs.module_files(kernel, ("b", "c"))] == ["b.ko"]


def test_a_module_that_is_not_there_is_named(tmp_path):
    """A kernel without 9p cannot be used, and the line says why."""
    kernel = make_kernel(tmp_path)
    with pytest.raises(Unsupported, match="6.99.0 has no module 9p"):
        initramfs.module_files(kernel, ("9p",))


def test_modules_are_loaded_early(tmp_path):
    """Those of the filesystem and those that are named, while the command starts."""
    words = ["--kernel", "6.12", "--load", "dm_flakey", "--fs", "nfs", "--", "true"]
    assert vm.parse(words).load == ["dm_flakey", "xfs", "nfsd", "nfsv4"]
    kernel = kernels.Kernel("6.12", (6, 12), tmp_path / "vmlinuz", None, "given")
    files = vm.guest_files(kernel, ["true"], vm.Settings(load=("xfs", "nfsd")), "tcg", "token")
    # For vng, whose init has none of them.
    assert "LOAD='xfs nfsd'\n" in files["settings"]


def test_early_modules_come_after_what_they_ask_for(tmp_path):
    """libcrc32c does not depend on crc32c, and cannot start without; there may be two of it."""
    kernel = make_kernel(
        tmp_path, "kernel/9p.ko:\nkernel/overlay.ko:\nkernel/xfs.ko: kernel/libcrc32c.ko\n"
        "kernel/libcrc32c.ko:\nkernel/crc32c_intel.ko:\nkernel/crc32c_generic.ko: kernel/9p.ko\n",
        "virtio_pci.ko\nvirtio_console.ko\n9pnet_virtio.ko\n")
    (kernel.modules / "modules.alias").write_text(
        "# of depmod\nalias dmi*:a b:* other\n"
        "alias crc32c crc32c_intel\nalias crc32c crc32c_generic\n")
    (kernel.modules / "modules.softdep").write_text(
        "softdep libcrc32c pre: crc32c gone post: 9p\nsoftdep xfs ignored\n"
        "softdep crc32c_intel pre: libcrc32c\n")
    found = initramfs.early_files(kernel, ("gone", "xfs", "libcrc32c"))
    assert [path.name for path in found] == [
        "crc32c_intel.ko", "crc32c_generic.ko", "libcrc32c.ko", "xfs.ko"]


def test_early_modules_are_optional(tmp_path):
    """A kernel given without modules, or without a list of what they ask for, has none or few."""
    without = kernels.Kernel("6.12", (6, 12), tmp_path / "vmlinuz", None, "given")
    assert initramfs.early_files(without, ("xfs",)) == []
    kernel = make_kernel(tmp_path, "kernel/xfs.ko:\n", "".join(
        f"kernel/{name}.ko\n" for name in initramfs.MODULES))
    assert [path.name for path in initramfs.early_files(kernel, ("loop", "xfs"))] == ["xfs.ko"]


@pytest.mark.skipif(not find_tool("busybox"), reason="busybox is not installed")
def test_archive_is_one_that_cpio_reads(tmp_path):
    """Names, modes and contents come back from busybox's cpio."""
    archive = initramfs.Archive()
    archive.add("d", stat.S_IFDIR | 0o755)
    archive.add("d/f", stat.S_IFREG | 0o644, b"12345")
    archive.add("d/empty", stat.S_IFREG | 0o755)
    subprocess.run((find_tool("busybox"), "cpio", "-id"), input=archive.end(), cwd=tmp_path,
                   check=True, capture_output=True)
    assert (tmp_path / "d/f").read_bytes() == b"12345"
    assert stat.S_IMODE((tmp_path / "d/empty").stat().st_mode) == 0o755


def test_busybox_that_needs_libraries_is_refused(tmp_path, monkeypatch):
    """It could not start where there is nothing else."""
    shutil.copy("/bin/true", tmp_path / "busybox")
    monkeypatch.setattr(initramfs, "find_tool", lambda _: str(tmp_path / "busybox"))
    with pytest.raises(Unsupported, match="needs libraries"):
        initramfs.find_busybox()


# What comes out

def test_stream_finds_marks_wherever_it_is_cut():
    """All bytes between the marks and no others, one by one and all at once."""
    whole = b"boot noise\ncowbell-T ready\nhello\ncow\ncowbell-\x00bell-T\ncowbell-T exit 7\n"
    for step in (1, 2, 3, 7, len(whole)):
        got = []
        stream = vm.Stream("cowbell-T", got.append)
        for at in range(0, len(whole), step):
            stream.feed(whole[at:at + step])
        stream.end()
        assert b"".join(got) == b"hello\ncow\ncowbell-\x00bell-T\n"
        assert (stream.ready, stream.status) == (True, 7)


@pytest.mark.parametrize("said", [
    b"TOKEN=cowbell-T\nMODULES=\n", b"cowbell-T\n", b"cowbell-T exit\n", b"cowbell-T exit x\n",
    b"cowbell-T exit 1 2\n", b"cowbell-T is ready\n", b"cowbell-T exit 1234567890 and no newline"])
def test_stream_passes_on_what_is_like_a_mark(said):
    """Only the very lines are marks, whatever the command prints."""
    got = []
    stream = vm.Stream("cowbell-T", got.append)
    for byte in b"cowbell-T ready\n" + said + b"cowbell-T exit 3\n":
        stream.feed(bytes((byte,)))
    assert (b"".join(got), stream.status) == (said, 3)


def test_stream_of_a_guest_that_died_gives_all_there_is():
    """Nothing is held back at the end."""
    got = []
    stream = vm.Stream("cowbell-T", got.append)
    stream.feed(b"cowbell-T ready\nlast words cowb")
    stream.end()
    assert b"".join(got) == b"last words cowb" and stream.status is None


PANIC = """\
[    5.1] sysrq: Trigger a crash
[    5.2] Kernel panic - not syncing: sysrq triggered crash
[    5.3] Call Trace:
[    5.4]  panic+0x1/0x2
[    5.5] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---
"""
OOPS = """\
[    1.0] all is well
[    2.0] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    2.1] Oops: 0000 [#1] PREEMPT SMP
[    2.2] ---[ end trace 0000000000000000 ]---
[    3.0] all is well again
[    4.0] INFO: task cowbell:77 blocked for more than 120 seconds.
"""


def test_complaints_of_the_kernel_are_kept_as_text():
    """Each with the lines that belong to it, and only a panic is the end."""
    console = vm.Console(None)
    for byte in OOPS.encode():
        console.feed(bytes((byte,)))
    first, second = console.complaints()
    assert first.splitlines() == OOPS.splitlines()[1:4]
    assert "blocked for more than 120" in second and not console.died
    console.feed(PANIC.encode())
    assert console.died == "Kernel panic - not syncing: sysrq triggered crash"
    assert console.complaints()[-1].splitlines()[-1].endswith("crash ]---")


def outcome_of(text, **how):
    """What became of a guest whose console said this."""
    console = vm.Console(None)
    console.feed(text.encode())
    return vm.Outcome(**{"status": None, "accel": "tcg", "boot_s": 1.0, "died": console.died,
                         "timed_out": False, "given_up": False,
                         "complaints": console.complaints(), "console": console.lines} | how)


def told(outcome, capfd, log=None):
    """What is told of it, without the command's name, and the exit status."""
    status = vm.report(outcome, log)
    return [line.removeprefix("cowbell vm: ") for line in capfd.readouterr().err.splitlines()], \
        status


def test_text_of_complaints_is_told(capfd, tmp_path):
    """All of it, and what the guest died of last; with a log, which has it, a line of each."""
    hung = "[    4.0] INFO: task x:77 blocked for more than 120 seconds.\n[    4.1] stack of it\n"
    firsts = ["the guest's kernel says: BUG: kernel NULL pointer dereference, address: "
              "0000000000000000"]
    below = [f"    {line}" for line in OOPS.splitlines()[2:4]]
    lines, status = told(outcome_of(OOPS[:OOPS.index("[    3.0]")] + hung, status=3), capfd)
    assert status == 3 and lines == [*firsts, *below, "the guest's kernel says: INFO: task x:77 "
                                     "blocked for more than 120 seconds.", "    [    4.1] stack of "
                                     "it"]
    died = outcome_of(OOPS[:OOPS.index("[    3.0]")] + PANIC + "[    5.6] and more\n")
    panic = "Kernel panic - not syncing: sysrq triggered crash"
    assert told(died, capfd) == ([*firsts, *below, panic,
                                  *(f"    {line}" for line in PANIC.splitlines()[2:])], 99)
    assert told(died, capfd, tmp_path / "log") == ([*firsts, panic], 99)


def test_texts_of_many_complaints_are_bounded(capfd):
    """A guest that warns a thousand times is not worth a thousand texts."""
    warning = "[    1.0] WARNING: CPU: 0 PID: 1 at x\n" + "[    1.1] text\n" * 100
    lines, _ = told(outcome_of(warning * 50, status=0), capfd)
    assert sum(line.startswith("the guest's") for line in lines) == 50
    assert len(lines) == 50 + vm.TEXTS_SHOWN * vm.TEXT_LINES


@pytest.mark.parametrize("line", [
    "kernel BUG at fs/xfs/xfs_reflink.c:1234!", "invalid opcode: 0000 [#1] SMP NOPTI",
    "divide error: 0000 [#1] SMP PTI", "Oops: divide error: 0000 [#1] PREEMPT SMP",
    "VFS: Busy inodes after unmount of loop0. Self-destruct in 5 seconds.  Have a nice day...",
    "XFS (loop0): Internal error ltrec > 1 at line 5 of file fs/xfs/x.c.  Caller y",
    "XFS: Assertion failed: x, file: fs/xfs/xfs_inode.c, line: 1",
    "EXT4-fs error (device loop0): ext4_lookup:1: inode #2: comm x: deleted",
    "OCFS2: ERROR (device loop0): ocfs2_validate_inode_block: Invalid dinode #5",
    "list_del corruption. prev->next should be 1, but was 2", "BTRFS critical (device loop9): x",
    "watchdog: BUG: soft lockup - CPU#1 stuck for 22s!", "rcu: INFO: rcu_sched detected stalls",
    "WARNING: possible circular locking dependency detected", "refcount_t: underflow",
    "NMI watchdog: Watchdog detected hard LOCKUP on cpu 1", "KASAN: use-after-free in x"])
def test_complaints_of_old_and_new_kernels(line):
    """Whatever the driver knows as one, with and without a caller in front."""
    for stamp in ("", "[   12.3] ", "[   12.3][   T77] "):
        console = vm.Console(None)
        console.feed(f"[    1.0] well\n{stamp}{line}\n".encode())
        assert console.complaints() == [stamp + line]


def test_chatter_of_the_kernel_is_no_complaint():
    """As for the driver."""
    console = vm.Console(None)
    for line in ("XFS (loop0): Mounting V5 Filesystem", "INFO: task force is ready",
                 "cowbell: this file says WARNING: loudly", "BTRFS info (device loop0): crc32c"):
        console.add(f"[    1.0] {line}")
    assert console.complaints() == []


def test_every_row_of_the_table_of_complaints_is_read():
    """Python takes the driver's own table, and none of its rows for something else."""
    rows = [line.partition("(")[0] for line in kmsg.TABLE.read_text().splitlines()]
    assert len(kmsg.bad_lines()) == rows.count("BAD") > 30
    assert len(kmsg.trips()) == rows.count("TRIP") > 0


@pytest.mark.parametrize("words, why", [
    (["--kernel", "6.12"], "either a command or -i"),
    (["--kernel", "6.12", "-i", "--", "true"], "either a command or -i"),
    (["--kernel", "6.12", "--fs", "xfz", "--", "true"], "there is no filesystem xfz"),
    (["--kernel", "6.12", "--mem", "lots", "--", "true"], "lots is not a size"),
    (["--kernel", "6.12", "--mem", "1K", "--", "true"], "a guest needs 256M at least"),
    *((["--kernel", "6.12", f"--timeout={s}", "--", "true"], f"{s} is not a number of seconds")
      for s in ("nan", "inf", "-5", "0", "soon")),
    (["--kernel", "6.12", "--second", "--", "true"], "--second belongs to --fs"),
    (["--kernel", "6.12", "--size", "1G", "-i"], "--size belongs to --fs"),
    pytest.param(["--kernel", "/nowhere/vmlinuz", "--", "true"], "/nowhere/vmlinuz",
                 marks=needs_tools),
    pytest.param(["--kernel", "4.2", "--", "true"], "4.2", marks=needs_tools),
])
def test_bad_command_lines_are_usage(words, why):
    """One line, exit code 2."""
    done = subprocess.run((SCRIPT, *words), capture_output=True, text=True, check=False)
    assert done.returncode == 2 and why in done.stderr
    assert len(done.stderr.splitlines()) == 1


def refused(*words, **how):
    """The line with which cowbell vm refuses, as this machine or the kernel cannot."""
    done = subprocess.run((SCRIPT, *map(str, words), "--", "true"), capture_output=True, text=True,
                          check=False, **how)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (77, "", 1)
    return done.stderr


@pytest.mark.parametrize("there, said", [
    (["busybox"], "qemu-system-x86_64 is not installed (package qemu-system-x86)"),
    (["busybox", vm.QEMU], "vng is not installed (package virtme-ng)"),
    ([vm.QEMU], "busybox is not installed; a guest starts from it (busybox-static)")])
def test_machine_that_cannot_run_guests(tmp_path, there, said):
    """One line says what is missing, before a kernel is looked for."""
    (tmp_path / "busybox").write_bytes(bytes(64))
    (tmp_path / vm.QEMU).touch()
    for name in ("busybox", vm.QEMU):
        (tmp_path / name).chmod(0o755 if name in there else 0o644)
    if any(find_tool(name) and not Path("/usr/bin", name).exists() for name in there):
        pytest.skip("there is one in a folder that is always looked in")
    runner = "vng" if "vng" in said else "qemu"
    assert refused("--kernel", "4.2", "--runner", runner, env={
        "PATH": str(tmp_path), "HOME": str(tmp_path)}) == f"cowbell vm: {said}\n"


@needs_tools
def test_kernel_without_9p(tmp_path):
    """What its modules lack is seen before anything is started."""
    image = fake_image(tmp_path)
    release = kernels.given_kernel(str(image)).release
    modules = tmp_path / "lib/modules" / release
    modules.mkdir(parents=True)
    (modules / "modules.dep").touch()
    (modules / "modules.builtin").write_text("".join(
        f"kernel/{name}.ko\n" for name in initramfs.MODULES if name != "9p"))
    assert refused("--kernel", f"{image},{modules}") == \
        f"cowbell vm: {release} has no module 9p\n"


def test_folder_that_cannot_be_written_to_is_usage(tmp_path):
    """The guest would fail later, and less clearly."""
    with pytest.raises(UsageError, match="no folder that can be written to"):
        vm.check_writable([tmp_path / "none"])


@pytest.mark.parametrize("folder", ["/", "/dev", "/proc", "/run", "/sys"])
def test_folder_that_a_guest_has_itself_is_usage(folder, monkeypatch):
    """It would hide what the guest needs, or results would be lost in its own."""
    monkeypatch.setattr(vm.os, "access", lambda *_: True)
    with pytest.raises(UsageError, match="the guest has one of its own"):
        vm.check_writable([Path(folder)])


def test_options_that_a_kernel_needs_are_options_of_the_kernel():
    """What each of Debian's kernels lacks is misspelt; 7.3 has no CONFIG_PROC_SYSCTL any more."""
    configs = [kernel.image.with_name(f"config-{kernel.release}") for kernel in CACHED]
    has = {line for config in configs if config.exists()
           for line in config.read_text().splitlines()}
    if not has:
        pytest.skip("no kernel is here")
    wanted = [line for line in (vm.GUEST / "kernel.config").read_text().splitlines()
              if line and not line.startswith("#")]
    assert [line for line in wanted if not line.endswith("=y")] == []
    assert [line for line in wanted if {line, line[:-1] + "m"}.isdisjoint(has)] == []


# A QEMU of the test's own, which stands for guests that misbehave

@pytest.fixture(name="fake")
def fixture_fake(tmp_path, monkeypatch):
    """Makes a shell script QEMU; $console, $out and $err are where its chardevs go."""
    kernel = make_kernel(tmp_path / "kernel",
                         builtin="".join(f"kernel/{name}.ko\n" for name in initramfs.MODULES))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(vm, "BOOT_SECONDS", 1.5)
    monkeypatch.setattr(vm, "KVM_SECONDS", 0.5)
    monkeypatch.setattr(vm, "END_SECONDS", 0.5)
    monkeypatch.setattr(initramfs, "find_busybox", lambda: Path("/bin/true"))
    monkeypatch.setattr(vm.secrets, "token_hex", lambda _: "T")

    def make(script, **settings):
        program = tmp_path / "qemu"
        program.write_text(f"""#!/bin/bash
console=/dev/stderr
folder=${{!#}}; folder=${{folder##* }}
for option in $*; do
    case $option in
    file,id=*) name=${{option#file,id=}}; declare ${{name%%,*}}=${{option##*path=}} ;;
    kvm | tcg,*) accel=${{option%%,*}} ;;
    esac
done
echo $$ $accel >>{tmp_path}/started
{script}
""")
        program.chmod(0o755)
        monkeypatch.setattr(vm, "find_qemu", lambda: str(program))
        monkeypatch.setattr(vng, "find_vng", lambda: str(program))
        out, err = [], []
        outcome = vm.boot(kernel, ["true"], vm.Settings(**settings), out.append, err.append)
        for line in (tmp_path / "started").read_text().splitlines():
            assert not Path("/proc", line.split()[0]).exists(), "QEMU was left behind"
        return outcome, b"".join(out), b"".join(err)

    yield make


def test_guest_that_never_prints(fake):
    """It is given up, killed, and said so."""
    outcome, _, _ = fake("exec sleep 100", accel="tcg")
    assert outcome.status is None and outcome.died == "the guest did not come up; it said nothing"


def test_guest_that_stops_half_way_up(fake):
    """The last it said is kept."""
    outcome, _, _ = fake("echo booting >$console; exec sleep 100", accel="tcg")
    assert outcome.died == "the guest did not come up" and outcome.console == ["booting"]


def test_guest_that_cannot_mount(fake):
    """What init says is the reason."""
    outcome, _, _ = fake('echo "cowbell: cannot mount the host\'s root (9p)" >$console',
                         accel="tcg")
    assert outcome.died == "the guest cannot mount the host's root (9p)"


def test_guest_whose_kernel_lacks_9p(fake):
    """That is no fault, but a kernel that cannot be used."""
    with pytest.raises(Unsupported, match="^6.99.0 lacks 9p, which a guest needs"):
        fake('echo "cowbell: lacks 9p" >$console', accel="tcg")


def test_qemu_that_refuses(fake):
    """Its own last line is the reason."""
    outcome, _, _ = fake("echo 'qemu: no such machine' >&2; exit 1", accel="tcg")
    assert outcome.died == "QEMU: qemu: no such machine"


def test_panic_is_the_reason_and_earlier_output_is_there(fake):
    """What came before is passed on."""
    outcome, out, _ = fake('printf "cowbell-T ready\\nfirst\\n" >$out; sleep 0.2\n'
                           'echo "[ 1.0] Kernel panic - not syncing: oh" >$console', accel="tcg")
    assert (outcome.status, out) == (None, b"first\n")
    assert outcome.died == "Kernel panic - not syncing: oh"


def test_guest_that_ends_without_a_word(fake):
    """As when somebody kills QEMU."""
    outcome, _, _ = fake('echo x >$console; printf "cowbell-T ready\\n" >$out; sleep 0.2',
                         accel="tcg")
    assert outcome.died == "the guest ended before the command did"


def test_time_over(fake):
    """The guest is killed, and that is no death of its own."""
    outcome, out, _ = fake('echo x >$console; printf "cowbell-T ready\\nlast" >$out\n'
                           'exec sleep 100', accel="tcg", timeout_s=0.5)
    assert outcome.timed_out and not outcome.died and out == b"last"


def test_exit_status_and_both_streams(fake):
    """Each where it belongs."""
    outcome, out, err = fake("exec 3>$out 4>$err\necho x >$console\n"
                             "printf 'cowbell-T ready\\n1\\ncowbell-T exit 125\\n' >&3\n"
                             "printf 'cowbell-T ready\\n2\\ncowbell-T exit 125\\n' >&4",
                             accel="tcg")
    assert (outcome.status, out, err) == (125, b"1\n", b"2\n")


BOOTS = ("\necho x >$console; exec 3>$out 4>$err\n"
         "printf 'cowbell-T ready\\ncowbell-T exit 0\\n' | tee /dev/fd/4 >&3")


@pytest.fixture(name="ways")
def fixture_ways(fake, monkeypatch, tmp_path):
    """Boots twice where there is a KVM: both outcomes, and each way that was tried."""
    def make(script):
        monkeypatch.setattr(vm.os, "access", lambda *_: True)
        both = [fake(script)[0] for _ in range(2)]
        return both, [line.split()[1] for line in (tmp_path / "started").read_text().splitlines()]
    return make


@pytest.mark.parametrize("stalls", ["", "echo booting >$console;"])
def test_kvm_that_stalls_is_not_tried_again(ways, stalls):
    """It costs some time once; then emulation is used at once."""
    both, tried = ways(f"[ $accel = kvm ] && {{ {stalls} exec sleep 100; }}{BOOTS}")
    assert [(outcome.status, outcome.accel) for outcome in both] == [(0, "tcg")] * 2
    assert tried == ["kvm", "tcg", "tcg"]


def test_kvm_that_refuses_is_tried_again(ways):
    """Another one uses it, say; that is over some time."""
    both, tried = ways(f"[ $accel = kvm ] && {{ echo 'kvm: busy' >&2; exit 1; }}{BOOTS}")
    assert [(outcome.status, outcome.accel) for outcome in both] == [(0, "tcg")] * 2
    assert tried == ["kvm", "tcg"] * 2


def test_what_qemu_always_refuses_is_no_fault_of_kvm(ways):
    """Not enough memory; the reason is told."""
    both, tried = ways("echo 'qemu: cannot set up guest memory' >&2; exit 1")
    assert {outcome.died for outcome in both} == {"QEMU: qemu: cannot set up guest memory"}
    assert tried == ["kvm", "tcg"] * 2


def test_kernel_that_never_prints_is_no_fault_of_kvm(ways):
    """Nor does it come up without."""
    both, tried = ways("exec sleep 100")
    assert {outcome.died for outcome in both} == {"the guest did not come up; it said nothing"}
    assert tried == ["kvm", "tcg"] * 2


def test_kernel_that_panics_on_kvm(ways):
    """It would without, too."""
    _, tried = ways('echo "[ 1.0] Kernel panic - not syncing: oh" >$console')
    assert tried == ["kvm"] * 2


def test_shell_that_does_not_come_up(fake, monkeypatch):
    """It is a guest like any other: KVM has its time, then emulation, then the reason is told."""
    outcome, _, _ = fake('[[ "$*" = *virtconsole* ]] && echo "[ 1.0] Kernel panic - not syncing: no'
                         ' init" >$console', accel="tcg", interactive=True)
    assert outcome.died == "Kernel panic - not syncing: no init"
    monkeypatch.setattr(vm.os, "access", lambda *_: True)
    outcome, _, _ = fake(f"[ $accel = kvm ] && exec sleep 100{BOOTS}", interactive=True)
    assert (outcome.status, outcome.accel) == (0, "tcg")


def test_terminal_is_left_as_it_was():
    """Though QEMU, which made it raw, is killed."""
    terminal, side = pty.openpty()
    modes = termios.tcgetattr(side)
    with contextlib.ExitStack() as stack:
        kept = [(os.dup(number), number) for number in (0, 1)]
        for saved, number in kept:
            stack.callback(os.dup2, saved, number)
            os.dup2(side, number)
        with vm.terminal_kept():
            tty.setraw(0)
            os.set_blocking(0, False)
    assert termios.tcgetattr(side) == modes and os.get_blocking(side)
    os.close(terminal)
    os.close(side)


@pytest.mark.parametrize("spoilt, begun, status, starts", [
    (1, "", 7, 2), (9, "", None, 1 + vm.SPOILT_MAX), (9, "cowbell-T ready", None, 1)])
def test_guest_that_the_emulation_spoils_is_started_anew(spoilt, begun, status, starts, fake,
                                                         tmp_path):
    """But not when the command has begun: it may have done something."""
    count = tmp_path / "count"
    outcome, _, _ = fake(f"""
echo x >>{count}
if [ $(wc -l <{count}) -le {spoilt} ]; then
	[ -z '{begun}' ] || echo '{begun}' >$out
	echo 'Oops: int3: 0000 [#1] SMP NOPTI'; echo 'Kernel panic - not syncing: Fatal exception'
	exit
fi >$console
printf 'cowbell-T ready\\ncowbell-T exit 7\\n' | tee $err >$out""", accel="tcg")
    assert (outcome.status, len(count.read_text().split())) == (status, starts)


@pytest.mark.parametrize("says, starts", [
    ("[    0.000000] Linux version 6.99", 1 + vm.SPOILT_MAX), ("", 1),
    ("[    0.1] x\ncowbell: cannot mount", 1), ("qemu: hm", 1)])
def test_guest_that_is_reset_while_it_boots_is_started_anew(says, starts, fake, tmp_path):
    """A kernel that says nothing of a reason has met one of the emulation, more often than not."""
    count = tmp_path / "count"
    outcome, _, _ = fake(f"echo x >>{count}\nprintf '{says}\n' >$console", accel="tcg")
    assert (outcome.status, len(count.read_text().split())) == (None, starts)


# The same for vng, in whose place the script is

SAYS = """exec 3>$out 4>$err
echo booted >$console
printf 'cowbell-T ready\n1\ncowbell-T exit 125\n' >&3
printf 'cowbell-T ready\n2\ncowbell-T exit 125\n' >&4"""


def test_vng_exit_status_streams_and_files(fake, tmp_path, monkeypatch):
    """As with QEMU; the guest finds its files in a folder that is gone afterwards."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    log = tmp_path / "log"
    look = f"(cat $folder/settings; ls $folder; echo $*) >{tmp_path}/said\n"
    outcome, out, err = fake(look + SAYS, runner="vng", accel="tcg", log=log, writable=[tmp_path],
                             smp=3, memory_bytes=1 << 30, append="more=1")
    assert (outcome.status, out, err) == (125, b"1\n", b"2\n")
    assert outcome.console == ["booted"] and log.read_text() == "booted\n"
    said = (tmp_path / "said").read_text()
    for part in ("TOKEN=cowbell-T\n", f"RW_0={tmp_path}\n",
                 "busybox\ncommand\nmain\nsettings\n", "--disable-kvm", "--cpus 3",
                 "--memory 1024M", " more=1 ", "--append no_timer_check tsc=reliable ",
                 f"path={tmp_path},mount_tag=rw0"):
        assert part in said
    assert not list(tmp_path.glob("cowbell-vng-*"))


def test_vng_that_refuses(fake, monkeypatch):
    """What it says is shown, and nobody waits for a guest."""
    monkeypatch.setattr(vm, "BOOT_SECONDS", 60)
    began = time.monotonic()
    outcome, _, _ = fake("echo 'vng: no such kernel' >&2; exit 1", runner="vng", accel="tcg")
    assert outcome.status is None and outcome.died == "the guest did not come up"
    assert outcome.console == ["vng: no such kernel"] and time.monotonic() - began < 30


def test_vng_guest_that_panics(fake):
    """What came before is passed on, and the reason is told."""
    outcome, out, _ = fake('printf "cowbell-T ready\\nfirst\\n" >$out\nsleep 0.2\n'
                           'echo "[ 1.0] Kernel panic - not syncing: oh" >&2\nexec sleep 100',
                           runner="vng", accel="tcg")
    assert (outcome.status, out) == (None, b"first\n")
    assert outcome.died == "Kernel panic - not syncing: oh"


def test_vng_takes_its_qemu_with_it(fake, tmp_path):
    """QEMU is a child of its child, and does not care for SIGTERM."""
    outcome, _, _ = fake(f"(trap '' TERM; echo $BASHPID >{tmp_path}/child; exec sleep 100) &\n"
                         'echo x >$console; printf "cowbell-T ready\\n" >$out; exec sleep 100',
                         runner="vng", accel="tcg", timeout_s=0.5)
    assert outcome.timed_out
    child = Path("/proc", (tmp_path / "child").read_text().strip())
    assert wait_until(lambda: not child.exists(), 2)


def test_vng_takes_no_odd_paths(tmp_path, monkeypatch):
    """It hands them to a shell as they are."""
    monkeypatch.setattr(vng, "find_vng", lambda: "vng")
    kernel = dataclasses.replace(make_kernel(tmp_path), image=tmp_path / "a kernel")
    for image, share in ((kernel.image, "a"), (Path("/vmlinuz"), "local,path=/a b")):
        with pytest.raises(UsageError, match="(a kernel|/a b): vng does not take such paths"):
            vng.vng_words(dataclasses.replace(kernel, image=image), tmp_path, [share], 1, 1, "",
                          "tcg", {})
    (tmp_path / "root").mkdir()
    for name in ("etc", "data", "proc", "work"):
        (tmp_path / "root" / name).mkdir()
    (tmp_path / "root/link").symlink_to("data")
    assert [Path(path).name for path in vng.layered_folders(tmp_path / "root")] == ["data", "work"]


# Real guests

def guest(*words, **how):
    """Run cowbell vm with the newest cached kernel."""
    return subprocess.run((SCRIPT, "--accel", "tcg", "--kernel", str(CACHED[-1].release),
                           *map(str, words)), capture_output=True, text=True, check=False,
                          timeout=GUEST_SECONDS, **how)


def qemus():
    """Process numbers of QEMU."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if vm.QEMU in entry.read_text(errors="replace").partition("\0")[0]:
                found.add(entry.parent.name)
    return found


@contextlib.contextmanager
def nothing_left():
    """No QEMU more afterwards than before, give or take those of others."""
    before = qemus()
    yield
    mine = [pid for pid in qemus() - before if f"{os.getpid()}" in ancestors(pid)]
    assert mine == []


def ancestors(pid):
    """Process numbers above one."""
    found = []
    while pid not in ("0", "1"):
        found.append(pid)
        try:
            pid = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            break
    return found


@needs_guest
def test_command_in_a_guest(tmp_path):
    """Kernel, folder, environment, streams, status; what may be written to, and what not."""
    shared, other = tmp_path / "a shared, folder", tmp_path / "other"
    shared.mkdir()
    other.mkdir()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as in_memory:
        check_command(tmp_path, shared, other, Path(in_memory))


def check_command(tmp_path, shared, other, in_memory):
    """Run it, with two folders that are shared; where one lies, the guest mounts one of its own."""
    script = f"""
        uname -r; pwd; echo $COWBELL_VM $COWBELL_MARK; id -u; echo wrong >&2
        echo kept >{shlex.quote(str(shared))}/file; echo too >{in_memory}/file
        echo gone >{other}/file; cat {other}/file
        test -e /boot/config-$(uname -r) && echo config
        grep -qwE "erms|fsrm" /proc/cpuinfo || echo no strings of bytes
        cat /run/cowbell/settings 2>/dev/null
        exit 200"""
    done = guest("--rw", shared, "--rw", in_memory, "--", "sh", "-c", script, cwd=tmp_path,
                 env={**os.environ, "COWBELL_MARK": "a b"})
    assert done.stdout.splitlines() == [CACHED[-1].release, str(tmp_path), "tcg a b", "0", "gone",
                                        "config", "no strings of bytes"]
    assert (done.stderr, done.returncode) == ("wrong\n", 200)
    assert (shared / "file").read_text() == "kept\n" and not list(other.iterdir())
    assert (in_memory / "file").read_text() == "too\n"


@needs_guest
def test_image_without_modules(tmp_path):
    """One whose drivers are modules cannot reach the host, and says what it lacks."""
    image = shutil.copy(CACHED[-1].image, tmp_path)
    assert kernels.given_kernel(image).modules is None
    # Of Debian's, some have the drivers of virtio built in.
    assert re.match(rf"cowbell vm: {re.escape(CACHED[-1].release)} lacks [\w-]+, which a guest "
                    "needs", refused("--accel", "tcg", "--kernel", image))


@needs_guest
@pytest.mark.skipif(not find_tool("vng"), reason="vng is not installed (virtme-ng)")
def test_command_in_a_guest_of_vng(tmp_path):
    """As in one of our own."""
    shared = tmp_path / "shared"
    shared.mkdir()
    done = guest("--runner", "vng", "--rw", shared, "--", "sh", "-c",
                 "uname -r; pwd; echo wrong >&2; echo kept >shared/file; echo gone >x; cat x;"
                 "exit 255",
                 cwd=tmp_path)
    assert done.stdout.splitlines() == [CACHED[-1].release, str(tmp_path), "gone"]
    assert (done.stderr, done.returncode) == ("wrong\n", 255)
    assert (shared / "file").read_text() == "kept\n" and not (tmp_path / "x").exists()


@needs_guest
def test_panic_names_itself_and_loses_nothing(tmp_path):
    """Results written before it are on the host, and its text is told."""
    with nothing_left():
        done = guest("--rw", tmp_path, "--", "sh", "-c",
                     f"echo before; echo 1 >{tmp_path}/result; echo c >/proc/sysrq-trigger")
    assert done.returncode == 99 and done.stdout == "before\n"
    assert "cowbell vm: Kernel panic - not syncing: sysrq triggered crash\n" in done.stderr
    assert "sysrq_handle_crash" in done.stderr
    assert (tmp_path / "result").read_text() == "1\n"


@needs_guest
@pytest.mark.skipif(not find_tool("mkfs.ext4"), reason="mkfs.ext4 is not installed")
def test_hung_filesystem_does_not_hide_the_status():
    """The status is told before anything may hang: here a sync, as a disk's own disk is frozen."""
    script = """
        cd /dev/shm; mkdir a b; truncate -s 64M disk; mkfs.ext4 -q disk; mount -o loop disk a
        truncate -s 32M a/disk; mkfs.ext4 -q a/disk; mount -o loop a/disk b
        fsfreeze -f a; head -c 1M /dev/urandom >b/file
        timeout -s KILL 5 sync & sleep 3; kill -0 $! && echo sync hangs
        exit 7"""
    done = guest("--timeout", 100, "--", "sh", "-c", script)
    assert (done.stdout, done.returncode) == ("sync hangs\n", 7)


@needs_guest
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_leave_no_guest(number):
    """Not even SIGKILL."""
    child = subprocess.Popen(
        (SCRIPT, "--accel", "tcg", "--kernel", CACHED[-1].release, "--", "sh", "-c",
         "echo here; sleep 100"), stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert child.stdout.readline() == "here\n"
    below = [pid for pid in qemus() if str(child.pid) in ancestors(pid)]
    assert below
    child.send_signal(number)
    assert child.wait(20) == (-9 if number == signal.SIGKILL else 128 + number)
    assert wait_until(lambda: not any(Path("/proc", pid).exists() for pid in below), 10)
    child.stdout.close()


@needs_guest
def test_timeout_ends_a_guest():
    """124, as timeout(1) has it."""
    with nothing_left():
        done = guest("--timeout", 1, "--", "sleep", "100")
    assert done.returncode == 124 and "time of --timeout is over" in done.stderr


@needs_guest
@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_ordinary_user_and_two_at_once():
    """Guests need no privilege, and do not get into each other's way."""
    image, modules = CACHED[-1].image, CACHED[-1].modules
    # pytest's own folders let nobody else in
    with tempfile.TemporaryDirectory(dir="/var/tmp") as top:
        copy = Path(top) / "kernel"
        shutil.copytree(modules, copy / "lib/modules" / modules.name)
        shutil.copy(image, copy / image.name)
        subprocess.run(("chmod", "-R", "a+rwX", top), check=True)
        words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", SCRIPT, "--accel",
                 "tcg", "--kernel", f"{copy / image.name},{copy / 'lib/modules' / modules.name}",
                 "--", "sh", "-c", "id -u; uname -r"]
        both = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                 cwd="/", env={**os.environ, "HOME": top}) for _ in range(2)]
        for child in both:
            out, err = child.communicate(timeout=GUEST_SECONDS)
            assert (out.split(), err, child.returncode) == (["0", CACHED[-1].release], "", 0)


class Typist:
    """Somebody at a terminal with cowbell vm -i."""

    def __init__(self, *words, script=SCRIPT, env=None):
        """Start it."""
        self.terminal, self.side = pty.openpty()
        self.modes = termios.tcgetattr(self.side)
        self.child = subprocess.Popen((script, *words), stdin=self.side, stdout=self.side,
                                      stderr=subprocess.PIPE, text=True, env=env,
                                      start_new_session=True)
        self.seen = b""

    def wait_for(self, text):
        """Read until it is there."""
        end = time.monotonic() + GUEST_SECONDS
        while text not in self.seen:
            if select.select([self.terminal], [], [], 1.0)[0]:
                self.seen += os.read(self.terminal, 4096)
            assert time.monotonic() < end and self.child.poll() is None, self.seen

    def type(self, text):
        """Press keys."""
        os.write(self.terminal, text + b"\r")

    def end(self):
        """Wait for it: exit status, and what it said. The terminal is as it was."""
        said = self.child.communicate(timeout=GUEST_SECONDS)[1]
        modes, blocking = termios.tcgetattr(self.side), os.get_blocking(self.side)
        if select.select([self.terminal], [], [], 0)[0]:
            self.seen += os.read(self.terminal, 1 << 16)
        os.close(self.side)
        os.close(self.terminal)
        assert modes == self.modes and blocking
        return self.child.returncode, said


@needs_guest
@pytest.mark.skipif(not find_tool("mkfs.ext4"), reason="mkfs.ext4 is not installed")
def test_shell_in_a_guest():
    """A terminal that one can type at, in a filesystem, with an exit status."""
    typist = Typist("--accel", "tcg", "--kernel", CACHED[-1].release, "--fs", "ext4", "-i")
    typist.wait_for(b"# ")
    typist.type(b"echo sum $((6 * 7)) $(uname -r) $(stat -fc %T .); exit 7")
    assert typist.end() == (7, "")
    assert f"sum 42 {CACHED[-1].release} ext2/ext3".encode() in typist.seen


@needs_guest
def test_shell_in_a_guest_is_told_to_end():
    """The terminal is not left as QEMU wants it."""
    typist = Typist("--accel", "tcg", "--kernel", CACHED[-1].release, "-i")
    typist.wait_for(b"# ")
    typist.child.terminate()
    assert typist.end() == (143, "cowbell vm: interrupted\n")
