"""Checks that the links between the project's pages lead somewhere.

    python3 scripts/links.py

Of every Markdown file that git knows: links to files, images too, and to
headings, in the page itself or in another.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Iterator, Set

from progress import exit_with, say

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchor(heading: str) -> str:
    """What a heading is linked by.

    >>> anchor("The `$or`, and more: a_b"), anchor("Five minutes")
    ('the-or-and-more-a_b', 'five-minutes')
    """
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return kept.replace(" ", "-")


def anchors(page: Path) -> Set[str]:
    """All that can be linked within a page."""
    return {anchor(heading) for heading in HEADING.findall(CODE.sub("", page.read_text(encoding="utf-8")))}


def faults(page: Path) -> Iterator[str]:
    """The links of a page that lead nowhere."""
    text = re.sub(r"`[^`\n]*`", "", CODE.sub("", page.read_text(encoding="utf-8")))
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, name = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists():
            yield f"{target}: there is no such file"
        elif name and found.suffix == ".md" and name not in anchors(found):
            yield f"{target}: there is no such heading"


def main() -> int:
    """Names each link that leads nowhere; the exit code is 1 if there is one."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    pages = [ROOT / name for name in listed.stdout.splitlines()]
    wrong = [f"{page.relative_to(ROOT)}: {fault}" for page in pages if page.exists() for fault in faults(page)]
    for line in wrong:
        say(f"error: {line}")
    print(f"links: {len(pages)} pages, {len(wrong)} links that lead nowhere")
    return 1 if wrong else 0


if __name__ == "__main__":
    exit_with(main)
