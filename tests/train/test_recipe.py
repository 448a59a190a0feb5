"""Validation of recipes, and its error messages."""

import pytest

from facespace.errors import FacespaceWarning, RecipeError
from facespace.recipes import find, shipped
from facespace.train.detector.session import is_detector
from facespace.train.networks import build_network
from facespace.train.recipe import parse_recipe, read_recipe

GOOD = """
name = "mine"
steps = 10
[data]
train = "photos"
[network]
name = "small-cnn"
width = 80
height = 96
[batch]
people = 4
photos = 4
"""


def written(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", [name for name in shipped() if not is_detector(find(name))])
def test_every_built_in_recipe_is_valid(name):
    recipe = read_recipe(find(name))
    assert recipe.name == name
    build_network(recipe.network.name, recipe.network.width, recipe.network.height, recipe.network.dimension)


def test_folders_are_relative_to_the_recipe(tmp_path):
    assert read_recipe(written(tmp_path, GOOD)).data.train == tmp_path / "photos"


def test_an_unknown_key_is_refused_with_the_nearest_known(tmp_path):
    path = written(tmp_path, GOOD.replace("people = 4", "people = 4\nphoto = 4"))
    with pytest.raises(RecipeError, match=r"batch\.photo: unknown key; did you mean 'photos'"):
        read_recipe(path)


def test_every_wrong_value_is_named_at_once(tmp_path):
    path = written(tmp_path, GOOD.replace("steps = 10", "steps = 0").replace("width = 80", 'width = "wide"'))
    with pytest.raises(RecipeError) as refused:
        read_recipe(path)
    assert "steps: Input should be greater than or equal to 1 (it is 0)" in str(refused.value)
    assert "network.width" in str(refused.value)


def test_a_missing_key_is_named(tmp_path):
    with pytest.raises(RecipeError, match="network: missing"):
        read_recipe(written(tmp_path, 'name = "x"\nsteps = 1\n[data]\ntrain = "x"\n[batch]\npeople=2\nphotos=2'))


def test_a_typing_error_in_toml_is_shown_with_its_line(tmp_path):
    with pytest.raises(RecipeError, match="not TOML: .*line 3"):
        read_recipe(written(tmp_path, 'name = "x"\nsteps = 1\nseed == 2'))


def test_a_missing_recipe_is_a_clear_error(tmp_path):
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        read_recipe(tmp_path / "absent.toml")


def test_an_unknown_network_is_refused_with_the_nearest_known():
    with pytest.raises(RecipeError, match="no network 'smal-cnn'; did you mean 'small-cnn'"):
        build_network("smal-cnn", 80, 96, 128)


def test_a_missing_recipe_gets_a_suggestion_of_a_built_in_one():
    with pytest.raises(RecipeError, match="no built-in recipe of that name; did you mean 'demo'"):
        find("demos")


def test_the_offset_of_an_earlier_version_is_refused_with_what_to_do(tmp_path):
    path = written(tmp_path, GOOD.replace('train = "photos"', 'train = "photos"\noffset = [-2, -2]'))
    with pytest.raises(RecipeError, match=r"data\.offset: this option was removed, .*Delete the key.*align"):
        read_recipe(path)


@pytest.mark.parametrize(("loss", "message"), [
    ('name = "triplet"\nangle = 20', r"loss\.angle: unknown key of the loss 'triplet'; known: "),
    ("angle = 20", r"loss\.angle: unknown key of the loss 'triplet'"),
    ('name = "harmonic"\nsoft = true', r"loss\.soft: unknown key of the loss 'harmonic'"),
    ('name = "arcface"\nmargin = 0.3', r"loss\.margin: unknown key of the loss 'arcface'; known: name, angle, scale"),
    ('name = "cross-entropy"\nsmothing = 0.1', r"of the loss 'cross-entropy'; did you mean 'smoothing'"),
    ('name = "tripplet"', r"loss\.name: there is no loss 'tripplet'; did you mean 'triplet'"),
    ('name = "contrastive"\nmargin = 9', r"loss\.margin: Input should be less than 4 \(it is 9\)"),
])  # fmt: skip
def test_a_loss_takes_its_own_options_only(tmp_path, loss, message):
    with pytest.raises(RecipeError, match=message):
        read_recipe(written(tmp_path, f"{GOOD}[loss]\n{loss}\n"))


@pytest.mark.parametrize("loss", ['"arcface"', '"contrastive"', '"cross-entropy"', '"distillation"'])
def test_mining_without_triplets_to_mine_is_refused(tmp_path, loss):
    text = f"{GOOD}[loss]\nname = {loss}\n[mining]\nfloor = 0.1\n"
    with pytest.raises(RecipeError, match=r"\[mining\] selects triplets, but the loss .* uses none"):
        read_recipe(written(tmp_path, text))


def test_distillation_with_triplets_mines(tmp_path):
    text = f'{GOOD}[loss]\nname = "distillation"\ntriplets = 1.0\n[mining]\nfloor = 0.1\n'
    assert read_recipe(written(tmp_path, text)).loss.mines


@pytest.mark.parametrize("name", [name for name in shipped() if not is_detector(find(name))])
def test_a_recipe_is_the_same_after_a_checkpoint_kept_it(name):
    recipe = read_recipe(find(name))
    assert parse_recipe(recipe.model_dump(mode="json"), "kept") == recipe


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_recipe_with_a_byte_order_mark_is_read(tmp_path, encoding):
    path = tmp_path / "mine.toml"
    path.write_bytes(GOOD.encode(encoding))
    assert read_recipe(path).name == "mine"


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ('"C:\\Users\\me"', "write a path in single quotes"),
        ('"faces\\new"', "data.train: the path contains a control character"),
    ],
)
def test_a_backslash_in_double_quotes_is_a_clear_error(tmp_path, train, message):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace('"photos"', train))
    with pytest.raises(RecipeError, match=message):
        read_recipe(path)


def test_the_old_names_of_the_watchdog_still_work_with_a_warning(tmp_path):
    old = written(tmp_path, GOOD + "[care]\nwindow = 9\ntries = 2\nease = 0.25\n")
    with pytest.warns(
        FacespaceWarning, match=r"\[care\] is now \[watchdog\], watchdog\.tries is now watchdog\.max_roll"
    ):
        recipe = read_recipe(old)
    new = written(tmp_path, GOOD + "[watchdog]\nwindow = 9\nmax_rollbacks = 2\nbackoff = 0.25\n")
    assert read_recipe(new) == recipe


@pytest.mark.parametrize(
    "text", ["[care]\nwindow = 9\n[watchdog]\nwindow = 9\n", "[watchdog]\nease = 0.5\nbackoff = 0.5\n"]
)
def test_an_old_name_together_with_the_new_one_is_an_error(tmp_path, text):
    with pytest.raises(RecipeError, match="the recipe has both .* and its new name .*; delete the old one"):
        read_recipe(written(tmp_path, GOOD + text))
