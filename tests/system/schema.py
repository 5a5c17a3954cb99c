# SPDX-License-Identifier: GPL-2.0-or-later
"""The events' schema as an independent validator sees it, and what may change in it.

As a program: `schema.py snapshot` prints the keys and types of the tree's schema; a release commits
that as tests/schema/release-VERSION.json. `schema.py validate FILE...` checks NDJSON files.
"""

import json
import pathlib
import sys

TREE = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = TREE / "user" / "schema" / "mispair.event.schema.json"
RELEASES = TREE / "tests" / "schema"


def load():
    return json.loads(SCHEMA.read_text())


def inlined(node, defs):
    """References resolved, and what allOf says merged, so that one look tells all of an object."""
    if isinstance(node, list):
        return [inlined(item, defs) for item in node]
    if not isinstance(node, dict):
        return node
    out = {}
    if "$ref" in node:
        out.update(inlined(defs[node["$ref"].removeprefix("#/$defs/")], defs))
    for part in node.get("allOf", ()):
        merge(out, inlined(part, defs))
    merge(out, {key: inlined(value, defs) for key, value in node.items()
                if key not in ("$ref", "allOf")})
    return out


def merge(into, part):
    for key, value in part.items():
        if key == "properties":
            into.setdefault(key, {}).update(value)
        elif key == "required":
            into[key] = into.get(key, []) + value
        else:
            into[key] = value


def events(schema):
    """Event name -> its own schema, flat."""
    flat = (inlined(part, schema["$defs"]) for part in schema["oneOf"])
    return {event["properties"]["event.name"]["const"]: event for event in flat}


def describe(prop):
    if "const" in prop:
        return {"type": "string", "const": prop["const"]}
    if "enum" in prop:
        return {"type": "string", "enum": prop["enum"]}
    if prop["type"] == "array" and prop["items"].get("type") == "object":
        return {"type": "array", "items": keys_of(prop["items"])}
    if prop["type"] == "array":
        return {"type": "array", "items": describe(prop["items"])["type"]}
    return {"type": prop["type"]}


def keys_of(node):
    return {key: describe(prop) | ({"required": True} if key in node.get("required", ()) else {})
            for key, prop in node["properties"].items()}


def snapshot(schema):
    return {name: keys_of(event) for name, event in events(schema).items()}


def broken_promises(old, new, where=""):
    """What a reader that was written for `old` would miss in `new`, as sentences."""
    for key, was in old.items():
        at = f"{where}{key}"
        if key not in new:
            yield f"{at} was removed or renamed"
            continue
        now = new[key]
        if "type" not in was:  # an event
            yield from broken_promises(was, now, f"{at}: ")
            continue
        if now["type"] != was["type"]:
            yield f"{at} was a {was['type']} and is a {now['type']}"
        elif isinstance(was.get("items"), dict):
            yield from broken_promises(was["items"], now["items"], f"{at}[].")
        elif was.get("items") != now.get("items"):
            yield f"{at} holds other items"
        if was.get("const") != now.get("const"):
            yield f"{at} was always {was.get('const')!r}"
        if "enum" in was and not set(was["enum"]) <= set(now.get("enum", ())):
            yield f"{at} lost the words {sorted(set(was['enum']) - set(now.get('enum', ())))}"
        if was.get("required") and not now.get("required"):
            yield f"{at} was always there and no longer is"


def releases():
    return sorted(RELEASES.glob("release-*.json"))


class Validator:
    """Each line against the schema of its event; a key that the schema does not name is an error.

    The published schema is open, so that an old reader accepts a newer line; here it is closed, so
    that no key goes out unnamed.
    """

    def __init__(self):
        import jsonschema  # python3-jsonschema; only what validates needs it

        schema = load()
        kind = jsonschema.Draft202012Validator
        kind.check_schema(schema)
        self._whole = kind(schema)
        self._events = {name: kind(event | {"additionalProperties": False})
                        for name, event in events(schema).items()}
        self._seen = set()

    def complaint(self, event):
        """None, or what is wrong with the event."""
        name = event.get("event.name") if isinstance(event, dict) else None
        if name not in self._events:
            return f"not an event of the schema: {str(event)[:200]}"
        for error in self._events[name].iter_errors(event):
            return f"{name}: {error.message[:200]} at {list(error.absolute_path)}"
        # The schema as it is printed, unchanged: slower, so once for each kind of event.
        if name not in self._seen:
            self._seen.add(name)
            for error in self._whole.iter_errors(event):
                return f"{name}: {error.message[:200]}"
        return None


def main():
    if sys.argv[1:2] == ["snapshot"]:
        print("{\n" + ",\n".join(
            f"{json.dumps(name)}: {{\n" + ",\n".join(f" {json.dumps(key)}: {json.dumps(what)}"
                                                    for key, what in keys.items()) + "}"
            for name, keys in snapshot(load()).items()) + "}")
        return 0
    if sys.argv[1:2] == ["validate"]:
        validator, lines = Validator(), 0
        for path in sys.argv[2:]:
            for line in pathlib.Path(path).read_text().split("\n")[:-1]:
                lines += 1
                wrong = validator.complaint(json.loads(line))
                if wrong:
                    print(f"{path}: {wrong}")
                    return 1
        print(f"{lines} lines are valid")
        return 0
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main())
