# SPDX-License-Identifier: GPL-2.0-only
"""cowbell kernel: what is chosen, fetched and refused, from an archive that these tests make."""

import contextlib
import hashlib
import http.server
import json
import lzma
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from cowbell import apt_root, kernel, kernels, tools
from cowbell.apt_root import Package, Source
from cowbell.kernels import version_of

TOP = Path(__file__).resolve().parents[1]
COMMAND = TOP / "harness" / "runner" / "cowbell-kernel"
NOBODY = 65534

needs_apt = pytest.mark.skipif(
    not all(map(tools.find_tool, ("apt-get", "dpkg-deb", "gpg", "gpg-agent", "gpgconf",
                                       "depmod"))),
    reason="making an archive needs apt, dpkg-deb, gpg and depmod")


# Versions.

AGES = ["5.10.218-1", "5.10.0-rc1", "5.10.262-1", "6.1.170-3", "6.1.176-1", "6.1.192-1",
        "6.1.192-2", "6.2~rc8-1~exp1", "6.2", "6.2.1", "6.12-rc2", "6.12-rc10",
        "6.12.0-00012-gdeadbeef", "6.12.9-1", "6.12.43+deb12-amd64", "6.12.117-1~deb12u1",
        "7.2.13+deb14-amd64", "7.3~rc7-1~exp1", "7.3.0"]


def test_versions_sort_by_age():
    AGES.sort(key=hash)
    AGES.sort(key=version_of)
    assert AGES == [
        "5.10.0-rc1", "5.10.218-1", "5.10.262-1", "6.1.170-3", "6.1.176-1", "6.1.192-1",
        "6.1.192-2", "6.2~rc8-1~exp1", "6.2", "6.2.1", "6.12-rc2", "6.12-rc10",
        "6.12.0-00012-gdeadbeef", "6.12.9-1", "6.12.43+deb12-amd64", "6.12.117-1~deb12u1",
        "7.2.13+deb14-amd64", "7.3~rc7-1~exp1", "7.3.0"]


@pytest.mark.parametrize("text", ["", "six", "6", "v6.1"])
def test_what_is_no_version(text):
    with pytest.raises(tools.UsageError, match="no version"):
        version_of(text)


# The configuration of apt.

DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://one.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/a.gpg

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://two.example/debian-security
Suites:
 bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
# said: in between
 .
 mQ
 -----END PGP PUBLIC KEY BLOCK-----
"""


def test_deb822_sources():
    key = ("\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ"
           "\n -----END PGP PUBLIC KEY BLOCK-----")
    assert list(apt_root.read_deb822(DEB822)) == [
        Source("http://one.example/debian", "bookworm", ("main", "contrib"),
               "/usr/share/keyrings/a.gpg"),
        Source("http://one.example/debian", "bookworm-updates", ("main", "contrib"),
               "/usr/share/keyrings/a.gpg"),
        Source("http://two.example/debian-security", "bookworm-security", ("main",), key)]


def test_one_line_sources():
    assert list(apt_root.read_one_line("""\
