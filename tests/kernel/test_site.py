"""asv's own pages of the site in a headless browser that reaches nothing but this machine."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import threading
from functools import partial
from pathlib import Path

import asv_suite
import gate
import pytest
from asv_suite import MEASURED, PROBED

from ebpf_overhead.hooks.cases import STANDARD_ATTACH_TYPES, STANDARD_PROGRAMS

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # The browser's own services ask for names, too; no name is found.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    # Milliseconds of the page's own time, which stands still while it waits for the network.
    "--virtual-time-budget=10000",
)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture(scope="session")
def suite(_gate, tmp_path_factory):
    return asv_suite.measure(tmp_path_factory)


@pytest.fixture(scope="session")
def origin(suite):
    """Serve the published folder; where."""
    handler = partial(QuietHandler, directory=str(suite.site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Page:
    """A page after its scripts ran: its document, and what it asked the network for."""

    def __init__(self, browser: str, origin: str, path: str, folder: Path) -> None:
        log = folder / "network.json"
        done = subprocess.run(
            [
                browser,
                *OPTIONS,
                f"--user-data-dir={folder / 'profile'}",
                f"--log-net-log={log}",
                "--dump-dom",
                origin + path,
            ],
            env={**os.environ, "HOME": str(folder)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        self.document = done.stdout
        self.asked = _asked(json.loads(log.read_text()), origin)


def _asked(log: dict, origin: str) -> list[str]:
    """The addresses that the pages of an origin asked for, not the browser by itself."""
    start = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    parameters = [event.get("params", {}) for event in log["events"] if event["type"] == start]
    return [each["url"] for each in parameters if each.get("initiator") == origin]


@pytest.fixture(scope="session")
def open_page(origin, tmp_path_factory):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        gate.cannot_run("no Chromium is installed: apt-get install chromium")
    return lambda path: Page(browser, origin, path, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="session")
def overview(open_page):
    return open_page("/commits/")


@pytest.fixture(scope="session")
def explored(open_page):
    return open_page(f"/commits/#view=explore&bench={PROBED}")


def test_overview_shows_every_benchmark(overview):
    for name in MEASURED:
        assert f'data-bench="{name}"' in overview.document


def test_running_kernel_can_be_selected(overview):
    release = os.uname().release
    assert "<span>env-KERNEL</span>" in overview.document
    assert f'<option value="{release}">{release}</option>' in overview.document


def test_page_of_a_benchmark_has_a_series_for_every_case(explored):
    text = explored.document.replace("'", "")
    for attach in STANDARD_ATTACH_TYPES:
        for program in STANDARD_PROGRAMS:
            assert f"attach={attach}, program={program}<" in text


def test_page_of_a_benchmark_has_drawn_its_graph(explored):
    assert any(f"/{PROBED}.json" in url for url in explored.asked)
    assert "<canvas" in explored.document or "<svg" in explored.document


@pytest.mark.parametrize("page", ["overview", "explored"])
def test_pages_ask_this_machine_only(request, origin, page):
    asked = request.getfixturevalue(page).asked
    assert f"{origin}/commits/index.json" in asked
    assert [url for url in asked if not url.startswith(f"{origin}/")] == []


def test_asvs_own_interface_would_ask_others(open_page, origin):
    """Which shows that such requests are seen."""
    asked = open_page("/commits/index.legacy.html").asked
    assert [url for url in asked if not url.startswith(f"{origin}/")] != []
