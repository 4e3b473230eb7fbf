"""Tiny models of many architectures in folders, as people have them: weights of a pretraining, and a tokenizer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoConfig, PreTrainedConfig, PreTrainedTokenizerFast
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from clients.seeding import scoped_seed

WORDS = ("good", "bad", "film", "plot", "fun", "fine", "dull", "the", "a", "is", "was", "very", "not", "how", "yes")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "</s>"]
VOCABULARY, POSITIONS = 48, 136

_TOKENS: dict[str, Any] = {
    **{"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 4, "sep_token_id": 3},
    "decoder_start_token_id": 0,
}
_SIZES: dict[str, Any] = {
    # By the names that families have for them; each takes those that its configuration knows.
    **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48},
    **{"d_model": 32, "d_ff": 48, "d_kv": 8, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 4, "ffn_dim": 48},
    **{"n_embd": 32, "n_layer": 2, "n_head": 4, "n_layers": 2, "n_heads": 4, "dim": 32, "hidden_dim": 48},
    **{"emb_dim": 32, "embedding_size": 16, "embedding_dim": 32, "encoder_layers": 2, "decoder_layers": 2},
    **{"encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48},
    **{"num_key_value_heads": 2, "head_dim": 8, "rotary_dim": 4, "word_embed_proj_dim": 16, "dff": 48},
    **{"max_position_embeddings": POSITIONS, "n_positions": POSITIONS, "max_seq_len": POSITIONS, "n_ctx": POSITIONS},
    **{"sliding_window": 16, "attention_window": 8, "block_size": 4, "num_random_blocks": 1, "window_size": 8},
    **{"num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2},
    **{"moe_intermediate_size": 16, "shared_expert_intermediate_size": 32, "first_k_dense_replace": 1},
    **{"image_size": 16, "patch_size": 4, "max_encoder_position_embeddings": POSITIONS, "num_hash_buckets": POSITIONS},
    **{"max_decoder_position_embeddings": POSITIONS, "local_transformer_stride": 16},
}
_TEXT = {**_TOKENS, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
_TEXT |= {"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": POSITIONS}
_SEEING = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
_PICTURES = {**_SEEING, "image_size": 16, "patch_size": 4}
_WINDOWS = {"embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4, "patch_size": 2, "image_size": 16}
_SEEING |= {"image_size": 28, "patch_size": 14}
_MLA = {"head_dim": 4, "num_key_value_heads": 4, "kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 4}
_MLA |= {"qk_nope_head_dim": 4, "v_head_dim": 8, "n_group": 1, "topk_group": 1}


def _is_dropout(name: str) -> bool:
    return "dropout" in name or name.endswith("pdrop")


@dataclass(frozen=True)
class Swept:
    """One architecture and what it is tried on."""

    family: str
    """transformers' model_type."""
    saved_as: str
    """The auto class of its pretraining."""
    kind: str
    """Of its tokenizer, a key of TOKENIZERS, or "pixels"."""
    tasks: tuple[str, ...]
    changes: Mapping[str, Any] | Callable[[], PreTrainedConfig]
    """Of its configuration, or the whole of it."""

    def config(self) -> PreTrainedConfig:
        """Two layers of width 32 without dropout, where the family has such settings."""
        if callable(self.changes):
            return self.changes()
        usual = AutoConfig.for_model(self.family)
        own = lambda name: usual.attribute_map.get(name, name)  # noqa: E731
        sizes = {own(name): value for name, value in {**_TOKENS, **_SIZES}.items() if hasattr(usual, name)}
        known = sizes | {own(name): value for name, value in self.changes.items()}
        quiet = {name: 0.0 for name, value in vars(usual).items() if _is_dropout(name) and isinstance(value, float)}
        return AutoConfig.for_model(self.family, **known, **quiet)

    def save(self, folder: Path) -> Path:
        """Weights three times as large as they are drawn for such a width, so that outputs depend on inputs."""
        with scoped_seed(0):
            model = getattr(transformers, self.saved_as).from_config(self.config())
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(3 if parameter.dim() > 1 else 1)
        model.save_pretrained(folder)
        if self.kind == "pixels":
            size = {"height": 16, "width": 16}
            ViTImageProcessorPil(size=size).save_pretrained(folder)
        else:
            swept_tokenizer(self.kind).save_pretrained(folder)
        return folder


TOKENIZERS: Mapping[str, tuple[str, str] | None] = {
    "bert": ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"),
    "roberta": ("[CLS] $A [SEP]", "[CLS] $A [SEP] [SEP] $B [SEP]"),
    "eos": ("$A </s>", "$A </s> $B </s>"),
    "plain": None,
}
"""How texts and pairs of texts are written; token types with "bert" alone."""


