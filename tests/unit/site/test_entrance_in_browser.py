"""The site in a headless browser, from disk: every switch, every kind of link, both schemes."""

from __future__ import annotations

import json
import re
import shutil
import sys

import gate
import pytest
import stored_times
from fresh_clones import Clone
from processes import ROOT

pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Names that others chose: shown as they are, and nothing but text.
MACHINE, KERNEL = "z<img src=x onerror=alert(1)>", "6.99.1-<b>bold"
NO_KPROBES = {
    "getpid.Overhead.track_overhead": {"'kprobe', 'empty'": "unsupported: no <i>kprobes</i>"}
}
KEPT = ("getpid.", "tracepoints.")
TABLES = ("reference", "map", "bystanders", "contention", "machines", "tools")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A clone's site: the committed kernels, and times of two machines."""
    clone = Clone(tmp_path_factory.mktemp("site"))
    for path in (clone.folder / "results/kernels/vm").glob("*-*.json"):
        leave_out_workloads(path)
    commit = clone.run("git", "rev-parse", "HEAD").stdout.strip()
    stored_times.store(clone.folder, "here", "6.18.1", commit)
    stored_times.store(clone.folder, MACHINE, KERNEL, commit, NO_KPROBES)
    clone.run(sys.executable, "-m", "ebpf_overhead.cli", "publish")
    return (clone.folder / ".asv/html/index.html").as_uri()


def leave_out_workloads(path):
    """Leave out what asv looks for steps in for most of a minute on a busy machine."""
    stored = json.loads(path.read_text())
    kept = {name: row for name, row in stored["results"].items() if name.startswith(KEPT)}
    path.write_text(json.dumps({**stored, "results": kept}))


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        gate.cannot_run("no Chromium is installed: apt-get install chromium")
    with (
        playwright.sync_playwright() as driver,
        driver.chromium.launch(executable_path=path, args=["--no-sandbox"]) as browser,
    ):
        yield browser


class Visits:
    """Pages that are open, all that they complained of, and what they asked for."""

    def __init__(self, browser, site) -> None:
        self._browser, self._site = browser, site
        self._contexts, self._complaints, self._asked = [], [], []

    def __call__(self, **how):
        context = self._browser.new_context(**how)
        self._contexts.append(context)
        context.set_default_timeout(20_000)
        context.on("console", lambda message: self._complaints.append(message.text))
        context.on("weberror", lambda error: self._complaints.append(str(error.error)))
        context.on("dialog", lambda dialog: self._complaints.append(f"dialog: {dialog.message}"))
        context.on("request", lambda request: self._asked.append(request.url))
        page = context.new_page()
        page.goto(self._site)
        return page

    def end(self) -> None:
        """Close all; no request may have left this disk, and none may have complained."""
        for context in self._contexts:
            context.close()
        assert self._complaints == []
        assert [url for url in self._asked if not url.startswith(("file://", "data:"))] == []
        assert bool(self._asked) == bool(self._contexts)


@pytest.fixture
def open_page(browser, site):
    visits = Visits(browser, site)
    yield visits
    visits.end()


@pytest.fixture(scope="module")
def entrance(browser, site):
    """The entrance, opened once for tests that stay on it."""
    visits = Visits(browser, site)
    page = visits()
    page.wait_for_selector("#lines svg")
    yield page
    visits.end()


def numbers(page, table):
    return page.locator(f"#{table}-table td, #{table}-tables td").all_inner_texts()


def options(page, select):
    return page.eval_on_selector_all(f"#{select} option", "all => all.map((each) => each.value)")


def test_the_ten_rows_are_there_for_every_kernel(entrance):
    page = entrance
    kernels = [each for each in options(page, "place") if each.startswith("0/")]
    assert len(kernels) >= 11
    for each in kernels:
        page.select_option("#place", each)
        rows = page.locator("#reference-table tbody tr").all_inner_texts()
        assert len(rows) == 10
        assert not [row for row in rows if "n/a" in row]
        assert page.locator("#advice li").count() == 3
        assert page.locator("#advice code").count() == 3


# For each switch, what each choice makes of all tables and of each.
CHOOSE_ALL = """(tables) => [...document.querySelectorAll("select")].map((select) => [
    select.id,
    [...select.options].map((option) => option.value).map((value) => {
        select.value = value;
        select.onchange();
        const text = (id) => [...document.querySelectorAll(`#${id}-table td, #${id}-tables td`)]
            .map((cell) => cell.textContent).join(" ");
        return [document.querySelector("main").textContent, ...tables.map(text)];
    }),
])"""


def test_every_choice_of_every_switch_shows_a_table(entrance):
    found = entrance.evaluate(CHOOSE_ALL, TABLES)
    assert len(found) >= 10
    for switch, choices in found:
        for _, *tables in choices:
            assert all(re.search(r"\d", each) for each in tables), (switch, tables)
        # What is chosen of the lines shows in the lines alone.
        shown = {each for each, *_ in choices}
        assert switch.startswith("lines-") or len(shown) == len(choices), switch


