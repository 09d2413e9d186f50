"""Charts as SVG made on the server: geometry here, drawing in templates, figures in a table below.

A strict Content-Security-Policy forbids inline styles, so everything is placed by attributes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 520, 200
LEFT, RIGHT, TOP, BOTTOM = 34, 6, 12, 22
# Headings under the horizontal axis that fit side by side at 360 px.
LABELS = 6


@dataclass(frozen=True)
class Tick:
    """A line of the grid or a heading of an axis: where, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Block:
    """A rectangle of a stacked column; ``series`` counts from 1 and picks the colour."""

    x: float
    y: float
    width: float
    height: float
    series: int
    title: str


@dataclass(frozen=True)
class Column:
    """One stacked column: its heading and one value per series, ``ghost`` the period before."""

    label: str
    values: tuple[int, ...]
    ghost: int | None = None

    @property
    def total(self) -> int:
        """The column's height in the chart's unit."""
        return sum(self.values)


@dataclass(frozen=True)
class LimitChart:
    """A line over time against a limit line."""

    path: str
    area: str
    limit_y: float | None
    limit: int | None
    rows: tuple[Tick, ...]
    columns: tuple[Tick, ...]
    points: tuple[tuple[str, int], ...]
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True)
class StackedChart:
    """Stacked columns, with the period before as outlines."""

    blocks: tuple[Block, ...]
    ghosts: tuple[Block, ...]
    rows: tuple[Tick, ...]
    columns: tuple[Tick, ...]
    series: tuple[str, ...]
    data: tuple[Column, ...]
    width: int = WIDTH
    height: int = HEIGHT


def nice_ceiling(value: float) -> int:
    """The smallest round even number (1.2, 1.6, 2, ... times a power of ten) not below ``value``."""
    power = 10
    while True:
        for tenths in (2, 4, 6, 8, 10, 12, 16):
            if power * tenths // 10 >= max(value, 4):
                return power * tenths // 10
        power *= 10


def vertical(value: float, top: float) -> float:
    """The y of a value, in px of the drawing."""
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top, 1)


def grid_rows(top: int) -> tuple[Tick, ...]:
    """Three lines of the grid with their values."""
    return tuple(Tick(vertical(value, top), f"{value:,}") for value in (0, top // 2, top))


def headings(labels: Sequence[str], places: Sequence[float]) -> tuple[Tick, ...]:
    """At most ``LABELS`` headings, evenly taken."""
    every = max(1, -(-len(labels) // LABELS))
    return tuple(
        Tick(place, label)
        for number, (label, place) in enumerate(zip(labels, places, strict=True))
        if number % every == 0
    )


def limit_chart(points: Sequence[tuple[str, int]], *, limit: int | None = None) -> LimitChart:
    """A line through ``points`` (heading, value); with one point it is a level line."""
    top = nice_ceiling(1.1 * max([value for _, value in points] + [limit or 0]))
    span = (WIDTH - LEFT - RIGHT) / max(len(points) - 1, 1)
    places = [round(LEFT + span * number, 1) for number in range(len(points))]
    spots = [(x, vertical(value, top)) for x, (_, value) in zip(places, points, strict=True)]
    if len(spots) == 1:
        spots.append((WIDTH - RIGHT, spots[0][1]))
    line = "L".join(f"{x} {y}" for x, y in spots)
    floor = HEIGHT - BOTTOM
    return LimitChart(
        path=f"M{line}" if spots else "",
        area=f"M{spots[0][0]} {floor}L{line}L{spots[-1][0]} {floor}Z" if spots else "",
        limit_y=vertical(limit, top) if limit is not None else None,
        limit=limit,
        rows=grid_rows(top),
        columns=headings([label for label, _ in points], places),
        points=tuple(points),
    )


def stacked_chart(data: Sequence[Column], series: Sequence[str]) -> StackedChart:
    """Columns of ``data``, one block per series, from the bottom up."""
    top = nice_ceiling(
        max([column.total for column in data] + [column.ghost or 0 for column in data] + [0])
    )
    slot = (WIDTH - LEFT - RIGHT) / max(len(data), 1)
    thick = round(min(slot * 0.72, 48), 1)
    blocks: list[Block] = []
    ghosts: list[Block] = []
    places: list[float] = []
    for number, column in enumerate(data):
        x = round(LEFT + slot * number + (slot - thick) / 2, 1)
        places.append(round(x + thick / 2, 1))
        base = 0
        for index, value in enumerate(column.values):
            if value:
                y = vertical(base + value, top)
                name = f"{column.label}: {value:,} {series[index].lower()}"
                height = round(vertical(base, top) - y, 1)
                blocks.append(Block(x, y, thick, height, index + 1, name))
            base += value
        if column.ghost:
            y = vertical(column.ghost, top)
            name = f"{column.label}, the period before: {column.ghost:,}"
            ghosts.append(Block(x, y, thick, round(HEIGHT - BOTTOM - y, 1), 0, name))
    labels = [column.label for column in data]
    return StackedChart(
        tuple(blocks),
        tuple(ghosts),
        grid_rows(top),
        headings(labels, places),
        tuple(series),
        tuple(data),
    )
