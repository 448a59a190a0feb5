"""The demo on the ORL faces: everything once, end to end."""

from facespace.demo.run import DemoResult, demo_recipe, run_demo

__all__ = ["DemoResult", "demo_recipe", "run_demo"]
