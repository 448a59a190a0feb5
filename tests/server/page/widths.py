"""The two sizes of window that views are looked at in."""

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
