# SPDX-License-Identifier: GPL-2.0-only
"""cowbell kernel: kernels to boot, from Debian's packages, from this machine, or built here.

A fetched kernel is a folder of the cache that is complete or not there:

    RELEASE/boot/vmlinuz-RELEASE            the image; beside it vmlinux-RELEASE, the same unpacked,
                                            and the config, if they can be had
    RELEASE/lib/modules/RELEASE/            its modules, with modules.dep
    RELEASE/origin.json                     what it is

RELEASE is what uname -r says. See docs/kernels.md.
"""

import argparse
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import struct
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Iterable, Iterator, Sequence

from .apt_root import AptRoot, Package, ProgramFailed, checked
from .command import ends_well
from .images import save_plain
from .modules import unpack_modules
from .tools import RunnerError, UsageError, complain

NAME = "cowbell kernel"
FLAVOUR = "amd64"
BOOT = Path("/boot")
MODULES = Path("/lib/modules")
MIB = 1024 * 1024
INDEX_SECONDS = 24 * 60 * 60

# What can be asked for by name, and the suites of the archive that it is made of; oldest first.
SUITES = {
    "bullseye": ("bullseye", "bullseye-security"),
    "bookworm": ("bookworm", "bookworm-security"),
    "bookworm-backports": ("bookworm-backports",),
    "trixie": ("trixie", "trixie-security"),
    "trixie-backports": ("trixie-backports",),
    "sid": ("sid",),
    "experimental": ("experimental",),
}
# Whose dependency is a suite's own kernel.
METAPACKAGE = f"linux-image-{FLAVOUR}"
PACKAGE = re.compile(r"linux-(?P<kind>image|binary|modules|base)-(?P<unsigned>unsigned-)?"
                     r"(?P<release>\d.*-" + FLAVOUR + r")(?P<unsigned_too>-unsigned)?")
OTHER_FLAVOUR = re.compile(r"-(rt|cloud)-" + FLAVOUR + "$")
VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:[-~]rc(\d+))?(?:\+[\w.]+)?(?:-(\d+))?")
# Sorts behind every -rc.
FINAL = 1 << 16

# The boot protocol's header of a bzImage (Documentation/arch/x86/boot.rst).
HEADER_MAGIC = (0x202, b"HdrS")
HEADER_BANNER = 0x20E
HEADER_BASE = 0x200

HELP = """\
K is a version ("6.1", "6.12.95"), a release as in uname -r, a suite of Debian (%s),
a path of a vmlinuz ("VMLINUZ" or "VMLINUZ,MODULES-FOLDER"), or a folder in which a kernel was
built. Of a version, what is here goes before what must be fetched, then newer before older.
Kernels are kept in COWBELL_KERNELS (~/.cache/cowbell/kernels).
""" % ", ".join(SUITES)


class BadTree(RunnerError):
    """What was built in a tree cannot be used, and this machine is not to blame."""


@dataclass(frozen=True)
class Kernel:
    """A kernel that is here and can be booted."""

    # What uname -r says.
    release: str
    # From version_of(); sorts kernels by age of their source.
    version: tuple[int, ...]
    # The vmlinuz or bzImage.
    image: Path
    # The folder that holds modules.dep; None if it has no modules.
    modules: Path | None
    # Package and its version, "installed", "given" or "tree".
    origin: str


@dataclass(frozen=True)
class Entry:
    """A kernel that can be had by find_kernel(release): it is here, or it can be fetched."""

    release: str
    version: tuple[int, ...]
    # The version of its source, as 6.1.192-2.
    title: str
    # "cached", "installed", and the suites that have it.
    where: tuple[str, ...]
    # What is fetched for it, or what it takes up if it is here. Bytes.
    size_bytes: int
    # All that is fetched, kernel and modules; empty if it is nowhere but here.
    packages: tuple[Package, ...] = ()
    # The names in SUITES of which it is the kernel.
    default_of: tuple[str, ...] = ()

    @property
    def here(self) -> bool:
        """Whether nothing needs to be fetched."""
        return bool({"cached", "installed"} & set(self.where))


