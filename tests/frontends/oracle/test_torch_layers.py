"""Layers of `torch.nn` equal PyTorch: convolutions, poolings, normalisations, recurrent layers,
attention; sets and comparisons."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch_models import Of, check, compare_with_source, kinds, randomize, read_torch, torch

F, nn = torch.nn.functional, torch.nn
FEW = settings(max_examples=3, phases=[Phase.generate])
SMALL = st.integers(1, 3)


def weights(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@FEW
@given(SMALL, SMALL, SMALL, st.integers(0, 2), st.sampled_from([1, 2]), st.booleans())
def test_convolutions(k, stride, dilation, padding, groups, bias):
    filters, b = weights(4, 4 // groups, k, 2), weights(4) if bias else None
    turned = weights(4, 2, k, 2)

    def forward(x):
        return (
            F.conv2d(x, filters, b, stride, padding, dilation, groups),
            F.conv2d(x, filters, b, 1, "same", (1, dilation), groups),
            F.conv1d(x.flatten(2), filters[..., 0], b, stride, padding, 1, groups),
            F.conv_transpose2d(x, turned, None, stride, min(padding, k - 1, 1), 0, 2, dilation)
            if k > 1
            else x,
        )

    check(forward, (4, 7, 6))


@FEW
@given(st.integers(1, 3), SMALL, st.booleans(), st.booleans(), st.integers(1, 6))
def test_poolings_and_sizes(k, stride, ceil, count, size):
    padding = k // 2

    def forward(x):
        return (
            F.max_pool2d(x, k, stride, padding, ceil_mode=ceil),
            F.avg_pool2d(x, k, stride, padding, ceil, count),
            F.max_pool1d(x.flatten(2), k), F.avg_pool1d(x.flatten(2), k),
            F.adaptive_max_pool2d(x, size), F.adaptive_avg_pool2d(x, (size, 1)),
            F.interpolate(x, scale_factor=2), F.interpolate(x, size=(9, 5), mode="bilinear"),
            F.interpolate(x, size=(9, 5), mode="bilinear", align_corners=True),
        )  # fmt: skip

    check(forward, (2, 6, 5))


@FEW
@given(st.sampled_from([1, 2, 3, 6]), st.booleans(), st.floats(1e-6, 1e-2))
def test_normalisations(groups, affine, eps):
    parts = randomize(
        nn.ModuleList(
            [
                nn.LayerNorm(4, eps, affine), nn.LayerNorm([3, 4], eps, affine),
                nn.GroupNorm(groups, 6, eps, affine), nn.InstanceNorm1d(6, eps, affine=affine),
                nn.RMSNorm(4, eps, affine), nn.BatchNorm1d(6, eps, affine=affine),
                nn.InstanceNorm1d(6, eps, affine=affine, track_running_stats=True),
            ]
        )
    )  # fmt: skip

    def forward(x):
        flat = x.flatten(1, 2)
        return (
            parts[0](x), parts[1](x), parts[2](flat), parts[3](flat), parts[4](x), parts[5](flat),
            parts[6](flat), F.normalize(x, dim=1), F.rms_norm(x, (4,)),
        )  # fmt: skip

    check(Of(forward, parts=parts), (2, 3, 4))


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN", "relu"])
@pytest.mark.parametrize("first", [True, False])
def test_recurrent_layers(kind, first):
    more = {"proj_size": 2} if kind == "LSTM" and first else {}
    own = getattr(nn, "RNN" if kind == "relu" else kind)
    if kind == "relu":
        more["nonlinearity"] = "relu"
    layer = randomize(
        own(3, 4, 2 if first else 1, batch_first=first, bidirectional=first, bias=first, **more)
    )

    def forward(x):
        outputs, states = layer(x if first else x.transpose(0, 1))
        return (outputs, *(states if isinstance(states, tuple) else (states,)))

    check(Of(forward, layer=layer), (3, 3))


def test_given_states():
    layer = randomize(nn.GRU(3, 4, batch_first=True))
    start = weights(1, 1, 4)

    def forward(x, h):
        fixed, _ = layer(x, start.expand(1, x.shape[0], 4))
        return fixed, layer(x, h.unsqueeze(0))[0]

    graph = check(Of(forward, layer=layer), (3, 3), (4,))
    assert all(node.tie for node in graph.nodes if node.op.kind == "dense")


@FEW
@given(st.booleans(), st.booleans(), st.sampled_from([None, 0.3]))
def test_attention(first, weights_wanted, scale):
    layer = randomize(nn.MultiheadAttention(8, 2, batch_first=first))
    causal = torch.ones(5, 5).triu(1).bool()
    shifts = torch.randn(5, 5).masked_fill(causal, -torch.inf)

    def forward(x, m):
        y = x if first else x.transpose(0, 1)
        heads = x.unflatten(-1, (2, 4)).transpose(1, 2)
        allowed = (m > 0) | torch.eye(5, dtype=torch.bool)
        return (
            layer(y, y, y, need_weights=weights_wanted)[0],
            layer(y, y, y, attn_mask=causal, need_weights=False)[0],
            F.scaled_dot_product_attention(heads, heads, heads * 2, is_causal=True, scale=scale),
            F.scaled_dot_product_attention(x, x, x, attn_mask=shifts),
            F.scaled_dot_product_attention(x, x, x, attn_mask=allowed),
            (x @ x.mT).masked_fill(causal, -torch.inf).softmax(-1),
            (x @ x.mT).masked_fill(~allowed, -torch.inf).softmax(-1),
            layer(y, y, y, attn_mask=causal)[1],
        )

    check(Of(forward, layer=layer), (5, 8), (5, 5))


def test_transformer_layer():
    graph = check(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (4, 8))
    assert kinds(graph).count("matmul") == 2


@FEW
@given(st.tuples(SMALL, SMALL, SMALL))
def test_products_of_computed_tensors(shape):
    n, k, m = shape

    def forward(x, y):
        return (
            x @ y, torch.bmm(x, y), torch.einsum("bij,bjk->bki", x, y), x @ y[:, :, 0, None],
            torch.einsum("bij,bkj->bik", x, x), torch.baddbmm(x @ y, x, y, beta=2, alpha=0.5),
            torch.einsum("bij,bi->bj", x, x[..., 0]),
        )  # fmt: skip

    check(forward, (n, k), (k, m))


@FEW
@given(st.floats(-1, 1, width=16))
def test_comparisons(a):
    def forward(x, y):
        return (
            (x > y).float(), (x >= a) * x, torch.where(x < y, x, y), torch.where(x > a, x, 0.5),
            x.masked_fill(x <= a, -1.0), ((x > 0) & (y < 0)).float(), (x != y).float(),
            torch.where((x > a) | ~(y > a), x, y), torch.logical_xor(x > 1, y > 1) * x,
            (x == x).float(), (a > x).float(), x.sign(), torch.logical_not(x > 0).float(),
        )  # fmt: skip

    check(forward, (3, 4), (3, 4))


@FEW
@given(st.lists(st.integers(0, 3), min_size=5, max_size=5), st.integers(1, 3), st.booleans())
def test_sets_and_graphs(edges, k, largest):
    index = torch.tensor(edges)

    def forward(x):
        n = x.shape[0]
        rows = x[:, index]
        wide = index[None, :, None].expand(n, -1, 3)
        zeros = torch.zeros(n, 4, 3)
        return (
            zeros.index_add(1, index, rows), zeros.scatter_add(1, wide, rows),
            x.scatter_reduce(1, wide, rows, "amax"), x.index_add(1, index, rows, alpha=2),
            *x.topk(k, 1, largest), *x.sort(1, descending=largest), x.argsort(-1),
            torch.gather(x, 1, x.argsort(1)), torch.gather(x, 1, wide), x.index_select(1, index),
        )  # fmt: skip

    check(forward, (4, 3))


def test_positions_as_inputs():
    table = randomize(nn.Embedding(10, 3))
    model = Of(lambda i: (table(i), F.one_hot(i, 10) * 2.0), table=table)
    graph = read_torch(model, np.zeros((2, 5), np.int64))
    data = {"inputs_0": np.random.default_rng(0).integers(0, 10, (7, 5)).astype(np.float64)}
    assert all(c.vectors == 7 for c in compare_with_source(model, graph, data))


def test_a_module_for_single_samples():
    """One graph of nodes and edges, as in PyTorch Geometric: no batch anywhere."""
    first, second = randomize(nn.Linear(7, 4)), randomize(nn.Linear(7, 2))
    edges = torch.tensor([[0, 1, 2, 1], [1, 2, 0, 0]])

    def forward(x, e):
        message = first(torch.cat([x[edges[0]], x[edges[1]], e], 1)).relu()
        total = torch.zeros(3, 4).index_add(0, edges[1], message)
        return second(torch.cat([x, total], 1))

    model = Of(forward, first=first, second=second)
    graph = check(model, (3, 3), (4, 1), batched=False)
    assert graph.inputs[1].shape == (4, 1)
