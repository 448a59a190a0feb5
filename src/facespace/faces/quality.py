"""Quality of a face: how reliably it can be recognised.

The measures are standard ones (ISO/IEC 29794-5); the single value computed from them is fitted to recognition errors:
docs/decisions/011-quality.md.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.faces.align import CROPS
from facespace.faces.pose import pose

SIDE = 112
# Rows and columns of the aligned image that always show face; outside are hair, collar and background.
INNER = slice(24, 104)
# Half the side of the patches around eyes and mouth corners that are compared with their mirror images.
PATCH = 11
EYES, MOUTH = ((38, 51), (73, 51)), ((41, 92), (70, 92))

# Fitted by benchmarks/fit_quality.py (docs/decisions/011): the logarithm of the squared distance between a face and the
# other faces of the same person is linear in `features`. RISKS are its deciles on ordinary photos.
WEIGHTS = np.array([-0.103, -0.147, 0.053, 0.049, 0.067, 0.241, 0.158, 0.272, 0.035])
RISKS = np.array([0.027, 0.151, 0.192, 0.232, 0.27, 0.308, 0.349, 0.398, 0.456, 0.544, 1.178])


@dataclass(frozen=True)
class Quality:
    """Quality measures of a face.

    value : 0 to 1, the fraction of ordinary photos that are worse
    eye_distance : distance between the eyes in pixels of the photo
    sharpness : contrast of fine detail as a fraction of all contrast; below 0.05, the face is blurred or upscaled
    brightness : mean luminance, 0 black to 1 white
    contrast : standard deviation of the luminance, 0 to 0.5
    yaw, pitch, roll : degrees, rough; see `pose`
    occlusion : 0 to 1, how much the two halves differ around eyes and mouth; only a hint, because turned and half-lit
        faces differ too
    """

    value: float
    eye_distance: float
    sharpness: float
    brightness: float
    contrast: float
    yaw: float
    pitch: float
    roll: float
    occlusion: float


def measure(aligned: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Compute sharpness, brightness, contrast and occlusion of an aligned face, uint8 (112, 112, 3)."""
    grey = aligned @ (np.array([0.299, 0.587, 0.114]) / 255)
    inner = grey[INNER, INNER]
    contrast = float(inner.std())
    # Fine detail is what a mean over 3x3 pixels removes.
    total = np.pad(inner.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    mean = (total[3:, 3:] - total[:-3, 3:] - total[3:, :-3] + total[:-3, :-3]) / 9
    detail = inner[1:-1, 1:-1] - mean
    sharpness = float(detail.std() / max(contrast, 1e-3))
    unlike = [_unlike(grey, *pair) for pair in (EYES, MOUTH)]
    return sharpness, float(inner.mean()), contrast, max(unlike)


def _unlike(grey: NDArray[np.float64], left: tuple[int, int], right: tuple[int, int]) -> float:
    """Dissimilarity of two patches: 0 if one is the mirror image of the other, 1 if they are unrelated."""
    patches = [grey[y - PATCH : y + PATCH + 1, x - PATCH : x + PATCH + 1] for x, y in (left, right)]
    a, b = patches[0] - patches[0].mean(), patches[1][:, ::-1] - patches[1].mean()
    return float(np.clip(1 - (a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-6), 0, 1))


def judge(
    image: NDArray[np.uint8],
    landmarks: NDArray[np.floating],
    score: float,
    aligned: NDArray[np.uint8] | None = None,
) -> Quality:
    """Measure the quality of a face in an image.

    Parameters
    ----------
    image : uint8, shape (h, w, 3)
    landmarks : float array, shape (5, 2)
    score : float
        The detector's, 0 to 1.
    aligned : uint8, shape (112, 112, 3), or None
        The face as the crop 'arcface-112' cuts it out; None computes it.
    """
    if aligned is None:
        aligned = CROPS["arcface-112"](image, np.zeros(4, np.float32), landmarks.astype(np.float32), SIDE, SIDE)
    sharpness, brightness, contrast, occlusion = measure(aligned)
    yaw, pitch, roll = (float(angle) for angle in pose(landmarks))
    eye_distance = float(np.linalg.norm(landmarks[1] - landmarks[0]))
    risk = float(WEIGHTS @ features(eye_distance, sharpness, brightness, contrast, occlusion, yaw, pitch, score))
    return Quality(
        value=float(np.interp(-risk, -RISKS[::-1], np.linspace(0, 1, len(RISKS)))),
        eye_distance=eye_distance,
        sharpness=sharpness,
        brightness=brightness,
        contrast=contrast,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        occlusion=occlusion,
    )


def features(
    eye_distance: float,
    sharpness: float,
    brightness: float,
    contrast: float,
    occlusion: float,
    yaw: float,
    pitch: float,
    score: float,
) -> NDArray[np.float64]:
    """Features in which the risk is linear: logarithms of ratios, and excesses over ordinary values.

    Size, sharpness, darkness, overexposure, harsh light, occlusion, head turned, head thrown back, detector score. Roll
    is not included, because alignment removes it. Looking down, and above-average size and sharpness, made no
    difference (docs/decisions/011).
    """
    return np.array(
        [
            np.log2(np.clip(eye_distance, 10, 48) / 40),
            np.log2(np.clip(sharpness, 0.01, 0.1) / 0.1),
            max(0.45 - brightness, 0) * 10,
            max(brightness - 0.6, 0) * 10,
            max(contrast - 0.18, 0) * 10,
            occlusion,
            max(abs(yaw) - 10, 0) / 45,
            max(pitch, 0) / 30,
            np.log10(np.clip(1 - score, 1e-5, 0.3)) + 5,
        ]
    )
