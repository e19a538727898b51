"""``openvino`` and ``openvino-int8``: OpenVINO in float32, and quantised by NNCF with texts of the training split.

``openvino=truncate-3`` and ``openvino-int8=truncate-3`` run the encoder cut after a layer, with that layer's gate as
the classifier.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from threading import get_ident
from typing import Any

import numpy as np
import torch

from engine.errors import InputError
from engine.pruning.strategy import Truncation
from engine.pytorch.checkpoint import load_weights
from engine.pytorch.encoders import shorten
from engine.pytorch.packing import RaggedBatch
from engine.runtime import properties
from engine.tagger import Engine
from engine.text.windows import Window
from engine.text.words import words_of
from eval.measure.baselines import base
from eval.measure.baselines.base import Baseline, Forward, Inputs, RuntimeParameters, pad

INT8 = "openvino-int8"
CALIBRATED = 300  # windows, as many as NNCF uses by default


def load(name: str, inputs: Inputs) -> Baseline:
    """OpenVINO on the CPU."""
    # Without this optional package, OpenVINO and NNCF send no telemetry.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    engine, runtime = inputs.engine, base.package("openvino", name)
    model = truncated(engine, inputs.argument) if inputs.argument else engine.plain_model()
    pad_id = model.config.pad_token_id or 0
    threads = torch.get_num_threads()
    settings = {"threads": f"{threads} over all workers", "openvino": runtime.__version__}
    graph, core = _convert(model, name, runtime), runtime.Core()
    candidates = base.runtime_candidates()
    if name == INT8:
        windows = _calibration_windows(engine, inputs.calibration())
        padded = [pad(RaggedBatch.from_windows([w]), len(w.input_ids), pad_id)[:2] for w in windows]
        graph = _quantise(graph, padded, name)
        settings["quantisation"] = (
            f"NNCF, model_type transformer, calibrated on {len(windows)} windows of training text"
        )
        # Other layers may run in bfloat16, which is the default on processors that have it.
        others = ("f32", "bf16") if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else ("f32",)
        candidates = tuple({**one, "other layers": dtype} for dtype in others for one in candidates)

    def start(parameters: RuntimeParameters) -> Forward:
        hints = properties(threads // int(parameters["workers"]))
        hints["INFERENCE_PRECISION_HINT"] = parameters.get("other layers", "f32")
        requests: dict[int, Any] = {}  # for each thread, one of a graph of its own, as for our layers in 8 bits

        def infer(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
            if get_ident() not in requests:
                requests[get_ident()] = core.compile_model(graph, "CPU", hints).create_infer_request()
            # The result lies in the request's memory; `on_padded` copies it before the thread's next call.
            (logits,) = requests[get_ident()].infer([ids, mask], share_inputs=True, share_outputs=True).values()
            return logits

        return base.on_padded(pad_id, engine, infer)

    return base.on_runtime(f"{name} {inputs.argument}".rstrip(), engine, start, settings, candidates)


def truncated(engine: Engine, name: str) -> Any:
    """Returns the Hugging Face model cut after a layer, with that gate's label head as the classifier."""
    strategy = engine.strategy(name)
    if strategy.kind != Truncation.kind:
        raise InputError(f"expected openvino=truncate-k or openvino-int8=truncate-k, got {name!r}; name a layer")
    (layer,) = strategy.gates
    head: Any = load_weights(engine.folder, engine.labels_file or None).model.heads[str(layer)]
    whole = engine.plain_model()  # read last: it refuses files that have changed
    config = copy.deepcopy(whole.config)
    shorten(config, layer)
    model: Any = type(whole)(config).eval()
    state = whole.state_dict()
    model.load_state_dict({name: state[name] for name in model.state_dict()})
    order = list(engine.label_order)  # the classifier has the checkpoint's order of labels
    with torch.no_grad():
        model.classifier.weight[order], model.classifier.bias[order] = head.weight, head.bias
    return model


def _convert(model: Any, name: str, runtime: Any) -> Any:
    example = torch.ones(2, 8, dtype=torch.int64)
    try:
        with base.quiet():
            return runtime.convert_model(base.Logits(model).eval(), example_input=(example, example))
    except Exception as error:  # its own errors have no common base
        raise base.conversion_error("OpenVINO", model.config.model_type, name, error) from error


def _calibration_windows(engine: Engine, texts: Sequence[str]) -> list[Window]:
    """The first windows of evenly spaced texts."""
    step = max(1, len(texts) // CALIBRATED)
    return [window for text in texts[::step] for window in engine.pieces.windows(words_of(text))][:CALIBRATED]


def _quantise(graph: Any, padded: list[tuple[np.ndarray, np.ndarray]], name: str) -> Any:
    with base.quiet():
        nncf = base.package("nncf", name)
        with redirect_stdout(sys.stderr):  # for its progress bars
            return nncf.quantize(
                graph, nncf.Dataset([list(one) for one in padded]), model_type=nncf.ModelType.TRANSFORMER
            )
