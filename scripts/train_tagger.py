"""Train the demo's jet tagger and write it as ONNX.

A float network 16-64-32-32-5 with batch normalisation, ReLU and softmax: the architecture of
arXiv:1804.06913. It takes raw observables; its first layer is their standardisation. Nothing is
pruned or quantized, so that the demo shows what the compiler does and not what the training did.

    pip install torch onnx numpy
    python scripts/train_tagger.py ../shared/data/jets_pythia_100k.npz

The result depends on the seed and, in the last digits, on the version of PyTorch. How the sample
was made is told in `src/gatewright/datasets/README.md`.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from make_demo_sample import TRAINING_ROWS, standardisation

TARGET = Path(__file__).parents[1] / "src/gatewright/datasets/jet_tagger.onnx"
WIDTHS = (16, 64, 32, 32, 5)
EPSILON = 1e-3


def build() -> torch.nn.Sequential:
    """Return the network without its standardisation; linear layers feeding a norm need no bias."""
    layers: list[torch.nn.Module] = []
    for n_in, n_out in pairwise(WIDTHS[:-1]):
        layers += [torch.nn.Linear(n_in, n_out, bias=False)]
        layers += [torch.nn.BatchNorm1d(n_out, eps=EPSILON), torch.nn.ReLU()]
    layers.append(torch.nn.Linear(WIDTHS[-2], WIDTHS[-1]))
    return torch.nn.Sequential(*layers)


def train(
    x: torch.Tensor, y: torch.Tensor, *, epochs: int, batch: int, seed: int
) -> torch.nn.Sequential:
    """Fit the network: AdamW, one cycle of the learning rate, weight decay for small weights."""
    torch.manual_seed(seed)
    model = build()
    steps = epochs * (len(x) // batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=2e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=steps)
    loss_of = torch.nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for rows in torch.randperm(len(x))[: steps // epochs * batch].reshape(-1, batch):
            optimizer.zero_grad()
            loss = loss_of(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * batch
        print(f"epoch {epoch + 1:2d}: loss {total / len(x):.4f}", flush=True)
    return model.eval()


def accuracy(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the share of jets whose largest output is their class."""
    with torch.no_grad():
        return float((model(x).argmax(1) == y).double().mean())


def norm(
    name: str, x: str, arrays: tuple[np.ndarray, ...], epsilon: float
) -> tuple[onnx.NodeProto, list[onnx.TensorProto]]:
    """Return a BatchNormalization of tensor `x` and its constants: scale, bias, mean, variance."""
    names = [f"{name}.{part}" for part in ("scale", "bias", "mean", "variance")]
    node = helper.make_node(
        "BatchNormalization", [x, *names], [f"{name}.out"], name, epsilon=epsilon
    )
    constants = [
        numpy_helper.from_array(array.astype(np.float32), part)
        for part, array in zip(names, arrays, strict=True)
    ]
    return node, constants


def to_onnx(model: torch.nn.Sequential, mean: np.ndarray, std: np.ndarray) -> onnx.ModelProto:
    """Write the network with standard operators only, its standardisation as the first of them."""
    plain = (np.ones_like(mean), np.zeros_like(mean))
    node, constants = norm("standardise", "jet", (*plain, mean, std.astype(np.float64) ** 2), 0.0)
    nodes, last, dense = [node], "standardise.out", 0
    for layer in model:
        if isinstance(layer, torch.nn.Linear):
            dense += 1
            name = f"dense_{dense}"
            inputs = [last, f"{name}.weight"]
            constants.append(numpy_helper.from_array(layer.weight.detach().numpy(), inputs[1]))
            if layer.bias is not None:
                inputs.append(f"{name}.bias")
                constants.append(numpy_helper.from_array(layer.bias.detach().numpy(), inputs[2]))
            node = helper.make_node("Gemm", inputs, [f"{name}.out"], name, transB=1)
        elif isinstance(layer, torch.nn.BatchNorm1d):
            parts = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
            arrays = tuple(part.detach().numpy() for part in parts)
            node, more = norm(f"norm_{dense}", last, arrays, EPSILON)
            constants += more
        else:
            node = helper.make_node("Relu", [last], [f"relu_{dense}.out"], f"relu_{dense}")
        nodes.append(node)
        last = node.output[0]
    nodes.append(helper.make_node("Softmax", [last], ["scores"], "softmax", axis=1))
    graph = helper.make_graph(
        nodes,
        "jet_tagger",
        [helper.make_tensor_value_info("jet", TensorProto.FLOAT, ["batch", WIDTHS[0]])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", WIDTHS[-1]])],
        constants,
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8, producer_name="gatewright")


def main() -> None:
    """Train, report the accuracy on the test rows, write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path, help="jets_pythia_100k.npz")
    parser.add_argument("--out", type=Path, default=TARGET)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with np.load(args.source, allow_pickle=False) as full:
        raw, labels = full["x"], torch.from_numpy(full["y"].astype(np.int64))
    mean, std = standardisation(raw[:TRAINING_ROWS])
    x = torch.from_numpy((raw - mean) / std)
    model = train(
        x[:TRAINING_ROWS],
        labels[:TRAINING_ROWS],
        epochs=args.epochs,
        batch=args.batch,
        seed=args.seed,
    )
    for name, rows in (("training", slice(TRAINING_ROWS)), ("test", slice(TRAINING_ROWS, None))):
        print(f"accuracy on {name} jets: {accuracy(model, x[rows], labels[rows]):.4f}")
    proto = to_onnx(model, mean, std)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, args.out)
    print(f"{args.out.name}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
