"""The evaluation report: one self-contained HTML file. Needs the extra `report`."""

from facespace.evaluate.report.write import write_report

__all__ = ["write_report"]
