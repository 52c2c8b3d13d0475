# SPDX-License-Identifier: GPL-2.0-only
"""cowbell vm: run a command on another kernel, in a guest that sees this machine's files.

The guest is QEMU's. It sees the host's root read-only over 9p, below a layer in its own memory, so
that it may write anywhere and nothing of it reaches the host; only folders that are named are
shared to be written to. boot() is what other modules call.
"""

import argparse
import contextlib
import os
import re
import secrets
import selectors
import shlex
import signal
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from . import fs, kernel as system, vng
from .command import ends_well, positive, seconds
from .filesystems import find_filesystem, parse_size
from .images import find_plain
from .initramfs import find_busybox, make_initramfs
from .kernels import Kernel, cache_folder, find_kernel
from .kmsg import DEATHS, find_trip, is_complaint, without_time
from .tools import EXIT_HARNESS, Unsupported, UsageError, complain, find_tool

NAME = "cowbell vm"
GUEST = Path(__file__).resolve().parent / "guest"
QEMU = "qemu-system-x86_64"
MIB = 1 << 20
MEMORY_BYTES = 4096 * MIB
# With less, no kernel of a distribution comes as far as to say why.
LEAST_MEMORY_BYTES = 256 * MIB
SMP = 2
# A kernel on working KVM says something at once; where KVM does not work it never does.
KVM_SECONDS = 4.0
# From the start of QEMU to the start of the command. On an idle machine it takes 3 to 5 s.
BOOT_SECONDS = 120.0
# How often a guest is started anew that the emulation has spoilt.
SPOILT_MAX = 3
# From the command's end to that of QEMU.
END_SECONDS = 10.0
LINES_KEPT = 20000
# Of a complaint whose end cannot be told.
TEXT_LINES = 60
LINES_SHOWN = 12
# Of so many complaints the whole text is shown; of a guest that has more, the others say the same.
TEXTS_SHOWN = 5

# What a guest has of its own and needs: nothing may be mounted over it.
GUESTS_OWN = tuple(map(Path, ("/dev/pts", "/proc", "/run/cowbell", "/sys")))

# Why a guest died that has not said why.
NOT_UP = "the guest did not come up"

HELP = """\
Boots a kernel in QEMU, with KVM where that works and else by software emulation, and runs the
command there as root, in this folder. The command sees this machine's files; what it writes is gone
afterwards, except in the folders given with --rw. With --fs it runs on a filesystem that cowbell
fs makes in the guest: {dir} and the like in its words mean what they mean there.

K is a version (6.12: the newest of it), a release, a path of a kernel image, IMAGE,MODULES, or a
built kernel tree; see cowbell kernel. In the command's environment COWBELL_VM is "kvm" or "tcg".

The command's exit status comes back unchanged. 99: the guest died, or did not come up; 77: this
machine cannot run guests, or the kernel lacks what a guest needs; 124: the guest, which may have
hung, was killed as the time of --timeout was over. Without that nobody ends a guest that hangs.
"""
EXIT_TIMEOUT = 124
# For -i; with --fs, in the filesystem.
SHELL = ["/bin/sh", "-c", 'cd "${COWBELL_DIR:-.}" && exec /bin/bash -i']


@dataclass
class Outcome:
    """What became of a guest."""

    # Exit status of the command; None if the guest did not live to tell.
    status: int | None
    # "kvm" or "tcg".
    accel: str
    # Seconds from the start of QEMU to that of the command, None if it came to none.
    boot_s: float | None
    # Why the guest died, in one line; empty if it did not.
    died: str
    # Whether it was killed since its time was over, or since it did not come up in time.
    timed_out: bool
    given_up: bool
    # What the kernel complained about, in its words: one text each.
    complaints: list[str]
    # The last lines of its console.
    console: list[str]


