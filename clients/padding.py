"""Which token pads: the tokenizer's, told to the model where its family keeps it."""

from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

TOKEN = "pad_token_id"


def match_padding(model: PreTrainedModel, preprocessor: Any) -> None:
    """Tell the model the tokenizer's padding token: decoder classifiers read the last token that is not padding."""
    if isinstance(preprocessor, PreTrainedTokenizerBase):
        _keeper(model.config).pad_token_id = preprocessor.pad_token_id


def fill_padding(model: PreTrainedModel) -> None:
    """Have a model without a padding token pad with its end token, the first of several."""
    config = _keeper(model.config)
    if getattr(config, TOKEN, None) is None:
        end = getattr(config, "eos_token_id", None)
        config.pad_token_id = end[0] if isinstance(end, list) else end


def padding_options(config: PreTrainedConfig) -> dict[str, Any]:
    """Arguments of `from_pretrained` that give a model the padding token of this configuration."""
    keeper = _keeper(config)
    if (token := getattr(keeper, TOKEN, None)) is None:
        return {}
    if keeper is config:
        return {TOKEN: token}
    (part,) = (name for name in config.sub_configs if getattr(config, name, None) is keeper)
    return {part: {TOKEN: token}}


def _keeper(config: PreTrainedConfig) -> PreTrainedConfig:
    """The configuration that says which token pads: the text half's in models of several halves."""
    return config if hasattr(config, TOKEN) else config.get_text_config()