# deb http://off.example/debian sid main
deb http://one.example/debian sid main contrib # why
deb-src http://one.example/debian sid main
deb [ arch=amd64 signed-by=/a.gpg,/b.gpg ] http://two.example/debian trixie main
nonsense
""")) == [Source("http://one.example/debian", "sid", ("main", "contrib")),
          Source("http://two.example/debian", "trixie", ("main",), "/a.gpg /b.gpg")]


def source(uri, suite, *components):
    """A source of main, unless other components are named."""
    return Source(uri, suite, components or ("main",))


@pytest.mark.parametrize("uri", [
    "http://a.example/debian", "https://a.example/deep/debian/", "file:/srv/debian",
    "http://snapshot.example/archive/debian/20250520T000000Z",
    "mirror+file:///etc/apt/mirrors/debian.list"])
def test_the_mirror_is_what_has_the_archive_debian(uri):
    security = source("http://s.example", "bookworm-security")
    sources = [source("http://third.example/linux/debian", "bookworm", "stable"),
               source("http://third.example/debian-stable", "bookworm"), security,
               source(uri, "bookworm"), source("http://late.example/debian", "sid")]
    assert apt_root.find_mirror(sources) == (source(uri, "bookworm"), security)
    text = apt_root.source_stanzas(("sid", "trixie", "trixie-security"), sources)
    assert [stanza["uris"] + " " + stanza["suites"] for stanza in apt_root.stanzas(text)] == [
        f"{uri} sid trixie", "http://s.example trixie-security"]
    assert text.count(f"Signed-By: {apt_root.KEYRING}\n") == 2


def test_security_updates_may_be_on_the_same_mirror():
    both = [source("http://a.example/debian", "bullseye/updates"),
            source("http://a.example/debian", "bullseye")]
    assert apt_root.find_mirror(both) == (both[1], both[0])
    assert apt_root.find_mirror(both[1:]) == (both[1], None)


def test_no_mirror_of_debian():
    with pytest.raises(tools.RunnerError, match="names no mirror"):
        apt_root.find_mirror([source("http://a.example/ubuntu", "noble")])


# Which packages make a kernel.

def package(name, version="6.1.20-1", suite="bookworm", depends="kmod", size=1000):
    """An entry of a list of packages."""
    return Package(name, version, suite, f"http://a.example/{name}", "0" * 64, size, size, depends)


def releases(*packages):
    """Release and packages of what can be fetched."""
    return [(entry.release, [part.name for part in entry.packages])
            for entry in kernels.fetchable(packages)]


def test_old_packages_hold_kernel_and_modules():
    assert releases(package("linux-image-6.1.0-9-amd64"),
                    package("linux-image-6.1.0-9-amd64-unsigned"),
                    package("linux-image-6.1.0-8-amd64-unsigned", "6.1.9-1")) == [
        ("6.1.0-8-amd64", ["linux-image-6.1.0-8-amd64-unsigned"]),
        ("6.1.0-9-amd64", ["linux-image-6.1.0-9-amd64"])]


def test_new_packages_are_split():
    names = ["linux-binary-7.2.9-amd64", "linux-modules-7.2.9-amd64", "linux-base-7.2.9-amd64"]
    meta = package("linux-image-7.2.9-amd64", depends=f"{names[0]}, {names[1]}")
    split = [package(name) for name in names]
    unsigned = package("linux-binary-unsigned-7.2.9-amd64")
    assert releases(meta, unsigned, *split) == [("7.2.9-amd64", names)]
    assert releases(meta, *split[:2]) == [("7.2.9-amd64", names[:2])]
    assert releases(unsigned, split[1]) == [("7.2.9-amd64", [unsigned.name, names[1]])]
    # A mirror keeps the signed image of a kernel whose modules are gone.
    assert releases(meta, unsigned, split[0], split[2]) == []


def test_metapackages_are_no_kernels():
    assert releases(package("linux-image-6.1-amd64", depends="linux-image-6.1.0-9-amd64 (= 1)"),
                    package("linux-image-amd64", depends="linux-image-6.1.0-9-amd64 (= 1)")) == []


def test_a_release_in_two_suites_is_one_kernel():
    image = "linux-image-6.1.0-9-amd64"
    entry, = kernels.fetchable([package(image), package(image, suite="bookworm-security"),
                                package(image, "6.1.19-1")])
    assert (entry.title, entry.where) == ("6.1.20-1", ("bookworm", "bookworm-security"))


OFFERED = [
    package("linux-image-5.10.0-3-amd64", "5.10.30-1", "bullseye"),
    package("linux-image-6.1.0-9-amd64", "6.1.20-1"),
    package("linux-image-6.1.0-9-rt-amd64", "6.1.20-1"),
    package("linux-image-6.1.0-9-cloud-amd64", "6.1.20-1"),
    package("linux-image-6.12.9+deb12-amd64", "6.12.9-1~deb12u1", "bookworm-security"),
    package("linux-image-6.12.9+deb13-amd64", "6.12.9-1", "trixie"),
    package("linux-image-7.3-amd64", "7.3~rc7-1~exp1", "experimental"),
    package("linux-image-amd64", "6.1.20-1", "bookworm", "linux-image-6.1.0-9-amd64 (= 6.1.20-1)"),
    package("linux-image-amd64", "6.1.9-1", "bookworm", "linux-image-6.1.0-8-amd64 (= 6.1.9-1)"),
]


@pytest.mark.parametrize("text, release", [
    ("5.10", "5.10.0-3-amd64"), ("5", "5.10.0-3-amd64"), ("6.1", "6.1.0-9-amd64"),
    ("6.1.20", "6.1.0-9-amd64"), ("6.1.20-1", "6.1.0-9-amd64"), ("6.1.0-9", "6.1.0-9-amd64"),
    ("6.1.0-9-rt-amd64", "6.1.0-9-rt-amd64"), ("6.12", "6.12.9+deb13-amd64"),
    ("6.12.9-1~deb12u1", "6.12.9+deb12-amd64"), ("7.3-rc7", "7.3-amd64"),
    ("bookworm", "6.1.0-9-amd64"),
    # As far as they know.
    ("6.1.2", None), ("6.13", None), ("bullseye", None), ("amd64", None)])
def test_what_a_text_names(text, release):
    chosen = kernels.choose(text, kernels.fetchable(OFFERED))
    assert (chosen and chosen.release) == release


def test_one_entry_for_each_version(monkeypatch):
    monkeypatch.setattr(kernels, "package_index", lambda refresh: OFFERED)
    monkeypatch.setattr(kernels, "local", dict)
    plain = [entry.release for entry in kernels.available()]
    assert plain == ["5.10.0-3-amd64", "6.1.0-9-amd64", "6.12.9+deb13-amd64", "7.3-amd64"]
    assert {entry.release for entry in kernels.available(flavours=True, builds=True)} == {
        *plain, "6.1.0-9-rt-amd64", "6.1.0-9-cloud-amd64", "6.12.9+deb12-amd64"}
    assert kernels.available(offline=True) == []


def test_of_two_builds_the_one_that_is_here(monkeypatch):
    offered = kernels.fetchable(OFFERED)
    here = next(entry for entry in offered if entry.release == "6.12.9+deb12-amd64")
    here = kernels.replace(here, where=("cached",), packages=())
    monkeypatch.setattr(kernels, "package_index", lambda refresh: OFFERED)
    monkeypatch.setattr(kernels, "local", lambda: {here.release: (None, here)})
    entry = kernels.available()[2]
    assert (entry.release, entry.where) == (here.release, ("cached", "bookworm-security"))


# Images, installed kernels, built trees.

def banner_image(release, version=""):
    """A file that looks like a bzImage from outside."""
    text = f"{release} (someone@example) #1 SMP {version and f'Debian {version}'} (2026-01-01)"
    image = bytearray(0x400)
    image[0x202:0x206] = b"HdrS"
    image[0x20E:0x210] = struct.pack("<H", 0x100)
    return bytes(image[:0x300]) + text.encode() + b"\0" + bytes(64)


@pytest.fixture(name="cache", autouse=True)
def fixture_cache(tmp_path, monkeypatch):
    """A cache of the test's own, in which nothing half-written may be left."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("COWBELL_KERNELS", str(cache))
    monkeypatch.setattr(kernels, "BOOT", tmp_path / "boot")
    monkeypatch.setattr(kernels, "MODULES", tmp_path / "modules")
    yield cache
    assert list(cache.rglob(".new-*")) == []


