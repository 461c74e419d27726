"""Fixtures of the pages' tests. One browser serves them all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.browser import Browser


@pytest.fixture(scope="session")
def shared_browser() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def browser(shared_browser: Browser) -> Iterator[Browser]:
    """The browser. A test fails if the console had anything to say."""
    shared_browser.messages()
    yield shared_browser
    assert shared_browser.messages() == []
