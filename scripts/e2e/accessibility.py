"""Checks a page by the rules of axe, and by two more."""

from __future__ import annotations

import zipfile
from functools import lru_cache
from typing import List

import wheels

from .page import Page

MEMBER = "axe_playwright_python/axe.min.js"
# Whatever concerns WCAG up to 2.2 AA, and good practice.
RUN = """axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
  .then(({violations}) => violations.map(({id, help, nodes}) =>
    `${id}: ${help}: ${nodes.slice(0, 3).map(({target, failureSummary}) => `${target} ${failureSummary}`).join(' | ')}`))"""


@lru_cache(maxsize=None)
def _axe() -> str:
    with zipfile.ZipFile(wheels.find(wheels.AXE)) as wheel:
        return wheel.read(MEMBER).decode("utf-8")


def check(page: Page) -> None:
    """Fails with everything that is wrong with the page as it is now."""
    if not page.evaluate("!!window.axe"):
        page.evaluate(f"{_axe()}\n;0")
    found: List[str] = page.evaluate(RUN)
    assert not found, "accessibility:\n" + "\n".join(found)


def check_width(page: Page) -> None:
    """Fails if the page has to be scrolled sideways."""
    # A telephone's browser makes its viewport as wide as what is too wide: compared is with what it was given.
    overflow = page.evaluate(f"document.documentElement.scrollWidth - {page.width}")
    wide = page.evaluate(
        f"[...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && e.getBoundingClientRect().right > {page.width} + 1)"
        ".slice(0, 5).map(e => `${e.tagName}.${e.className}: ${e.textContent.slice(0, 40)}`)"
    )
    assert overflow <= 0, f"the page is {overflow} px too wide: {wide}"