def version_of(text: str) -> tuple[int, ...]:
    """A version to sort by: major, minor, patch, -rc, revision.

    Takes Debian's versions and what uname -r says. Raises UsageError for what is none.
    """
    found = VERSION.match(text)
    if not found:
        raise UsageError(f"{text!r} is no version of a kernel")
    major, minor, patch, candidate, revision = found.groups()
    return (int(major), int(minor), int(patch or 0), int(candidate or FINAL), int(revision or 0))


def names(text: str, entry: Entry) -> bool:
    """Whether a text says this kernel: its release, its version, or how one of them begins."""
    text = text.replace("~", "-")
    for full in (entry.release, entry.title.replace("~", "-")):
        if full == text or full.startswith(text) and not full[len(text)].isdigit():
            return True
    return False


# The cache.

def cache_folder() -> Path:
    """Where kernels are kept; it need not exist."""
    given = os.environ.get("COWBELL_KERNELS")
    if given:
        return Path(given).absolute()
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches).absolute() / "cowbell" / "kernels"


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Raise what goes wrong with files, as in a folder that is full, as RunnerError."""
    try:
        yield
    except OSError as error:
        raise RunnerError(f"{error.filename}: {error.strerror}" if error.filename
                          else f"{cache_folder()}: {error.strerror}") from None


@contextlib.contextmanager
def locked(cache: Path) -> Iterator[None]:
    """Be the only one who changes the cache; what a killed run left half-written is removed.

    Raises RunnerError for all that goes wrong with it.
    """
    with plain_errors(), lock_of(cache):
        for left in cache.glob(".new-*"):
            shutil.rmtree(left)
        yield


@contextlib.contextmanager
def lock_of(cache: Path) -> Iterator[None]:
    """Wait for one's turn to change the cache. Raises OSError."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            complain(NAME, f"waiting for another one that changes {cache}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def save_json(path: Path, value: object) -> None:
    """Write a file that is complete or not there."""
    new = path.with_name(f".new-{path.name}")
    try:
        new.write_text(json.dumps(value, indent=1) + "\n")
        new.rename(path)
    finally:
        new.unlink(missing_ok=True)


def size_of(folder: Path) -> int:
    """Bytes that the files below a folder take up."""
    return sum(entry.lstat().st_blocks * 512 for entry in folder.rglob("*"))


def load_kernel(folder: Path) -> tuple[Kernel, Entry]:
    """A kernel of the cache. Raises OSError, ValueError, KeyError, TypeError for what is none."""
    origin = json.loads((folder / "origin.json").read_text())
    release, title = origin["release"], origin["title"]
    modules = folder / "lib/modules" / release
    kernel = Kernel(release, version_of(title), folder / "boot" / f"vmlinuz-{release}",
                    modules if modules.is_dir() else None, origin["origin"])
    return kernel, Entry(release, kernel.version, title, ("cached",), int(origin["size_bytes"]))


def cached() -> dict[str, tuple[Kernel, Entry]]:
    """The fetched kernels, by release."""
    found = {}
    for path in sorted(cache_folder().glob("[0-9]*/origin.json")):
        try:
            found[path.parent.name] = load_kernel(path.parent)
        except (OSError, ValueError, KeyError, TypeError, RunnerError) as error:
            complain(NAME, f"{path}: cannot be read ({error!r}); delete its folder")
    return found


# Kernels that someone else put somewhere.

def read_banner(image: Path) -> str:
    """What a bzImage says of itself: the release, who built it, and the version of the package.

    Raises UsageError for another kind of file.
    """
    try:
        with image.open("rb") as file:
            start = file.read(HEADER_BANNER + 2)
            offset, magic = HEADER_MAGIC
            if start[offset:offset + len(magic)] != magic or len(start) < HEADER_BANNER + 2:
                raise UsageError(f"{image} is no kernel image (bzImage)")
            file.seek(HEADER_BASE + struct.unpack_from("<H", start, HEADER_BANNER)[0])
            banner = file.read(512).partition(b"\0")[0].decode(errors="replace")
    except OSError as error:
        raise UsageError(f"{image}: {error.strerror}") from None
    if not banner.strip():
        raise UsageError(f"{image} does not say which kernel it is")
    return banner


