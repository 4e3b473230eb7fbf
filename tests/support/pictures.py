"""Small pictures of a few colours in every kind of place, and tiny vision models with their image processors."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from PIL import Image
from pyarrow import parquet
from transformers import (
    AutoModelForImageClassification,
    DeiTConfig,
    Dinov2Config,
    PreTrainedConfig,
    PreTrainedModel,
    SiglipConfig,
    ViTConfig,
)
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from clients.seeding import scoped_seed
from florg_app.config.parse import parse_settings
from florg_app.tasks.images.task import Images
from florg_app.tasks.registry import make_task
from strategies.rng import generator

COLOURS = {"blue": (0, 0, 255), "green": (0, 160, 0), "red": (255, 0, 0)}
PROCESSOR = ViTImageProcessorPil(size={"height": 12, "width": 16})
SIZES: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "patch_size": 4}
SQUARE: dict[str, Any] = {**SIZES, "intermediate_size": 48, "image_size": 16}
FAMILIES = ("vit", "deit", "dinov2", "siglip")


def vision_model(family: str, num_labels: int = 3, seed: int = 0) -> PreTrainedModel:
    """An image classifier of this family, for images of 16 x 16."""
    configs: dict[str, PreTrainedConfig] = {
        "vit": ViTConfig(**SQUARE),
        "deit": DeiTConfig(**SQUARE, architectures=["DeiTForImageClassification"]),
        "dinov2": Dinov2Config(**SIZES, image_size=16, mlp_ratio=2),
        "siglip": SiglipConfig(vision_config=SQUARE, text_config={**SIZES, "intermediate_size": 48}),
    }
    config = configs[family]
    config.num_labels = num_labels
    with scoped_seed(seed):
        return AutoModelForImageClassification.from_config(config).eval()


def picture(colour: str, seed: int) -> Image.Image:
    """A noisy picture of this colour, 20 wide and 10 high."""
    noise = generator(seed, "picture").integers(-40, 40, (10, 20, 3))
    return Image.fromarray((np.array(COLOURS[colour]) + noise).clip(0, 255).astype(np.uint8))


def png(colour: str, seed: int) -> bytes:
    buffer = BytesIO()
    picture(colour, seed).save(buffer, "PNG")
    return buffer.getvalue()


def write_folders(folder: Path, each: int) -> None:
    """folder/colour/number.png, so many of each colour."""
    for colour in COLOURS:
        (folder / colour).mkdir(parents=True)
        for number in range(each):
            picture(colour, number).save(folder / colour / f"{number}.png")


def write_parquet(path: Path, images: list[Any], labels: list[Any], **columns: list[Any]) -> None:
    parquet.write_table(pyarrow.table({"image": images, "label": labels, **columns}), path)


def image_task(folder: Path, name: str = "images", **keys: Any) -> Images:
    task = make_task(parse_settings({"task.name": name, "task.path": str(folder), **keys}))
    assert isinstance(task, Images)
    return task
