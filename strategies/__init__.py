"""The federated mathematics: what is shared, how it is combined, and the one Flower Strategy that does it."""

from strategies.fedit import FedIT
from strategies.fedsa_lora import FedSALoRA
from strategies.florg import FLoRG
from strategies.method import Method

METHODS: dict[str, type[Method]] = {
    "florg": FLoRG,
    "fedit": FedIT,
    "fedsa-lora": FedSALoRA,
}
