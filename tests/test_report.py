# SPDX-License-Identifier: GPL-2.0-only
"""cowbell report: the page as a browser has it, the plots, the texts, and what is no result."""

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from statistics import median

import pytest

from cowbell import report_plots, results
from cowbell.report_bench import show, size_of

TOP = Path(__file__).resolve().parents[1]
REPORT = TOP / "harness" / "runner" / "cowbell-report"
BROWSER = shutil.which("chromium")
GNUPLOT = shutil.which("gnuplot")
needs_browser = pytest.mark.skipif(not BROWSER, reason="needs chromium")
needs_gnuplot = pytest.mark.skipif(not GNUPLOT, reason="needs gnuplot")

HOSTILE = "</script><script>document.documentElement.dataset.state='bad'</script><img src=x>|`&@js@"
NEEDS = {"clone": "yes", "copy_range": "yes"}


def head(fs="xfs", **more):
    """The first line of a result file."""
    return {"kind": "run", "schema": 1, "cowbell": "0.1.0+abc", "started": "2026-11-20T09:00:00Z",
            "command": ["cowbell", "run", "--dir", "/mnt/x"], "dir": "/mnt/x",
            "kernel": {"release": "6.1.5", "version": "#1", "machine": "x86_64"},
            "filesystem": {"type": fs, "mount_options": "rw", "unit_bytes": 4096,
                           "page_bytes": 4096}, "machine": {"cpu": "CPU", "cpus": 2},
            "seed": 7, "jobs": 1, "repeat": 1, "points": 9, "needs": NEEDS, **more}


def point(name, verdict="pass", **more):
    """A result."""
    return {"kind": "case", "case": name, "strength": "must", "verdict": verdict, "seed": 7,
            "wall_ns": 1_000_000, "checks": f"the sentence of {name.partition('[')[0]}", **more}


def fail(name, verdict="fail", **more):
    """A red result."""
    return point(name, verdict, done="clone_range from=a len=8192", seen="ok", allowed="EINVAL",
                 reason="the call succeeded", place="steps[0]", trace=["write fd=a -> 4096"],
                 repeat=f"cowbell run --dir /mnt/x --seed 7 '{name}'", **more)


def end(**more):
    """The last line."""
    return {"kind": "end", "counts": {}, "wall_ns": 2_000_000_000, **more}