def put_modules(folder, release="6.1.0-9-amd64"):
    """Make a folder with the modules of a release."""
    (folder / release).mkdir(parents=True)
    (folder / release / "modules.dep").write_text("")
    return folder / release


@pytest.mark.parametrize("content, why", [
    (b"", "no kernel image"), (b"\x7fELF" + bytes(2000), "no kernel image"),
    (banner_image("x")[:0x206], "no kernel image"), (banner_image("x")[:0x300], "does not say"),
    (banner_image("six"), "no version")])
def test_files_that_are_no_kernels(tmp_path, content, why):
    (tmp_path / "vmlinuz").write_bytes(content)
    with pytest.raises(tools.UsageError, match=why):
        kernels.find_kernel(str(tmp_path / "vmlinuz"))


def test_a_given_image_and_its_modules(tmp_path):
    image = tmp_path / "vmlinuz"
    image.write_bytes(banner_image("6.1.0-9-amd64", "6.1.20-1"))
    modules = put_modules(tmp_path / "root/lib/modules")
    for folder in ("root/lib/modules/6.1.0-9-amd64", "root/lib/modules", "root"):
        kernel = kernels.find_kernel(f"{image},{tmp_path / folder}")
        assert (kernel.image, kernel.modules) == (image, modules)
    assert (kernel.release, kernel.version) == ("6.1.0-9-amd64", version_of("6.1.20-1"))
    assert kernels.find_kernel(str(image)).modules is None
    with pytest.raises(tools.UsageError, match="no modules of 6.1.0-9-amd64"):
        kernels.find_kernel(f"{image},{tmp_path}")


def test_installed_kernels(tmp_path):
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/vmlinuz-6.1.0-9-amd64").write_bytes(banner_image("6.1.0-9-amd64", "6.1.20-1"))
    (tmp_path / "boot/vmlinuz-broken").write_text("no")
    modules = put_modules(tmp_path / "modules")
    for text in ("6.1", "6.1.20", "6.1.0-9-amd64"):
        kernel = kernels.find_kernel(text)
        assert (kernel.origin, kernel.modules) == ("installed", modules)
    assert [entry.where for entry in kernels.available(offline=True)] == [("installed",)]


MAKEFILE = """\
modules_install:
\tmkdir -p $(INSTALL_MOD_PATH)/lib/modules/6.19.0-rc3/kernel
\tcp *.ko $(INSTALL_MOD_PATH)/lib/modules/6.19.0-rc3/kernel
"""


