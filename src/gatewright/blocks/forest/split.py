"""A question that a node of a decision tree asks of an integer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Split:
    """Goes left where the feature's integer is less than `cut`, or one of `numbers`.

    Attributes:
        feature: which element of the sample.
        cut: of a numeric split.
        numbers: of a categorical split, the integers that go left; None: numeric.
        missing: the integer that stands for a missing value; None: there is none.
        missing_left: where that goes, whatever the rest says.
    """

    feature: int
    cut: int
    numbers: tuple[int, ...] | None = None
    missing: int | None = None
    missing_left: bool = False

    def sides(
        self, within: tuple[int, int]
    ) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """Return what the integer can be to the left and to the right, None where it cannot be.

        Args:
            within: least and greatest integer.
        """
        low, high = within
        absent = self.missing is not None and low <= self.missing <= high
        if self.numbers is not None:
            inside = [n for n in self.numbers if low <= n <= high and n != self.missing]
            left = bool(inside) or (absent and self.missing_left)
            others = high - low + 1 - len(inside) - absent
            right = others > 0 or (absent and not self.missing_left)
            return (within if left else None), (within if right else None)
        left_side: tuple[int, int] | None = (low, min(high, self.cut - 1))
        right_side: tuple[int, int] | None = (max(low, self.cut), high)
        return (
            self._with_missing(left_side, absent and self.missing_left),
            self._with_missing(right_side, absent and not self.missing_left),
        )

    def _with_missing(self, side: tuple[int, int] | None, joins: bool) -> tuple[int, int] | None:
        """Return a side with the missing integer, where that joins it."""
        assert side is not None
        low, high = side
        if not joins:
            return side if low <= high else None
        assert self.missing is not None
        if low > high:
            return self.missing, self.missing
        return min(low, self.missing), max(high, self.missing)
