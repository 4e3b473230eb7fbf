"""Which token pads: the tokenizer's, told to the model where its family keeps it."""

from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

TOKEN = "pad_token_id"


def match_padding(model: PreTrainedModel, preprocessor: Any) -> None:
    """Tell the model the tokenizer's padding token: decoder classifiers read the last token that is not padding."""
    if isinstance(preprocessor, PreTrainedTokenizerBase) and (config := _keeper(model.config)):
        config.pad_token_id = preprocessor.pad_token_id


def fill_padding(model: PreTrainedModel) -> None:
    """Have a model without a padding token pad with its end token, the first of several."""
    config = _keeper(model.config)
    if config and config.pad_token_id is None:
        end = getattr(config, "eos_token_id", None)
        config.pad_token_id = end[0] if isinstance(end, list) else end


def padding_token(config: PreTrainedConfig) -> int | None:
    """The token that pads; None where the configuration names none."""
    return getattr(_keeper(config), TOKEN, None)


def padding_options(config: PreTrainedConfig, token: int | None) -> dict[str, Any]:
    """Arguments of `from_pretrained` that have the model of this configuration pad with a token."""
    keeper = _keeper(config)
    if keeper is None or token is None:
        return {}
    if keeper is config:
        return {TOKEN: token}
    (part,) = (name for name in config.sub_configs if getattr(config, name, None) is keeper)
    return {part: {TOKEN: token}}


def _keeper(config: PreTrainedConfig) -> PreTrainedConfig | None:
    """The configuration that says which token pads: the text half's in models of several halves; None: none does."""
    return next((one for one in (config, config.get_text_config()) if hasattr(one, TOKEN)), None)
