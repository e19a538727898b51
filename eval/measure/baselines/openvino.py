"""``openvino-int8``: OpenVINO on the CPU, quantised by NNCF with texts of the training split."""

import sys
from threading import get_ident
from typing import Any

import numpy as np
import torch

from engine.errors import InputError, explained
from engine.text.words import words_of
from eval.measure.baselines import base
from eval.measure.baselines.base import Baseline, Infer, Inputs, RuntimeParameters, pad

CALIBRATION = 300  # windows, as many as NNCF uses by default


def load(inputs: Inputs) -> Baseline:
    # Without this optional package, OpenVINO and NNCF send no telemetry.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    with base.quiet():
        import nncf
        import openvino

    name, engine = inputs.name.text, inputs.engine
    if not inputs.training:
        raise InputError(
            f"{name} needs a training split for calibration, and this corpus has none. Choose a named corpus, or leave "
            f"{name} out of --baselines."
        )
    model = base.Logits(engine.folder, inputs.layers)
    pad_id, threads = model.config.pad_token_id or 0, torch.get_num_threads()
    core, example = openvino.Core(), torch.ones(2, 8, dtype=torch.int64)
    step = max(1, len(inputs.training) // CALIBRATION)  # the first windows of evenly spaced texts
    windows = [w for text in inputs.training[::step] for w in engine.pieces.windows(words_of(text))][:CALIBRATION]
    samples = [list(pad([window], pad_id)) for window in windows]
    remedy = f"Leave {name} out of --baselines"
    with base.quiet(), explained(f"OpenVINO cannot convert this model ({model.config.model_type})", remedy):
        graph = openvino.convert_model(model, example_input=(example, example))
        graph = nncf.quantize(graph, nncf.Dataset(samples), model_type=nncf.ModelType.TRANSFORMER)
    settings = {
        "threads": f"{threads} over all workers",
        "openvino": openvino.__version__,
        "quantisation": f"NNCF, model_type transformer, calibrated on {len(windows)} windows of training text",
    }
    # Other layers may run in bfloat16, which is the default on processors that have it.
    others = ("f32", "bf16") if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else ("f32",)
    candidates = tuple({**rows, "other layers": dtype} for dtype in others for rows in base.runtime_candidates())

    def start(parameters: RuntimeParameters) -> Infer:
        hints = {
            "INFERENCE_NUM_THREADS": max(1, threads // int(parameters["workers"])),
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": parameters["other layers"],
        }
        requests: dict[int, Any] = {}  # for each thread, one of a graph of its own

        def infer(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
            if get_ident() not in requests:
                requests[get_ident()] = core.compile_model(graph, "CPU", hints).create_infer_request()
            # This is a view of the request's memory; `on_runtime` copies it before the thread's next call.
            (logits,) = requests[get_ident()].infer([ids, mask], share_inputs=True, share_outputs=True).values()
            return logits

        return infer

    return base.on_runtime(inputs, pad_id, start, settings, candidates)