@dataclass
class Settings:
    """How a guest is started."""

    memory_bytes: int = MEMORY_BYTES
    smp: int = SMP
    append: str = ""
    # Folders of the host that the guest writes to.
    writable: Sequence[Path] = ()
    timeout_s: float | None = None
    # Where all that the console says goes, as it comes.
    log: Path | None = None
    # "kvm", "tcg", or nothing: kvm if it works.
    accel: str = ""
    # What boots it, of GUESTS.
    runner: str = "qemu"
    # Modules to load while it comes up.
    load: Sequence[str] = ()
    # Whether the command has this process's standard input and output as its terminal.
    interactive: bool = False


class Stream:
    """Bytes from a port of the guest, between the lines "TOKEN ready" and "TOKEN exit N"."""

    # What follows the token.
    LONGEST = len(" exit 255\n")

    def __init__(self, token: str, sink: Callable[[bytes], None]) -> None:
        """Give what arrives to the sink."""
        self.token = token.encode()
        self.mark = re.compile(rb"%s (?:ready|exit (\d{1,3}))\n" % re.escape(self.token))
        self.sink = sink
        self.data = b""
        self.ready = False
        self.status: int | None = None

    def feed(self, data: bytes) -> None:
        """Take in what was read; a mark may come in pieces."""
        self.data += data
        while self.status is None:
            found = self.mark.search(self.data)
            if not found:
                # All but what may be the beginning of a mark.
                longest = min(len(self.token) + self.LONGEST, len(self.data))
                keep = next((n for n in range(longest, 0, -1) if self.may_begin(self.data[-n:])), 0)
                self.pass_on(len(self.data) - keep)
                return
            self.pass_on(found.start())
            self.data = self.data[len(found[0]):]
            if found[1] is None:
                self.ready = True
            else:
                self.status = int(found[1])

    def may_begin(self, data: bytes) -> bool:
        """Whether a mark may begin with this, which holds none."""
        return self.token.startswith(data) or data.startswith(self.token) and b"\n" not in data

    def pass_on(self, count: int) -> None:
        """Give so many bytes away."""
        if count and self.ready:
            self.sink(self.data[:count])
        self.data = self.data[count:]

    def end(self) -> None:
        """Nothing more comes: what was held back is the command's."""
        self.pass_on(len(self.data))


class Console:
    """What the guest's kernel says."""

    def __init__(self, log: Path | None, kept: int = LINES_KEPT) -> None:
        """Keep the last lines, and write all to a file if one is given."""
        self.lines: list[str] = []
        self.kept = kept
        self.partial = b""
        self.log = log.open("wb") if log else None
        self.died = ""
        # What the kernel would need to be a guest, and has not got.
        self.lacks = ""

    def feed(self, data: bytes) -> None:
        """Take in what was read."""
        if self.log:
            self.log.write(data)
            self.log.flush()
        *whole, self.partial = (self.partial + data).split(b"\n")
        for raw in whole:
            self.add(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f]", "",
                            raw.decode(errors="replace")).rstrip())

    def add(self, line: str) -> None:
        """Take in a line."""
        self.lines.append(line)
        del self.lines[:-self.kept]
        if any(death in line for death in DEATHS):
            self.died = self.died or without_time(line)
        elif line.startswith("cowbell: cannot "):
            self.died = self.died or f"the guest {line.removeprefix('cowbell: ')}"
        elif line.startswith("cowbell: lacks "):
            self.lacks = self.died = line.removeprefix("cowbell: lacks ")

    def close(self) -> None:
        """Nothing more comes."""
        if self.partial:
            self.feed(b"\n")
        if self.log:
            self.log.close()

    def complaints(self) -> list[str]:
        """The kernel's warnings, oopses and panics, each with the lines that belong to it."""
        found, last = [], -1
        for number, line in enumerate(self.lines):
            if number <= last or not is_complaint(without_time(line)):
                continue
            last = min(number + TEXT_LINES, len(self.lines) - 1)
            for end in range(number + 1, last + 1):
                if "end trace" in self.lines[end] or "end Kernel panic" in self.lines[end]:
                    last = end
                    break
            found.append("\n".join(self.lines[number:last + 1]))
        return found


