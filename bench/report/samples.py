"""The samples that the measurements have printed."""

import statistics
from collections import defaultdict


class Samples:
    """Values by (row, baseline, size), in the order of the repetitions."""

    def __init__(self, files: list[str]) -> None:
        self.values: dict[tuple[str, str, int], list[float]] = defaultdict(list)
        self.units: dict[str, str] = {}
        for name in files:
            with open(name, encoding="utf-8") as lines:
                for line in lines:
                    if line.startswith("@m\t"):
                        self._add(line.rstrip("\n").split("\t")[1:])

    def _add(self, fields: list[str]) -> None:
        row, baseline, size, unit, value = fields
        self.values[row, baseline, int(size)].append(float(value))
        self.units[row] = unit

    def sizes(self, row: str) -> list[int]:
        return sorted({size for key, _, size in self.values if key == row})

    def of(self, row: str, baseline: str, size: int) -> list[float]:
        return self.values.get((row, baseline, size), [])

    def median(self, row: str, baseline: str, size: int) -> float | None:
        values = self.of(row, baseline, size)
        return statistics.median(values) if values else None

    def ratios(self, row: str, ours: str, baseline: str, size: int) -> list[float]:
        """Ours by the baseline's, repetition by repetition: what disturbed both is in both."""
        pairs = zip(self.of(row, ours, size), self.of(row, baseline, size))
        return [mine / theirs for mine, theirs in pairs if theirs > 0]