def write(path, *lines, torn=""):
    """Write a result file, with half a line at its end if asked to."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + torn)
    return path


def verdict_files(folder):
    """Two runs: one with every verdict but a miss, one that skips clones."""
    quirk = {"reason": "the kernel rounds", "link": "https://example.org/thread"}
    xfs = [*(point(f"clone/plain[len={i}B]") for i in range(1, 6)),
           fail("clone/overlap[len=2B]"), fail("clone/overlap[len=4B]"),
           fail(f"errno/odd[what={HOSTILE}]", checks=HOSTILE),
           fail("dedupe/tail", "xfail", quirk=quirk), point("dedupe/new", "xpass"),
           point("errno/memory", "error", reason="no memory"),
           point("copy/seen", "done", observed={"answer": "EIO"}, answers={"steps[0] clone": "ok"})]
    ext4 = [*(point(line["case"], "skip", reason="clone: FICLONE: EOPNOTSUPP") for line in xfs[:7]),
            point("copy/seen", "done", observed={"answer": "ok"})]
    return [write(folder / "xfs.jsonl", head(), *xfs, end()),
            write(folder / "ext4.jsonl", head("ext4"), *ext4, end())]


def cells(suite, name, method, factors, value, metric="time_ns", **more):
    """Three blocks of a cell, with samples around a value."""
    return [{"kind": "bench", "suite": suite, "name": f"{suite}/{name}", "method": method,
             "role": "measure", "factors": factors, "metric": metric, "better": "lower",
             "block": block, "order": block, "work_bytes": factors.get("chunk", 0),
             "samples": [value - block, value, value + 5 * block], "flags": [], "outliers": [],
             "observed": {"mechanism": "shared"}, **more} for block in (1, 2, 3)]


def bench_lines():
    """A run of every suite that has a plot."""
    lines = [head(verb="bench", environment={})]
    for size in (4096, 1 << 20, 1 << 30):
        lines += cells("paths", f"clone[size={size}]", "clone", {"size": size}, 9000)
        lines += cells("paths", f"rw[size={size}]", "rw-1M", {"size": size}, 3000 + size,
                       flags=["bimodal"], observed={"mechanism": "copied"})
    lines += cells("paths", "loop", "loop", {}, 20, role="overhead")
    for count in (1, 64, 4096):
        lines += cells("extents", f"clone[extents={count}]", "clone", {"extents": count},
                       9000 + 5000 * count, observed={"extents": 1, "source_extents": 2 * count})
        lines += cells("scaling", f"clone[cloners={count}]", "clone", {"cloners": count},
                       1000 * count, "ops_per_s", better="higher")
    lines.append({"kind": "derived", "suite": "extents", "name": "extents/clone", "value": 2500,
                  "method": "clone",
                  "metric": "slope_ns_per_extent", "low": 2400, "high": 2600, "confidence": 0.95})
    for amount in (1 << 20, 1 << 24):
        lines += cells("dirty", f"clone[dirty={amount}]", "clone", {"dirty": amount}, amount)
        for match in (0, 50, 100):
            lines += cells("dedupe", f"dedupe[match={match},chunk={amount}]", "dedupe",
                           {"match": match, "chunk": amount}, 1000 + amount // 100)
    for what in ("none", "fsync"):
        lines += cells("durable", f"clone[sync={what}]", "clone", {"sync": what}, 90000)
        lines += cells("interference", f"{what}[foreground=write]", what,
                       {"foreground": "write", "rate": 500}, 200000, "latency_ns")
    lines.append({"kind": "bench", "suite": "paths", "name": "paths/fio", "verdict": "skip",
                  "reason": "fio is not installed"})
    return [*lines, {"kind": "end", "cells": 99, "skipped": 1, "wall_ns": 5}]


COMPARE = {"kind": "compare", "threshold": 0.02, "a": ["a.jsonl"], "b": ["b.jsonl"], "metrics": [
    {"name": "paths/clone", "ratio": 1.2, "low": 1.1, "high": 1.3, "p": 0.01, "verdict": "worse",
     "n_a": 6, "n_b": 6},
    {"name": "paths/rw", "ratio": 1, "low": 0.99, "high": 1.01, "p": 0.9, "verdict": "same",
     "n_a": 6, "n_b": 6}]}


def report(*words, **more):
    """Run cowbell report."""
    return subprocess.run([REPORT, *map(str, words)], capture_output=True, text=True, check=False,
                          **more)


@pytest.fixture(scope="module", name="made")
def fixture_made(tmp_path_factory):
    """A report of everything: verdicts, benchmarks and a comparison."""
    folder = tmp_path_factory.mktemp("report")
    files = [*verdict_files(folder), write(folder / "bench.jsonl", *bench_lines()),
             write(folder / "compare.json", COMPARE)]
    done = report(*files, "-o", folder / "out")
    assert (done.returncode, done.stdout) == (0, f"report: {folder}/out/index.html\n")
    assert done.stderr == ("" if GNUPLOT else
                           "cowbell report: gnuplot is not installed: data and scripts are in "
                           f"{folder}/out/plots\n")
    return folder / "out"


def browse(page, fragment="", script="", patch=lambda text: text):
    """The page after its scripts, and one more, have run in a browser: what its root says in
    data attributes, its HTML, and what its scripts complained about."""
    copy = page.with_name(".view.html")
    copy.write_text(patch(page.read_text()).replace(
        "</body>", f"<script>{script}</script></body>"))
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
               "--disable-background-networking", f"--user-data-dir={page.parent / '.profile'}",
               "--enable-logging=stderr", "--window-size=1200,900", "--virtual-time-budget=2000",
               "--dump-dom", f"file://{copy}{fragment}"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             start_new_session=True)
    try:
        html, said = child.communicate(timeout=120)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        copy.unlink()
        shutil.rmtree(page.parent / ".profile", ignore_errors=True)
    root = dict(re.findall(r'data-([a-z]+)="([^"]*)"', re.search(r"<html[^>]*>", html)[0]))
    return root, html, [line for line in said.splitlines() if "CONSOLE" in line]


# The page in a browser

@needs_browser
def test_scripts_run_without_errors_and_hostile_results_stay_text(made):
    root, html, complaints = browse(made / "index.html")
    assert root["state"] == "ready" and complaints == []
    assert "<img" not in html and html.count("<script") == 3


@needs_browser
def test_script_errors_would_be_seen(made):
    for error in ("throw new Error('broken')", "console.error('broken')"):
        assert len(browse(made / "index.html", script=error)[2]) == 1


@needs_browser
def test_filter_in_the_address(made):
    root, html, complaints = browse(made / "index.html", "#filter=clone&verdict=fail")
    assert complaints == [] and root["matched"] == "2"
    assert html.count('<tr class="point">') == 2
    assert re.findall(r'data-verdict="(\w+)" aria-pressed="true"', html) == ["fail"]
    assert "2 of 12 points in 1 cases" in html


# What is asked for, how many points match, how many rows of them are shown, what is pressed.
FILTERS = (("filter=clone", 7, 7, ""), ("filter=clone%20len%3D2b", 2, 2, ""),
           ("verdict=fail", 3, 3, "fail"), ("verdict=fail,xfail", 4, 4, "fail xfail"),
           ("filter=overlap&verdict=skip", 2, 2, "skip"), ("filter=%3Cscript%3E", 1, 1, ""),
           ("filter=sentence%20of%20dedupe", 2, 2, ""), ("filter=nothing-like-it", 0, 0, ""),
           ("differ=1", 0, 0, ""), ("filter=", 12, 0, ""))
TRY = """
const todo = %s, said = [];
window.addEventListener('hashchange', () => {
    const pressed = document.querySelectorAll('[data-verdict][aria-pressed=true]');
    said.push([document.documentElement.dataset.matched,
        document.querySelectorAll('tr.point').length,
        [...pressed].map((t) => t.dataset.verdict).join(' '),
        document.getElementById('matrix-body').textContent === 'Nothing matches.'].join());
    next();
});
const next = () => { location.hash = todo.length > said.length ? todo[said.length] : 'matrix';
    document.documentElement.dataset.test = said.join(';'); };