@pytest.mark.skipif(not tools.find_tool("depmod"), reason="depmod is not installed")
def test_a_built_tree(tmp_path, cache):
    tree = tmp_path / "linux"
    (tree / "arch/x86/boot").mkdir(parents=True)
    with pytest.raises(tools.UsageError, match="no kernel was built there"):
        kernels.find_kernel(str(tree))
    (tree / "arch/x86/boot/bzImage").write_bytes(banner_image("6.19.0-rc3"))
    builtin = kernels.find_kernel(str(tree))
    assert (builtin.release, builtin.modules) == ("6.19.0-rc3", None)
    (tree / ".config").write_text("CONFIG_XFS_FS=m\n")
    (tree / "modules.order").write_text("kernel/a.ko\nkernel/b.ko\n")
    with pytest.raises(tools.RunnerError, match="modules_install"):
        kernels.find_kernel(str(tree))
    (tree / "Makefile").write_text(MAKEFILE)
    found = []
    for name in ("a", "b"):
        (tree / f"{name}.ko").write_text("")
        kernel = kernels.find_kernel(str(tree))
        assert (kernel.modules / "kernel" / f"{name}.ko").exists()
        assert (kernel.modules / "modules.dep").exists()
        assert kernel.image.with_name("config-6.19.0-rc3").read_text() == "CONFIG_XFS_FS=m\n"
        assert kernels.find_kernel(str(tree)) == kernel
        found.append(kernel)
    # The last build's modules may still be in use, those before it are gone.
    assert [kernel.image.exists() for kernel in (builtin, *found)] == [False, True, True]
    os.utime(tree / "b.ko", (1, 1))
    assert kernels.find_kernel(str(tree)).modules != kernel.modules
    assert kernel.version < version_of("6.19") and kernel.origin == "tree"
    assert kernels.cached() == {}


@pytest.mark.parametrize("text, why", [
    ("", "names no kernel"), ("host", "names no kernel"), ("/nowhere/vmlinuz", "No such file")])
