"""Show the fields that a record's docstring lists (`name : description`, one on each line) as a table."""

import re
from typing import Any

import griffe

_FIELD = re.compile(r"^(\w+(?:, \w+)*) : (.*)$")
_SECTION = re.compile(r"^\w.*\n-{3,}$", re.M)


class Fields(griffe.Extension):
    """Turns such lines into the numpy style's section of attributes, which mkdocstrings shows as a table."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Rewrite the docstring of a class where all names at the start of such lines are its own."""
        if cls.docstring is None or _SECTION.search(cls.docstring.value):
            return
        before: list[str] = []
        fields: list[str] = []
        after: list[str] = []
        for line in cls.docstring.value.splitlines():
            found = _FIELD.match(line)
            names = found[1].split(", ") if found else []
            if found and all(name in cls.members for name in names) and not after:
                for name in names:
                    fields += [f"{name} : {getattr(cls.members[name], 'annotation', None) or ''}", f"    {found[2]}"]
            elif fields and line.strip() and line.startswith(" ") and not after:
                fields.append(f"    {line.strip()}")
            else:
                (after if fields else before).append(line)
        if fields:
            text = "\n".join([*before, "", "Attributes", "----------", *fields, "", *after])
            cls.docstring.value = text.strip()
