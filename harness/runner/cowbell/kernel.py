# SPDX-License-Identifier: GPL-2.0-only
"""What is asked of the kernel directly: mount namespaces, mounts, loop devices, swap, frozen
filesystems and processes. Nothing in here knows what a run of cowbell is."""

import ctypes
import fcntl
import os
import re
import signal
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

from .tools import RunnerError, Unsupported, last_line, try_tool

CLONE_NEWNS = 0x20000
CLONE_NEWUTS = 0x4000000
CLONE_NEWNET = 0x40000000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
PR_SET_PDEATHSIG = 1
FITHAW = 0xC0045878
# XFS_IOC_GOINGDOWN, EXT4_IOC_SHUTDOWN and F2FS_IOC_SHUTDOWN, without a flush of the log.
FS_IOC_SHUTDOWN = 0x8004587D
SHUTDOWN_NO_LOG_FLUSH = 2
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1

PATIENCE_SECONDS = 5.0
STEP_SECONDS = 0.02

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong,
                       ctypes.c_void_p)


def succeeded(result: int, what: str) -> None:
    """Raise Unsupported with the errno's text if a libc call returned non-zero."""
    if result != 0:
        raise Unsupported(f"{what}: {os.strerror(ctypes.get_errno())}")


def own_namespace(network: bool = False) -> None:
    """Give this process mounts of its own: they vanish with its last child, however that dies.

    network: and a network and a host name.
    Raises Unsupported where even root may not, as in most containers.
    """
    flags = CLONE_NEWNS | (CLONE_NEWNET | CLONE_NEWUTS if network else 0)
    succeeded(LIBC.unshare(flags), "unshare")
    succeeded(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate")


def enter_mounts_of(pid: int) -> None:
    """Have this process see the mounts that another one sees. Raises Unsupported, OSError."""
    descriptor = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    try:
        succeeded(LIBC.setns(descriptor, CLONE_NEWNS), "setns")
    finally:
        os.close(descriptor)


def loopback_up() -> None:
    """Switch on the loopback interface, 127.0.0.1. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh22x", b"lo", 0))
        flags = struct.unpack("16sh22x", request)[1] | IFF_UP
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags))


def die_with_parent(parent: int, number: int) -> None:
    """Have the kernel send signal `number` to this process when process `parent` dies."""
    LIBC.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def wait_until(true: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    """Ask again and again until it is true; False if that takes longer than so many seconds."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(STEP_SECONDS)
    return True


def plain(field: str) -> str:
    """A path as it is, from the way that /proc writes it."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def lies_below(path: str, folder: Path) -> bool:
    """Whether a path is the folder or in it; both are taken as they are written."""
    return path == str(folder) or path.startswith(f"{folder}/")


def mounts_below(folder: Path, process: int | str = "self") -> list[str]:
    """Mount points below a folder as a process sees them, in the order in which they were made."""
    try:
        lines = Path(f"/proc/{process}/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return []
    points = (plain(line.split()[4]) for line in lines)
    return [point for point in points if lies_below(point, folder)]


def thaw(path: str) -> None:
    """Thaw the filesystem at a path; nothing happens if it is not frozen."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        fcntl.ioctl(descriptor, FITHAW, 0)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def cut_off(path: str) -> None:
    """Let nothing more of the filesystem at a path reach its disk, as if its machine lost power.

    What was not on the disk is lost; the next mount recovers the rest. Raises RunnerError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, struct.pack("I", SHUTDOWN_NO_LOG_FLUSH))
    except OSError as error:
        raise RunnerError(f"{path} cannot be cut off: {error.strerror}") from None
    finally:
        os.close(descriptor)


def swap_files() -> list[str]:
    """Paths of files that are swapped on, as the kernel shows them."""
    try:
        lines = Path("/proc/swaps").read_text(errors="replace").splitlines()[1:]
    except FileNotFoundError:
        # A kernel without CONFIG_SWAP.
        return []
    return [plain(line.split()[0]) for line in lines if line.split()[1:2] == ["file"]]


def swap_off(path: str) -> None:
    """Stop swapping to a file; nothing happens if it is not swapped on."""
    LIBC.swapoff(os.fsencode(path))


def unmount(point: str) -> None:
    """Unmount a mount point, waiting a while for what still uses it.

    Raises RunnerError with the reason if it stays in use.
    """
    said: list[str] = []

    def gone() -> bool:
        done = try_tool("umount", point)
        said.append(last_line(done.stdout))
        return done.returncode == 0 or "not mounted" in done.stdout

    if not wait_until(gone):
        raise RunnerError(said[-1])


def unmount_below(folder: Path) -> None:
    """Unmount all that is mounted below a folder, the newest first; thaw and swap off before.

    Raises RunnerError if something stays in use.
    """
    for path in swap_files():
        if lies_below(path, folder):
            swap_off(path)
    for point in reversed(mounts_below(folder)):
        thaw(point)
        unmount(point)


def detach_below(folder: Path) -> None:
    """Take all mounts below a folder out of sight; they end when their last user does."""
    for point in reversed(mounts_below(folder)):
        detach(point)


def detach(point: str) -> None:
    """Take a mount out of sight; it ends when its last user does."""
    try_tool("umount", "--lazy", point)


def loops_of(image: Path) -> list[str]:
    """Loop devices whose backing file is the image, deleted or not: /dev/loopN."""
    found = []
    for entry in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            backing = entry.read_text().rstrip("\n").removesuffix(" (deleted)")
        except OSError:
            continue
        if backing == str(image):
            found.append(f"/dev/{entry.parent.parent.name}")
    return found


def release_loop(device: str, image: Path, spot: Path) -> None:
    """Free a loop device that a killed run left.

    A filesystem on it can live on without a mount, frozen or with a swap file on it. Mounting it
    again on `spot` reaches it.
    """
    def is_free() -> bool:
        return device not in loops_of(image)

    try_tool("losetup", "--detach", device)
    if wait_until(is_free, 1.0):
        return
    if try_tool("mount", device, str(spot)).returncode == 0:
        thaw(str(spot))
        for path in swap_files():
            swap_off(f"{spot}{path}")
        unmount(str(spot))
    try_tool("losetup", "--detach", device)
    if not wait_until(is_free):
        raise RunnerError(f"{device} is still in use")


@dataclass(frozen=True)
class Process:
    """A process that was alive a moment ago."""

    pid: int
    name: str


def all_processes() -> Iterator[Process]:
    """Every process but this one and the kernel's own."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            yield Process(int(entry.name), (entry / "comm").read_text().strip())
        except OSError:
            continue


def namespace_of(pid: int | str) -> str:
    """The mount namespace of a process, nothing if it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return ""


def find_processes(name: str) -> list[int]:
    """The processes that go by a name, which the kernel cuts after 15 bytes."""
    return [process.pid for process in all_processes() if process.name == name[:15]]


def is_ending(pid: int) -> bool:
    """Whether a process is past its end but not gone: the last one in a namespace unmounts."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return status not in "ZX" and not namespace_of(pid)


def end_process(pid: int, belongs: Callable[[], bool], number: int = signal.SIGKILL) -> None:
    """Send a process a signal if it still belongs; its number cannot pass to another meanwhile."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if belongs():
            signal.pidfd_send_signal(descriptor, number)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def end_namespace_mates() -> list[Process]:
    """Kill all other processes in this mount namespace and wait until they are gone.

    Returns those there were. Only for a process that is in a namespace of its own.
    """
    mine = namespace_of("self")

    def others() -> list[Process]:
        return [process for process in all_processes() if namespace_of(process.pid) == mine]

    found = others()
    for process in found:
        end_process(process.pid, lambda pid=process.pid: namespace_of(pid) == mine)
    wait_until(lambda: not others())
    return found


def end_namespace(namespace: str, folder: Path) -> None:
    """Kill the processes of another mount namespace in which something is mounted below a folder.

    What they may wait for is thawed first: a process that waits for a frozen filesystem cannot die.
    Raises RunnerError if one cannot be ended.
    """
    def is_member(pid: int) -> bool:
        return namespace_of(pid) == namespace and bool(mounts_below(folder, pid))

    members = [process.pid for process in all_processes() if is_member(process.pid)]
    for pid in members:
        for point in mounts_below(folder, pid):
            thaw(f"/proc/{pid}/root{point}")
    for pid in members:
        end_process(pid, lambda pid=pid: is_member(pid))
    if not wait_until(lambda: not any(is_member(pid) or is_ending(pid) for pid in members)):
        raise RunnerError("a process that uses it cannot be ended")
