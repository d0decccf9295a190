#!/usr/bin/env python3
"""Builds the sample agents with the Engine's own builder, as `paddock/NAME`, and removes them again.

    images/agents.py build [NAME…]    build all of them, or those named
    images/agents.py clean            remove what this script has built, and nothing else

Building needs the base images (images/base/build.py) and no network. A label marks what was built here, so that
`clean` leaves other people's images alone, whatever they are called.
"""

import argparse
import os
import sys
import tarfile
import tempfile

# These folders are part of a repository: leave no __pycache__ in them.
sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "base"))
from engine import Engine, EngineError  # noqa: E402

LABEL = "paddock.sample-agent"


def say(text):
    print(f"images: {text}", file=sys.stderr, flush=True)


def agents():
    return sorted(n for n in os.listdir(HERE) if os.path.exists(os.path.join(HERE, n, "agent.yaml")))


def build(engine, names):
    for name in names:
        tag = f"paddock/{name}:latest"
        before = engine.image(tag)
        with tempfile.TemporaryFile() as context:
            with tarfile.open(fileobj=context, mode="w", format=tarfile.GNU_FORMAT) as archive:
                archive.add(os.path.join(HERE, name), arcname=".")
            engine.build(context, tag, {LABEL: name})
        image = engine.image(tag)
        if before and before["Id"] == image["Id"]:
            say(f"{tag}: up to date")
        else:
            say(f"{tag}: built, {image['Id'][:19]}")
            if before:
                engine.remove_unused(before["Id"])


def clean(engine):
    removed = 0
    for image in engine.images(LABEL):
        for tag in image.get("RepoTags") or []:
            if tag.startswith("paddock/"):
                engine.remove_image(tag)
                removed += 1
    say(f"removed {removed} agent images" if removed else "there are no agent images of ours to remove")


def main():
    parser = argparse.ArgumentParser(description="Builds the sample agents, or removes what it has built.")
    parser.add_argument("action", choices=["build", "clean"])
    parser.add_argument("names", nargs="*", metavar="NAME", help="agents to build (default: all)")
    options = parser.parse_args()
    unknown = set(options.names) - set(agents())
    if unknown:
        parser.error(f"no such agent: {', '.join(sorted(unknown))}; there are {', '.join(agents())}")
    if options.action == "build":
        build(Engine(), options.names or agents())
        return
    try:
        clean(Engine())
    except EngineError as error:
        # Without an Engine there is nothing to clean up on it: `make clean` still does its other part.
        say(f"no agent images removed: {error}")


if __name__ == "__main__":
    try:
        main()
    except EngineError as error:
        say(f"error: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