def kvm_verdict() -> Path:
    """The file that says that KVM does not work, for as long as this machine is up."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cowbell"
    return folder / f"no-kvm-{boot}"


def kvm_may_work() -> bool:
    """Whether to try KVM at all."""
    return os.access("/dev/kvm", os.R_OK | os.W_OK) and not kvm_verdict().exists()


def remember_no_kvm() -> None:
    """Do not try KVM again until this machine boots; forget what was so before it did."""
    verdict = kvm_verdict()
    try:
        verdict.parent.mkdir(parents=True, exist_ok=True)
        for old in verdict.parent.glob("no-kvm-*"):
            old.unlink(missing_ok=True)
        verdict.touch()
    except OSError:
        # It only costs the next guest some seconds.
        pass


def find_qemu() -> str:
    """The path of QEMU. Raises Unsupported."""
    found = find_tool(QEMU)
    if not found:
        raise Unsupported(f"{QEMU} is not installed (package qemu-system-x86)")
    return found


def command_script(command: Sequence[str], environment: dict[str, str]) -> str:
    """A script for the guest that runs a command where this process is, environment as given."""
    exports = "".join(f"export {name}={shlex.quote(value)}\n"
                      for name, value in environment.items())
    return f"{exports}cd {shlex.quote(os.getcwd())} || exit 126\nexec {shlex.join(command)}\n"


def check_writable(folders: Sequence[Path]) -> list[Path]:
    """The folders, absolute. Raises UsageError for one that is none or cannot be shared so."""
    found = []
    for folder in folders:
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise UsageError(f"{folder} is no folder that can be written to")
        found.append(folder.resolve())
        if any(path.is_relative_to(found[-1]) for path in GUESTS_OWN):
            raise UsageError(f"{folder} cannot be shared: the guest has one of its own")
    return found


def guest_files(kernel: Kernel, command: Sequence[str], settings: Settings, accel: str,
                token: str) -> dict[str, str]:
    """The files that process 1 of the guest goes by."""
    writable = {f"RW_{i}": str(path) for i, path in enumerate(settings.writable)}
    config = kernel.image.parent / f"config-{kernel.release}"
    said = {"TOKEN": token, "MODULES": str(kernel.modules or ""),
            "CONFIG": str(config) if config.exists() else "", **writable,
            f"RW_{len(writable)}": "", "INTERACTIVE": "1" if settings.interactive else "",
            "LOAD": " ".join(settings.load), "TERM": os.environ.get("TERM", "linux")}
    environment = {
        **{name: value for name, value in os.environ.items() if name.startswith("COWBELL_")},
        "COWBELL_STATE": "/run/cowbell-fs", "COWBELL_VM": accel}
    return {
        "settings": "".join(f"{name}={shlex.quote(value)}\n" for name, value in said.items()),
        "command": command_script(command, environment),
        "main": (GUEST / "main").read_text()}


def open_initramfs(kernel: Kernel, files: dict[str, str], load: Sequence[str]) -> int:
    """A descriptor of a file in memory that holds the initramfs."""
    descriptor = os.memfd_create("cowbell-initramfs")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(make_initramfs(kernel, files, load))
    return descriptor


def accel_words(accel: str) -> list[str]:
    """QEMU's options for one way of running the guest's instructions."""
    if accel == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    # Five-level page tables cost time when emulated. So do strings of bytes, which are moved one by
    # one: strings of words take a quarter of it, and do not tear a word that is written meanwhile.
    return ["-accel", "tcg,thread=multi", "-cpu", "max,la57=off,erms=off,fsrm=off"]


# Seconds for which an emulated CPU may come to nothing on a busy machine; the kernel's limits for
# tasks (120 s) are higher anyway. A lockup is told of after twice its own.
STARVED_SECONDS = 120


def patience_words(accel: str) -> list[str]:
    """What the kernel must be told where it is emulated on a busy machine."""
    # It counts ticks for a moment to find out how the timer is wired, and panics if too few come.
    # It compares TSCs with each other and with other clocks, which depends on when the threads of
    # the emulation run. If it finds them unstable minutes later, it patches its code while the
    # other CPU runs that, which QEMU does not get right: an oops (int3) in sched_clock_cpu().
    # Tests of its ciphers take up to a second of a start.
    return ["no_timer_check", "tsc=reliable", f"watchdog_thresh={STARVED_SECONDS // 2}",
            f"rcupdate.rcu_cpu_stall_timeout={STARVED_SECONDS}",
            "cryptomgr.notests"] if accel == "tcg" else []


def share(folder: str, tag: str, how: str) -> list[str]:
    """QEMU's options to share a folder over 9p."""
    path = folder.replace(",", ",,")
    return ["-virtfs", f"local,path={path},mount_tag={tag},security_model=none,{how}"]


