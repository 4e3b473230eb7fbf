"""One federated method a file; METHODS names them all, one explicit line each."""

from strategies.method import Method
from strategies.methods.centralised import Centralised
from strategies.methods.fedavg import FedAvg
from strategies.methods.federa import FeDeRA
from strategies.methods.federa_svd import FeDeRASVD
from strategies.methods.fedex_lora import FedExLoRA
from strategies.methods.fedftg import FedFTG
from strategies.methods.fedit import FedIT
from strategies.methods.fedmomentum import FedMomentum
from strategies.methods.fedprox import FedProx
from strategies.methods.fedrot_lora import FedRotLoRA
from strategies.methods.fedsa_lora import FedSALoRA
from strategies.methods.fedsvd import FedSVD
from strategies.methods.ffa_lora import FFALoRA
from strategies.methods.flexlora import FlexLoRA
from strategies.methods.flora import FLoRA
from strategies.methods.flora_na import FLoRANA
from strategies.methods.florg import FLoRG
from strategies.methods.florist import FLoRIST
from strategies.methods.frlora import FRLoRA
from strategies.methods.hetlora import HetLoRA
from strategies.methods.hlora import HLoRA
from strategies.methods.local import Local
from strategies.methods.lora_fair import LoRAFAIR
from strategies.methods.rac_lora import RACLoRA
from strategies.methods.rolora import RoLoRA
from strategies.methods.slora import SLoRA

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
    "rolora": RoLoRA,
    "fedsvd": FedSVD,
    "fedmomentum": FedMomentum,
    "frlora": FRLoRA,
    "florist": FLoRIST,
    "hlora": HLoRA,
}
