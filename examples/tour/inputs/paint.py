"""Paints lake.jpg and dusk.jpg: two landscapes with the fine detail of photographs, always the same ones."""

from collections.abc import Sequence
from itertools import pairwise
from math import exp
from pathlib import Path
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
SIZE = (1500, 1000)
ORIENTATION, TURNED_RIGHT = 0x0112, 6  # EXIF: the camera was held on its side


def noise(random: Random, size: tuple[int, int], coarsest: int) -> Image.Image:
    """Fractal noise: random grids, each twice as fine and half as strong as the one before, laid over each other."""
    total, cells, weight = Image.new("L", size, 128), coarsest, 0.5
    while cells < size[0]:
        grid = (cells, max(2, cells * size[1] // size[0]))
        layer = Image.frombytes("L", grid, random.randbytes(grid[0] * grid[1])).resize(size, Image.Resampling.BICUBIC)
        total = Image.blend(total, layer, weight)
        cells, weight = cells * 2, weight * 0.72
    return total


def gradient(size: tuple[int, int], stops: Sequence[tuple[float, Colour]]) -> Image.Image:
    """A vertical run of colours; each stop is a height (0 at the top, 1 at the bottom) and its colour."""
    column = Image.new("RGB", (1, size[1]))
    for y in range(size[1]):
        column.putpixel((0, y), _between(stops, y / (size[1] - 1)))
    return column.resize(size)


def ridge(random: Random, height: float, roughness: float) -> list[float]:
    """A line of hills by midpoint displacement (A. Fournier, D. Fussell, L. Carpenter, 1982)."""
    line, step = [height + random.uniform(-roughness, roughness) for _ in range(2)], roughness
    while len(line) <= SIZE[0]:
        middles = [(a + b) / 2 + random.uniform(-step, step) for a, b in pairwise(line)]
        line = [point for pair in zip(line, middles, strict=False) for point in pair] + line[-1:]
        step *= 0.52
    return line


def hills(picture: Image.Image, random: Random, line: Sequence[float], colour: Colour) -> None:
    """Fill what lies below the line with rock: the colour, mottled, lighter where the ground rises to the right."""
    mask = Image.new("L", SIZE)
    draw = ImageDraw.Draw(mask)
    for x in range(SIZE[0]):
        draw.line((x, int(line[x]), x, SIZE[1]), fill=255)
    rock = Image.new("RGB", SIZE, colour)
    mottled = ImageChops.overlay(rock, Image.merge("RGB", [noise(random, SIZE, 24)] * 3))
    light = ImageDraw.Draw(mottled, "RGBA")
    for x in range(SIZE[0] - 1):
        slope = line[x] - line[x + 1]
        light.line((x, int(line[x]), x, int(line[x]) + 70), fill=(255, 240, 215, max(0, min(90, int(18 * slope)))))
    picture.paste(mottled, mask=mask)


def trees(picture: Image.Image, random: Random, line: Sequence[float], colour: Colour) -> None:
    """Firs along a line."""
    draw = ImageDraw.Draw(picture)
    for _ in range(900):
        x = random.randrange(SIZE[0])
        foot, height = line[x] + random.uniform(0, 14), random.uniform(12, 42)
        shade = random.uniform(0.6, 1.2)
        tone = (int(colour[0] * shade), int(colour[1] * shade), int(colour[2] * shade))
        for tier in range(4):
            top, width = foot - height * (1 - tier / 5), height * (0.09 + 0.06 * tier)
            low = top + height * 0.38
            draw.polygon([(x, top), (x - width, low), (x + width, low)], fill=tone)


def water(picture: Image.Image, random: Random, shore: int, tint: Colour) -> None:
    """Below the shore, the picture once more: upside down, darker, broken by waves that grow towards the eye."""
    depth = SIZE[1] - shore
    mirror = picture.crop((0, shore - depth, SIZE[0], shore)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    mirror = Image.blend(mirror.filter(ImageFilter.GaussianBlur(1.5)), Image.new("RGB", mirror.size, tint), 0.35)
    for y in range(depth):
        shift = int(random.gauss(0, 1 + 9 * y / depth))
        row = ImageChops.offset(mirror.crop((0, y, SIZE[0], y + 1)), shift, 0)
        glint = random.random() ** 6 * 0.5
        picture.paste(Image.blend(row, Image.new("RGB", row.size, (215, 225, 235)), glint), (0, shore + y))


def clouds(picture: Image.Image, random: Random, colour: Colour, height: int) -> None:
    """Clouds where fractal noise is dense, thinning out towards the horizon."""
    dense = noise(random, SIZE, 5).point([max(0, min(255, (v - 118) * 9)) for v in range(256)])
    fade = gradient(SIZE, [(0, (230, 0, 0)), (height / SIZE[1], (0, 0, 0)), (1, (0, 0, 0))]).getchannel(0)
    picture.paste(Image.new("RGB", SIZE, colour), mask=ImageChops.multiply(dense, fade))


def sun(picture: Image.Image, centre: tuple[int, int], radius: int, colour: Colour) -> Image.Image:
    """A disc with a glow that falls off with the distance."""
    glow = Image.radial_gradient("L").resize((radius * 16, radius * 16))
    glow = glow.point([int(255 * exp(-v / 28)) for v in range(256)])
    light = Image.new("RGB", SIZE)
    light.paste(Image.new("RGB", glow.size, colour), (centre[0] - radius * 8, centre[1] - radius * 8), glow)
    ImageDraw.Draw(light).circle(centre, radius, fill=colour)
    return ImageChops.screen(picture, light.filter(ImageFilter.GaussianBlur(1)))


def grain(picture: Image.Image, random: Random) -> Image.Image:
    """The noise of a sensor."""
    speck = Image.frombytes("L", SIZE, random.randbytes(SIZE[0] * SIZE[1]))
    return Image.blend(picture, Image.merge("RGB", [speck] * 3), 0.03)


def lake(random: Random) -> Image.Image:
    """A mountain lake at noon."""
    picture = gradient(SIZE, [(0, (52, 108, 186)), (0.5, (168, 205, 235)), (1, (190, 215, 230))])
    clouds(picture, random, (250, 250, 252), 520)
    for height, roughness, colour in ((300, 170, (128, 146, 172)), (430, 110, (92, 108, 122)), (540, 60, (64, 84, 74))):
        line = ridge(random, height, roughness)
        hills(picture, random, line, colour)
    trees(picture, random, [point + 30 for point in line], (30, 62, 42))
    water(picture, random, 660, (30, 70, 90))
    return grain(picture, random)


def dusk(random: Random) -> Image.Image:
    """An evening at the sea."""
    picture = gradient(SIZE, [(0, (28, 30, 78)), (0.35, (150, 70, 110)), (0.56, (250, 160, 90)), (1, (250, 190, 120))])
    clouds(picture, random, (92, 52, 88), 560)
    picture = sun(picture, (930, 520), 34, (255, 225, 160))
    hills(picture, random, ridge(random, 560, 40), (58, 40, 66))
    water(picture, random, 600, (40, 26, 60))
    return grain(picture, random)


def main() -> None:
    """Write both pictures beside this script."""
    here = Path(__file__).parent
    lake(Random(1)).save(here / "lake.jpg", quality=86, optimize=True)  # noqa: S311  paint, not secrets
    turned = Image.Exif()
    turned[ORIENTATION] = TURNED_RIGHT
    on_its_side = dusk(Random(8)).transpose(Image.Transpose.ROTATE_90)  # noqa: S311
    on_its_side.save(here / "dusk.jpg", quality=86, optimize=True, exif=turned)


def _between(stops: Sequence[tuple[float, Colour]], at: float) -> Colour:
    (low, one), (high, other) = next((a, b) for a, b in pairwise(stops) if a[0] <= at <= b[0])
    share = (at - low) / (high - low)
    mixed = [round(x + (y - x) * share) for x, y in zip(one, other, strict=True)]
    return mixed[0], mixed[1], mixed[2]


if __name__ == "__main__":
    main()
