#!/usr/bin/env python3
"""Checks that each relative link in README.md and docs/**/*.md leads to a file, and to a heading where it names one."""

import pathlib
import re
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
# [text](target "title"), ![alt](target), and definitions: [name]: target
INLINE = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+[\"'][^)]*)?\)")
DEFINITION = re.compile(r"^\s{0,3}\[[^\]]+\]:\s+<?([^\s>]+)")
FENCE = re.compile(r"^\s*(```+|~~~+)")


def lines_outside_code(text):
    """The numbered lines of a document, without fenced blocks and without code spans."""
    fence = None
    for number, line in enumerate(text.splitlines(), 1):
        match = FENCE.match(line)
        if match and (fence is None or match.group(1).startswith(fence)):
            fence = match.group(1) if fence is None else None
        elif fence is None:
            yield number, re.sub(r"(`+).*?\1", lambda m: " " * len(m.group()), line), line


def anchors(path):
    """The anchors of a document's headings, in the form that GitHub gives them."""
    found = set()
    counts = {}
    for _, _, line in lines_outside_code(path.read_text(encoding="utf-8")):
        heading = re.match(r"#{1,6}\s+(.*?)\s*#*$", line)
        if heading:
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.group(1)).lower()
            slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
            repeat = counts.get(slug, 0)
            counts[slug] = repeat + 1
            found.add(f"{slug}-{repeat}" if repeat else slug)
        found.update(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", line))
    return found


def problem(document, target):
    parts = urllib.parse.urlsplit(target)
    if parts.scheme or parts.netloc:
        return None
    place = document
    if parts.path:
        base = ROOT if parts.path.startswith("/") else document.parent
        place = (base / urllib.parse.unquote(parts.path).lstrip("/")).resolve()
        if not place.exists():
            return "no such file"
        if ROOT not in place.parents and place != ROOT:
            return "leads out of the repository"
    if parts.fragment and place.suffix == ".md" and urllib.parse.unquote(parts.fragment) not in anchors(place):
        return "no such heading"
    return None


def main():
    documents = [p for p in [ROOT / "README.md"] if p.exists()] + sorted((ROOT / "docs").rglob("*.md"))
    links = failures = 0
    for document in documents:
        for number, line, _ in lines_outside_code(document.read_text(encoding="utf-8")):
            for target in INLINE.findall(line) + DEFINITION.findall(line):
                links += 1
                reason = problem(document, target)
                if reason:
                    failures += 1
                    print(f"{document.relative_to(ROOT)}:{number}: {target}: {reason}", file=sys.stderr)
    print(f"docs: {len(documents)} documents, {links} links, {failures} broken", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
