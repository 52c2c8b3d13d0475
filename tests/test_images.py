# SPDX-License-Identifier: GPL-2.0-only
"""Images of kernels, as they are packed, and which of them QEMU is given."""

import gzip
import lzma
import struct
import subprocess

import pytest

from cowbell import images, kernels, vm
from cowbell.tools import find_tool


def elf(*notes):
    """An ELF of 64 bits whose notes have these numbers; the last header is that of the notes."""
    content = b"".join(struct.pack("<III", 4, 8, number) + b"Xen\0" + bytes(8)
                       for number in notes)
    headers = (struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 64, 64, 4096)
               + struct.pack("<IIQQQQQQ", 4, 0, 64 + 2 * 56, 0, 0, len(content), len(content), 4))
    start = bytearray(64)
    start[:4] = b"\x7fELF"
    start[32:40] = struct.pack("<Q", 64)
    start[54:58] = struct.pack("<HH", 56, 2)
    return bytes(start) + headers + content + bytes(500)


def zstd(data):
    if not find_tool("zstd"):
        pytest.skip("zstd is not installed")
    # As the kernel's build does: its size follows.
    return subprocess.run(("zstd", "-qc"), input=data, capture_output=True,
                          check=True).stdout + struct.pack("<I", len(data))


def bzimage(packed):
    """An image with this packed kernel, behind two sectors of set-up code and 100 bytes."""
    image = bytearray(3 * 512 + 100)
    image[0x1F1] = 2
    image[0x248:0x250] = struct.pack("<II", 100, len(packed))
    return bytes(image) + packed + bytes(300)


@pytest.mark.parametrize("pack", [lambda data: lzma.compress(data, check=lzma.CHECK_CRC32),
                                  gzip.compress, zstd], ids=["xz", "gzip", "zstd"])
def test_the_kernel_in_an_image(tmp_path, pack):
    path = tmp_path / "vmlinuz-6.12"
    path.write_bytes(bzimage(pack(elf(1, 18))))
    images.save_plain(path)
    assert images.find_plain(path) == tmp_path / "vmlinux-6.12"
    assert (tmp_path / "vmlinux-6.12").read_bytes() == elf(1, 18)


OTHERS = {
    "empty": b"", "short": bytes(0x24c), "zeroes": bytes(4096),
    "cut-xz": bzimage(b"\xfd7zXZ\0 and no more"), "cut-gzip": bzimage(b"\x1f\x8b\0"),
    "cut-zstd": bzimage(b"\x28\xb5\x2f\xfd"), "no-elf": bzimage(gzip.compress(b"no ELF")),
    "no-note": bzimage(gzip.compress(elf())), "no-entry": bzimage(gzip.compress(elf(1, 17))),
    "cut-elf": bzimage(gzip.compress(elf(18)[:180])),
    "shortest-elf": bzimage(gzip.compress(b"\x7fELF"))}


@pytest.mark.parametrize("name", OTHERS)
def test_an_image_of_which_it_cannot_be_had(tmp_path, name):
    """It is started as it is."""
    path = tmp_path / "vmlinuz"
    path.write_bytes(OTHERS[name])
    images.save_plain(path)
    assert list(tmp_path.iterdir()) == [path] and images.find_plain(path) is None


def test_only_an_emulated_guest_starts_from_it(tmp_path, monkeypatch):
    """And only with the cache's own images: a vmlinux in a tree may be of another build."""
    monkeypatch.setattr(vm, "find_qemu", lambda: "qemu")
    monkeypatch.setenv("COWBELL_KERNELS", str(tmp_path))
    path, plain = tmp_path / "vmlinuz-6.12", tmp_path / "vmlinux-6.12"
    kernel = kernels.Kernel("6.12", (6, 12), path, None, "given")

    def started(accel):
        words = vm.machine_words(kernel, 3, vm.Settings(), accel)
        return words[words.index("-kernel") + 1]

    path.write_bytes(b"image")
    assert started("tcg") == started("kvm") == str(path)
    plain.write_bytes(elf(18))
    assert (started("tcg"), started("kvm")) == (str(plain), str(path))
    monkeypatch.setenv("COWBELL_KERNELS", str(tmp_path / "cache"))
    assert started("tcg") == str(path)
    monkeypatch.setenv("COWBELL_KERNELS", str(tmp_path))
    for other in (elf(17), b""):
        plain.write_bytes(other)
        assert started("tcg") == str(path)
    # What is not called vmlinuz is not its own ELF.
    kernel = kernels.Kernel("6.12", (6, 12), tmp_path / "bzImage", None, "given")
    (tmp_path / "bzImage").write_bytes(elf(18))
    assert started("tcg") == str(tmp_path / "bzImage")
