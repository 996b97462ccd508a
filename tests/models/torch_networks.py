"""Small networks that `scripts/train_networks.py` trains and the tests compile.

They are written as users write them: plain modules, with functions in `forward`.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """A pre-norm transformer encoder block (arXiv:2010.11929, figure 1)."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.rise, self.fall = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def attend(self, x: torch.Tensor) -> torch.Tensor:
        """Return multi-head self-attention of (batch, tokens, width)."""
        batch, tokens, width = x.shape
        parts = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        found = functional.scaled_dot_product_attention(q, k, v)
        return self.project(found.transpose(1, 2).reshape(batch, tokens, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attend(self.norm1(x))
        return x + self.fall(functional.gelu(self.rise(self.norm2(x))))


class VisionTransformer(nn.Module):
    """Digits of 14 x 14 pixels (1, 14, 14): patches, one block, a mean over tokens, 10 classes."""

    def __init__(self, width: int = 12, heads: int = 2, hidden: int = 24) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, width, kernel_size=7, stride=7)
        self.position = nn.Parameter(torch.zeros(1, 4, width))
        self.block = Block(width, heads, hidden)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.norm(self.block(x)).mean(dim=1))


class Residual(nn.Module):
    """Two convolutions along the sequence and the input added (arXiv:1512.03385)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels, channels, 3, padding="same", bias=False)
        self.norm1 = nn.BatchNorm1d(channels)
        self.second = nn.Conv1d(channels, channels, 3, padding="same", bias=False)
        self.norm2 = nn.BatchNorm1d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.norm1(self.first(x)))
        return functional.relu(x + self.norm2(self.second(y)))


class ResidualTagger(nn.Module):
    """Jets as sequences (3 features, 16 hardest constituents): a 1-D residual CNN, 5 classes."""

    def __init__(self, channels: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv1d(3, channels, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(Residual(channels), Residual(channels))
        self.head = nn.Linear(channels, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(functional.relu(self.stem(x)))
        return self.head(functional.adaptive_avg_pool1d(x, 1).flatten(1))
