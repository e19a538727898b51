"""``onnx-float32`` and ``onnx-int8``: ONNX Runtime on the CPU, in 8 bits with dynamic quantisation."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import torch

from engine.errors import explained
from eval.measure.baselines import base
from eval.measure.baselines.base import Baseline, Infer, Inputs, RuntimeParameters
from eval.measure.environment import has_vnni

FUSIBLE = ("bert", "distilbert", "electra", "roberta", "xlm-roberta", "camembert")  # their attention can be fused


def load(inputs: Inputs) -> Baseline:
    name, model = inputs.name.text, base.Logits(inputs.engine.folder, inputs.layers)
    fused, pad_id = model.config.model_type in FUSIBLE, model.config.pad_token_id or 0
    threads = torch.get_num_threads()
    settings = {
        "threads": f"{threads} over all workers, 1 inter-op, no spinning",
        "graph": "attention and GELU fused" if fused else "as exported",
        "onnxruntime": onnxruntime.__version__,
    }
    folder = TemporaryDirectory()  # which lives as long as `start`, because that uses it
    file = _export(model, Path(folder.name), name, fused=fused)
    if inputs.dtype == "int8":
        # Without VNNI, sums of two products of 8 bits saturate, and an MPNet then finds nothing: ONNX Runtime's own
        # advice is weights in 7 bits. With VNNI, 8 bits are as fast and nearer to float32.
        bits = 7 if has_vnni() is False else 8
        settings["quantisation"] = f"weights per channel in {bits} bits, activations dynamic"
        file = _quantise(file, reduced=bits == 7)

    def start(parameters: RuntimeParameters) -> Infer:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = max(1, threads // int(parameters["workers"]))
        options.inter_op_num_threads = 1
        # Norms fused with the sums before them are slower than both apart, as in our own pass.
        options.add_session_config_entry("optimization.disable_specified_optimizers", "SkipLayerNormFusion")
        # Threads that spin after a call make whatever runs next two to three times slower.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(
            Path(folder.name) / file.name, options, providers=["CPUExecutionProvider"]
        )

        def infer(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
            (logits,) = session.run(["logits"], {"input_ids": ids, "attention_mask": mask})
            return logits

        return infer

    return base.on_runtime(inputs, pad_id, start, settings, base.runtime_candidates())


def _quantise(file: Path, *, reduced: bool) -> Path:
    from onnx import TensorProto
    from onnxruntime.quantization import quantize_dynamic

    # Scales are per channel, because with one scale per matrix twice as many labels change. Fused nodes lack a type.
    float32 = {"DefaultTensorType": TensorProto.FLOAT}
    quantised = file.with_name("int8.onnx")
    with base.quiet():
        quantize_dynamic(file, quantised, per_channel=True, reduce_range=reduced, extra_options=float32)
    return quantised


def _export(model: base.Logits, folder: Path, name: str, *, fused: bool) -> Path:
    """Writes the model as ONNX and fuses its attention if the optimiser recognises it.

    The older exporter on plain attention is used, because graphs of the newer one are not fused and up to a third
    slower.
    """
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    file = folder / "float32.onnx"
    model.model.set_attn_implementation("eager")
    example = torch.ones(2, 8, dtype=torch.int64)
    free = {0: "windows", 1: "rows"}
    config = model.config
    remedy = f"Leave {name} out of --baselines"
    with base.quiet(), explained(f"ONNX cannot convert this model ({config.model_type})", remedy):
        torch.onnx.export(
            model,
            (example, example),
            str(file),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes=dict.fromkeys(("input_ids", "attention_mask", "logits"), free),
            opset_version=17,
            dynamo=False,
        )
    if fused:
        heads, width = config.num_attention_heads, config.hidden_size
        fusions = FusionOptions("bert")
        fusions.enable_skip_layer_norm = False
        optimized = optimizer.optimize_model(str(file), "bert", heads, width, fusions, opt_level=0)
        optimized.save_model_to_file(str(file))
    return file
