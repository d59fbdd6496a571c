#!/usr/bin/env python3
"""usage: sbom.py BUILD DEB...

Prints the software bill of materials of Debian packages that were made of the
build directory BUILD, as SPDX 2.3 JSON: what each depends on, what is linked
into its program, and the packages of headers that both are compiled with, all
with the versions that are installed here. Equal builds have equal bytes.
"""

import datetime
import json
import os
import re
import subprocess
import sys

# Headers that have code in them (packaging/debian/copyright).
HEADERS = ["libcli11-dev", "libexpected-dev", "libfmt-dev", "libprotozero-dev", "libspdlog-dev", "nlohmann-json3-dev"]
PROGRAMS = {"katameter-guest": "bin/guest-probe", "katameter-host": "bin/host-probe"}


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def field(deb, name):
    return output_of("dpkg-deb", "--field", deb, name).strip()


def spdx_id(name):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def debian_package(name):
    version, architecture, source = output_of(
        "dpkg-query", "-W", "-f", "${Version}\t${Architecture}\t${source:Package}", name
    ).split("\t")
    return {
        "SPDXID": spdx_id(name),
        "name": name,
        "versionInfo": version,
        "supplier": "Organization: Debian",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "sourceInfo": f"built from the source package {source}",
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": f"pkg:deb/debian/{name}@{version}?arch={architecture}&distro=bookworm",
            }
        ],
    }


def owner_of(path):
    """The package that has a file; /lib may be a link to /usr/lib."""
    path = os.path.realpath(path)
    for name in (path, path.removeprefix("/usr")):
        found = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    raise SystemExit(f"sbom.py: no Debian package has {path}, which is linked into a program")


def linked_archives(build, program):
    """Packages whose static libraries are in a program, by its link command."""
    command = output_of("ninja", "-C", build, "-t", "commands", program).splitlines()[-1]
    archives = [word for word in command.split() if word.startswith("/") and word.endswith(".a")]
    archives += re.findall(r"-Wl,--whole-archive,(/\S+?\.a)", command)
    if " -static " in command:
        # As the compiler of the link command finds them, for the processor that it links for.
        compiler = [word for word in command.split() if re.search(r"(^|/)(clang|g|c)\+\+\S*$|^--(target|sysroot)=", word)]
        for name in ("libc.a", "libstdc++.a", "libgcc.a"):
            archives.append(output_of(*compiler, f"-print-file-name={name}").strip())
    return sorted({owner_of(archive) for archive in archives})


def runtime_packages(deb):
    depends = field(deb, "Depends")
    names = [re.split(r"[ (|]", entry.strip())[0] for entry in depends.split(",") if entry.strip()]
    return sorted(set(names))


def document(build, debs):
    packages, relationships = {}, []

    def relate(element, kind, related):
        relationships.append({"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": related})

    def add(name):
        packages.setdefault(name, debian_package(name))
        return spdx_id(name)

    for deb in debs:
        name, version = field(deb, "Package"), field(deb, "Version")
        with open(deb, "rb") as file:
            checksum = output_of("sha256sum", file.name).split()[0]
        packages[name] = {
            "SPDXID": spdx_id(name),
            "name": name,
            "versionInfo": version,
            "packageFileName": os.path.basename(deb),
            "supplier": "NOASSERTION",
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "checksums": [{"algorithm": "SHA256", "checksumValue": checksum}],
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": "Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)",
            "copyrightText": "2026 the katameter authors",
            "primaryPackagePurpose": "INSTALL",
        }
        relate("SPDXRef-DOCUMENT", "DESCRIBES", spdx_id(name))
        for other in runtime_packages(deb):
            relate(spdx_id(name), "DEPENDS_ON", add(other))
        for other in linked_archives(build, PROGRAMS[name]):
            relate(spdx_id(name), "STATIC_LINK", add(other))
        for other in HEADERS:
            relate(spdx_id(name), "CONTAINS", add(other))
    created = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    version = field(debs[0], "Version")
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"katameter-{version}",
        "documentNamespace": f"https://katameter.invalid/spdx/katameter-{version}-{int(created.timestamp())}",
        "creationInfo": {"created": created.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: scripts/lib/sbom.py"]},
        "packages": [packages[name] for name in sorted(packages)],
        "relationships": relationships,
    }


def main():
    if len(sys.argv) < 3 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return
    print(json.dumps(document(sys.argv[1], sys.argv[2:]), indent=2))


main()
