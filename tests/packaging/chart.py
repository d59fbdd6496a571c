"""The Helm chart as text/template and sprig render it (render_chart/main.go)."""

import json
import os
import pathlib
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "packaging/helm/katameter"


def merged(defaults, values):
    """The chart's values with a user's, as Helm does it: maps are merged, null takes a key away, all else replaces."""
    result = dict(defaults)
    for key, value in values.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def described(schema, defaults, path=()):
    """Each key of the values with its path and its own schema, and whether keys below it have defaults of their own."""
    for key, each in schema["properties"].items():
        inner = each.get("type") == "object" and "properties" in each and bool(defaults.get(key))
        yield path + (key,), each, inner
        if inner:
            yield from described(each, defaults[key], path + (key,))


class Renderer:
    def __init__(self, build):
        self.program = pathlib.Path(build, "render_chart").resolve()
        self.defaults = yaml.safe_load((FOLDER / "values.yaml").read_text())
        self.notes = ""
        # Debian's Go libraries; no module is fetched.
        environment = os.environ | {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "",
                                    "GOCACHE": str(self.program.with_name("go-cache"))}
        source = ROOT / "tests/packaging/render_chart/main.go"
        subprocess.run(["go", "build", "-o", self.program, source], check=True, env=environment)

    def __call__(self, values, release):
        """The objects that this release with these values, all that there are, has; .notes is what its user reads."""
        # A template may use a value that a user has taken away: Helm gives it nothing.
        values = {key: None for key in self.defaults} | {"global": {}} | values
        file = self.program.with_name("values.json")
        file.write_text(json.dumps(values))  # JSON is YAML
        rendered = subprocess.run([self.program, FOLDER, "monitoring", release, file], check=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        self.notes = rendered.stderr
        return [document for document in yaml.safe_load_all(rendered.stdout) if document]
