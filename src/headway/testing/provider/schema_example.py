"""A small value that a JSON schema allows, the same one every time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEEPEST = 8  # a schema may contain itself; below this only what is required is filled in
FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/",
}


class BadSchema(ValueError):
    """What should be a JSON schema is none."""


def example_of(schema: Mapping[str, object]) -> Any:
    """A value for *schema*: each property present, numbers and lengths within their bounds.

    Raises:
        BadSchema: the schema contradicts itself, or refers to what is not there.
    """
    try:
        return _Builder(dict(schema)).value(dict(schema), "value", 0)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as problem:
        raise BadSchema(f"{type(problem).__name__}: {problem}") from problem
    except (MemoryError, RecursionError) as problem:
        raise BadSchema("the schema has no end") from problem


class _Builder:
    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root

    def value(self, schema: Any, name: str, depth: int) -> Any:
        if not isinstance(schema, dict):  # true allows everything
            return name
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        for choice in ("anyOf", "oneOf"):
            if schema.get(choice):
                return self.value(self._choice(schema[choice], depth), name, depth)
        return self._typed(schema, name, depth)

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema with what it refers to, and all it must satisfy at once, in one place."""
        reference = schema.get("$ref")
        if isinstance(reference, str):
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            return self._resolved({**self._referred(reference), **rest})
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema.get("allOf", ()):
            for key, value in self._resolved(part).items():
                both = isinstance(value, dict) and isinstance(merged.get(key), dict)
                merged[key] = {**merged[key], **value} if both else value
        return merged

    def _referred(self, reference: str) -> dict[str, Any]:
        found: Any = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            if step:
                found = found[step.replace("~1", "/").replace("~0", "~")]
        return dict(found)

    def _choice(self, choices: list[Any], depth: int) -> Any:
        """The first choice that says something; deep down, null if that is one of them."""
        nulls = [choice for choice in choices if choice == {"type": "null"}]
        if depth >= DEEPEST and nulls:
            return nulls[0]
        return next((choice for choice in choices if choice not in nulls), choices[0])

    def _typed(self, schema: dict[str, Any], name: str, depth: int) -> Any:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((one for one in kind if one != "null"), "null")
        if kind == "object" or (kind is None and "properties" in schema):
            return self._object(schema, depth)
        if kind == "array" or (kind is None and "items" in schema):
            return self._array(schema, name, depth)
        if kind in {"integer", "number"}:
            return _number(schema, is_whole=kind == "integer")
        if kind == "boolean":
            return True
        if kind == "null":
            return None
        return _text(schema, name) if kind == "string" else {}

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        wanted = [name for name in properties if depth < DEEPEST or name in required]
        return {name: self.value(properties[name], name, depth + 1) for name in wanted}

    def _array(self, schema: dict[str, Any], name: str, depth: int) -> list[Any]:
        fewest = schema.get("minItems", 0 if depth >= DEEPEST else 1)
        length = min(fewest, schema.get("maxItems", fewest))
        if "prefixItems" in schema:
            return [self.value(item, name, depth + 1) for item in schema["prefixItems"]]
        return [self.value(schema.get("items", {}), name, depth + 1) for _ in range(length)]


def _number(schema: dict[str, Any], *, is_whole: bool) -> int | float:
    low, high = schema.get("minimum"), schema.get("maximum")
    step = schema.get("multipleOf", 1)
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + (step if is_whole else step / 2)
    if "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - (step if is_whole else step / 2)
    value = low if low is not None else (min(1, high) if high is not None else 1)
    if "multipleOf" in schema:
        value = -(-value // step) * step
    return int(value) if is_whole else float(value)


def _text(schema: dict[str, Any], name: str) -> str:
    text = FORMATS.get(schema.get("format", ""), f"example {name}")
    text = text.ljust(schema.get("minLength", 0), ".")
    return text[: schema.get("maxLength", len(text))]
