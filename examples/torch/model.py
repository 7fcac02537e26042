# SPDX-License-Identifier: Apache-2.0
"""What is trained: a small GPT over characters."""
import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_hidden = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.joined = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.hidden, self.out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, length, width = x.shape
        heads = self.query_key_value(self.before_attention(x)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.joined(seen.transpose(1, 2).reshape(batch, length, width))
        return x + self.out(functional.gelu(self.hidden(self.before_hidden(x))))


class Gpt(nn.Module):
    """No buffers: DistributedDataParallel would send them at every step."""

    def __init__(self, symbols, context, width, layers, heads):
        super().__init__()
        self.symbol, self.position = nn.Embedding(symbols, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, symbols)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                deep = name.endswith(("joined.weight", "out.weight"))  # as GPT-2: residual branches start small
                nn.init.normal_(parameter, std=0.02 / (2 * layers) ** 0.5 if deep else 0.02)

    def forward(self, x, targets):
        """The mean loss, in nats a character."""
        x = self.symbol(x) + self.position(torch.arange(x.shape[1]))
        for block in self.blocks:
            x = block(x)
        return functional.cross_entropy(self.head(self.norm(x)).flatten(0, 1), targets.flatten())
