"""Claim: the paper's networks have the numbers of parameters and multiply-adds reported in the paper.

Prints parameters and multiply-adds (called FLOPS in the paper) of every registered network at its intended input size,
and the difference from the paper's figures (tables 1 and 2, section 3.3).

    python benchmarks/networks.py
"""

from facespace.train.networks import NETWORKS, network_size

STATED = {
    "nn1": (140e6, 1.6e9),
    "nn2": (7.5e6, 1.6e9),
    "nn3": (None, None),
    "nn4": (None, 285e6),
    "nns1": (26e6, 220e6),
    "nns2": (4.3e6, 20e6),
}


def cell(ours: float, stated: float | None) -> str:
    return f"{ours / 1e6:9.2f} M {'' if stated is None else f'{ours / stated - 1:+7.1%}':>8}"


def main() -> None:
    print(f"{'network':12} {'input':>8} {'parameters':>11} {'to paper':>8} {'mult-adds':>11} {'to paper':>8}")
    for name, record in NETWORKS.items():
        size = network_size(name, record.width, record.height, 128)
        parameters, work = STATED.get(name, (None, None))
        print(
            f"{name:12} {record.width:>4}x{record.height:<4}{cell(size.parameters, parameters)} "
            f"{cell(size.multiply_adds, work)}"
        )


if __name__ == "__main__":
    main()
