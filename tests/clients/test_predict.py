"""Prediction in batches of similar length."""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from clients.predict import predict
from strategies.methods.florg import FLoRG
from tests.support.tiny_models import logits_fn, pad, tiny_adapted, tiny_features

CPU = torch.device("cpu")


def test_predictions_come_in_the_order_of_the_examples(llama: PreTrainedModel):
    features = tiny_features(11)
    with tiny_adapted(llama, FLoRG()) as adapted:
        llama.train()
        logits = torch.stack(predict(adapted, features, pad, logits_fn, 4, CPU))
        assert not llama.training
        with torch.no_grad():
            expected = torch.cat([logits_fn(llama, pad([example])) for example in features])
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)


def test_prediction_batches_hold_similar_lengths_and_any_kind_of_result(llama: PreTrainedModel):
    features, widths = tiny_features(11), []

    def words(model: nn.Module, batch: dict[str, Tensor]) -> list[str]:
        widths.append(batch["input_ids"].shape[1])
        return [f"{row[0]}" for row in batch["input_ids"].tolist()]

    assert predict(llama, features, pad, words, 4, CPU) == [f"{example['input_ids'][0]}" for example in features]
    lengths = sorted((len(example["input_ids"]) for example in features), reverse=True)
    assert widths == lengths[::4]