def banner_title(banner: str) -> str:
    """The version of the source in such a text: that of Debian's package, or the release."""
    found = re.search(r"\bDebian (\d\S*)", banner)
    return found[1] if found else banner.split()[0]


def modules_below(folder: Path, release: str) -> Path | None:
    """The folder with the modules of a release, itself or where it usually lies below a root."""
    for place in (".", release, f"lib/modules/{release}", f"usr/lib/modules/{release}"):
        if (folder / place / "modules.dep").is_file():
            return (folder / place).resolve()
    return None


def given_kernel(text: str) -> Kernel:
    """A kernel from "VMLINUZ" or "VMLINUZ,MODULES-FOLDER". Raises UsageError."""
    path, _, folder = text.partition(",")
    image = Path(path).absolute()
    banner = read_banner(image)
    release = banner.split()[0]
    if folder:
        modules = modules_below(Path(folder).absolute(), release)
        if modules is None:
            raise UsageError(f"{folder} has no modules of {release}: there is no modules.dep")
    else:
        found = (modules_below(place, release) for place in (image.parent.parent, MODULES))
        modules = next((place for place in found if place), None)
    return Kernel(release, version_of(banner_title(banner)), image, modules, "given")


def installed() -> dict[str, tuple[Kernel, Entry]]:
    """The kernels that are installed on this machine and that we may read, by release."""
    found = {}
    for image in sorted(BOOT.glob("vmlinuz-*")):
        try:
            kernel = replace(given_kernel(str(image)), origin="installed")
            title = banner_title(read_banner(image))
        except UsageError:
            continue
        found[kernel.release] = kernel, Entry(kernel.release, kernel.version, title,
                                              ("installed",), image.stat().st_size)
    return found


def complete(folder: Path, title: str, origin: str) -> None:
    """Make a folder with image and modules a record of the cache.

    The image and the modules that guests load are unpacked; modules.dep and origin.json are made.
    """
    image = next((folder / "boot").glob("vmlinuz-*"))
    release = image.name.partition("-")[2]
    modules = folder / "lib/modules" / release
    if modules.is_dir():
        unpack_modules(modules)
        checked(["depmod", "-b", folder, release], f"depmod of {release}")
    save_plain(image)
    save_json(folder / "origin.json", {"release": release, "title": title, "origin": origin,
                                       "size_bytes": size_of(folder)})


