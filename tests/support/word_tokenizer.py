"""A fast tokenizer of one token per word, without any file."""

from collections.abc import Iterable

from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast


def word_tokenizer(words: Iterable[str], ends: bool = False) -> PreTrainedTokenizerFast:
    """0 pads, 1 is an unknown word, the words are numbered from 2.

    ends: one more token, the last, is put before and behind each text as BERT's [CLS] and [SEP]; no token types.
    """
    numbers = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *words, "[END]"])}
    core = Tokenizer(models.WordLevel(numbers, "[UNK]"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if ends:
        core.post_processor = processors.TemplateProcessing(
            single="[END] $A [END]",
            pair="[END] $A [END] $B [END]",
            special_tokens=[("[END]", numbers["[END]"])],
        )
    names = ["input_ids", "attention_mask"] if ends else ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]", model_input_names=names)
