"""False accepts within groups, as text of at most 80 columns."""

from typing import TYPE_CHECKING

from facespace.cli.output import echo

if TYPE_CHECKING:
    from facespace.model import GroupsCard, ShareCard

_NAME = 24
_CELL = 15


def show_groups(groups: "GroupsCard", calibration_error: float | None = None) -> None:
    """Print the thresholds that hold for the worst group, and the false accept rate of each group."""
    for line in group_lines(groups):
        echo(line)
    if calibration_error is not None:
        echo(f"\ncalibration error on different people of the same {', '.join(groups.by)}: {calibration_error:.3f}")


def group_lines(groups: "GroupsCard") -> list[str]:
    """Return the lines that `show_groups` prints."""
    lines = [
        "",
        f"Different people of the same {', '.join(groups.by)}: {groups.data}",
        "",
        f"{'no group exceeds FAR':<22}{'threshold':<27}{'decided by':<25}VAL",
    ]
    for each in sorted(groups.thresholds, key=lambda entry: -entry.far):
        spread = f"{each.threshold:.3f} ({each.low:.3f} to {each.high:.3f})"
        val = "" if each.val is None else f"{each.val.value:.3f}"
        lines.append(f"{each.far:<22g}{spread:<27}{_cut(each.group):<25}{val}")
    heads = [f"{'worst' if at.holds_for == 'worst group' else 'average'} {at.far:g}" for at in groups.at]
    cuts = [f"({at.threshold:.3f})" for at in groups.at]
    lines += [
        "",
        "False accepts per 1,000 pairs of different people (95 % interval), at threshold",
        f"{'':<{_NAME + 1}}{'faces':>6}  " + "".join(head.ljust(_CELL) for head in heads),
        f"{'':<{_NAME + 1}}{'':>6}  " + "".join(cut.ljust(_CELL) for cut in cuts),
    ]
    for group in groups.groups:
        cells = "".join(_in_thousand(rate).ljust(_CELL) for rate in group.rates)
        label = group.name if group.column in (", ".join(groups.by), "all") else f"{group.column} {group.name}"
        lines.append(f"{_cut(label):<{_NAME + 1}}{group.faces:>6}  {cells}")
    return [line.rstrip() for line in lines]


def _in_thousand(rate: "ShareCard") -> str:
    return f"{_short(rate.value)} ({_short(rate.low)}-{_short(rate.high)})"


def _short(share: float) -> str:
    return f"{1000 * share:.1f}" if share < 0.00995 else f"{1000 * share:.0f}"


def _cut(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"
