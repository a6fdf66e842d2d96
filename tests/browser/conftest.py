import os

import pytest
from lab import SWITCHES, Notebook, Server, find_browser, shot
from playwright.sync_api import sync_playwright


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Lets the fixtures know whether the test has failed."""
    report = (yield).get_result()
    if report.when == "call":
        item.failed = report.failed


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    path = find_browser()
    if not path:
        named = os.environ.get("ATOMOTION_BROWSER")
        reason = f"ATOMOTION_BROWSER={named} is no program" if named else \
            "no browser found: `apt-get install chromium`, or name one in ATOMOTION_BROWSER"
        # An environment for tests has one; elsewhere it may be missing.
        if os.environ.get("CI") == "true" or named:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    home = str(tmp_path_factory.mktemp("home"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=SWITCHES, env={
            **os.environ, "HOME": home, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home})
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(browser, tmp_path_factory):
    """One JupyterLab for all tests, and one kernel, which the first notebook starts."""
    server = Server(tmp_path_factory.mktemp("lab"))
    try:
        yield server.ready()
    finally:
        server.close()


@pytest.fixture(scope="session")
def screens(browser):
    """Ordinary and high-density screens. What a screen has loaded once it has at hand for the next page."""
    return {scale: browser.new_context(viewport={"width": 1200, "height": 900}, device_scale_factor=scale)
            for scale in (1, 2)}


@pytest.fixture
def opened(screens, server, request):
    """Opens a notebook of these cells on a page of its own, named after the test."""
    name = request.node.name.removeprefix("test_")
    pages = []

    def opened(cells, scale=1, **options):
        server.write(f"{name}.ipynb", cells)
        pages.append(screens[scale].new_page())
        return Notebook(pages[-1], server, f"{name}.ipynb", **options)

    yield opened
    dialogs = []
    for page in pages:
        if getattr(request.node, "failed", True):
            shot(page, f"failed-{name}")
        dialogs += page.locator(".jp-Dialog").all_inner_texts()
        page.close()
    assert not dialogs, f"expected no dialog on the page: {dialogs}"
