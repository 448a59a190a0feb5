"""Which way a face looks, roughly, from its five landmarks."""

import numpy as np
from numpy.typing import NDArray

# The mean face in distances between the eyes: across, down, towards the viewer. Across and down are the mean of
# faces that look ahead, as MTCNN marks them (6,700 photos of celebrities); how far the nose and the mouth stand out
# is anatomy.
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

    The landmarks are taken for a scaled parallel projection of a stiff mean face (POS: DeMenthon and Davis, 1995),
    fitted by least squares. People differ from the mean face, so a face that looks straight ahead comes out a few
    degrees off.

    Parameters
    ----------
    landmarks : float array, shape (..., 5, 2)

    Returns
    -------
    float64, shape (..., 3)
        Yaw above 0 where the face looks to the right of the picture, pitch above 0 where it looks up, roll above 0
        where it is turned clockwise.
    """
    points = np.asarray(landmarks, np.float64)
    points = points - points.mean(axis=-2, keepdims=True)
    # Rows of the projection: where one step across, down and towards the viewer goes in the picture.
    projection = np.swapaxes(_UNPROJECT @ points, -1, -2)
    across, down = projection[..., 0, :], projection[..., 1, :]
    size = np.maximum((np.linalg.norm(across, axis=-1) + np.linalg.norm(down, axis=-1)) / 2, 1e-9)
    roll = np.arctan2(down[..., 0] - across[..., 1], across[..., 0] + down[..., 1])
    # Turned upright, the step towards the viewer shows where the face looks.
    ahead = projection[..., :, 2] / size[..., None]
    right = np.cos(roll) * ahead[..., 0] + np.sin(roll) * ahead[..., 1]
    low = -np.sin(roll) * ahead[..., 0] + np.cos(roll) * ahead[..., 1]
    yaw, pitch = np.arcsin(np.clip(right, -1, 1)), np.arcsin(np.clip(-low, -1, 1))
    return np.degrees(np.stack([yaw, pitch, roll], axis=-1))
