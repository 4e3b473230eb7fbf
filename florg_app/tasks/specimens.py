"""Rows of made-up content, for what has to be tried on a model before the rows of its task are there."""

from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase

from strategies.rng import generator

NUM_SPECIMENS = 8
"""Rows; enough for different lengths in a batch."""

FEWEST_WORDS, MOST_WORDS = 4, 16


def specimen_texts(tokenizer: PreTrainedTokenizerBase, purpose: str) -> list[str]:
    """NUM_SPECIMENS texts of FEWEST_WORDS to MOST_WORDS words that the tokenizer knows, the same each time.

    None of them is a special or an added token, as the words of a user's rows are not.
    """
    random = generator(0, "specimens", purpose)
    words = _words(tokenizer, random)
    lengths = random.integers(FEWEST_WORDS, MOST_WORDS + 1, NUM_SPECIMENS)
    return [" ".join(random.choice(words, length)) for length in lengths]


def specimen_image(height: int, width: int, purpose: str) -> np.ndarray:
    """Random pixels (height, width, 3) from 0 to 255."""
    return generator(0, "specimens", purpose).integers(0, 256, (height, width, 3)).astype(np.uint8)


def _words(tokenizer: PreTrainedTokenizerBase, random: np.random.Generator) -> Sequence[str]:
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    tokens = random.integers(0, tokenizer.vocab_size, 64 * MOST_WORDS).tolist()
    found = [str(tokenizer.decode([token])).strip() for token in tokens if token not in special]
    # Half of a character, as tokenizers of bytes have them, is the replacement character.
    plain = [word for word in found if word.isprintable() and "\ufffd" not in word and not any(map(str.isspace, word))]
    return [word for word in plain if word] or ["a", "b", "c", "d"]
