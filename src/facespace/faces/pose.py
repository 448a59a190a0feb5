"""Estimate roughly which way a face looks, from its five landmarks."""

import numpy as np
from numpy.typing import NDArray

# A mean face, in units of the distance between the eyes: right, down, towards the viewer. The first two are the mean of
# frontal faces as MTCNN marks them (6,700 photos of celebrities); the depth of the nose and the mouth is from anatomy.
FACE = np.array(
    [
        [-0.5, -0.529, 0],
        [0.5, -0.529, 0],
        [0, 0.07, 0.45],
        [-0.444, 0.494, 0.05],
        [0.444, 0.494, 0.05],
    ]
)
_UNPROJECT = np.linalg.pinv(FACE - FACE.mean(axis=0))


def pose(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Yaw, pitch and roll in degrees.

    The landmarks are treated as a scaled parallel projection of a rigid mean face (POS: DeMenthon and Davis, 1995),
    fitted by least squares. People differ from the mean face, so the estimate for a frontal face is a few degrees
    off.

    Parameters
    ----------
    landmarks : float array, shape (..., 5, 2)

    Returns
    -------
    float64, shape (..., 3)
        Yaw is positive if the face looks to the right of the picture, pitch if it looks up, roll if it is rotated
        clockwise.
    """
    points = np.asarray(landmarks, np.float64)
    points = points - points.mean(axis=-2, keepdims=True)
    # Rows of the projection: where a unit step right, down and towards the viewer goes in the picture.
    projection = np.swapaxes(_UNPROJECT @ points, -1, -2)
    across, down = projection[..., 0, :], projection[..., 1, :]
    size = np.maximum((np.linalg.norm(across, axis=-1) + np.linalg.norm(down, axis=-1)) / 2, 1e-9)
    roll = np.arctan2(down[..., 0] - across[..., 1], across[..., 0] + down[..., 1])
    # With the roll removed, the step towards the viewer shows where the face looks.
    ahead = projection[..., :, 2] / size[..., None]
    right = np.cos(roll) * ahead[..., 0] + np.sin(roll) * ahead[..., 1]
    low = -np.sin(roll) * ahead[..., 0] + np.cos(roll) * ahead[..., 1]
    yaw, pitch = np.arcsin(np.clip(right, -1, 1)), np.arcsin(np.clip(-low, -1, 1))
    return np.degrees(np.stack([yaw, pitch, roll], axis=-1))
