"""Changes a Piper voice's ONNX graph when it is loaded: its noise becomes an input, and its convolutions faster.

Piper voices are VITS models (J. Kim et al., "Conditional variational autoencoder with adversarial learning for
end-to-end text-to-speech", ICML 2021) exported with their random nodes inside. onnxruntime seeds such nodes once a
session, so what an utterance sounds like would depend on what was spoken before it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, helper, numpy_helper

from voicegen.errors import ModelError


def load_seedable(path: Path) -> tuple[bytes, list[str]]:
    """Loads a voice and rewrites it with `noise_as_inputs` and `convolutions_in_two_dimensions`.

    Returns:
        The serialized model and the names of its noise inputs.

    Raises:
        ModelError: the file is no ONNX model of a voice.
    """
    try:
        model = onnx.load(path)
    except DecodeError as error:
        raise ModelError(f"{path} is not an ONNX model; download the voice again") from error
    missing = {"input", "input_lengths", "scales"} - {value.name for value in model.graph.input}
    if missing:
        raise ModelError(f"{path} is not a Piper voice: its graph has no input {', '.join(sorted(missing))}")
    noise_inputs = noise_as_inputs(model.graph)
    convolutions_in_two_dimensions(model.graph)
    return model.SerializeToString(), noise_inputs


def noise_as_inputs(graph: onnx.GraphProto) -> list[str]:
    """Replaces each RandomNormalLike node by values read in order from an input of its own, a float vector (L,).

    How many values a node needs is known only inside the graph; reading wraps around at the end of the vector.
    """
    names: list[str] = []
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type != "RandomNormalLike":
            nodes.append(node)
            continue
        name = f"noise_{len(names)}"
        names.append(name)
        graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [f"{name}_length"]))
        nodes += _read_in_order(name, like=node.input[0], output=node.output[0])
    _constants(graph, {"noise_zero": 0, "noise_one": 1}, scalar=True)
    _replace_nodes(graph, nodes)
    return names


def convolutions_in_two_dimensions(graph: onnx.GraphProto) -> None:
    """Gives every Conv over time a second dimension of size one.

    onnxruntime's blocked kernels (NCHWc) exist only for images; with them the vocoder costs a third less, and the
    samples are the same but for rounding. Squeezing and unsqueezing copy nothing.
    """
    weights = {tensor.name: tensor for tensor in graph.initializer}
    widened: set[str] = set()
    nodes = []
    for node in graph.node:
        weight = weights.get(node.input[1]) if node.op_type == "Conv" else None
        if weight is None or (len(weight.dims) != 3 and weight.name not in widened):
            nodes.append(node)
            continue
        if weight.name not in widened:
            weight.dims.insert(2, 1)
            widened.add(weight.name)
        nodes += _with_height_of_one(node)
    _constants(graph, {"height_axis": 2}, scalar=False)
    _replace_nodes(graph, nodes)


def _read_in_order(noise: str, like: str, output: str) -> list[onnx.NodeProto]:
    """Nodes that give `output` the shape of `like`, filled from `noise`."""

    def local(name: str) -> str:
        return f"{noise}/{name}"

    return [
        helper.make_node("Shape", [like], [local("shape")]),
        helper.make_node("Size", [like], [local("size")]),
        helper.make_node("Size", [noise], [local("length")]),
        helper.make_node("Range", ["noise_zero", local("size"), "noise_one"], [local("count")]),
        helper.make_node("Mod", [local("count"), local("length")], [local("place")]),
        helper.make_node("Gather", [noise, local("place")], [local("values")]),
        helper.make_node("Reshape", [local("values"), local("shape")], [output]),
    ]


def _with_height_of_one(conv: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Nodes that do the work of the one-dimensional `conv`, whose weight is already two-dimensional."""
    attributes = {a.name: helper.get_attribute_value(a) for a in conv.attribute}
    for name in ("dilations", "kernel_shape", "strides"):
        if name in attributes:
            attributes[name] = [1, *attributes[name]]
    if "pads" in attributes:
        before, after = attributes["pads"]
        attributes["pads"] = [0, before, 0, after]
    wide, result = f"{conv.output[0]}/wide", f"{conv.output[0]}/result"
    return [
        helper.make_node("Unsqueeze", [conv.input[0], "height_axis"], [wide]),
        helper.make_node("Conv", [wide, *list(conv.input)[1:]], [result], name=conv.name, **attributes),
        helper.make_node("Squeeze", [result, "height_axis"], [conv.output[0]]),
    ]


def _constants(graph: onnx.GraphProto, values: dict[str, int], *, scalar: bool) -> None:
    for name, value in values.items():
        graph.initializer.append(numpy_helper.from_array(np.array(value if scalar else [value], dtype=np.int64), name))


def _replace_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    del graph.node[:]
    graph.node.extend(nodes)
