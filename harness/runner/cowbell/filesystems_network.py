# SPDX-License-Identifier: GPL-2.0-only
"""Network filesystems, served by this machine to itself: one class for each kind of server.

What is exported is a filesystem of its own, mounted at place.base. The server is a process of
server.py with what it needs in namespaces of its own; place.directory is a client's mount.
"""

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Iterator

from . import kernel, server
from .filesystems_local import (Filesystem, ImageFilesystem, Place, kernel_lacks, module_lacks,
                                tools_lacking, why_not)
from .tools import RunnerError, Unsupported, run_tool, try_tool


@dataclass(frozen=True)
class NetworkFilesystem(Filesystem):
    """A filesystem that this machine serves to itself."""

    below: ImageFilesystem
    # Modules of client and server.
    own_modules: ClassVar[tuple[str, ...]] = ()

    @property
    def modules(self) -> tuple[str, ...]:
        return (*self.below.modules, *self.own_modules)

    @property
    def least_bytes(self) -> int:
        """The smallest size of the filesystem that is exported, in bytes."""
        return self.below.least_bytes

    def make(self, place: Place) -> None:
        self.below.make(place)
        place.base.mkdir()
        place.server.mkdir()

    def mount(self, place: Place) -> None:
        if server.find(place.folder) is None:
            self.below.mount_at(place, place.base)
            server.start(place.folder)
        self.mount_client(place, 1, place.directory)

    def mount_view(self, place: Place) -> None:
        self.mount_client(place, 2, place.view)

    def mount_client(self, place: Place, number: int, point: Path) -> None:
        """Mount what is exported; each number is a client of its own. Raises RunnerError."""
        raise NotImplementedError

    def serve(self, place: Place) -> contextlib.AbstractContextManager[None]:
        """What serves place.base while it is entered; for a process of its own (server.py)."""
        raise NotImplementedError

    def remount(self, place: Place) -> None:
        """Unmount what clients mounted and mount it again; the server stays. Raises RunnerError."""
        for point in (place.view, place.directory):
            kernel.unmount_below(point)
        self.mount_all(place)

    def crash_server(self, place: Place) -> None:
        """Have the server lose what is not on its disk, and start it anew. Raises RunnerError."""
        kernel.cut_off(str(place.base))
        self.unmount(place)
        self.mount_all(place)

    def unmount(self, place: Place) -> None:
        for point in (place.view, place.directory):
            kernel.unmount_below(point)
        server.end(place.folder)
        super().unmount(place)

    def check(self, place: Place) -> str:
        return self.below.check(place)


def in_network_of(place: Place, *command: str) -> None:
    """Run a program that must succeed where a place's server has its network."""
    pid = server.find(place.folder)
    if pid is None:
        raise RunnerError(f"{place.folder} has no server any more")
    run_tool("nsenter", f"--net=/proc/{pid}/ns/net", "--", *command)


@contextlib.contextmanager
def own_machine(place: Place) -> Iterator[None]:
    """Have mounts, a network and a host name of this process's own, and end its daemons after.

    Of all runs' mounts only place.base is seen, and it is not in use any more at the end. Files
    of the server go to place.server, which is in memory.
    """
    kernel.own_namespace(network=True)
    for point in reversed(kernel.mounts_below(place.folder.parent.parent)):
        if not kernel.lies_below(point, place.base):
            kernel.detach(point)
    kernel.loopback_up()
    # Clients take servers of one name for one server.
    socket.sethostname(f"cowbell-{place.folder.parent.name}-{place.folder.name}")
    with server_files(place):
        try:
            yield
        finally:
            kernel.end_namespace_mates()
    kernel.unmount(str(place.base))


@contextlib.contextmanager
def server_files(place: Place) -> Iterator[None]:
    """A filesystem in memory at place.server, while it is entered."""
    run_tool("mount", "-t", "tmpfs", "-o", "mode=0755", "cowbell", str(place.server))
    try:
        yield
    finally:
        # With what was mounted in it.
        kernel.unmount_below(place.server)


def wait_for_port(port: int) -> None:
    """Wait until somebody listens on a TCP port of this machine. Raises RunnerError."""
    def listens() -> bool:
        with socket.socket() as attempt:
            return attempt.connect_ex(("127.0.0.1", port)) == 0

    if not kernel.wait_until(listens, 30):
        raise RunnerError(f"nothing listens on port {port}")


