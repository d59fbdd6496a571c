"""Objects against the Kubernetes API, as the models of Debian's python3-kubernetes (API 1.22) describe it: unknown fields,
wrong types, required fields and enumerations. Not what only the API server knows, such as names that must be unique.
"""

import re

import kubernetes.client
from kubernetes.client import models

SCALARS = {"str": str, "int": int, "bool": bool, "float": (int, float)}


def check(value, kind, where):
    """`value` is a `kind`, a type's name as in openapi_types; else an AssertionError says where not."""
    if found := re.fullmatch(r"list\[(.+)\]", kind):
        assert isinstance(value, list), f"{where} is no list"
        for i, item in enumerate(value):
            check(item, found[1], f"{where}[{i}]")
    elif found := re.fullmatch(r"dict\(str, (.+)\)", kind):
        assert isinstance(value, dict), f"{where} is no map"
        for key, item in value.items():
            assert isinstance(key, str), f"{where}: {key} is no string"
            check(item, found[1], f"{where}.{key}")
    elif kind == "object":  # a number or a string, as a port or a percentage
        assert isinstance(value, (int, str)), f"{where} is neither number nor string"
    elif kind in SCALARS:
        assert isinstance(value, SCALARS[kind]), f"{where}: {value!r} is no {kind}"
        assert kind == "bool" or not isinstance(value, bool), f"{where}: {value!r} is no {kind}"
    else:
        check_model(value, getattr(models, kind), where)


def check_model(value, model, where):
    assert isinstance(value, dict), f"{where} is no map"
    names = {json: attribute for attribute, json in model.attribute_map.items()}
    for key, item in value.items():
        assert key in names, f"{where} has no field {key}; there are {', '.join(sorted(names))}"
        check(item, model.openapi_types[names[key]], f"{where}.{key}")
    try:
        # What is required, and enumerations, the model says itself.
        model(**{names[key]: item for key, item in value.items()},
              local_vars_configuration=kubernetes.client.Configuration())
    except ValueError as error:
        raise AssertionError(f"{where}: {error}") from None