next();
"""


@needs_browser
def test_filter_follows_the_address(made):
    script = TRY % json.dumps([fragment for fragment, *_ in FILTERS])
    root, _, complaints = browse(made / "index.html", script=script)
    assert complaints == []
    assert root["test"].split(";")[:len(FILTERS)] == [
        f"{matched},{rows},{pressed},{str(not matched).lower()}"
        for _, matched, rows, pressed in FILTERS]


@needs_browser
def test_runs_that_disagree_are_found(tmp_path):
    files = [write(tmp_path / f"{name}.jsonl", head(), point("a/same"), point("a/one", verdict),
                   point("a/skipped", skipped), end())
             for name, verdict, skipped in (("x", "pass", "pass"), ("y", "fail", "skip"))]
    assert report(*files, "-o", tmp_path / "out").returncode == 0
    root, html, _ = browse(tmp_path / "out" / "index.html", "#differ=1")
    assert root["matched"] == "1" and ">one</button>" in html


KEYS = """
const said = [], at = () => document.activeElement.dataset.row || document.activeElement.id;
const key = (name) => document.activeElement.dispatchEvent(
    new KeyboardEvent('keydown', {key: name, bubbles: true, cancelable: true}));
key('/'); said.push(at());
document.activeElement.value = 'overlap';
document.activeElement.dispatchEvent(new Event('input'));
said.push(document.documentElement.dataset.matched, location.hash);
document.querySelector('#matrix-body button').focus(); said.push(at());
key('ArrowDown'); said.push(at());
const points = () => document.querySelectorAll('tr.point').length;
said.push(points()); key('ArrowLeft'); said.push(points(), at());
key('ArrowRight'); said.push(points());
key('ArrowDown'); key('ArrowRight'); said.push(document.querySelectorAll('tr.why li').length);
document.getElementById('filter-text').focus(); key('Escape');
setTimeout(() => {
    said.push(document.documentElement.dataset.matched);
    const toggle = document.querySelector('[data-verdict=xfail]');
    toggle.focus(); toggle.click(); said.push(document.documentElement.dataset.matched);
    document.documentElement.dataset.test = said.join(' ');
});
"""


@needs_browser
def test_keyboard_is_enough(made):
    root, _, complaints = browse(made / "index.html", script=KEYS)
    assert complaints == []
    assert root["test"] == ("filter-text 2 #filter=overlap clone clone/overlap 2 0 clone/overlap "
                            "2 2 12 1")


LOADED = """window.addEventListener('load', () => setTimeout(() => {
    document.documentElement.dataset.test = performance.getEntriesByType('resource').length;
}, 300));"""


@needs_browser
def test_page_loads_nothing(made):
    assert browse(made / "index.html", script=LOADED)[0]["test"] == "0"

    def canary(text):
        text = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", text)
        return text.replace("<main", '<img src="http://127.0.0.1:1/x.png" alt=""><main', 1)
    assert browse(made / "index.html", script=LOADED, patch=canary)[0]["test"] == "1"


FRAME = """const frame = document.querySelector('iframe');
    frame.onload = () => {
        const page = frame.contentDocument;
        page.querySelectorAll('details').forEach((d) => { d.open = true; });
        page.querySelectorAll('[data-verdict=fail]').forEach((b) => b.click());
        document.documentElement.dataset.test = [page.documentElement.dataset.state,
            page.documentElement.scrollWidth - page.documentElement.clientWidth].join(' ');
    };"""


@needs_browser
@pytest.mark.parametrize("width", [400, 900])
def test_page_is_no_wider_than_its_window(made, width):
    def framed(text):
        return f'<html><body><iframe style="width:{width}px;height:700px;border:0" ' \
            f'srcdoc="{escape(text)}"></iframe></body></html>'
    root, _, _ = browse(made / "index.html", script=FRAME, patch=framed)
    assert root["test"] == "ready 0"


class Links(HTMLParser):
    """Collects what a page refers to, ids, and elements that lack a name for who cannot see."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.ids, self.nameless, self.labels = [], [], [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        have = dict(attrs)
        self.ids += [have["id"]] if "id" in have else []
        self.labels |= {have["for"]} if "for" in have else set()
        for name in ("src", "href", "xlink:href", "srcset", "poster", "data", "action"):
            if name in have:
                (self.links if tag == "a" else self.loads).append(have[name])
        if have.get("role") in ("img", "region", "group", "search") and not have.get("aria-label"):
            self.nameless.append(tag)
        if tag == "input":
            self.nameless += [] if have.get("id") in self.labels else [tag]


