"""A network through ONNX Runtime: on a CPU its fused convolutions need about two thirds of the time of torch's."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax
from torch import Tensor, nn

from compute.networks.fold import TOLERANCE
from compute.networks.threads import cores
from compute.networks.weights import first_line

TOGETHER = 4
"""Images in a run of ONNX Runtime, always: so many stay in the cores' caches, where 16 take a sixth longer."""


class NotExportable(Exception):
    """The network cannot run through ONNX Runtime, or answers differently there; says why in one line."""


def exported(network: nn.Module, example: Tensor) -> Callable[[Tensor], Tensor]:
    """From (B, 3, H, W) float32 on the CPU, for any B > 0, to (B, classes) softmax probabilities of the network.

    Args:
        network: on the CPU, in eval mode.
        example: (B, 3, H, W) with B > 1, an input at which its logits and torch's must agree.

    Raises:
        NotExportable: it cannot be exported, or its logits differ by more than rounding.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    # Threads that spin on after a pass would take the cores from whatever comes between two passes.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _silenced("torch.onnx"):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network, (example,), dynamo=True, verbose=False, dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)
            )
        assert program is not None
        model = program.model_proto.SerializeToString()
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name

        def logits(images: Tensor) -> npt.NDArray[np.float32]:
            given = images.contiguous().numpy()
            if more := -len(given) % TOGETHER:
                given = np.concatenate([given, np.repeat(given[:1], more, axis=0)])
            runs = given.reshape(-1, TOGETHER, *given.shape[1:])
            return np.concatenate([session.run(None, {name: run})[0] for run in runs])[: len(images)]

        found = torch.from_numpy(logits(example))
    except Exception as error:  # exporters raise many types
        raise NotExportable(f"{type(error).__name__}: {first_line(error)}") from error
    with torch.inference_mode():
        expected = network(example)
    difference, largest = float((found - expected).abs().max()), float(expected.abs().max())
    if not difference <= TOLERANCE * largest:
        raise NotExportable(f"its logits, of up to {largest:.1e}, differ by {difference:.1e}")
    # Not torch's softmax: it would wake torch's threads, which spin on into the next pass (4 % of it).
    return lambda images: torch.from_numpy(softmax(logits(images), axis=1))


@contextlib.contextmanager
def _silenced(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
