"""Pictures of grids."""

from PIL import Image, ImageDraw, ImageFont


def save(light, path, label=""):
    """Writes a picture in the format that the name says, eight times as large as the grid."""
    image = Image.fromarray(light).resize((light.shape[1] * 8, light.shape[0] * 8), Image.Resampling.BICUBIC)
    if label:
        font = ImageFont.load_default(size=14)
        ImageDraw.Draw(image).text((4, 4), label, font=font, fill=255)
    image.save(path)
