"""Objects against the Prometheus Operator's custom resources: unknown fields, wrong types, required fields, enumerations
and patterns.
"""

import json
import pathlib
import subprocess

import jsonschema

import kubernetes_schema

FOLDER = pathlib.Path(__file__).parent


def closed(schema):
    """The schema with no other fields than it names: Kubernetes drops those, or refuses them as kubectl asks it to."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        result.setdefault("additionalProperties", False)
    return result


class Schemas:
    def __init__(self):
        fetched = subprocess.run([FOLDER / "fetch_schemas.sh"], check=True, stdout=subprocess.PIPE, text=True)
        self.folder = pathlib.Path(fetched.stdout.strip(), "monitoring.coreos.com/v1")

    def of_kind(self, kind):
        """The JSON schema of a whole object."""
        # A script, in which the schema is a literal that is JSON.
        script = (self.folder / f"{kind}.js").read_text()
        _, literal = script.split("const schema = ", 1)
        schema, _ = json.JSONDecoder().raw_decode(literal)
        schema["properties"]["metadata"] = {"type": "object"}  # Kubernetes' own
        jsonschema.Draft7Validator.check_schema(schema)
        return schema

    def check(self, document):
        """The document is of its kind; else an AssertionError says where not."""
        name = f"{document['kind']} {document['metadata']['name']}"
        kubernetes_schema.check(document["metadata"], "V1ObjectMeta", f"{name}: metadata")
        validate(document, closed(self.of_kind(document["kind"])), name)

    def check_metric_relabelings(self, relabelings, where):
        """They are those of an endpoint of a ServiceMonitor."""
        spec = self.of_kind("ServiceMonitor")["properties"]["spec"]
        endpoint = spec["properties"]["endpoints"]["items"]
        validate(relabelings, closed(endpoint["properties"]["metricRelabelings"]), where)


def validate(value, schema, where):
    errors = [f"{where}{error.json_path[1:]}: {error.message}" for error in jsonschema.Draft7Validator(schema).iter_errors(value)]
    assert not errors, "\n".join(errors)
