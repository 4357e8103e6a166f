"""Headless Chromium for the tests of reports."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

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
