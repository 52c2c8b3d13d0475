# SPDX-License-Identifier: GPL-2.0-only
"""Guests that vng (virtme-ng) boots, with its own init in place of our initramfs.

The command, its output and its exit status take the same ways as in a guest of our own: guest/main
runs it, and ports of virtio that we add to vng's QEMU hold what it prints. The files that main
needs lie in a folder of the host. See docs/vm.md for what differs.
"""

import os
import shlex
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Sequence

from .initramfs import find_busybox
from .kernels import Kernel
from .tools import Unsupported, UsageError, find_tool

START = Path(__file__).resolve().parent / "guest" / "start-vng"
# What vng puts a layer over by itself, and what needs none.
LAYERED = ("etc", "lib", "home", "opt", "srv", "usr", "var", "tmp")
WITHOUT_LAYER = ("proc", "sys", "dev", "run", "lost+found")
# How long a guest may take to power off, and vng to clean up once it was told to.
END_SECONDS = 10.0
TERM_SECONDS = 2.0


def find_vng() -> str:
    """The path of vng. Raises Unsupported."""
    found = find_tool("vng")
    if not found:
        raise Unsupported("vng is not installed (package virtme-ng)")
    return found


def layered_folders(root: Path = Path("/")) -> list[str]:
    """The other folders of a root that the guest may write to, in a layer of its own."""
    return sorted(str(path) for path in root.iterdir()
                  if path.is_dir() and not path.is_symlink()
                  and path.name not in (*LAYERED, *WITHOUT_LAYER))


def put_files(files: dict[str, str]) -> tempfile.TemporaryDirectory[str]:
    """A folder with files and a busybox, which is gone with the object. Raises Unsupported."""
    folder = tempfile.TemporaryDirectory(prefix="cowbell-vng-")
    for name, text in files.items():
        Path(folder.name, name).write_bytes(os.fsencode(text))
    Path(folder.name, "busybox").symlink_to(find_busybox())
    return folder


def port_words(name: str, descriptor: int) -> list[str]:
    """QEMU's options for a port of the guest that ends in a pipe of this process."""
    return ["-chardev", f"file,id={name},path=/proc/{os.getpid()}/fd/{descriptor}",
            "-device", f"virtserialport,bus=cowbell.0,chardev={name},name=cowbell.{name}"]


def plain(word: str | Path) -> str:
    """A word with a path, which vng hands to a shell as it is. Raises UsageError."""
    if shlex.quote(str(word)) != str(word):
        raise UsageError(f"{word}: vng does not take such paths")
    return str(word)


def vng_words(kernel: Kernel, folder: Path, shares: Sequence[str], memory_mib: int, smp: int,
              append: str, accel: str, ports: dict[str, int]) -> list[str]:
    """The command line of vng. Raises Unsupported, UsageError."""
    words = [find_vng(), "--run", plain(kernel.image), "--user", "root", "--verbose",
             "--force-9p", "--disable-microvm", "--memory", f"{memory_mib}M", "--cpus", str(smp)]
    words += ["--disable-kvm"] if accel == "tcg" else []
    words += ["--append", append] if append else []
    for name in layered_folders():
        words += ["--overlay-rwdir", plain(name)]
    # Not by --rwdir: vng's init may lay a layer over the folder once it is mounted.
    options = ["-device", "virtio-serial-pci,id=cowbell", *shares]
    for name, descriptor in ports.items():
        options += port_words(name, descriptor)
    return [*words, f"--qemu-opts={' '.join(map(plain, options))}",
            "--exec", f"sh {plain(START)} {plain(folder)}"]


def has_ended(child: subprocess.Popen[bytes]) -> bool:
    """Whether it has; its process number, and that of its group, stays taken."""
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def end(child: subprocess.Popen[bytes], cleanly: bool) -> None:
    """See vng and all that it started gone; `cleanly` if the guest is ending by itself."""
    for number, seconds in ((0, END_SECONDS if cleanly else 0), (signal.SIGTERM, TERM_SECONDS)):
        os.killpg(child.pid, number)
        until = time.monotonic() + seconds
        while not has_ended(child) and time.monotonic() < until:
            time.sleep(0.02)
    # QEMU is a child of its child.
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
