"""Pretrain the embedded encoder from scratch and write florg_app/tasks/tiny/model/.

    python -m scripts.pretrain_tiny [--steps 4000] [--output florg_app/tasks/tiny/model]

Two objectives on consistent text, a sentence followed by one that it entails; labels are not used. Masked words are
predicted (BERT), and words replaced by another of the same slot are told from those that stand as they were (ELECTRA,
at the last two layers). Takes some minutes on one core. The same seed, torch version and processor give the same
weights; elsewhere they differ in the last bits and, after thousands of steps, in more.
"""

import argparse
import base64
import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertForMaskedLM, BertModel, PreTrainedTokenizerFast

from florg_app.tasks.tiny.embedded import EMBEDDED_FOLDER, EMBEDDED_WEIGHTS
from florg_app.tasks.tiny.grammar import LEXICON, WORDS, grammar_rows
from strategies.rng import generator

SEED, CORPUS, BATCH, LEARNING_RATE = 7, 120_000, 64, 2e-3
DETECTION = 3.0
"""Weight of the loss of detecting replaced words."""
CHOSEN, MASKED, REPLACED = 0.25, 0.5, 0.4
"""Share of the slots' words that are predicted; of these, shares that are masked and replaced. The rest stay."""
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LINE = 120
"""Characters of base64 in a line of the weights' file."""


def make_tokenizer() -> PreTrainedTokenizerFast:
    """One token per word, and BERT's pair template."""
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=32,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def make_config(vocabulary_size: int) -> BertConfig:
    return BertConfig(
        vocab_size=vocabulary_size,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


class Corruption:
    """Hides words of a batch: (ids, labels) with -100 where nothing is predicted."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._mask = tokenizer.mask_token_id
        self._slots = [torch.tensor(tokenizer.convert_tokens_to_ids(list(words))) for words in LEXICON.values()]

    def in_a_slot(self, ids: Tensor) -> Tensor:
        """Which tokens are words of the lexicon."""
        return torch.isin(ids, torch.cat(self._slots))

    def __call__(self, ids: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        chosen = self.in_a_slot(ids) & torch.from_numpy(rng.random(ids.shape) < CHOSEN)
        draw = torch.from_numpy(rng.random(ids.shape))
        hidden = torch.where(chosen & (draw < MASKED), self._mask, ids)
        replaced = chosen & (draw >= MASKED) & (draw < MASKED + REPLACED)
        for slot in self._slots:
            others = slot[torch.from_numpy(rng.integers(len(slot), size=ids.shape))]
            hidden = torch.where(replaced & torch.isin(ids, slot), others, hidden)
        return hidden, torch.where(chosen, ids, -100)


def pretrain(steps: int) -> tuple[BertForMaskedLM, PreTrainedTokenizerFast]:
    tokenizer = make_tokenizer()
    torch.manual_seed(SEED)
    model = BertForMaskedLM(make_config(len(tokenizer)))
    detectors = nn.ModuleList(nn.Linear(model.config.hidden_size, 1) for _ in range(2))
    parameters = [*model.parameters(), *detectors.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    rng, corrupt, start = generator(SEED, "tiny-pretraining"), Corruption(tokenizer), time.monotonic()
    texts = [(premise, hypothesis) for premise, hypothesis, label in grammar_rows(rng, CORPUS) if label]
    corpus = tokenizer(*map(list, zip(*texts, strict=True)), padding=True, return_tensors="pt")
    for step in range(steps):
        chosen = torch.from_numpy(rng.integers(len(texts), size=BATCH))
        batch = {name: tensor[chosen] for name, tensor in corpus.items()}
        hidden, labels = corrupt(batch["input_ids"], rng)
        output = model(**{**batch, "input_ids": hidden}, labels=labels, output_hidden_states=True)
        present = corrupt.in_a_slot(hidden)
        replaced = (hidden != batch["input_ids"])[present].float()
        logits = [
            detect(h)[present].squeeze(-1) for detect, h in zip(detectors, output.hidden_states[-2:], strict=True)
        ]
        detection = sum(functional.binary_cross_entropy_with_logits(each, replaced) for each in logits)
        loss = output.loss + DETECTION * detection
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 250 == 0 or step == steps - 1:
            parts = f"masked words {output.loss.item():.3f}  detection {float(detection):.3f}"
            print(f"step {step:5d}/{steps}  {parts}  {time.monotonic() - start:.0f} s", flush=True)
    return model, tokenizer


def export(model: BertForMaskedLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Text files only: Flower's bundle takes no others. The pooler, which nothing here trains, is left as drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    model.config.architectures = ["BertModel"]
    model.config.save_pretrained(folder)
    weights = {name: tensor for name, tensor in model.state_dict().items() if name.startswith("bert.")}
    torch.manual_seed(SEED)
    pooler = BertModel(model.config).pooler.state_dict()
    weights |= {f"bert.pooler.{name}": tensor for name, tensor in pooler.items()}
    text = base64.b64encode(save({name: tensor.half().contiguous() for name, tensor in weights.items()})).decode()
    lines = [text[place : place + LINE] for place in range(0, len(text), LINE)]
    (folder / EMBEDDED_WEIGHTS).write_text(json.dumps({"safetensors": lines}, indent=0) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--output", type=Path, default=EMBEDDED_FOLDER)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    export(*pretrain(arguments.steps), arguments.output)


if __name__ == "__main__":
    main()
