"""wolfspider: ground truth for explainers. `Config`, `run_sweep` and `open_store` are where to begin.

Names are imported when they are first used: whoever only opens a store never waits for torch.
"""

from importlib import import_module
from typing import Any

_WHERE = {
    "Classifier": "networks.classifier",
    "Config": "sweep.config",
    "InputError": "errors",
    "Store": "store.opening",
    "Superpixels": "explainers",
    "Task": "explainers",
    "configure": "sweep.config",
    "from_array": "inputs.source",
    "load_classifier": "networks.classifiers:load",
    "open_store": "store.opening",
    "run_sweep": "sweep.sweep",
}
__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(name)
    module, _, attribute = _WHERE[name].partition(":")
    return getattr(import_module(f"compute.{module}"), attribute or name)
