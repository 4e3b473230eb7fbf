"""FedSA-LoRA's own facts: who keeps B, and what the mean of reported B's is."""

import pytest
import torch

from strategies.methods.fedsa_lora import FedSALoRA
from strategies.plan import Role
from strategies.server.combination import aggregate
from tests.support.rounds import SCALE, TALL, WIDE, W, delta, start, trained


@pytest.mark.parametrize("head", ["local", "shared"])
@pytest.mark.parametrize("global_model", [False, True])
def test_a_is_shared_and_b_and_a_local_head_belong_to_the_client(head, global_model):
    plan = FedSALoRA(head=head, global_model=global_model).plan
    own = Role.REPORTED if global_model else Role.LOCAL
    assert plan.roles == {"A": Role.SHARED, "B": own}
    assert plan.head is (own if head == "local" else Role.SHARED)
    assert plan.has_global_model == global_model


def test_an_upload_without_a_global_model_is_a_alone_and_so_is_the_servers_state():
    method = FedSALoRA()
    uploads = trained(method, start(method, TALL))
    assert all(upload.keys() == {"A"} for upload in uploads)
    assert aggregate(method, 1, start(method, TALL), uploads, W).keys() == {"A"}


@pytest.mark.parametrize("group", [TALL, WIDE], ids=lambda group: group.name)
def test_the_mean_model_is_the_mean_of_the_clients_models_with_the_common_a(group):
    method = FedSALoRA(global_model=True)
    state = start(method, group)
    uploads = trained(method, state)
    new = aggregate(method, 1, state, uploads, W)
    mean = sum(w * SCALE * upload["B"] @ new["A"] for w, upload in zip(W, uploads, strict=True)) / sum(W)
    torch.testing.assert_close(delta(method, group, new), mean, rtol=0, atol=1e-12)
