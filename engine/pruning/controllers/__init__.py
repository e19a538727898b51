"""Controllers score the words at a gate and decide which exit early. A new one is a file here and a line below."""

from engine.pruning.controllers.attention import AttentionController
from engine.pruning.controllers.base import Controller
from engine.pruning.controllers.entropy import EntropyController
from engine.pruning.controllers.mlp import AttentiveController, LearnedController
from engine.pruning.controllers.rule import RuleController

CONTROLLERS: dict[str, type[Controller]] = {
    controller.kind: controller
    for controller in (RuleController, EntropyController, AttentionController, LearnedController, AttentiveController)
}

__all__ = ["CONTROLLERS", "Controller"]