def test_page_refers_to_itself_and_its_plots(made):
    text = (made / "index.html").read_text()
    page = Links(text)
    assert [load for load in page.loads if not re.match(r"#|data:", load)] == []
    assert "default-src 'none'" in text and not re.search(r"url\(|@import", text)
    assert len(page.ids) == len(set(page.ids)) and page.nameless == []
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids, link
        elif not link.startswith("https://example.org/"):
            assert (made / link).is_file(), link
    assert "https://example.org/thread" in page.links


def test_page_explains_failures(made):
    text = (made / "index.html").read_text()
    failure = re.search(r'<details class="failure v-fail" id="fail-clone-overlap".*?</dl>', text,
                        re.DOTALL)[0]
    for told in ("clone_range from=a len=8192", ">ok<", "EINVAL", "the sentence of clone/overlap",
                 "cowbell run --dir /mnt/x --seed 7 &#x27;clone/overlap[len=2B]&#x27;"):
        assert told in failure
    assert "write fd=a -&gt; 4096" in text and "The kernel rounds" in text
    assert text.index('id="failures"') < text.index('id="fail-clone-overlap"') < \
        text.index('id="matrix"') < text.index('id="quirks"') < text.index('id="xfail-dedupe-tail"')
    assert "fio is not installed" in text and "6.1.5" in text