def swept_tokenizer(kind: str, **options: Any) -> PreTrainedTokenizerFast:
    """A token for each of WORDS."""
    core = Tokenizer(models.WordLevel({name: n for n, name in enumerate([*SPECIAL, *WORDS])}, "[UNK]"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if (template := TOKENIZERS[kind]) is not None:
        special = [(name, n) for n, name in enumerate(SPECIAL)]
        core.post_processor = processors.TemplateProcessing(
            single=template[0], pair=template[1], special_tokens=special
        )
    inputs = ["input_ids", *(["token_type_ids"] if kind == "bert" else []), "attention_mask"]
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "eos_token": "</s>"}
    ends = {"cls_token": "[CLS]", "sep_token": "[SEP]"} if kind in ("bert", "roberta") else {}
    return PreTrainedTokenizerFast(tokenizer_object=core, model_input_names=inputs, **names, **ends, **options)


def _encoder(family: str, kind: str = "bert", tasks: tuple[str, ...] = ("text", "squad"), **changes: Any) -> Swept:
    return Swept(family, "AutoModelForMaskedLM", kind, tasks, changes)


def _decoder(family: str, *tasks: str, **changes: Any) -> Swept:
    return Swept(family, "AutoModelForCausalLM", "plain", tasks or ("text", "instruct"), changes)


def _seq2seq(family: str, *tasks: str, **changes: Any) -> Swept:
    return Swept(family, "AutoModelForSeq2SeqLM", "eos", tasks or ("text", "squad"), changes)


def _vision(family: str, changes: Mapping[str, Any] | Callable[[], PreTrainedConfig] | None = None) -> Swept:
    return Swept(family, "AutoModelForImageClassification", "pixels", ("images",), changes or {})


def _seeing(family: str, *tasks: str, **config: Any) -> Swept:
    """A language model with an image half."""
    whole = lambda: AutoConfig.for_model(family, **config)  # noqa: E731
    return Swept(family, "AutoModelForImageTextToText", "plain", tasks or ("instruct",), whole)


SWEPT: tuple[Swept, ...] = (
    _encoder("bert", tasks=("text", "text-pair", "squad")),
    _encoder("roberta", "roberta", tasks=("text", "text-pair", "squad")),
    _encoder("distilbert", "roberta"),
    _encoder("albert"),
    _encoder("electra", tasks=("text",)),
    _encoder("deberta", "roberta", tasks=("text",)),
    _encoder("deberta-v2"),
    _encoder("mpnet", "roberta"),
    _encoder("modernbert", "roberta", classifier_pooling="mean"),
    _encoder("longformer", "roberta", tasks=("squad",)),
    _encoder("big_bird", tasks=("text",)),
    _encoder("roformer", tasks=("text",)),
    _encoder("esm", "roberta", tasks=("text",)),
    Swept("canine", "AutoModelForSequenceClassification", "bert", ("text",), {}),
    _decoder("gpt2", "text", "squad", "instruct"),
    _decoder("gpt_neo", "text", attention_types=[[["global", "local"], 1]]),
    _decoder("gptj", "instruct"),
    _decoder("gpt_neox"),
    _decoder("codegen", "instruct"),
    _decoder("opt", "squad", "instruct"),
    _decoder("bloom"),
    _decoder("mpt", "instruct"),
    _decoder("llama", "text", "text-pair", "squad", "instruct"),
    _decoder("qwen3"),
    _decoder("gemma2", "text"),
    _decoder("gemma3_text", "instruct"),
    _decoder("phi3"),
    _decoder("stablelm", "instruct"),
    _decoder("mamba", "instruct"),
    _decoder("mixtral"),
    _decoder("qwen2_moe", "instruct"),
    _decoder("gpt_oss", "text"),
    _decoder("deepseek_v3", "instruct", **_MLA),
    _decoder("jamba", "instruct", attn_layer_period=2, attn_layer_offset=1, use_mamba_kernels=False),
    _seq2seq("t5", "text", "text-pair", "squad", decoder_start_token_id=0),
    _seq2seq("mt5", "squad"),
    _seq2seq("bart", "text", "text-pair", "squad"),
    _seq2seq("mbart", "text"),
    _vision("vit"),
    _vision("deit", lambda: AutoConfig.for_model("deit", **_PICTURES, architectures=["DeiTForImageClassification"])),
    _vision("dinov2"),
    _vision("beit"),
    _vision("swin", lambda: AutoConfig.for_model("swin", **_WINDOWS)),
    _vision("siglip", lambda: AutoConfig.for_model("siglip", vision_config=_PICTURES, text_config=_TEXT)),
    _vision("clip", lambda: AutoConfig.for_model("clip", vision_config=_PICTURES, text_config=_TEXT)),
    _seeing(
        "gemma3",
        "text",
        "instruct",
        text_config={**_TEXT, "sliding_window": 16},
        vision_config=_SEEING,
        **{"mm_tokens_per_image": 4, "boi_token_index": 40, "eoi_token_index": 41, "image_token_index": 42},
    ),
    _seeing(
        "llava",
        text_config={**_TEXT, "model_type": "llama"},
        vision_config={**_SEEING, "model_type": "clip_vision_model"},
        image_token_index=42,
    ),
    _seeing(
        "llama4",
        text_config={**_TEXT, "intermediate_size_mlp": 48, "num_local_experts": 2, "attention_chunk_size": 64},
        vision_config={**_SEEING, "intermediate_size": 128, "vision_output_dim": 32, "projector_input_dim": 32}
        | {"projector_output_dim": 32},
        image_token_index=42,
    ),
)
"""Encoders, decoders, both, vision, language models with an image half, mixtures of experts, fused projections."""
