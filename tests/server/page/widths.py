"""The window sizes of the page tests."""

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
