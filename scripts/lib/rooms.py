#!/usr/bin/env python3
"""usage: scripts/lib/rooms.py

Checks every #include "..." of the product against the table "The rooms" in
docs/architecture.md: a folder uses its own headers and those of the folders
in the column "may use". Prints each include that is not allowed, and each
folder that only one of the two has.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRODUCT = ("bpf", "userspace", "guest-probe", "host-probe")


def read_rooms(text):
    """{folder: folders that it may use} from the table's first and last column."""
    section = text.split("\n## The rooms\n", 1)[1].split("\n## ", 1)[0]
    rooms = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        names = re.findall(r"`([\w./-]+)/`", cells[0])
        for name in names:
            rooms[name] = set(re.findall(r"`([\w./-]+)/`", cells[-1]))
    return rooms


def folder_of(path):
    return str(pathlib.PurePosixPath(path).parent)


def main():
    rooms = read_rooms((ROOT / "docs/architecture.md").read_text())
    errors = []
    folders = set()
    for top in PRODUCT:
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix not in (".h", ".c", ".cc"):
                continue
            name = path.relative_to(ROOT).as_posix()
            folder = folder_of(name)
            folders.add(folder)
            for number, line in enumerate(path.read_text().splitlines(), 1):
                found = re.match(r'#include "([^"]+)"', line)
                if not found or folder_of(found[1]) in (folder, "."):
                    continue
                if folder in rooms and folder_of(found[1]) not in rooms[folder]:
                    errors.append(f"{name}:{number}: {folder}/ may not use {found[1]}")
    for folder in sorted(folders - rooms.keys()):
        errors.append(f"docs/architecture.md: the table of rooms does not have {folder}/")
    for folder in sorted(rooms):
        if folder.split("/")[0] in PRODUCT and not (ROOT / folder).is_dir():
            errors.append(f"docs/architecture.md: there is no folder {folder}/")
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
