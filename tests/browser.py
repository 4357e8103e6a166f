"""Headless Chromium for the tests of reports."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from embcheck.conformance.records.run import Run
from embcheck.reports.evidence import Evidence
from embcheck.reports.page.html import write_html

Open = Callable[..., Any]
PHONE = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
)


def need_browser() -> tuple[str, str]:
    """Return the paths of Chromium and its driver; skip, or fail where a browser is required."""
    browser = shutil.which("chromium")
    driver = shutil.which("chromedriver")
    try:
        import selenium  # noqa: F401, PLC0415
    except ImportError:
        driver = None
    if browser and driver:
        return browser, driver
    reason = "needs chromium, chromium-driver and selenium"
    if os.environ.get("EMBCHECK_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """Start a browser of our own, with a fresh profile, and end it afterwards."""
    browser, driver = need_browser()
    from selenium import webdriver  # noqa: PLC0415  (optional)
    from selenium.webdriver.chrome.service import Service  # noqa: PLC0415

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(driver, log_output=os.devnull)
    window = webdriver.Chrome(options=options, service=service)
    try:
        yield window
    finally:
        window.quit()
        if hasattr(service.log_output, "close"):
            service.log_output.close()


@contextmanager
def report_opener(window: Any, folder: Path) -> Iterator[Open]:
    """Yield a function that opens a report; on exit, check that the browser's log is empty."""
    window.get_log("browser")

    def opened(runs: list[Run], address: str = "", evidence: Evidence | None = None) -> Any:
        path = folder / "report.html"
        write_html(runs, path, evidence or Evidence())
        window.get("about:blank")
        window.get(path.as_uri() + address)
        return window

    yield opened
    assert window.get_log("browser") == []


@contextmanager
def phone(window: Any) -> Iterator[None]:
    """Emulate the screen of a phone, 390 pixels wide."""
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    try:
        yield
    finally:
        window.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@contextmanager
def in_scheme(window: Any, scheme: str) -> Iterator[None]:
    """Emulate a reader who prefers the colour scheme `light` or `dark`."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        yield
    finally:
        window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@contextmanager
def no_scripts(window: Any) -> Iterator[None]:
    """Switch off JavaScript in the browser."""
    window.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        yield
    finally:
        window.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def find(window: Any, selector: str) -> list[Any]:
    """Return the visible elements that match a selector."""
    return [
        found for found in window.find_elements("css selector", selector) if found.is_displayed()
    ]


def texts(window: Any, selector: str) -> list[str]:
    """Return the texts of the visible elements that match a selector."""
    return [found.text for found in find(window, selector)]


def unfold(window: Any, summary: Any) -> None:
    """Click on a summary, and wait until the page has filled the part that it unfolds."""
    window.execute_async_script(
        "const [summary, done] = arguments;"
        "summary.parentNode.addEventListener('toggle', () => setTimeout(done, 0), { once: true });"
        "summary.click();",
        summary,
    )


def settle(window: Any) -> None:
    """Wait until the browser has followed a link and drawn the page."""
    window.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 0))")
