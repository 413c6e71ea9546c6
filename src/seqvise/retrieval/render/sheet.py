"""Contact sheet of image results: one row of images per query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from seqvise.outputs import write_output
from seqvise.retrieval.render.thumbnails import enlarged, thumbnail
from seqvise.retrieval.results import Answer, Hit

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

TILE, GAP, MARGIN, ROW_GAP = 150, 12, 24, 30
"""Pixels: size of an image's square, gap between squares, margin of the sheet, gap between the rows of two queries."""
CAPTION, HEAD, LINE = 40, 34, 18
"""Pixels: heights of the text below an image, of a row's title, and of a line of text."""
COLUMNS = 10
"""Images per line; further images continue on the next line."""
INK, FAINT, EMPTY, FRAME = "#1a1a1a", "#707070", "#ececec", "#c8c8c8"


@dataclass(frozen=True)
class _Tile:
    """An image with two lines of text below it."""

    file: Path
    title: str
    below: str
    framed: bool = False


def write_sheet(answers: Sequence[Answer], path: Path) -> None:
    """Draws result images as a PNG file, with titles and cosines below; a query image comes first and is framed."""
    content = BytesIO()
    _draw([(_title(answer), _tiles(answer)) for answer in answers]).save(content, "PNG")
    write_output(path, content.getvalue())


def _title(answer: Answer) -> str:
    """The query's text; for an image, the end of its path, since long titles are truncated at the end."""
    image = answer.query.image
    return answer.query.text if image is None else "/".join(image.parts[-2:])


def _tiles(answer: Answer) -> list[_Tile]:
    query_tiles = [] if answer.query.image is None else [_Tile(answer.query.image, "query", "", framed=True)]
    return query_tiles + [_tile(hit) for hit in answer.hits if hit.file is not None]


def _tile(hit: Hit) -> _Tile:
    assert hit.file is not None
    return _Tile(hit.file, hit.title or hit.name, f"{hit.cosine:.3f} {hit.mark}".rstrip())


def _draw(rows: Sequence[tuple[str, list[_Tile]]]) -> Image:
    from PIL import Image, ImageDraw

    columns = max(1, min(COLUMNS, max(len(tiles) for _, tiles in rows)))
    lines = [max(1, -(-len(tiles) // columns)) for _, tiles in rows]
    width = 2 * MARGIN + columns * TILE + (columns - 1) * GAP
    height = 2 * MARGIN - ROW_GAP + sum(_height(count) for count in lines)
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    top = MARGIN
    for (title, tiles), count in zip(rows, lines, strict=True):
        _write(draw, (MARGIN, top), title, width - 2 * MARGIN, _font(18, bold=True), INK)
        for number, tile in enumerate(tiles):
            line, column = divmod(number, columns)
            corner = (MARGIN + column * (TILE + GAP), top + HEAD + line * (TILE + CAPTION + GAP))
            _paste(sheet, draw, tile, corner)
        top += _height(count)
    return sheet


def _height(lines: int) -> int:
    """Height in pixels of a query's row with this many lines of images, including the gap below it."""
    return HEAD + lines * (TILE + CAPTION + GAP) - GAP + ROW_GAP


def _paste(sheet: Image, draw: ImageDraw, tile: _Tile, corner: tuple[int, int]) -> None:
    left, top = corner
    image = thumbnail(tile.file, TILE)
    if image is None:
        draw.rectangle((left, top, left + TILE - 1, top + TILE - 1), fill=EMPTY)
        _write(draw, (left + 8, top + TILE // 2 - 9), "cannot be read", TILE - 16, _font(13), FAINT)
    else:
        image = enlarged(image, TILE)
        sheet.paste(image, (left, top + TILE - image.height))  # its left and lower edges are those of the caption
    if tile.framed:
        width, height = (TILE, TILE) if image is None else image.size
        draw.rectangle((left - 4, top + TILE - height - 4, left + width + 3, top + TILE + 3), outline=FRAME, width=2)
    _write(draw, (left, top + TILE + 4), tile.title, TILE, _font(13), INK)
    _write(draw, (left, top + TILE + 4 + LINE), tile.below, TILE, _font(12), FAINT)


def _write(draw: ImageDraw, corner: tuple[int, int], text: str, width: int, font: FreeTypeFont, colour: str) -> None:
    """Draws one line of text, truncated with an ellipsis if it is too long."""
    line = " ".join(text.split())
    if draw.textlength(line, font) > width:
        while line and draw.textlength(f"{line}…", font) > width:
            line = line[:-1]
        line = f"{line.rstrip()}…"
    draw.text(corner, line, fill=colour, font=font)


def _font(size: int, bold: bool = False) -> FreeTypeFont:
    """DejaVu Sans, which is part of matplotlib and covers most alphabets."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)
