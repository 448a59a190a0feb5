"""The report: one HTML file that needs nothing else. Needs the extra `report`."""

from facespace.evaluate.report.write import write_report

__all__ = ["write_report"]
