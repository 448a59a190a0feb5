"""Recipes as they are published: without the names of folders."""

from pathlib import Path

from facespace.train.engine.stored import without_folders
from facespace.train.recipe import Recipe


def test_a_published_recipe_names_no_folder_whatever_path_it_has(recipe):
    values = recipe().model_dump(mode="json")
    paths = 0
    for section, field in Recipe.model_fields.items():
        for key, inner in getattr(field.annotation, "model_fields", {}).items():
            if "Path" in str(inner.annotation):
                values[section][key] = "/home/somebody/private/faces.zip"
                paths += 1
    assert paths >= 5
    public = without_folders(values)
    assert "private" not in str(public)
    assert public["data"]["train"] == Path("/home/somebody/private/faces.zip").name