def test_texts_that_name_nothing(text, why):
    with pytest.raises(tools.UsageError, match=why):
        kernels.find_kernel(text)


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.delenv("COWBELL_KERNELS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernels.cache_folder() == tmp_path / "cowbell/kernels"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kernels.cache_folder() == tmp_path / ".cache/cowbell/kernels"


# An archive of our own: signed, served over HTTP, and found through a configuration of apt.

def build_package(folder, name, version, files, depends="kmod"):
    """Make a package; its paragraph for a list of packages."""
    root = folder / "root"
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    (root / "DEBIAN").mkdir(parents=True)
    control = (f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nDepends: {depends}\n"
               "Maintainer: a <a@example>\nInstalled-Size: 4\nDescription: a kernel\n")
    (root / "DEBIAN/control").write_text(control)
    path = folder / f"pool/{name}_{version}_amd64.deb"
    path.parent.mkdir(exist_ok=True)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", root, path], check=True,
                   stdout=subprocess.DEVNULL)
    shutil.rmtree(root)
    data = path.read_bytes()
    return (f"{control}Filename: pool/{path.name}\nSize: {len(data)}\n"
            f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n")


def whole_kernel(folder, release, version):
    """A package that holds kernel and modules."""
    return build_package(folder, f"linux-image-{release}", version, {
        f"boot/vmlinuz-{release}": banner_image(release, version),
        f"boot/config-{release}": b"CONFIG_XFS_FS=m\n", f"boot/System.map-{release}": b"map",
        f"lib/modules/{release}/kernel/fs/a.ko": b"", "usr/share/doc/a": b"doc"})


def split_kernel(folder, release, version):
    """The packages of a kernel that is split."""
    modules = f"usr/lib/modules/{release}"
    return (build_package(folder, f"linux-binary-{release}", version,
                          {f"{modules}/vmlinuz": banner_image(release, version)})
            + build_package(folder, f"linux-modules-{release}", version,
                            {f"{modules}/kernel/fs/a.ko.xz": lzma.compress(b""),
                             f"{modules}/kernel/drivers/b.ko.xz": lzma.compress(b"")})
            + build_package(folder, f"linux-base-{release}", version,
                            {f"boot/config-{release}": b"CONFIG_XFS_FS=m\n"})
            + build_package(folder, f"linux-image-{release}", version, {},
                            f"linux-binary-{release}, linux-modules-{release}")
            + build_package(folder, "linux-image-amd64", version, {},
                            f"linux-image-{release} (= {version})"))


class Archive:
    """Debian's archive and that of its security updates, on a server of our own."""

    def __init__(self, folder, gpg_home):
        """Make both, with a kernel in bookworm, one in bookworm-security, and one in sid."""
        self.folder, self.gpg_home = folder, gpg_home
        self.requests = []
        self.published = 1_600_000_000
        for name in ("debian", "debian-security"):
            (folder / name).mkdir(parents=True)
        contents = {
            "bookworm": whole_kernel(folder / "debian", "6.1.0-9-amd64", "6.1.20-1"),
            "bookworm-security": whole_kernel(folder / "debian-security", "6.1.0-10-amd64",
                                              "6.1.30-1"),
            "sid": split_kernel(folder / "debian", "7.2.9+deb14-amd64", "7.2.9-1")}
        for suite in {part for parts in kernels.SUITES.values() for part in parts}:
            self.publish(suite, contents.get(suite, ""))

    def publish(self, suite, packages):
        """Write and sign the list of a suite."""
        base = self.folder / ("debian-security" if suite.endswith("-security") else "debian")
        place = base / "dists" / suite
        path = place / "main/binary-amd64/Packages"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(packages)
        data = packages.encode()
        (place / "Release").write_text(
            f"Origin: Debian\nSuite: {suite}\nCodename: {suite}\nArchitectures: amd64\n"
            f"Components: main\nDate: Fri, 20 Nov 2020 12:00:00 UTC\n"
            f"Valid-Until: Fri, 27 Nov 2020 12:00:00 UTC\nSHA256:\n"
            f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/Packages\n")
        (place / "InRelease").unlink(missing_ok=True)
        gpg(self.gpg_home, "--clearsign", "-o", place / "InRelease", place / "Release")
        # A second goes by from one to the next: HTTP knows no smaller step.
        self.published += 1
        for file in (path, place / "Release", place / "InRelease"):
            os.utime(file, (self.published, self.published))

    def forge(self, suite):
        """Change a signed file of a suite of the archive debian."""
        path = self.folder / "debian/dists" / suite / "InRelease"
        path.write_text(path.read_text().replace("Origin: Debian", "Origin: Others"))

    @property
    def packages(self):
        """The files of all packages."""
        return sorted(self.folder.glob("*/pool/*.deb"))


def gpg(home, *arguments):
    """Run gpg with the keys of this test alone."""
    subprocess.run(["gpg", "--homedir", home, "--no-autostart", "--batch", "--quiet",
                    "--passphrase", "", "--pinentry-mode", "loopback", *arguments], check=True)


@pytest.fixture(name="gpg_home", scope="session")
def fixture_gpg_home():
    """A key to sign archives with, and where its public half is. Sockets need a short path."""
    parent = os.getpid()
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        # Started by gpg itself, it would outlive a test that is killed.
        agent = subprocess.Popen(
            ["gpg-agent", "--homedir", home, "--quiet", "--daemon", "--no-detach"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=lambda: kernel.die_with_parent(parent, signal.SIGTERM))
        try:
            socket = tools.run_tool("gpgconf", "--homedir", home, "--list-dirs", "agent-socket")
            assert kernel.wait_until(Path(socket.strip()).exists, 20)
            gpg(home, "--quick-generate-key", "archive@example", "ed25519", "sign", "never")
            gpg(home, "--export", "-o", f"{home}/public.gpg")
            os.chmod(f"{home}/public.gpg", 0o644)
            yield home
        finally:
            agent.terminate()
            agent.wait()


@pytest.fixture(name="archive")
def fixture_archive(tmp_path, gpg_home, monkeypatch):
    """An archive, and a machine whose apt is configured to use it."""
    archive = Archive(tmp_path / "archive", gpg_home)

    class Handler(http.server.SimpleHTTPRequestHandler):
        """Serves the archive, and takes note of what is asked for."""

        def __init__(self, *args):
            super().__init__(*args, directory=archive.folder)

        def log_message(self, *_):
            archive.requests.append(self.path)

    keyring = tmp_path / "public.gpg"
    shutil.copy(f"{gpg_home}/public.gpg", keyring)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        archive.uri = f"http://127.0.0.1:{server.server_port}"
        archive.close = lambda: (server.shutdown(), server.server_close())
        configure(tmp_path, monkeypatch,
                  f"deb [signed-by={keyring}] {archive.uri}/debian bookworm main\n"
                  f"deb [signed-by={keyring}] {archive.uri}/debian-security bookworm-security main")
        yield archive
        server.shutdown()


def configure(folder, monkeypatch, sources):
    """Be a machine whose apt has this sources.list, and nothing else."""
    etc = folder / "etc"
    (etc / "empty").mkdir(parents=True, exist_ok=True)
    (etc / "sources.list").write_text(sources + "\n")
    (etc / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{etc}/sources.list";\nDir::Etc::sourceparts "{etc}/empty";\n'
        f'Dir::Etc::parts "{etc}/empty";\nDir::Etc::main "/dev/null";\n'
        f'APT::Update::Post-Invoke-Success {{ "touch {etc}/hook"; }};\n')
    monkeypatch.setenv("APT_CONFIG", str(etc / "apt.conf"))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


def cowbell(*arguments, **more):
    """Run cowbell kernel."""
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False,
                          **more)


def refused(done, status, *words):
    """Check that a command ended with this status and one line that has these words in it."""
    lines = [line for line in done.stderr.splitlines() if ": fetching " not in line]
    assert (done.returncode, done.stdout, len(lines)) == (status, "", 1), done
    for word in words:
        assert word in lines[0]


@needs_apt
def test_list_get_path(archive, cache, tmp_path):
    done = cowbell("list")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:3] for line in done.stdout.splitlines()] == [
        ["version", "release", "where"],
        ["6.1.20-1", "6.1.0-9-amd64", "bookworm"],
        ["6.1.30-1", "6.1.0-10-amd64", "bookworm-security"],
        ["7.2.9-1", "7.2.9+deb14-amd64", "sid"]]
    done = cowbell("get", "6.1", "7.2.9")
    images = [cache / release / "boot" / f"vmlinuz-{release}"
              for release in ("6.1.0-10-amd64", "7.2.9+deb14-amd64")]
    assert done.stdout.splitlines() == [f"6.1.0-10-amd64 {images[0]}",
                                        f"7.2.9+deb14-amd64 {images[1]}"]
    for image in images:
        release = image.name.partition("-")[2]
        assert image.read_bytes().startswith(banner_image(release)[:0x300])
        assert sorted(path.name for path in image.parent.iterdir()) == [
            f"config-{release}", image.name]
        assert {path.name for path in (cache / release).iterdir()} == {"boot", "lib", "origin.json"}
        modules = cache / release / "lib/modules" / release
        # Packed modules are unpacked, but for those of hardware.
        assert "fs/a.ko:" in (modules / "modules.dep").read_text()
        assert (release[0] == "7") == (modules / "kernel/drivers/b.ko.xz").exists()
        assert cowbell("path", release).stdout == f"{image}\n"
        assert cowbell("path", "--modules", release).stdout == f"{modules}\n"
    # Nothing of the machine's apt ran.
    assert not (tmp_path / "etc/hook").exists()
    # What is here is not fetched again.
    before = list(archive.requests)
    assert cowbell("get", "6.1", "sid", "7.2.9").stderr == ""
    assert archive.requests == before
    listed = json.loads(cowbell("list", "--json").stdout)
    assert [entry["where"] for entry in listed] == [
        ["bookworm"], ["cached", "bookworm-security"], ["cached", "sid"]]
    assert listed[2]["packages"] == ["linux-binary-7.2.9+deb14-amd64",
                                     "linux-modules-7.2.9+deb14-amd64",
                                     "linux-base-7.2.9+deb14-amd64"]


