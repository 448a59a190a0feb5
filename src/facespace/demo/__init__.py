"""The demo: train, export and evaluate on the ORL faces, end to end."""

from facespace.demo.run import DemoResult, demo_recipe, run_demo

__all__ = ["DemoResult", "demo_recipe", "run_demo"]
