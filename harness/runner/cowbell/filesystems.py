# SPDX-License-Identifier: GPL-2.0-only
"""The filesystems that cowbell makes: one entry each in VARIANTS.

What an entry does when it is made, mounted, checked and taken down is in its class: see
filesystems_local.py and filesystems_network.py.
"""

from dataclasses import replace

from .filesystems_local import Filesystem, ImageFilesystem, Overlay, Tmpfs
from .filesystems_network import Ksmbd, Nfs, Samba
from .tools import UsageError

MIB = 1 << 20
DEFAULT_SIZE_BYTES = 1024 * MIB


# What they offer, of what cases of sharing and copying rest on, as far as it was "yes" on 5.10,
# 6.1, 6.12 and 7.2 (SMB: 6.12 and 7.2), and each time: that times stay is chance over NFS on 7.2.
ANY = ("copy_range", "sendfile", "splice", "fallocate", "punch", "seek_hole", "second_fs", "view")
LOCAL = (*ANY, "sparse", "keep_size", "name_free", "modes", "chown", "times")
ON_DISK = (*LOCAL, "direct", "fiemap")
SHARES = ("clone", "dedupe")
ZEROES = ("zero", "zero_keep_size")
SHIFTS = ("collapse", "insert")
XFS_OFFERS = (*ON_DISK, *ZEROES, *SHIFTS, "unshare", "far_offsets", "free_told", "extsize")
BTRFS_OFFERS = (*ON_DISK, *SHARES, *ZEROES, "far_offsets", "free_told")
EXT4_OFFERS = (*ON_DISK, *ZEROES, *SHIFTS, "free_told")
OCFS2_SHARES = (*SHARES, "ocfs2_reflink")
CLIENTS = ("direct", "second_client", "traffic")
NFS_OFFERS = (*ANY, *CLIENTS, "sparse", "name_free", "modes", "chown", "free_told")
SMB_OFFERS = (*ANY, *CLIENTS, *ZEROES, "clone", "keep_size")


def xfs(name: str, doc: str, *mkfs: str, shares: bool = True) -> ImageFilesystem:
    """An entry for an xfs with options of mkfs.xfs."""
    return ImageFilesystem(name, doc, "xfs", ("mkfs.xfs", "-q", *mkfs), ("xfs_repair", "-n", "-f"),
                           least_bytes=300 * MIB,
                           offers=(*XFS_OFFERS, "reclaim",
                                   *((*SHARES, "cowextsize") if shares else ())))


def btrfs(name: str, doc: str, *mkfs: str, options: tuple[str, ...] = (),
          choices: tuple[tuple[str, str], ...] = ()) -> ImageFilesystem:
    """An entry for a btrfs with options of mkfs.btrfs and of mount."""
    return ImageFilesystem(name, doc, "btrfs", ("mkfs.btrfs", "-q", *mkfs),
                           ("btrfs", "check", "--readonly"), options, 128 * MIB, choices,
                           offers=(*BTRFS_OFFERS, "reclaim"))


def ocfs2(name: str, doc: str, *mkfs: str, options: tuple[str, ...] = (),
          least_bytes: int = 128 * MIB, offers: tuple[str, ...] = (),
          shares: bool = True) -> ImageFilesystem:
    """An entry for an ocfs2 on one machine, without the cluster; refcount has it share blocks."""
    refcount = "refcount" if shares else "norefcount"
    return ImageFilesystem(name, doc, "ocfs2",
                           ("mkfs.ocfs2", "-q", "-M", "local", *mkfs,
                            f"--fs-features=local,{refcount},xattr,unwritten"),
                           ("fsck.ocfs2", "-f", "-n"), options, least_bytes, direct=True,
                           offers=(*ON_DISK, *(OCFS2_SHARES if shares else ()), *offers))


BTRFS_FEATURES = "/sys/fs/btrfs/features"
XFS = xfs("xfs", "xfs as mkfs.xfs makes it")
# A server keeps files open that its clients have closed, and xfs keeps for as long as much again as
# was appended, which no client can have back: what is free would say nothing.
SERVED_XFS = replace(XFS, options=("allocsize=64k",))
BTRFS = btrfs("btrfs", "btrfs as mkfs.btrfs makes it")
# Without lazy_*, the kernel would go on writing in the background while cases measure.
EXT4 = ImageFilesystem("ext4", "ext4 as mkfs.ext4 makes it; it cannot share blocks", "ext4",
                       ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"),
                       ("e2fsck", "-f", "-n"), least_bytes=16 * MIB, offers=EXT4_OFFERS)