def share_writable(settings: Settings) -> list[str]:
    """QEMU's options to share the folders that are written to, as rw0, rw1, ..."""
    return [word for number, folder in enumerate(settings.writable)
            for word in share(str(folder), f"rw{number}", "multidevs=remap")]


def machine_words(kernel: Kernel, initramfs: int, settings: Settings, accel: str) -> list[str]:
    """QEMU's command line but for console and ports. Raises Unsupported without QEMU."""
    # With KVM the kernel unpacks itself at once, and chooses its addresses. A vmlinux that lies
    # beside somebody else's image need not be the same kernel.
    ours = accel == "tcg" and kernel.image.is_relative_to(cache_folder())
    image = ours and find_plain(kernel.image) or kernel.image
    words = [find_qemu(), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
             "-machine", "q35", *accel_words(accel), "-smp", str(settings.smp),
             "-m", f"{settings.memory_bytes // MIB}M",
             "-kernel", str(image), "-initrd", f"/dev/fd/{initramfs}",
             "-append", " ".join(("console=ttyS0 panic=-1", *patience_words(accel),
                                  settings.append)).rstrip(),
             "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
             *share("/", "host", "readonly=on,multidevs=remap")]
    return [*words, *share_writable(settings)]


def start_qemu(words: Sequence[str], descriptors: Sequence[int],
               **how: Any) -> subprocess.Popen[bytes]:
    """Start QEMU, which dies with this process; it gets the descriptors."""
    parent = os.getpid()
    return subprocess.Popen(words, pass_fds=descriptors, **how,
                            preexec_fn=lambda: system.die_with_parent(parent, signal.SIGKILL))