@dataclass(frozen=True)
class Nfs(NetworkFilesystem):
    """NFS 4.2, served by the kernel in a network of its own. It needs no rpcbind."""

    tools: ClassVar[tuple[str, ...]] = ("mount.nfs4", "exportfs", "rpc.nfsd", "rpc.mountd",
                                        "nfsdcld", "nsenter")
    own_modules: ClassVar[tuple[str, ...]] = ("nfsd", "nfsv4")
    control: ClassVar[Path] = Path("/proc/fs/nfsd")

    @property
    def hooks(self) -> tuple[str, ...]:  # type: ignore[override]
        """Ext4 complains to the kernel log when it is cut off, which would be taken for a bug."""
        return ("remount", "crash_server") if self.below.type == "xfs" else ("remount",)

    def missing(self) -> str:
        return why_not(kernel_lacks("nfs4"), kernel_lacks("nfsd"), self.below.missing(),
                       tools_lacking(*self.tools))

    def mount_client(self, place: Place, number: int, point: Path) -> None:
        # Else the server would take them for one client, and not tell it of its own doings. The
        # kernel asks for its name when it meets a server at an address that is new to it.
        in_network_of(place, "unshare", "--mount", "sh", "-c",
                      'mount -t sysfs sysfs /sys && echo "$1" >"/sys/$2"',
                      "sh", f"cowbell-{number}", "fs/nfs/net/nfs_client/identifier")
        in_network_of(place, "mount", "-t", "nfs4", "-o", "vers=4.2",
                      f"127.0.0.{number}:/", str(point))

    @contextlib.contextmanager
    def serve(self, place: Place) -> Iterator[None]:
        with own_machine(place):
            run_tool("mount", "--bind", str(place.server), "/var/lib/nfs")
            run_tool("mount", "-t", "nfsd", "nfsd", str(self.control))
            # What this machine's own server is told is not for this one.
            if Path("/etc/nfs.conf").exists():
                run_tool("mount", "--bind", os.devnull, "/etc/nfs.conf")
            for name in ("etab", "rmtab"):
                (place.server / name).touch()
            run_tool("exportfs", "-i", "-o", "rw,no_root_squash,no_subtree_check,fsid=0",
                     f"127.0.0.1:{place.base}")
            run_tool("rpc.mountd", "--no-nfs-version", "3")
            # A server waits for clients of its last start, unless this one knows that none was.
            pipes = place.server / "pipes"
            pipes.mkdir()
            run_tool("mount", "-t", "rpc_pipefs", "rpc_pipefs", str(pipes))
            run_tool("nfsdcld", "--pipefsdir", str(pipes), "--storagedir", str(place.server))
            try:
                # Should it not be asked in time, ten seconds are the least that can be waited.
                run_tool("rpc.nfsd", "--no-nfs-version", "3", "--nfs-version", "4.2",
                         "--grace-time", "10", "4")
                yield
            finally:
                try_tool("rpc.nfsd", "0")
                try_tool("exportfs", "-ua")
                try_tool("exportfs", "-f")


# Both kinds of SMB server know one user, with this password.
SMB_USER = "root"
SMB_PASSWORD = "cowbell"
SMB_PORT = 445
# Each mount is a client of its own, as on two machines.
SMB_OPTIONS = (f"vers=3.1.1,username={SMB_USER},password={SMB_PASSWORD},port={SMB_PORT},"
               "nosharesock")


@dataclass(frozen=True)
class Samba(NetworkFilesystem):
    """SMB 3.1.1, served by samba in a network of its own."""

    own_modules: ClassVar[tuple[str, ...]] = ("cifs",)
    server: ClassVar[str] = "samba"

    def missing(self) -> str:
        return why_not(kernel_lacks("cifs"), self.below.missing(),
                       tools_lacking("mount.cifs", "smbd", "smbpasswd", "nsenter"))

    def mount_client(self, place: Place, number: int, point: Path) -> None:
        in_network_of(place, "mount", "-t", "cifs", "-o", SMB_OPTIONS,
                      "//127.0.0.1/cowbell", str(point))

    @contextlib.contextmanager
    def serve(self, place: Place) -> Iterator[None]:
        with own_machine(place):
            config = str(place.server / "smb.conf")
            Path(config).write_text(self.config(place))
            run_tool("sh", "-c", 'printf "%s\\n%s\\n" "$1" "$1" | smbpasswd -c "$2" -s -a "$3"',
                     "sh", SMB_PASSWORD, config, SMB_USER)
            # By its times samba tells whether it knows more than seconds: mkfs gave it such.
            os.utime(place.base)
            run_tool("smbd", "--daemon", f"--configfile={config}")
            wait_for_port(SMB_PORT)
            yield

    def config(self, place: Place) -> str:
        """What smb.conf says. Only with the module btrfs does samba share blocks."""
        folders = "".join(f"{name} = {place.server}\n" for name in (
            "private dir", "lock directory", "state directory", "cache directory",
            "pid directory", "ncalrpc dir"))
        return ("[global]\nserver role = standalone server\ndisable netbios = yes\n"
                "load printers = no\ndisable spoolss = yes\n"
                f"smb ports = {SMB_PORT}\nlog file = {place.server}/log\n{folders}"
                f"[cowbell]\npath = {place.base}\nread only = no\nvfs objects = btrfs\n")