VARIANTS: dict[str, Filesystem] = {entry.name: entry for entry in (
    XFS,
    xfs("xfs:1k", "xfs with blocks of 1 KiB, smaller than a page", "-b", "size=1024"),
    xfs("xfs:noreflink", "xfs that cannot share blocks", "-m", "reflink=0",
        shares=False),
    xfs("xfs:rmapbt", "xfs with the reverse mapping tree", "-m", "rmapbt=1"),
    BTRFS,
    btrfs("btrfs:compress", "btrfs that compresses all data", choices=(
        (f"{BTRFS_FEATURES}/compress_zstd", "compress-force=zstd"),
        (f"{BTRFS_FEATURES}/compress_lzo", "compress-force=lzo"))),
    btrfs("btrfs:nodatacow", "btrfs that overwrites data in place", options=("nodatacow",)),
    btrfs("btrfs:single", "btrfs with one copy of its metadata", "-m", "single"),
    btrfs("btrfs:dup", "btrfs with two copies of its metadata", "-m", "dup"),
    EXT4,
    Tmpfs("tmpfs", "a filesystem in memory; it cannot share blocks",
          offers=(*LOCAL, "far_offsets", "free_told")),
    Overlay("overlay", "overlay, lower and upper on xfs", XFS,
            offers=(*XFS_OFFERS, *SHARES, "cowextsize")),
    Overlay("overlay:btrfs", "overlay, lower and upper on btrfs", BTRFS, offers=BTRFS_OFFERS),
    ocfs2("ocfs2", "ocfs2 that shares blocks, on one machine"),
    ocfs2("ocfs2:64k", "ocfs2 with clusters of 64 KiB", "-b", "4096", "-C", "65536",
          least_bytes=256 * MIB),
    # As it is mounted otherwise, statfs(2) tells of windows of many MiB.
    ocfs2("ocfs2:nolocalalloc", "ocfs2 that takes clusters one by one", options=("localalloc=0",),
          offers=("free_told",)),
    ocfs2("ocfs2:norefcount", "ocfs2 that cannot share blocks", shares=False),
    ImageFilesystem("f2fs", "f2fs as mkfs.f2fs makes it; it cannot share blocks", "f2fs",
                    ("mkfs.f2fs", "-q"), ("fsck.f2fs", "--dry-run"), least_bytes=64 * MIB,
                    offers=EXT4_OFFERS),
    ImageFilesystem("bcachefs", "bcachefs as bcachefs format makes it", "bcachefs",
                    ("bcachefs", "format", "-q"), ("bcachefs", "fsck", "-n"),
                    least_bytes=128 * MIB),
    Nfs("nfs", "NFS 4.2, the server on xfs", SERVED_XFS,
        offers=(*NFS_OFFERS, "clone", "far_offsets")),
    Nfs("nfs:ext4", "NFS 4.2, the server on ext4, which cannot share blocks", EXT4,
        offers=NFS_OFFERS),
    Ksmbd("cifs", "SMB 3.1.1, served by ksmbd on xfs", SERVED_XFS,
          offers=(*SMB_OFFERS, "sparse", "free_told"), offered_since=(6, 12)),
    # samba shares blocks on btrfs only.
    Samba("cifs:samba", "SMB 3.1.1, served by samba on btrfs", BTRFS, offers=SMB_OFFERS,
          offered_since=(6, 12)),
)}


def find_filesystem(name: str) -> Filesystem:
    """The entry of a name. Raises UsageError that lists those there are."""
    if name not in VARIANTS:
        raise UsageError(f"there is no filesystem {name}; there are {', '.join(VARIANTS)}")
    return VARIANTS[name]


def parse_size(text: str) -> int:
    """A size in bytes, from a number with a suffix K, M or G or none. Raises UsageError."""
    number, factor = text, 1
    if text[-1:].upper() in ("K", "M", "G"):
        number, factor = text[:-1], 1 << (10 * ("KMG".index(text[-1].upper()) + 1))
    if not number.isascii() or not number.isdigit() or int(number) == 0:
        raise UsageError(f"{text} is not a size such as 512M or 2G")
    return int(number) * factor
