"""The federated mathematics: what is shared, how it is combined, and the one Flower Strategy that does it.

The names below are the package's public face and stay as they are; every other name may change with a release.
"""

from strategies.method import Method
from strategies.methods import METHODS
from strategies.plan import Plan, Role
from strategies.server.combination import aggregate
from strategies.server.round_policy import Policy
from strategies.server.strategy import FederatedAdapters
from strategies.state import Group

__all__ = ["METHODS", "FederatedAdapters", "Group", "Method", "Plan", "Policy", "Role", "aggregate"]
__project__ = "florg-app"