@dataclass(frozen=True)
class Ksmbd(NetworkFilesystem):
    """SMB 3.1.1, served by the kernel. There is one such server on a machine, whose share has to
    be mounted where process 1 sees it; so only in a guest."""

    own_modules: ClassVar[tuple[str, ...]] = ("ksmbd", "cifs")
    server: ClassVar[str] = "ksmbd"
    # Where the tools look if they are not told; how to tell them differs between versions.
    settings: ClassVar[Path] = Path("/etc/ksmbd")
    # The oldest tools that all kernels understand.
    version: ClassVar[tuple[int, ...]] = (3, 5, 2)
    # Whose ksmbd does not survive the first client, since 6.1.167 (docs/bugs.md); 6.1.170 and
    # 6.1.192 were tried. No release of Debian's says which of them it is.
    broken: ClassVar[str] = "6.1."

    def missing(self) -> str:
        release = os.uname().release
        return why_not(
            kernel_lacks("cifs"),
            f"ksmbd of {release} stops at the first file that is opened (bug B-ksmbd-4)"
            if release.startswith(self.broken) else module_lacks("ksmbd"), self.below.missing(),
            tools_lacking("mount.cifs", "ksmbd.mountd", "ksmbd.adduser", "ksmbd.control")) or (
            "ksmbd serves the whole machine; it is started in a guest of cowbell vm only"
            if not os.environ.get("COWBELL_VM") else "")

    def mount_client(self, place: Place, number: int, point: Path) -> None:
        try:
            run_tool("mount", "-t", "cifs", "-o", SMB_OPTIONS,
                     f"//127.0.0.1/{self.share(place)}", str(point))
        except RunnerError as error:
            version = try_tool("ksmbd.mountd", "-V").stdout.split()[-1]
            if "mount error(2)" not in str(error) or version_of(version) >= self.version:
                raise
            raise Unsupported(f"ksmbd of {os.uname().release} does not understand ksmbd-tools "
                              f"{version}: {dotted(self.version)} is needed") from None

    def share(self, place: Place) -> str:
        """The name by which a place is exported."""
        return f"cowbell{place.folder.name}"

    @contextlib.contextmanager
    def serve(self, place: Place) -> Iterator[None]:
        kernel.enter_mounts_of(1)
        mount_base = not kernel.mounts_below(place.base)
        if mount_base:
            self.below.mount_at(place, place.base)
        try:
            with server_files(place):
                # The first place's server exports them all.
                with self.daemon(place) if is_first(place) else contextlib.nullcontext():
                    yield
        finally:
            if mount_base:
                kernel.unmount(str(place.base))

    @contextlib.contextmanager
    def daemon(self, place: Place) -> Iterator[None]:
        """The kernel's server and the daemon that it asks, with exports of all places of a run."""
        if kernel.find_processes("ksmbd.mountd"):
            raise RunnerError("ksmbd serves somebody else already")
        (place.server / "ksmbd.conf").write_text(self.config(place))
        run_tool("mount", "--bind", str(place.server), str(self.settings))
        try:
            run_tool("ksmbd.adduser", "-a", SMB_USER, "-p", SMB_PASSWORD)
            run_tool("ksmbd.mountd", "-p", str(SMB_PORT))
            try:
                wait_for_port(SMB_PORT)
                yield
            finally:
                run_tool("ksmbd.control", "-s")
                if not kernel.wait_until(lambda: not kernel.find_processes("ksmbd.mountd")):
                    raise RunnerError("ksmbd.mountd does not end")
        finally:
            kernel.unmount(str(self.settings))

    def config(self, place: Place) -> str:
        """What ksmbd.conf says: a share for each place that the run of a place may have.

        With leases, as other servers grant them: without, clients of SMB 3 get oplocks, and Linux'
        takes no notice when one is broken (smb3_downgrade_oplock() waits for a newer epoch, which
        only leases have), so that it reads from its cache what others have long overwritten.
        """
        places = [Place(place.folder.parent / number, place.size_bytes) for number in "12"]
        return ("[global]\nbind interfaces only = yes\ninterfaces = lo\nsmb2 leases = yes\n" +
                "".join(f"[{self.share(each)}]\npath = {each.base}\nread only = no\n"
                        for each in places))


def is_first(place: Place) -> bool:
    """Whether a place is the first one of its run."""
    return place.folder.name == "1"


def version_of(text: str) -> tuple[int, ...]:
    """A version's numbers, for comparing: 3.5.2 is (3, 5, 2)."""
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def dotted(version: tuple[int, ...]) -> str:
    """The text of a version's numbers."""
    return ".".join(map(str, version))
