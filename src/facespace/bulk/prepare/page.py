"""An HTML page that shows the result for each photo. Needs the extra `report`."""

import base64
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from jinja2 import Environment, PackageLoader, StrictUndefined

from facespace.bulk.prepare.records import Prepared

SHOWN_PEOPLE, SHOWN_FACES, SHOWN_REFUSED = 24, 10, 60
THUMB = 72


def write_page(path: Path, prepared: Prepared, rows: list[dict[str, Any]], crops: Path) -> None:
    """Write the result as one HTML file with faces; readable by its owner only, because faces are biometric data."""
    environment = Environment(
        loader=PackageLoader("facespace.bulk.prepare", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    page = environment.get_template("page.html.j2").render(**_contents(prepared, rows, crops, path.parent))
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(page)


def _contents(prepared: Prepared, rows: list[dict[str, Any]], crops: Path, out: Path) -> dict[str, object]:
    refused = [decision for own in prepared.decisions.values() for decision in own if decision.reason is not None]
    people: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        people.setdefault(row["person"], []).append(row)
    shown = [name for _, name in zip(range(SHOWN_PEOPLE), people, strict=False)]
    return {
        "people": prepared.people,
        "faces": prepared.faces,
        "failures": sorted(prepared.failures.items())[:SHOWN_REFUSED],
        "failed": len(prepared.failures),
        "reasons": list(prepared.left_out.items()),
        "sizes": _histogram([row["eye_distance"] for row in rows], [0, 20, 30, 40, 60, 80, 120, 1e9], "pixels"),
        "qualities": _histogram([100 * row["quality"] for row in rows], [0, 20, 40, 60, 80, 100], "%"),
        "photos": _histogram([len(own) for own in people.values()], [0, 3, 5, 10, 20, 50, 1e9], "faces"),
        "shown": [_person(name, people[name], out) for name in shown],
        "refused": [
            {"photo": one.candidate.photo, "face": _thumb(crops / one.candidate.crop), "reason": one.reason}
            for one in refused[:SHOWN_REFUSED]
        ],
        "refusals": len(refused),
    }


def _person(name: str, rows: list[dict[str, Any]], out: Path) -> dict[str, Any]:
    return {"name": name, "all": len(rows), "faces": [_thumb(out / row["path"]) for row in rows[:SHOWN_FACES]]}


def _histogram(values: list[float], edges: list[float], unit: str) -> list[dict[str, Any]]:
    counts = np.histogram(values, edges)[0].tolist()
    most = max(max(counts), 1)
    return [
        {
            "label": f"{low:g} to {high:g} {unit}" if high < 1e9 else f"{low:g} {unit} and more",
            "count": count,
            "share": round(100 * count / most),
        }
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]


def _thumb(path: Path) -> str:
    with PIL.Image.open(path) as face:
        small = face.convert("RGB").resize((THUMB, THUMB), PIL.Image.Resampling.BILINEAR)
    target = io.BytesIO()
    small.save(target, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(target.getvalue()).decode()