def luminance(colour):
    """Relative luminance as WCAG 2 has it."""
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
                        for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """Contrast of two colours, 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_colours_have_contrast_in_light_and_dark():
    text = (TOP / "reports/page/page.css").read_text()
    themes = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", block))
              for block in re.findall(r":root \{(.*?)\}", text, re.DOTALL)]
    assert len(themes) == 2 and themes[0].keys() == themes[1].keys()
    for theme in themes:
        full = {name: code if len(code) == 7 else "#" + "".join(2 * c for c in code[1:])
                for name, code in theme.items()}
        for verdict in results.VERDICTS:
            for ground in (full["ground"], full["raised"], full[f"{verdict}-bg"]):
                assert contrast(full[verdict], ground) >= 4.5, (verdict, ground)
        for name in ("ink", "faint", "link", "plot-ink", "plot-faint"):
            assert contrast(full[name], full["ground"]) >= 4.5, name
        for name in full:
            if re.match(r"plot-(c\d|worse|better|same|inconclusive)", name):
                assert contrast(full[name], full["ground"]) >= 3, name
    assert {f"plot-{name}" for name in report_plots.palette(TOP / "reports/plots")} \
        == {name for name in themes[0] if name.startswith("plot-")}


# Plots

EXPECTED = {"size-paths-bench": 2, "extents-bench": 2, "dirty-bench": 1, "strip-paths-bench": 2,
            "strip-durable-bench": 2, "compare-compare": 2,
            "cloners-scaling-ops-per-s-bench": 1, "timeline-interference-latency-ns-bench": 2,
            "dedupe-bench": 1}


@needs_gnuplot
def test_every_plot_is_there(made):
    text = (made / "index.html").read_text()
    assert set(EXPECTED) == set(re.findall(r'<figure id="plot-([\w-]+)"', text))
    assert {path.name for path in (made / "plots").iterdir()} \
        == {f"{name}.{kind}" for name in EXPECTED for kind in ("dat", "gp", "svg")}
    for name, series in EXPECTED.items():
        inside = re.search(rf'<figure id="plot-{name}".*?</figure>', text, re.DOTALL)[0]
        assert inside.count("<svg") == 1 and inside.count('class="series"') >= series
        assert "rgb(" not in re.sub(r"var\(--[\w-]+\)", "", inside) or name == "dedupe-bench"
    assert "No picture" not in text
    assert {plot.title for plot in report_plots.PLOTS} <= set(re.findall("<h3>(.*?)</h3>", text))


def read_data(path):
    """The blocks of a data file: rows by label."""
    found = {}
    for block in path.read_text().split("\n\n\n"):
        _, label, *rows = block.strip().splitlines()
        found[label.strip('"')] = [row.split() for row in rows]
    return found


def test_data_of_plots_is_what_was_measured(made):
    sizes = read_data(made / "plots/size-paths-bench.dat")
    assert list(sizes) == ["clone", "rw-1M"]
    assert sizes["clone"][1] == ["1048576", "9000", "8998.5", "9007.5"]
    assert sizes["rw-1M"][2][:2] == ["1073741824", str(3000 + (1 << 30))]
    extents = read_data(made / "plots/extents-bench.dat")
    assert extents["clone"][0] == ["2", "13999"] and len(extents["clone"]) == 27
    fit = [[float(text) for text in row] for row in extents["2.5 µs per extent"]]
    assert fit[-1][0] == 8192 and fit[-1][1] == pytest.approx(9000 + 2500 * 8192, rel=1e-3)
    assert fit[-1][2] < fit[-1][1] < fit[-1][3]
    late = read_data(made / "plots/timeline-interference-latency-ns-bench.dat")
    assert late["fsync"][3] == ["0.006", "199998"]
    heat = read_data(made / "plots/dedupe-bench.dat")
    assert [row[3:] for row in next(iter(heat.values()))][:2] == [['"0%"', '"1M"'],
                                                                  ['"50%"', '"1M"']]
    forest = read_data(made / "plots/compare-compare.dat")
    assert forest["worse"] == [["1.2", "1.1", "1.3", "0", '"worse"', '"paths/clone"']]


@needs_gnuplot
def test_scripts_draw_the_same_again(made, tmp_path):
    for name in EXPECTED:
        for kind in ("dat", "gp"):
            shutil.copy(made / "plots" / f"{name}.{kind}", tmp_path)
        done = subprocess.run([GNUPLOT, f"{name}.gp"], cwd=tmp_path, capture_output=True,
                              text=True, check=True)
        assert done.stderr == ""
        assert (tmp_path / f"{name}.svg").read_bytes() \
            == (made / "plots" / f"{name}.svg").read_bytes()


def test_without_gnuplot_data_and_scripts_are_written(tmp_path):
    bench = write(tmp_path / "bench.jsonl", *bench_lines())
    done = report(bench, "-o", tmp_path / "out", env={**os.environ, "PATH": "/nonexistent"})
    assert done.returncode == 0
    assert done.stderr == ("cowbell report: gnuplot is not installed: data and scripts are in "
                           f"{tmp_path}/out/plots\n")
    names = {path.name for path in (tmp_path / "out/plots").iterdir()}
    assert names == {f"{name}.{kind}" for name in EXPECTED if name != "compare-compare"
                     for kind in ("dat", "gp")}
    text = (tmp_path / "out/index.html").read_text()
    assert text.count("No picture: gnuplot is not installed.") == len(EXPECTED) - 1


@needs_gnuplot
def test_names_cannot_run_commands(tmp_path):
    evil = "`touch evil`'.system('touch evil').'\"\n"
    lines = [head(verb="bench")]
    for size in (1, 2, 4):
        lines += cells("paths", f"{size}{evil}", evil, {"size": size, "x" + evil: evil}, 9)
    lines.append({"kind": "end", "wall_ns": 1})
    bench = write(tmp_path / "bench.jsonl", *lines)
    done = report(bench, "-o", tmp_path / "out", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.rglob("evil*")) == []
    assert (tmp_path / "out/plots/size-paths-bench.svg").exists()


# Texts

def test_markdown(tmp_path):
    files = [*verdict_files(tmp_path), write(tmp_path / "bench.jsonl", *bench_lines()),
             write(tmp_path / "compare.json", COMPARE)]
    done = report(*files, "--markdown")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "| run | skip | done | pass | xfail | xpass | error | fail | time |"
    assert lines[2] == "| xfs | 0 | 1 | 5 | 1 | 1 | 1 | 3 | 2.0 s |"
    tables = [block.splitlines() for block in done.stdout.split("\n\n") if block.startswith("| ")]
    assert len(tables) == 3
    for table in tables:
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table}
        assert len(columns) == 1 and re.fullmatch(r"\|( -+:? \|)+", table[1])
    assert "- xfs: `clone/overlap[len=2B]`, `clone/overlap[len=4B]`" in lines
    assert "  - again: `cowbell run --dir /mnt/x --seed 7 'clone/overlap[len=2B]'`" in lines
    assert "| `paths/clone` | 1.200 | 1.100 to 1.300 | worse |" in lines
    outside = re.sub(r"(`+).*?\1", "", done.stdout)
    assert "<script" not in outside


def test_csv(tmp_path):
    files = [*verdict_files(tmp_path), write(tmp_path / "bench.jsonl", *bench_lines())]
    done = report(*files, "--csv")
    assert (done.returncode, done.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    cases = [row for row in rows if row["kind"] == "case"]
    assert [row["verdict"] for row in cases].count("skip") == 7 and len(cases) == 20
    assert any(HOSTILE in row["name"] for row in cases)
    lines = [line for line in bench_lines() if line["kind"] == "bench"]
    samples = [sample for line in lines for sample in line.get("samples", [])]
    measured = [row for row in rows if row["kind"] == "bench" and row["value"]]
    assert sum(float(row["value"]) for row in measured) == sum(samples)
    assert {row["verdict"] for row in measured} == {""} and None not in rows[0]


def test_gobench(tmp_path):
    bench = write(tmp_path / "bench.jsonl", *bench_lines())
    done = report(bench, "--gobench")
    assert (done.returncode, done.stderr) == (0, "")
    # As https://go.dev/design/14313-benchmark-format has it.
    found = []
    for line in done.stdout.splitlines():
        if re.match(r"Benchmark", line):
            match = re.fullmatch(r"(Benchmark[A-Z]\S*)-2 ([1-9]\d*) (\d+(?:\.\d+)?) (\S+)", line)
            assert match, line
            found.append(match.groups())
        else:
            assert re.fullmatch(r"[a-z][^A-Z\s:]*: .+|Unit \S+ better=(lower|higher)|", line), line
    lines = [line for line in bench_lines() if "samples" in line]
    assert len(found) == len(lines)
    assert ("BenchmarkPaths/clone/size=4096", "3", "9000", "ns/op") in found
    assert ("BenchmarkScaling/clone/cloners=64", "3", "64000", "ops/s") in found
    assert sorted(float(value) for _, _, value, _ in found) \
        == sorted(float(median(line["samples"])) for line in lines)
    assert "Unit ops/s better=higher" in done.stdout and "goos: linux\n" in done.stdout


def test_gobench_of_verdicts_is_refused(tmp_path):
    done = report(*verdict_files(tmp_path), "--gobench")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1 and "nothing was measured" in done.stderr


@pytest.mark.parametrize("metric, value, text", [
    ("time_ns", 12034, "12.0 µs"), ("time_ns", 3e9, "3.00 s"), ("time_ns", 0.5, "0.50 ns"),
    ("bytes_per_s", 3 << 30, "3.00 GiB/s"), ("ops_per_s", 25600, "25.6 k/s"),
    ("slope_ns_per_extent", 8123, "8.12 µs/extent"), ("device_bytes", 512, "512 B")])
def test_values_have_units(metric, value, text):
    assert show(metric, value) == text


def test_sizes():
    assert [size_of(text) for text in ("64K", "1MiB", "512", "x", "")] \
        == [65536, 1 << 20, 512, None, None]


# What is no result, and no place for a report

BENCH = cells("paths", "clone", "clone", {}, 9)[0]


@pytest.mark.parametrize("text, why", [
    ("", "not a result file: no line of a run in it"),
    (json.dumps(head(schema=2)) + "\n", "line 1: not a result file: schema 2, only 1 is known"),
    (json.dumps(head()) + "\n" + json.dumps(point("a/b")) + "\n",
     "line 2: no last line: the run was cut short (--partial shows it)"),
    (json.dumps(head()) + '\n{"kind":"ca',
     "line 2: ends in the middle of a line: the run was cut short (--partial shows it)"),
    (json.dumps(head()) + "\nhello\n", "line 2: not a result file: no JSON"),
    (json.dumps(head()) + "\n" + json.dumps({**BENCH, "samples": [1, "2"]}) + "\n",
     "line 2: not a result file: a measurement whose samples or value are no numbers"),
    (json.dumps(head()) + "\n" + json.dumps({**BENCH, "samples": [float("nan")]}) + "\n",
     "line 2: not a result file: a measurement whose samples or value are no numbers"),
    (json.dumps({**COMPARE, "metrics": None}), "line 1: no comparison: no metrics, sides or "
                                               "threshold"),
    (json.dumps({**COMPARE, "metrics": [{"name": "a", "ratio": "x"}]}),
     "line 1: metrics[0].ratio: no number"),
    (json.dumps({**COMPARE, "schema": 9}), "line 1: schema 9, only 1 is known"),
])
def test_bad_files_are_named_and_nothing_is_written(tmp_path, text, why):
    good = write(tmp_path / "good.jsonl", head(), point("a/b"), end())
    assert report(good, "-o", tmp_path / "out").returncode == 0
    before = (tmp_path / "out/index.html").read_bytes()
    bad = tmp_path / "bad.jsonl"
    bad.write_text(text)
    done = report(good, bad, "-o", tmp_path / "out")
    assert (done.returncode, done.stdout, done.stderr) == (
        2, "", f"cowbell report: {bad}: {why}\n")
    assert (tmp_path / "out/index.html").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"good.jsonl", "bad.jsonl", "out"}
    assert report(tmp_path / "none.jsonl", "-o", tmp_path / "out").returncode == 2


def test_runs_cut_short_are_shown_if_asked_for(tmp_path):
    short = write(tmp_path / "xfs.jsonl", head(), fail("a/b"), torn='{"kind":"ca')
    done = report(short, "--partial", "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    text = (tmp_path / "out/index.html").read_text()
    assert "ends in the middle of a line: the run was cut short" in text and "fail-a-b" in text


def test_only_reports_are_replaced(tmp_path):
    good = write(tmp_path / "xfs.jsonl", head(), point("a/b"), end())
    target = tmp_path / "out"
    target.mkdir()
    assert report(good, "-o", target).returncode == 0
    (target / "mine.txt").write_text("x")
    for name in ("mine.txt", "index.html"):
        done = report(good, "-o", target)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
        assert (target / "mine.txt").exists()
        (target / "index.html").unlink(missing_ok=True)
    assert report(good, "-o", tmp_path / "no/where").returncode == 2
    assert report(good, "-o", good).returncode == 2
    assert report(good).returncode == 2


def test_thousands_of_results_take_no_time(tmp_path):
    files = [write(tmp_path / f"run{n}.jsonl", head(), *(
        point(f"area{i % 9}/case{i % 360}[len={i}B,how=x]", "skip" if i % 4 == n % 4 else "pass",
              reason=f"reason {i % 30}") for i in range(3000)), end()) for n in range(9)]
    before = os.times()
    assert report(*files, "-o", tmp_path / "out").returncode == 0
    after = os.times()
    # CPU time, as the machine may be busy.
    assert after.children_user + after.children_system \
        - before.children_user - before.children_system < 5
    assert (tmp_path / "out/index.html").stat().st_size < 2_000_000