@needs_apt
def test_without_a_network(archive, cache, tmp_path, monkeypatch):
    assert cowbell("get", "6.1.20").returncode == 0
    archive.close()
    configure(tmp_path, monkeypatch, "deb http://127.0.0.1:9/debian bookworm main")
    done = cowbell("list", "--cached")
    assert (done.stdout.count("\n"), done.stderr) == (2, "")
    assert cowbell("list").stdout.count("\n") == 4
    assert cowbell("get", "6.1").stdout.startswith("6.1.0-9-amd64 ")
    # Its list of packages is a day old: there is none better.
    old = time.time() - kernels.INDEX_SECONDS - 1
    os.utime(cache / "apt/kernels.json", (old, old))
    done = cowbell("list")
    assert (done.returncode, done.stdout.count("\n")) == (0, 4)
    assert "using the list made 24 hours ago" in done.stderr and done.stderr.count("\n") == 1
    refused(cowbell("list", "--refresh"), 99, "no package list can be had", "127.0.0.1")
    refused(cowbell("get", "--refresh", "6.1"), 99, "no package list can be had")
    os.utime(cache / "apt/kernels.json")
    refused(cowbell("get", "7.2"), 99, "linux-binary-7.2.9", "Connection refused")
    (cache / "apt/kernels.json").unlink()
    refused(cowbell("get", "7.2"), 99, "no package list can be had")
    assert cowbell("list", "--cached").stdout.count("\n") == 2


@needs_apt
def test_a_list_is_read_anew_after_a_day(archive, cache):
    assert cowbell("list").stdout.count("\n") == 4
    archive.publish("trixie", whole_kernel(archive.folder / "debian", "6.12.9+deb13-amd64",
                                           "6.12.9-1"))
    assert cowbell("list").stdout.count("\n") == 4
    assert cowbell("list", "--refresh").stdout.count("\n") == 5
    archive.publish("trixie", "")
    old = time.time() - kernels.INDEX_SECONDS - 1
    os.utime(cache / "apt/kernels.json", (old, old))
    assert cowbell("list").stdout.count("\n") == 4


@needs_apt
def test_refresh_gets_what_is_newer(archive):
    assert cowbell("get", "6.1.20").returncode == 0
    assert cowbell("get", "6.1").stdout.startswith("6.1.0-9-amd64 ")
    assert cowbell("get", "--refresh", "6.1").stdout.startswith("6.1.0-10-amd64 ")
    assert len(archive.requests) > 0


@needs_apt
def test_a_suite_that_the_mirror_lacks(archive):
    shutil.rmtree(archive.folder / "debian/dists/bullseye")
    done = cowbell("list")
    assert (done.returncode, done.stdout.count("\n")) == (0, 4)
    assert "bullseye" in done.stderr and done.stderr.count("\n") == 1


