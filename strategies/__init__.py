"""The federated mathematics: what is shared, how it is combined, and the one Flower Strategy that does it."""

from strategies.centralised import Centralised
from strategies.fedavg import FedAvg
from strategies.federa import FeDeRA
from strategies.federa_svd import FeDeRASVD
from strategies.fedex_lora import FedExLoRA
from strategies.fedftg import FedFTG
from strategies.fedit import FedIT
from strategies.fedprox import FedProx
from strategies.fedrot_lora import FedRotLoRA
from strategies.fedsa_lora import FedSALoRA
from strategies.ffa_lora import FFALoRA
from strategies.flexlora import FlexLoRA
from strategies.flora import FLoRA
from strategies.flora_na import FLoRANA
from strategies.florg import FLoRG
from strategies.hetlora import HetLoRA
from strategies.local import Local
from strategies.lora_fair import LoRAFAIR
from strategies.method import Method
from strategies.rac_lora import RACLoRA
from strategies.slora import SLoRA

METHODS: dict[str, type[Method]] = {
    "florg": FLoRG,
    "fedit": FedIT,
    "fedsa-lora": FedSALoRA,
    "ffa-lora": FFALoRA,
    "fedrot-lora": FedRotLoRA,
    "federa": FeDeRA,
    "federa-svd": FeDeRASVD,
    "flexlora": FlexLoRA,
    "fedex-lora": FedExLoRA,
    "flora": FLoRA,
    "hetlora": HetLoRA,
    "rac-lora": RACLoRA,
    "slora": SLoRA,
    "fedavg": FedAvg,
    "fedprox": FedProx,
    "fedftg": FedFTG,
    "local": Local,
    "centralised": Centralised,
    "lora-fair": LoRAFAIR,
    "flora-na": FLoRANA,
}
