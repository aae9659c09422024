"""What a page of Markdown has in it: headings, links, blocks of code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^( *)(`{3,}|~{3,})([^\n`]*)\n(.*?)^\1\2`*~* *$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(#+) +(.+?) *#*$", re.MULTILINE)
_INLINE = re.compile(
    r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]*(?:\([^()]*\))?[^()\s]*)(?: \"[^\"]*\")?\)"
)
_DEFINED = re.compile(r"^\[[^\]]+\]: +(\S+)", re.MULTILINE)
_IN_HTML = re.compile(r"<[^>]*\b(?:src|srcset|href)=\"([^\"]+)\"")


@dataclass(frozen=True, slots=True)
class Block:
    """One block of code; `number` counts those of its language under its heading, from 1."""

    page: str
    heading: str
    language: str
    number: int
    code: str

    @property
    def name(self) -> str:
        """The block's name, in words."""
        return f"{self.page}: {self.heading}: {self.language} {self.number}"


def blocks_of(page: Path, name: str) -> Iterator[Block]:
    """Yield the blocks of a page, in order."""
    text, counts = page.read_text(), Counter[tuple[str, str]]()
    headings = [(found.start(), found[2]) for found in _HEADING.finditer(_without_code(text))]
    for found in _FENCE.finditer(text):
        before = [heading for start, heading in headings if start < found.start()]
        heading, language = before[-1] if before else page.stem, found[3].strip()
        counts[heading, language] += 1
        yield Block(name, heading, language, counts[heading, language], found[4])


def links_of(page: Path) -> list[str]:
    """Return where a page leads, images included; not what stands in its code."""
    text = re.sub(r"`[^`\n]*`", "", _without_code(page.read_text()))
    return [
        found[1] for pattern in (_INLINE, _DEFINED, _IN_HTML) for found in pattern.finditer(text)
    ]


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    anchors, seen = set(), Counter[str]()
    for found in _HEADING.finditer(_without_code(page.read_text())):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", found[2]).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return anchors


def _without_code(text: str) -> str:
    """Blank what stands in fences, so that positions stay."""
    return _FENCE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