@needs_apt
def test_forged_lists_are_not_believed(archive, tmp_path, monkeypatch):
    archive.forge("sid")
    done = cowbell("list")
    assert "sid" not in done.stdout and done.stdout.count("\n") == 3
    assert "sid" in done.stderr and done.stderr.count("\n") == 1
    # Another key than that of the archive.
    for suite in {part for parts in kernels.SUITES.values() for part in parts}:
        archive.publish(suite, "")
    (tmp_path / "other.gpg").write_bytes(Path(apt_root.KEYRING).read_bytes())
    configure(tmp_path, monkeypatch, f"deb [signed-by={tmp_path}/other.gpg] {archive.uri}/debian "
                                     "bookworm main")
    monkeypatch.setenv("COWBELL_KERNELS", str(tmp_path / "another"))
    assert cowbell("list").returncode == 99


@needs_apt
def test_an_unsigned_archive_is_not_believed(archive):
    for path in archive.folder.glob("*/dists/*/InRelease"):
        path.unlink()
    refused(cowbell("list"), 99, "not signed")


@needs_apt
@pytest.mark.parametrize("spoil, words", [
    (lambda data: data[:-100], "Hash Sum mismatch"),
    (lambda data: data[:-1] + b"x", "Hash Sum mismatch"),
    (None, "; --refresh reads the package lists anew")])
def test_corrupt_packages(archive, cache, spoil, words):
    for path in archive.packages:
        data = path.read_bytes()
        path.unlink()
        if spoil:
            path.write_bytes(spoil(data))
    refused(cowbell("get", "6.1.20"), 99, "linux-image-6.1.0-9-amd64", words)
    assert not (cache / "6.1.0-9-amd64").exists()
    refused(cowbell("get", "7.2"), 99, "linux-binary-7.2.9+deb14-amd64", words)


@needs_apt
@pytest.mark.parametrize("files, words", [
    ({"usr/share/doc/a": b"a"}, "no modules"),
    ({"lib/modules/6.12.9-amd64/a.ko": b""}, "no vmlinuz"),
    ({"lib/modules/6.12.8-amd64/a.ko": b"",
      "boot/vmlinuz-6.12.8-amd64": banner_image("6.12.8-amd64")}, "holds 6.12.8-amd64")])
def test_packages_that_hold_something_else(archive, cache, files, words):
    archive.publish("trixie", build_package(archive.folder / "debian", "linux-image-6.12.9-amd64",
                                            "6.12.9-1", files))
    refused(cowbell("get", "6.12"), 99, words)
    assert kernels.cached() == {} and cache.exists()


@needs_apt
def test_a_package_that_cannot_be_unpacked(archive):
    """Signed and whole, but no package: what dpkg-deb says is passed on."""
    base = archive.folder / "debian"
    text = whole_kernel(base, "6.12.9-amd64", "6.12.9-1")
    path = next(base.glob("pool/linux-image-6.12.9*"))
    data = path.read_bytes()[:-200]
    path.write_bytes(data)
    lines = [line for line in text.splitlines() if not line.startswith(("Size", "SHA256"))]
    archive.publish("trixie", "\n".join([*[line for line in lines if line], f"Size: {len(data)}",
                                         f"SHA256: {hashlib.sha256(data).hexdigest()}", "", ""]))
    refused(cowbell("get", "6.12"), 99, "linux-image-6.12.9-amd64 6.12.9-1: tar: ")


@needs_apt
@pytest.mark.parametrize("text, words", [
    ("6.5", "near it are 6.1.20, 6.1.30, 7.2.9"), ("9", "near it are 6.1.30, 7.2.9"),
    ("buster", "there is no kernel buster"), ("trixie", "no kernel of trixie")])
def test_unknown_versions(archive, text, words):
    refused(cowbell("get", text), 2, words)
    assert archive.requests


def test_usage():
    for arguments in ((), ("get",), ("list", "6.1"), ("frob",)):
        done = cowbell(*arguments)
        assert (done.returncode, done.stdout) == (2, "")