def test_the_lines_follow_their_switches(entrance):
    page = entrance
    page.select_option("#lines-architecture", "0")
    page.select_option("#lines-attach", "all")
    page.select_option("#lines-program", "complex")
    values = page.evaluate(
        """ENTRANCE.grids[0].series
            .map((each, number) => [each[0], each[2], number])
            .filter(([workload, program]) => workload === "getpid" && program === "complex")
            .map(([, , number]) => ENTRANCE.grids[0].places
                .filter((each) => each.values[number] !== null).length)"""
    )
    assert len(values) >= 9
    shapes = "document.querySelectorAll('#lines .mark-{}.role-mark path').length === {}"
    page.wait_for_function(shapes.format("line", len(values)))
    page.wait_for_function(shapes.format("symbol", sum(values)))


def test_every_step_has_a_cause(entrance):
    page = entrance
    page.select_option("#lines-architecture", "0")
    rows = page.locator("#steps tbody tr")
    assert rows.count() >= 23
    assert page.locator("#steps details").count() == rows.count()
    page.locator("#steps summary").first.click()
    assert "PREEMPT_DYNAMIC" in page.locator("#steps details").first.inner_text()


def test_numbers_lead_to_their_graphs(entrance):
    """Those of kernels and those of machines by turns: each opens another of asv's pages."""
    entrance.reload()  # As it begins.
    links = entrance.evaluate("[...document.querySelectorAll('td a')].map((each) => each.href)")
    own = entrance.locator("nav #asv a", has_text="asv:")
    own = own.evaluate_all("all => all.map((each) => each.href)")
    assert set(own) == {each.partition("#")[0] for each in links}
    tab = entrance.context.new_page()
    for place in ("reference", "bystanders", "map", "contention"):
        link = entrance.locator(f"#{place}-table td a, #{place}-tables td a").last
        address = link.evaluate("each => each.href")
        benchmark = benchmark_of(address)
        tab.goto(address)
        tab.wait_for_selector("canvas")
        assert tab.locator("h1, h2, h3").filter(has_text=benchmark).count()
        stored = tab.evaluate("Object.keys(window.STORED_FILES)")
        wanted = {
            benchmark_of(each) for each in links if each.startswith(tab.url.partition("#")[0])
        }
        assert wanted <= {each.rpartition("/")[2].removesuffix(".json") for each in stored}
    tab.close()


def benchmark_of(address):
    return re.search(r"&bench=([\w.]+)", address)[1]


def test_a_click_on_a_point_leads_to_its_graph(open_page):
    page = open_page()
    page.locator("#lines .mark-symbol.role-mark > path").last.click()
    page.wait_for_url("**/kernels/index.html#*bench=getpid.Instructions.track_overhead*")


SCHEMES = pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])


@SCHEMES
def test_it_can_be_read_by_everyone(open_page, scheme, width):
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    page.wait_for_selector("#lines svg")
    page.select_option("#map-relative", "0")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert violations(page) == []
    assert is_light(page) == (scheme == "light")


def violations(page):
    """Return what would keep people from reading a page, as axe finds it."""
    only = {"preload": False, "resultTypes": ["violations"]}
    found = axe.Axe().run(page, options=only).response["violations"]
    return [each for each in found if each["impact"] in ("serious", "critical")]


def is_light(page):
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return int(colour.split("(")[1].split(",")[0]) > 128


def test_the_lines_are_drawn_again_for_the_other_scheme(open_page):
    page = open_page(color_scheme="light")
    label = "document.querySelector('#lines .role-axis-label text')?.getAttribute('fill')"
    light = page.wait_for_function(label).json_value()
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"(light) => {label} && {label} !== light", arg=light)


def test_the_keyboard_is_enough(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "place"
    before = numbers(page, "reference")
    page.keyboard.press("Home")
    assert numbers(page, "reference") != before
    page.keyboard.press("Tab")  # the table, which may scroll
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('td') !== null")


def test_names_of_others_are_text(open_page):
    page = open_page()
    (place,) = (
        each["value"]
        for each in page.eval_on_selector_all(
            "#place option", "all => all.map(({ value, text }) => ({ value, text }))"
        )
        if MACHINE in each["text"]
    )
    page.select_option("#place", place)
    assert f"{MACHINE}, {KERNEL}" in page.locator("#place option:checked").inner_text()
    assert "no <i>kprobes</i>" in page.locator("#reference-table").inner_text()
    assert page.locator("main img, main b, main i").count() == 0


@SCHEMES
def test_every_page_of_the_documentation_can_be_read(open_page, scheme, width):
    """All of them are opened; those with the most of everything are looked at as axe does."""
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    page.get_by_role("link", name="Documentation").click()
    page.wait_for_selector("h1")
    links = ".sidebar-tree a.reference"
    addresses = page.eval_on_selector_all(links, "all => all.map((each) => each.href)")
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"README", "index"}
    assert len(set(addresses)) == len(addresses) == len(pages)
    for address in addresses:
        page.goto(address)
        name = address.rpartition("/")[2]
        assert page.evaluate("document.documentElement.scrollWidth") == width, name
        pictures = page.eval_on_selector_all("img", "all => all.map((each) => each.naturalWidth)")
        assert all(pictures), name
        if name in ("getpid.html", "bystanders.html"):
            assert violations(page) == [], name
    assert is_light(page) == (scheme == "light")
    page.eval_on_selector(".to-entrance", "each => each.click()")
    page.wait_for_selector("#reference-table td")


def test_the_documentation_is_searched_from_disk(open_page):
    page = open_page()
    page.get_by_role("link", name="Documentation").click()
    page.get_by_placeholder("Search").fill("icount")
    page.keyboard.press("Enter")
    page.locator("#search-results li", has_text="Guests").first.wait_for()
