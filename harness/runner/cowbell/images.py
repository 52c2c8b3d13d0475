# SPDX-License-Identifier: GPL-2.0-only
"""Images of kernels: the ELF that a bzImage packs, which QEMU can start by itself.

An emulated CPU takes up to a second to unpack a kernel packed with zstd, and more than three for
xz, in each start; here it is done once. QEMU starts an ELF that has an entry for PVH, as a note
says (the kernel's arch/x86/platform/pvh/head.S, CONFIG_PVH).
"""

import lzma
import mmap
import struct
import subprocess
import zlib
from pathlib import Path

from .tools import find_tool

# The boot protocol's header of a bzImage (Documentation/arch/x86/boot.rst): sectors of set-up code
# besides the first, and where behind them, and how long, the packed kernel is.
SETUP_SECTORS = 0x1F1
PAYLOAD = 0x248
SECTOR = 512
ELF_MAGIC = b"\x7fELF"
# Program header PT_NOTE, and the note XEN_ELFNOTE_PHYS32_ENTRY (xen/interface/elfnote.h).
PT_NOTE = 4
PVH_NOTE = b"Xen\0", 18


def unpack(packed: bytes) -> bytes:
    """What the packed kernel of an image holds; nothing if that cannot be found out here."""
    try:
        if packed.startswith(b"\xfd7zXZ\0"):
            return lzma.LZMADecompressor().decompress(packed)
        if packed.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(packed)
    except (lzma.LZMAError, zlib.error):
        return b""
    zstd = find_tool("zstd")
    if packed.startswith(b"\x28\xb5\x2f\xfd") and zstd:
        # It complains about the kernel's size, four bytes that follow, when all is unpacked.
        return subprocess.run((zstd, "-dc"), input=packed, capture_output=True,
                              check=False).stdout
    return b""


def elf_of(image: bytes) -> bytes:
    """The ELF in a bzImage; nothing if it cannot be had."""
    if len(image) < PAYLOAD + 8:
        return b""
    offset, length = struct.unpack_from("<II", image, PAYLOAD)
    begin = (image[SETUP_SECTORS] + 1) * SECTOR + offset
    found = unpack(image[begin:begin + length])
    return found if found.startswith(ELF_MAGIC) else b""


def has_pvh_entry(elf: bytes | mmap.mmap) -> bool:
    """Does an ELF (64 bits, as much of it as holds its notes) have what QEMU starts it by?"""
    try:
        table, = struct.unpack_from("<Q", elf, 32)
        size, count = struct.unpack_from("<HH", elf, 54)
        for header in range(table, table + size * count, size):
            kind, _, at, _, _, length = struct.unpack_from("<IIQQQQ", elf, header)
            end = at + length
            while kind == PT_NOTE and at + 12 <= end:
                name, content, note = struct.unpack_from("<III", elf, at)
                if (elf[at + 12:at + 12 + name], note) == PVH_NOTE:
                    return True
                at += 12 + (name + 3) // 4 * 4 + (content + 3) // 4 * 4
    except struct.error:
        pass
    return False


def plain_path(image: Path) -> Path:
    """Where the ELF of an image is kept: vmlinux-RELEASE beside vmlinuz-RELEASE."""
    return image.with_name(image.name.replace("vmlinuz", "vmlinux"))


def save_plain(image: Path) -> None:
    """Put the ELF of an image beside it, if it can be started. Raises OSError."""
    elf = elf_of(image.read_bytes())
    if has_pvh_entry(elf):
        plain_path(image).write_bytes(elf)


def find_plain(image: Path) -> Path | None:
    """The ELF that save_plain() put beside an image, if it did."""
    path = plain_path(image)
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as elf:
            return path if path != image and has_pvh_entry(elf) else None
    except (OSError, ValueError):
        return None