def tree_state(tree: Path) -> str:
    """A digest that changes when the image or a module of a tree is built anew."""
    order = tree / "modules.order"
    lines = order.read_text().splitlines() if order.is_file() else []
    # "kernel/fs/xfs/xfs.ko" or, since 6.3, "fs/xfs/xfs.o"
    modules = [(tree / line.removeprefix("kernel/")).with_suffix(".ko") for line in lines]
    digest = hashlib.sha256()
    for file in (tree / "arch/x86/boot/bzImage", order, *modules):
        if file.is_file():
            digest.update(f"{file} {file.stat().st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


@contextlib.contextmanager
def tree_blamed(cache: Path) -> Iterator[None]:
    """Raise what a program fails at as BadTree, unless it had no room in the cache."""
    try:
        yield
    except ProgramFailed as error:
        if shutil.disk_usage(cache).free < MIB or os.strerror(errno.ENOSPC) in str(error):
            raise
        raise BadTree(str(error)) from None


def built_kernel(tree: Path) -> Kernel:
    """The kernel built in a tree, its modules installed into the cache.

    Raises BadTree if that fails since the tree is as it is, RunnerError.
    """
    tree = tree.resolve()
    image = tree / "arch/x86/boot/bzImage"
    if not image.is_file():
        raise UsageError(f"{tree} has no arch/x86/boot/bzImage: no kernel was built there")
    banner = read_banner(image)
    release = banner.split()[0]
    cache = cache_folder()
    builds = cache / "trees" / f"{tree.name}-{hashlib.sha256(str(tree).encode()).hexdigest()[:12]}"
    kept = builds / tree_state(tree)
    with locked(cache), tempfile.TemporaryDirectory(prefix=".new-", dir=cache) as temporary:
        if kept.exists():
            return load_kernel(kept)[0]
        new = Path(temporary) / "record"
        (new / "boot").mkdir(parents=True)
        shutil.copy(image, new / "boot" / f"vmlinuz-{release}")
        if (tree / ".config").is_file():
            shutil.copy(tree / ".config", new / "boot" / f"config-{release}")
        order = tree / "modules.order"
        with tree_blamed(cache):
            if order.is_file() and order.stat().st_size:
                checked(["make", "--no-print-directory", "-C", tree, "modules_install",
                         f"INSTALL_MOD_PATH={new}", "INSTALL_MOD_STRIP=1"],
                        f"make modules_install in {tree}")
            complete(new, banner_title(banner), "tree")
        builds.mkdir(parents=True, exist_ok=True)
        # A guest may still be running with the modules of the last build.
        for old in sorted(builds.iterdir(), key=lambda path: path.stat().st_mtime)[:-1]:
            shutil.rmtree(old)
        new.rename(kept)
    return load_kernel(kept)[0]


# What the mirror has.

def read_index(path: Path) -> tuple[list[Package], float]:
    """The list of packages made last and its age in seconds; nothing and infinity if none was."""
    try:
        text = path.read_text()
        return ([Package(**package) for package in json.loads(text)],
                time.time() - path.stat().st_mtime)
    except FileNotFoundError:
        return [], float("inf")
    except (ValueError, TypeError):
        complain(NAME, f"{path}: cannot be read; it is made anew")
        return [], float("inf")


def package_index(refresh: bool = False) -> list[Package]:
    """What the suites have of kernels; read anew if that is asked for, or a day old.

    Without a network the last one is used. Raises RunnerError if there is none.
    """
    cache = cache_folder()
    path = cache / "apt" / "kernels.json"
    packages, age = read_index(path)
    if not refresh and 0 <= age < INDEX_SECONDS:
        return packages
    with locked(cache):
        try:
            apt = AptRoot(cache / "apt")
            missing = apt.update([name for parts in SUITES.values() for name in parts])
            found = [package for package in apt.packages("linux-")
                     if package.name == METAPACKAGE or PACKAGE.fullmatch(package.name)]
            if not found:
                raise RunnerError(missing or "the mirror has no kernel")
            if missing:
                complain(NAME, missing)
            packages = found
            save_json(path, [asdict(package) for package in packages])
        except RunnerError as error:
            if refresh or not packages:
                raise
            complain(NAME, f"{error}; using the list made {age / 3600:.0f} hours ago")
    return packages


def kind_of(package: Package) -> tuple[str, str, bool]:
    """Of a package of a kernel: its kind, the kernel's release, and whether it is signed."""
    found = PACKAGE.fullmatch(package.name)
    assert found
    return (found["kind"], found["release"],
            not (found["unsigned"] or found["unsigned_too"]))


def parts_of(kinds: dict[str, Package]) -> tuple[Package, ...]:
    """What must be fetched of a release's packages, by kind; nothing if some are missing.

    Image and modules are one package, or two and a third that has the config; the package called
    image then is one that holds nothing.
    """
    if "binary" in kinds and "modules" in kinds:
        return tuple(kinds[kind] for kind in ("binary", "modules", "base") if kind in kinds)
    image = kinds.get("image")
    if image and not re.search(r"\blinux-(image|binary)-", image.depends):
        return (image,)
    return ()


def suite_names(suite: str) -> Iterator[str]:
    """The names in SUITES that a suite of the archive belongs to."""
    return (name for name, parts in SUITES.items() if suite in parts)


def default_releases(packages: Iterable[Package]) -> dict[str, str]:
    """The release that each name in SUITES stands for, as far as its metapackage says."""
    found: dict[str, tuple[tuple[int, ...], str]] = {}
    for package in packages:
        needs = re.search(r"\blinux-image-(\d\S*-" + FLAVOUR + ")", package.depends)
        if package.name == METAPACKAGE and needs:
            for name in suite_names(package.suite):
                candidate = version_of(package.version), needs[1]
                found[name] = max(found.get(name, candidate), candidate)
    return {name: release for name, (_, release) in found.items()}


def fetchable(packages: Sequence[Package]) -> list[Entry]:
    """The kernels of a list of packages of which everything is there, oldest first."""
    releases: dict[tuple[str, str], dict[str, Package]] = {}
    suites: dict[tuple[str, str], list[str]] = {}
    for package in packages:
        if package.name == METAPACKAGE:
            continue
        kind, release, signed = kind_of(package)
        key = release, package.version
        kinds = releases.setdefault(key, {})
        if signed or kind not in kinds:
            kinds[kind] = package
        if package.suite not in suites.setdefault(key, []):
            suites[key].append(package.suite)
    defaults = default_releases(packages)
    entries: dict[str, Entry] = {}
    for (release, version), kinds in releases.items():
        parts = parts_of(kinds)
        if parts:
            entry = Entry(release, version_of(version), version, tuple(suites[release, version]),
                          sum(part.size_bytes for part in parts), parts,
                          tuple(name for name, known in defaults.items() if known == release))
            entries[release] = max(entries.get(release, entry), entry, key=age)
    return sorted(entries.values(), key=age)


def age(entry: Entry) -> tuple[tuple[int, ...], int, str]:
    """What kernels are sorted by: version, then suite, then release."""
    order = [suite for parts in SUITES.values() for suite in parts]
    places = [order.index(where) for where in entry.where if where in order]
    return entry.version, max(places, default=-1), entry.release


# What can be had, and getting it.

def local() -> dict[str, tuple[Kernel, Entry]]:
    """The kernels that are here, cached or installed, by release."""
    return {**installed(), **cached()}


def merged(here: Iterable[Entry], there: Iterable[Entry]) -> list[Entry]:
    """Kernels that are here and those that can be fetched as one list, oldest first."""
    entries = {entry.release: entry for entry in here}
    for entry in there:
        if entry.release in entries:
            mine = entries[entry.release]
            entry = replace(entry, where=mine.where + entry.where, size_bytes=mine.size_bytes)
        entries[entry.release] = entry
    return sorted(entries.values(), key=age)


def available(*, refresh: bool = False, offline: bool = False,
              flavours: bool = False, builds: bool = False) -> list[Entry]:
    """The kernels that can be had by find_kernel(entry.release), oldest source first.

    One for each version, preferably one that is here; with `builds` also the same version built
    for several suites, with `flavours` also those for clouds and real time. `offline`: only what
    is here. Raises RunnerError if there is no list of packages and none can be had.
    """
    here = [entry for _, entry in local().values()]
    entries = merged(here, [] if offline else fetchable(package_index(refresh)))
    if not flavours:
        entries = [entry for entry in entries
                   if entry.here or not OTHER_FLAVOUR.search(entry.release)]
    if not builds:
        entries = list({entry.version: entry for entry in
                        sorted(entries, key=lambda entry: (entry.version, entry.here, age(entry)))
                        }.values())
    return entries


def short(entry: Entry) -> str:
    """The version of the source without that of the package: 6.1.192, 7.3-rc7."""
    return re.split(r"-(?!rc)", entry.title.replace("~rc", "-rc"))[0]


def unknown(text: str, entries: Sequence[Entry]) -> UsageError:
    """The error that says which kernels are near one that there is none of."""
    if text in SUITES:
        return UsageError(f"the mirror has no kernel of {text}")
    try:
        wanted = version_of(text if "." in text else f"{text}.0")
    except UsageError:
        return UsageError(f"there is no kernel {text}; a version, a path, or a suite ("
                          f"{', '.join(SUITES)}) names one")
    plain = [entry for entry in entries if not OTHER_FLAVOUR.search(entry.release)]
    older = list(dict.fromkeys(short(entry) for entry in plain if entry.version < wanted))
    newer = list(dict.fromkeys(short(entry) for entry in plain if entry.version >= wanted))
    near = [*older[-2:], *newer[:2]]
    return UsageError(f"there is no kernel {text}; near it are {', '.join(near)}" if near
                      else f"there is no kernel {text}, nor any other")


def choose(text: str, entries: Iterable[Entry]) -> Entry | None:
    """The newest kernel that a text names; flavours only by their release."""
    found = [entry for entry in entries
             if entry.release == text or text in entry.default_of
             or names(text, entry) and not OTHER_FLAVOUR.search(entry.release)]
    return max(found, key=age, default=None)


def unpack(packages: Sequence[Package], apt: AptRoot, scratch: Path) -> Path:
    """Fetch packages and lay out what is needed of them; the folder. Raises RunnerError."""
    root, record = scratch / "root", scratch / "record"
    for package in packages:
        path = apt.download(package, scratch)
        checked(["dpkg-deb", "-x", path, root], f"{package.name} {package.version}")
        path.unlink()
    lib = next((root / place for place in ("lib/modules", "usr/lib/modules")
                if (root / place).is_dir()), None)
    releases = [path.name for path in lib.iterdir()] if lib else []
    if not lib or len(releases) != 1:
        raise RunnerError(f"{packages[0].name}: there are no modules in it")
    release = releases[0]
    (record / "boot").mkdir(parents=True)
    (record / "lib").mkdir()
    images = [root / "boot" / f"vmlinuz-{release}", lib / release / "vmlinuz"]
    image = next((path for path in images if path.is_file()), None)
    if image is None:
        raise RunnerError(f"{packages[0].name}: there is no vmlinuz in it")
    image.rename(record / "boot" / f"vmlinuz-{release}")
    for config in (root / "boot" / f"config-{release}", lib / release / "config"):
        if config.is_file():
            config.rename(record / "boot" / f"config-{release}")
    lib.rename(record / "lib/modules")
    for name in ("build", "source", "System.map"):
        (record / "lib/modules" / release / name).unlink(missing_ok=True)
    shutil.rmtree(root)
    return record


def fetch(entry: Entry) -> Kernel:
    """Get a kernel into the cache, unless it is there. Raises RunnerError."""
    cache = cache_folder()
    with locked(cache):
        if entry.release in cached():
            return cached()[entry.release][0]
        # Twice, as the image and most modules are packed within the package, too.
        needed = sum(part.size_bytes + 2 * part.unpacked_bytes for part in entry.packages)
        free = shutil.disk_usage(cache).free
        if free < needed:
            raise RunnerError(f"{cache} is full: {entry.release} takes {needed // MIB} MiB while "
                              f"it is unpacked, {free // MIB} MiB are free")
        complain(NAME, f"fetching {entry.release}, {entry.size_bytes // MIB} MiB")
        with tempfile.TemporaryDirectory(prefix=".new-", dir=cache) as temporary:
            try:
                record = unpack(entry.packages, AptRoot(cache / "apt"), Path(temporary))
            except RunnerError as error:
                if shutil.disk_usage(cache).free < MIB:
                    raise RunnerError(f"{cache} is full: {error}") from None
                raise
            main = entry.packages[0]
            complete(record, entry.title, f"{main.name} {main.version}")
            kernel, _ = load_kernel(record)
            if kernel.release != entry.release:
                raise RunnerError(f"{main.name} holds {kernel.release}, not {entry.release}")
            record.rename(cache / entry.release)
    return load_kernel(cache / entry.release)[0]


def is_path(text: str) -> bool:
    """Whether a text names a kernel by where it is, and not by its version, release or suite."""
    is_name = VERSION.match(text) or text in SUITES
    return "/" in text or "," in text or Path(text).exists() and not is_name


def find_kernel(text: str, refresh: bool = False) -> Kernel:
    """The kernel that a text names (see HELP); fetched if it is not here.

    With `refresh` the mirror is asked even if one is here, and the newest is taken. Raises
    UsageError for what names none, RunnerError for what cannot be had.
    """
    if not text or text == "host":
        raise UsageError(f"{text!r} names no kernel that could be booted")
    path = Path(text.partition(",")[0])
    if is_path(text):
        return built_kernel(path) if path.is_dir() else given_kernel(text)
    here = local()
    entries = [entry for _, entry in here.values()]
    entry = None if refresh else choose(text, entries)
    if entry is None:
        entries = merged(entries, fetchable(package_index(refresh)))
        entry = choose(text, entries)
    if entry is None:
        raise unknown(text, entries)
    return here[entry.release][0] if entry.release in here else fetch(entry)


# The command.

def table(entries: Sequence[Entry]) -> str:
    """The kernels as a table, oldest first."""
    rows = [("version", "release", "where", "size")]
    rows += [(entry.title, entry.release, " ".join(entry.where), f"{entry.size_bytes // MIB} MiB")
             for entry in entries]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:<{widths[2]}}  "
                     f"{row[3]:>8}" for row in rows)