@needs_apt
def test_two_at_once_fetch_one_kernel(archive, cache):
    assert cowbell("list").returncode == 0
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(subprocess.Popen(
            [COMMAND, "get", "7.2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
            for _ in range(2)]
        said = [child.communicate() for child in started]
        assert [child.returncode for child in started] == [0, 0]
    assert said[0][0] == said[1][0] != ""
    fetched = [path for path in archive.requests if path.endswith(".deb") or ".deb?" in path]
    assert len(fetched) == len(set(fetched)) == 3
    assert [path.name for path in cache.iterdir() if path.name[0].isdigit()] == [
        "7.2.9+deb14-amd64"]


def is_running(pid):
    """Whether a process is there and does not just wait to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@needs_apt
@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143),
                                            (signal.SIGKILL, -9)])
def test_interrupted_it_leaves_nothing(archive, cache, tmp_path, monkeypatch, number, status):
    """Told to end while it unpacks; what the one leaves that was killed, the next removes."""
    assert cowbell("list").returncode == 0
    stuck = tmp_path / "bin/dpkg-deb"
    stuck.parent.mkdir()
    stuck.write_text('#!/bin/sh\nmkdir "$3"; sleep 60 & echo $$ $! >"$3/began"; wait\n')
    stuck.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stuck.parent}:{os.environ['PATH']}")
    with subprocess.Popen([COMMAND, "get", "6.1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as child:
        began = []
        for _ in range(2000):
            began = [path for path in cache.glob(".new-*/*/began") if path.read_text()]
            if began:
                break
            time.sleep(0.01)
        pids = [int(pid) for pid in began[0].read_text().split()]
        child.send_signal(number)
        child.communicate()
    assert child.returncode == status
    if number == signal.SIGKILL:
        # What a child has started ends when it does; this one's never would.
        os.kill(pids[1], signal.SIGKILL)
    assert kernel.wait_until(lambda: not any(map(is_running, pids)), 20), [
        Path(f"/proc/{pid}/status").read_text() for pid in pids if is_running(pid)]
    assert bool(list(cache.glob(".new-*"))) == (number == signal.SIGKILL)
    assert kernels.cached() == {}
    stuck.unlink()
    assert cowbell("get", "6.1").stdout.startswith("6.1.0-10-amd64 ")


@needs_apt
def test_a_full_folder(archive, cache, monkeypatch, tmp_path):
    assert cowbell("list").returncode == 0
    usage = shutil.disk_usage(tmp_path)._replace(free=4000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(tools.RunnerError, match="is full: 6.1.0-10-amd64 takes"):
        kernels.find_kernel("6.1")
    assert archive.requests and kernels.cached() == {}


@needs_apt
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_folder_that_becomes_full(archive, tmp_path, monkeypatch):
    """The list says that the package is smaller than it is; the unpacking ends it."""
    base = archive.folder / "debian"
    release = "6.12.9-amd64"
    archive.publish("trixie", build_package(base, f"linux-image-{release}", "6.12.9-1", {
        f"boot/vmlinuz-{release}": banner_image(release),
        f"lib/modules/{release}/kernel/a.ko": bytes(8 << 20)}))
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", small], check=True)
    try:
        monkeypatch.setenv("COWBELL_KERNELS", str(small / "kernels"))
        refused(cowbell("get", "6.12"), 99, "is full", "linux-image-6.12.9-amd64")
        assert {path.name for path in (small / "kernels").iterdir()} == {"apt", "lock"}
        (small / "fill").write_bytes(bytes(1 << 20))
        with contextlib.suppress(OSError), (small / "fill").open("ab") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        refused(cowbell("list", "--refresh"), 99, "No space left", str(small))
    finally:
        subprocess.run(["umount", small], check=True)


@needs_apt
@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_an_ordinary_user_can_fetch(archive):
    """With everything of it where another user can reach it."""
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o777)
        shutil.copytree(TOP / "harness/runner", f"{home}/runner")
        etc = Path(os.environ["APT_CONFIG"]).parent
        text = (etc / "sources.list").read_text().replace(str(etc.parent), home)
        shutil.copy(etc.parent / "public.gpg", home)
        (Path(home) / "empty").mkdir()
        (Path(home) / "sources.list").write_text(text)
        (Path(home) / "apt.conf").write_text(
            (etc / "apt.conf").read_text().replace(str(etc), home))
        done = subprocess.run([f"{home}/runner/cowbell-kernel", "get", "6.1", "7.2"],
                              capture_output=True, text=True, check=False, cwd=home, user=NOBODY,
                              group=NOBODY, extra_groups=[],
                              env={"PATH": os.environ["PATH"], "HOME": f"{home}/me",
                                   "APT_CONFIG": f"{home}/apt.conf"})
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(
            f"6.1.0-10-amd64 {home}/me/.cache/cowbell/kernels/6.1.0-10-amd64/boot/vmlinuz")


@pytest.mark.parametrize("text", [
    "{", "[]", "7", "{}", '{"release": 7, "title": "6.1.20-1", "origin": "x", "size_bytes": 1}',
    '{"release": "6.1.0-9-amd64", "title": 7, "origin": "x", "size_bytes": 1}',
    '{"release": "6.1.0-9-amd64", "title": "6.1.20-1", "origin": "x", "size_bytes": "many"}'])
def test_a_broken_record_is_no_kernel(cache, text, capfd):
    (cache / "6.1.0-9-amd64").mkdir(parents=True)
    (cache / "6.1.0-9-amd64/origin.json").write_text(text)
    assert kernels.cached() == {}
    said = capfd.readouterr().err
    assert "origin.json: cannot be read" in said and len(said.splitlines()) == 1


@needs_apt
def test_broken_records_are_named(archive, cache):
    assert cowbell("get", "6.1").returncode == 0
    (cache / "6.1.0-10-amd64/origin.json").write_text("{")
    (cache / "apt/kernels.json").write_text("[{}]")
    done = cowbell("list")
    assert (done.returncode, done.stdout.count("\n")) == (0, 4)
    lines = done.stderr.splitlines()
    assert len(lines) == 2 and "origin.json: cannot be read" in lines[0]
    assert "kernels.json: cannot be read" in lines[1]
    assert archive.requests
