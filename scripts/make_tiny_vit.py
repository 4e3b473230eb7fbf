"""Writes a small vision transformer with random weights, to try images where no pretrained one is at hand.

python -m scripts.make_tiny_vit FOLDER [--seed 1]
"""

import argparse
from pathlib import Path

from transformers import ViTConfig, ViTModel
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from clients.seeding import scoped_seed

CONFIG = ViTConfig(
    image_size=64,
    patch_size=8,
    hidden_size=96,
    num_hidden_layers=4,
    num_attention_heads=4,
    intermediate_size=192,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)
"""0.33 million parameters; 64 patches and one class token."""


def make(folder: Path, seed: int) -> None:
    """Weights, configuration and image processor in `folder`, the same bits for the same seed."""
    with scoped_seed(seed):
        ViTModel(CONFIG, add_pooling_layer=False).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": CONFIG.image_size, "width": CONFIG.image_size}).save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    make(arguments.folder, arguments.seed)
    print(f"wrote {arguments.folder}: --set model.name={arguments.folder}")


if __name__ == "__main__":
    main()