class Guest:
    """One start of QEMU, from its beginning to its end."""

    def __init__(self, kernel: Kernel, command: Sequence[str], settings: Settings, accel: str,
                 sinks: tuple[Callable[[bytes], None], Callable[[bytes], None]]) -> None:
        """Start QEMU. Raises Unsupported, RunnerError."""
        self.kernel, self.settings, self.accel = kernel, settings, accel
        token = f"cowbell-{secrets.token_hex(16)}"
        self.streams = [Stream(token, sink) for sink in sinks]
        self.console = Console(settings.log)
        self.began = time.monotonic()
        self.boot_s: float | None = None
        # Of the ports for output and errors, and of the console.
        self.readers: list[int] = []
        self.writers: list[int] = []
        for _ in range(3):
            reader, writer = os.pipe()
            self.readers.append(reader)
            self.writers.append(writer)
        self.child = self.start(kernel, guest_files(kernel, command, settings, accel, token))

    def start(self, kernel: Kernel, files: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start QEMU with a pipe for each port and one for the console."""
        initramfs = open_initramfs(kernel, files, self.settings.load)
        out, err, console = (f"path=/dev/fd/{writer}" for writer in self.writers)
        words = [*machine_words(kernel, initramfs, self.settings, self.accel),
                 "-chardev", f"file,id=console,{console}", "-serial", "chardev:console",
                 "-chardev", f"file,id=out,{out}",
                 "-device", "virtserialport,chardev=out,name=cowbell.out",
                 "-chardev", f"file,id=err,{err}",
                 "-device", "virtserialport,chardev=err,name=cowbell.err"]
        nothing = subprocess.DEVNULL
        if self.settings.interactive:
            nothing = None
            words += ["-chardev", "stdio,id=terminal,signal=off",
                      "-device", "virtconsole,chardev=terminal"]
        child = start_qemu(words, (initramfs, *self.writers), stdin=nothing, stdout=nothing,
                           stderr=subprocess.PIPE, start_new_session=True)
        os.close(initramfs)
        self.close_writers()
        return child

    def close_writers(self) -> None:
        """Leave the pipes to the guest, so that they end when it does."""
        while self.writers:
            os.close(self.writers.pop())

    def wait(self) -> Outcome:
        """Pass on what comes until the guest ends, or must be ended.

        Raises Unsupported for a kernel that cannot be a guest's, Interrupted.
        """
        time_over = False
        try:
            with selectors.DefaultSelector() as selector:
                feeds = (*(stream.feed for stream in self.streams), self.console.feed)
                for reader, feed in zip(self.readers, feeds):
                    selector.register(reader, selectors.EVENT_READ, feed)
                time_over = self.follow(selector)
        finally:
            self.end()
        if self.console.lacks:
            raise Unsupported(f"{self.kernel.release} lacks {self.console.lacks}, which a guest "
                              "needs; it came without modules")
        return self.outcome(time_over)

    def follow(self, selector: selectors.BaseSelector) -> bool:
        """Read until all pipes are closed; True if one of its times was over before."""
        done_at = None
        while selector.get_map():
            now = time.monotonic()
            wait_s = self.left_s(now, done_at)
            if wait_s <= 0:
                return done_at is None
            for key, _ in selector.select(min(wait_s, 1.0)):
                data = os.read(key.fd, 1 << 16)
                if data:
                    key.data(data)
                else:
                    selector.unregister(key.fd)
                    if key.fd == self.readers[-1]:
                        self.close_writers()
            out = self.streams[0]
            if self.boot_s is None and out.ready:
                self.boot_s = time.monotonic() - self.began
            if done_at is None and all(stream.status is not None for stream in self.streams):
                # Nothing of the guest matters any more.
                return False
            if done_at is None and self.console.died:
                done_at = time.monotonic()
        return False

    def left_s(self, now: float, done_at: float | None) -> float:
        """How long the guest may go on before something has to happen."""
        if done_at is not None:
            return done_at + END_SECONDS - now
        if self.boot_s is None:
            patient = self.accel == "kvm" and not self.console.lines
            return self.began + (KVM_SECONDS if patient else BOOT_SECONDS) - now
        if self.settings.timeout_s is None:
            return 3600.0
        return self.began + self.boot_s + self.settings.timeout_s - now

    def end(self) -> None:
        """See the guest gone, and forget its files."""
        self.end_child()
        self.close_writers()
        for reader in self.readers:
            os.close(reader)
        for stream in self.streams:
            stream.end()
        self.console.close()

    def end_child(self) -> None:
        """Kill QEMU if it is still there."""
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()

    def outcome(self, time_over: bool) -> Outcome:
        """What became of it."""
        timed_out = time_over and self.boot_s is not None
        said = ""
        if self.child.stderr:
            said = self.child.stderr.read().decode(errors="replace").strip()
            self.child.stderr.close()
        status = self.streams[0].status
        died = "" if status is not None or timed_out else self.console.died
        if status is None and not died and not timed_out:
            if said:
                died = f"QEMU: {said.splitlines()[-1]}"
            elif self.boot_s is None:
                died = NOT_UP + ("; it said nothing" if not self.console.lines else "")
            else:
                died = "the guest ended before the command did"
        return Outcome(status, self.accel, self.boot_s, died, timed_out,
                       time_over and self.boot_s is None, self.console.complaints(),
                       self.console.lines)


class VngGuest(Guest):
    """One start of vng; see vng.py."""

    def start(self, kernel: Kernel, files: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start vng: its standard error is the console, and the guest finds the files in /tmp."""
        self.folder = vng.put_files(files)
        settings = self.settings
        words = vng.vng_words(
            kernel, Path(self.folder.name), share_writable(settings), settings.memory_bytes // MIB,
            settings.smp, " ".join((*patience_words(self.accel), settings.append)).strip(),
            self.accel, {"out": self.writers[0], "err": self.writers[1]})
        console = self.writers.pop()
        # QEMU opens the other two when it comes to it: they stay open here until it has ended.
        child = start_qemu(words, (), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=console, start_new_session=True)
        os.close(console)
        return child

    def end_child(self) -> None:
        """See vng and its QEMU gone."""
        vng.end(self.child, all(stream.status is not None for stream in self.streams))
        self.folder.cleanup()


GUESTS = {"qemu": Guest, "vng": VngGuest}


def tripped(outcome: Outcome) -> str:
    """The line of the console that says that the emulation has made a mistake, or nothing.

    That is most likely while a kernel boots.
    """
    return without_time(find_trip(outcome.console)) if outcome.accel == "tcg" else ""


def was_reset(outcome: Outcome) -> bool:
    """Whether an emulated kernel began to boot and was gone without a word: a triple fault, say."""
    return outcome.accel == "tcg" and outcome.died == NOT_UP and not outcome.given_up and any(
        without_time(line) != line for line in outcome.console)


def spoilt(outcome: Outcome) -> bool:
    """Whether the emulation is to blame that a guest did not come up.

    A kernel that is to blame itself will do the same again.
    """
    return outcome.boot_s is None and (bool(tripped(outcome)) or was_reset(outcome))


def start(kernel: Kernel, command: Sequence[str], settings: Settings, accel: str,
          sinks: tuple[Callable[[bytes], None], Callable[[bytes], None]]) -> Outcome:
    """Run a command in a guest, in another one if the first was spoilt before it came up."""
    outcome = GUESTS[settings.runner](kernel, command, settings, accel, sinks).wait()
    for _ in range(SPOILT_MAX):
        if not spoilt(outcome):
            break
        outcome = GUESTS[settings.runner](kernel, command, settings, accel, sinks).wait()
    return outcome


def boot(kernel: Kernel, command: Sequence[str], settings: Settings,
         out: Callable[[bytes], None], err: Callable[[bytes], None]) -> Outcome:
    """Run a command in a guest; what it prints goes to `out` and `err` as it comes.

    Raises Unsupported if this machine or the kernel cannot, RunnerError, Interrupted.
    """
    settings.writable = check_writable(settings.writable)
    accel = settings.accel or ("kvm" if kvm_may_work() else "tcg")
    outcome = start(kernel, command, settings, accel, (out, err))
    if accel == "tcg" or settings.accel or outcome.boot_s is not None or (
            outcome.console and not outcome.given_up):
        return outcome
    # KVM refused, or had its time; if the same comes up without it, it was the fault of KVM.
    emulated = start(kernel, command, settings, "tcg", (out, err))
    if outcome.given_up and emulated.boot_s is not None:
        remember_no_kvm()
    return emulated


def write_all(descriptor: int) -> Callable[[bytes], None]:
    """A sink that writes to a descriptor of this process."""
    def write(data: bytes) -> None:
        while data:
            data = data[os.write(descriptor, data):]
    return write


@contextlib.contextmanager
def terminal_kept() -> Iterator[None]:
    """Leave standard input and output as they were: QEMU changes them, and is often killed."""
    blocking = [os.get_blocking(descriptor) for descriptor in (0, 1)]
    modes = termios.tcgetattr(0) if os.isatty(0) else None
    try:
        yield
    finally:
        for descriptor in (0, 1):
            os.set_blocking(descriptor, blocking[descriptor])
        if modes:
            termios.tcsetattr(0, termios.TCSANOW, modes)


def tell(line: str, more: Sequence[str]) -> None:
    """Say a line on standard error, and others below it."""
    for each in (line, *(f"    {below}" for below in more)):
        complain(NAME, each)


def report(outcome: Outcome, log: Path | None) -> int:
    """Say what was wrong with a guest; the exit status of this command.

    Whole texts if there is no log that has them.
    """
    last_words = outcome.console[-LINES_SHOWN:]
    for number, text in enumerate(outcome.complaints):
        first, *rest = text.splitlines()
        line = without_time(first)
        if line == outcome.died:
            # That is told last.
            last_words = rest
        else:
            tell(f"the guest's kernel says: {line}",
                 rest if not log and number < TEXTS_SHOWN else ())
    if outcome.timed_out:
        complain(NAME, "the time of --timeout is over; the guest was killed")
        return EXIT_TIMEOUT
    if outcome.status is None:
        tell(outcome.died, () if log else last_words)
        return EXIT_HARNESS
    return outcome.status


def memory(text: str) -> int:
    """Bytes of memory that a guest can do with. Raises UsageError."""
    if parse_size(text) < LEAST_MEMORY_BYTES:
        raise UsageError(f"--mem {text}: a guest needs {LEAST_MEMORY_BYTES // MIB}M at least")
    return parse_size(text)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line. Raises UsageError."""
    parser = argparse.ArgumentParser(
        prog=NAME, description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=f"{NAME} --kernel K [OPTIONS] -- COMMAND...\n       {NAME} --kernel K [OPTIONS] -i")
    parser.add_argument("--kernel", metavar="K", required=True, help="which")
    parser.add_argument("--fs", metavar="TYPE[:VARIANT]", help="a filesystem of cowbell fs")
    parser.add_argument("--second", action="store_true", help="with --fs: as cowbell fs --second")
    parser.add_argument("--view", action="store_true", help="with --fs: as cowbell fs --view")
    parser.add_argument("--size", metavar="N", help="with --fs: as cowbell fs --size")
    parser.add_argument("--rw", metavar="DIR", type=Path, action="append", default=[],
                        help="a folder that the guest may write to")
    parser.add_argument("--mem", metavar="N", default="4G", help="memory (4G)")
    parser.add_argument("--smp", metavar="N", type=positive, default=SMP, help=f"CPUs ({SMP})")
    parser.add_argument("--append", metavar="WORDS", default="",
                        help="for the kernel's command line")
    parser.add_argument("--load", metavar="MODULE", action="append", default=[],
                        help="a module that the command needs, to be loaded while it starts; "
                        "those of --fs are")
    parser.add_argument("--timeout", metavar="S", type=seconds,
                        help="kill the guest so many seconds after the command began")
    parser.add_argument("--log", metavar="FILE", type=Path, help="where the console's text goes")
    parser.add_argument("--accel", choices=("kvm", "tcg"), default="",
                        help="this one (default: kvm if it works)")
    parser.add_argument("--runner", choices=GUESTS, default="qemu",
                        help="what boots the guest (qemu)")
    parser.add_argument("-i", "--interactive", action="store_true",
                        help="a shell in the guest, with --fs in the filesystem")
    words = list(argv)
    split = words.index("--") if "--" in words else len(words)
    args = parser.parse_args(words[:split])
    args.command = words[split + 1:]
    if bool(args.command) == args.interactive:
        raise UsageError("either a command or -i is needed: cowbell vm --kernel 6.12 -- uname -r")
    if args.interactive and args.runner != "qemu":
        raise UsageError(f"{args.runner} has a shell of its own; -i is for qemu")
    given = [name for name in ("second", "view", "size") if getattr(args, name)]
    if given and not args.fs:
        raise UsageError(f"--{given[0]} belongs to --fs")
    if args.interactive:
        args.command = SHELL
    if args.fs:
        args.load += find_filesystem(args.fs).modules
        options = [*(["--second"] if args.second else []), *(["--view"] if args.view else []),
                   *(["--size", args.size] if args.size else [])]
        args.command = [str(fs.SCRIPT), args.fs, *options, "--", *args.command]
    return args


def main(argv: Sequence[str]) -> int:
    """The command; its exit status."""
    args = parse(argv)
    settings = Settings(memory(args.mem), args.smp, args.append, args.rw, args.timeout, args.log,
                        args.accel, args.runner, args.load, args.interactive)
    # Before anything is fetched.
    find_busybox()
    {"qemu": find_qemu, "vng": vng.find_vng}[args.runner]()
    kernel = find_kernel(args.kernel)
    with terminal_kept() if args.interactive else contextlib.nullcontext():
        outcome = boot(kernel, args.command, settings, write_all(1), write_all(2))
    return report(outcome, args.log)


def run() -> None:
    """Entry of the executable."""
    sys.exit(ends_well(main, NAME, sys.argv[1:]))