def list_kernels(args: argparse.Namespace) -> int:
    """cowbell kernel list."""
    entries = available(refresh=args.refresh, offline=args.cached, flavours=args.all,
                        builds=args.all)
    if args.json:
        print(json.dumps([{"release": entry.release, "version": entry.title,
                           "where": entry.where, "default_of": entry.default_of,
                           "size_bytes": entry.size_bytes,
                           "packages": [part.name for part in entry.packages]}
                          for entry in entries], indent=1))
    else:
        print(table(entries))
    return 0


def get_kernels(args: argparse.Namespace) -> int:
    """cowbell kernel get."""
    for text in args.kernels:
        kernel = find_kernel(text, args.refresh)
        print(kernel.release, kernel.image, flush=True)
    return 0


def print_path(args: argparse.Namespace) -> int:
    """cowbell kernel path."""
    kernel = find_kernel(args.kernel)
    if args.modules and kernel.modules is None:
        raise UsageError(f"{kernel.release} has no modules")
    print(kernel.modules if args.modules else kernel.image)
    return 0


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog=NAME, description="Kernels to run cases on.", epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(metavar="list|get|path", required=True)
    verb = verbs.add_parser("list", help="what is here and what can be fetched, oldest first")
    verb.add_argument("--cached", action="store_true", help="only what is here; needs no network")
    verb.add_argument("--all", action="store_true",
                      help="also builds of one version for several suites, and rt and cloud")
    verb.add_argument("--json", action="store_true", help="as JSON, sizes in bytes")
    verb.add_argument("--refresh", action="store_true", help="read the mirror's lists anew")
    verb.set_defaults(run=list_kernels)
    verb = verbs.add_parser("get", help="fetch kernels; prints release and image of each")
    verb.add_argument("kernels", nargs="+", metavar="K")
    verb.add_argument("--refresh", action="store_true",
                      help="read the mirror's lists anew, and take the newest")
    verb.set_defaults(run=get_kernels)
    verb = verbs.add_parser("path", help="print where a kernel is; fetches it if it is not here")
    verb.add_argument("kernel", metavar="K")
    verb.add_argument("--modules", action="store_true", help="the folder with its modules instead")
    verb.set_defaults(run=print_path)
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """The command; its exit status."""
    args = parse(argv)
    return args.run(args)


def run() -> None:
    """Entry of the executable."""
    sys.exit(ends_well(main, NAME, sys.argv[1:]))
