"""Movements, products and reductions of PyTorch equal PyTorch."""

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch_models import check, kinds, torch

F = torch.nn.functional
LENGTHS = st.integers(2, 4)


@settings(max_examples=3, phases=[Phase.generate])
@given(st.tuples(LENGTHS, LENGTHS, LENGTHS), st.permutations([1, 2, 3]), st.integers(-3, 3))
def test_axes_and_parts(shape, order, shift):
    a, b, c = shape

    def forward(x):
        n = x.shape[0]
        return (
            x.permute(0, *order), x.transpose(1, -1), x.flatten(1), x.flatten(2), x.view(n, -1),
            x.reshape(n, c, b * a), x.unsqueeze(1), x.unsqueeze(-1).squeeze(-1),
            x.reshape(-1, a * b, c), x.unflatten(1, (1, a)), x[:, :, -1], x[:, ::2], x[..., 1:, :],
            torch.flip(x, [1, 3]), torch.roll(x, shift, 2), x.repeat(1, 2, 1, 1),
            torch.repeat_interleave(x, 2, 1), x.unsqueeze(2).expand(-1, -1, 3, -1, -1),
            torch.cat([x, x * 2], 2), torch.stack([x, -x], 1), torch.stack([x, -x], -1),
            *x.split(2, 1), *x.chunk(2, -1), *x.unbind(2), x[:, [0, -1]], x[:, 0, [0], [-1]],
            x.movedim(1, -1), x.mT, x.tril(), torch.diagonal(x, 0, 2, 3), x.narrow(2, 0, 1),
            x.clone().detach(), torch.cat([x, torch.ones(n, 1, b, c)], 1),
        )  # fmt: skip

    check(forward, shape)


@settings(max_examples=3, phases=[Phase.generate])
@given(st.lists(st.integers(0, 2), min_size=4, max_size=4), st.floats(-2, 2, width=16))
def test_padding(widths, value):
    def forward(x):
        return (
            F.pad(x, widths, value=value), F.pad(x, [-1, 2, 1, -1]), F.pad(x, widths, "reflect"),
            F.pad(x, widths, "replicate"), F.pad(x, widths, "circular"), F.pixel_shuffle(x, 2),
            F.pixel_unshuffle(x[..., :2, :2], 2), F.channel_shuffle(x, 2), x.unfold(2, 2, 1),
        )  # fmt: skip

    check(forward, (4, 3, 4))


@settings(max_examples=3, phases=[Phase.generate])
@given(st.integers(1, 4), st.integers(1, 4), st.booleans(), st.sampled_from([(), (3,), (2, 3)]))
def test_products(n_in, n_out, bias, leading):
    layer = torch.nn.Linear(n_in, n_out, bias=bias)
    matrix, vector = torch.randn(n_in, n_out), torch.randn(n_in)
    left = torch.randn(2, leading[-1] if leading else 1)

    def forward(x):
        flat = x.flatten(1)
        results = [
            layer(x), x @ matrix, x @ vector, x.matmul(matrix[:, :1]),
            torch.einsum("b...i,ij->b...j", x, matrix), (matrix.t() @ flat[:, :n_in].t()).t(),
            torch.addmm(matrix[0], flat[:, :n_in], matrix, beta=0.5, alpha=2.0),
        ]  # fmt: skip
        if leading:
            results.append(left @ x)
        return results

    check(forward, (*leading, n_in))


def test_the_batch_may_move_and_be_joined_meanwhile():
    layer = torch.nn.Linear(4, 6)

    def forward(x):
        n = x.shape[0]
        first = x.transpose(0, 1)  # (5, batch, 4)
        flat = layer(first.reshape(n * 5, 4)).relu()
        parts = flat.view(5, n, 3, 2).permute(1, 2, 0, 3)
        heads = first.contiguous().view(5, n * 2, 2).transpose(0, 1).reshape(n, 2, 5, 2)
        return parts, heads

    check(forward, (5, 4))


@settings(max_examples=3, phases=[Phase.generate])
@given(st.tuples(LENGTHS, LENGTHS, LENGTHS), st.sets(st.integers(1, 3), min_size=1), st.booleans())
def test_reductions(shape, dims, keep):
    dims = sorted(dims)

    def forward(x):
        return (
            x.sum(dims, keepdim=keep), x.mean(dims, keepdim=keep), x.amax(dims, keepdim=keep),
            x.amin(dims, keepdim=keep), x.argmax(dims[0], keepdim=keep),
            x.argmin(dims[0], keepdim=keep), *x.max(dims[0], keepdim=keep),
            *x.min(dims[0], keepdim=keep), x.var(dims, correction=0, keepdim=keep),
            x.std(dims, correction=0, keepdim=keep), x.norm(dim=dims[0], keepdim=keep),
            x.logsumexp(dims, keepdim=keep), x.cumsum(dims[0]), x.prod(dims[0], keepdim=keep),
            x.norm(p=1, dim=dims[0]), x.norm(p=float("inf"), dim=dims[0]),
        )  # fmt: skip

    check(forward, shape)


def test_shared_layers_are_tied():
    layer = torch.nn.Linear(4, 4)
    model = torch.nn.Sequential(layer, torch.nn.ReLU(), layer)
    graph = check(model, (4,))
    first, _, second = graph.nodes
    assert kinds(graph) == ["dense", "relu", "dense"]
    assert (first.layer, second.layer) == ("0", "2")
    assert first.tie == second.tie != ""
