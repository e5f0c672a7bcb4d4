"""Two small causal language models, trained with exact softmax attention on the course's own text, for their heads.

    python benchmarks/train_heads.py learned learned.pt
    python benchmarks/train_heads.py rotary rotary.pt

Both predict the next character. They differ in size and in where the position enters: "learned" adds a learned vector
to the input, "rotary" turns each pair of coordinates of q and k by an angle proportional to the position (Su et al.,
2021). One thread, float32, plain torch; a checkpoint holds the weights, the losses, and the text that was held out.
"""

import hashlib
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from timing import one_thread
from torch import nn
from torch.nn import functional as F

ROOT = Path(__file__).parents[1]
RARE = 20  # characters that occur less often share one symbol
HELD_OUT = 10  # every tenth document is held out
WARM_UP, PEAK, DECAY = 100, 2e-3, 0.1  # steps, learning rate, weight decay of matrices


@dataclass(frozen=True)
class Setting:
    layers: int
    heads: int
    width: int  # of a head
    n: int  # length of a sequence
    rotary: bool
    steps: int
    batch: int
    seed: int


SETTINGS = {
    "learned": Setting(layers=3, heads=4, width=24, n=512, rotary=False, steps=1_300, batch=16, seed=1),
    "rotary": Setting(layers=4, heads=4, width=32, n=1_024, rotary=True, steps=1_600, batch=6, seed=2),
}


# ---- the text


def documents() -> list[str]:
    """The pages and the modules of this course, in the order of their names."""
    paths = sorted((ROOT / "book").rglob("*.md")) + sorted((ROOT / "companion").rglob("*.py"))
    built = [path for path in paths if "_build" in path.relative_to(ROOT).parts]
    return [path.read_text("utf-8") for path in paths if path not in built]


def corpus() -> dict[str, object]:
    """The text to train on, the text held out, the alphabet, and what tells the text from another."""
    texts = documents()
    whole = "".join(texts)
    alphabet = "".join(sorted(c for c in set(whole) if whole.count(c) >= RARE))
    return {
        "train": "".join(text for i, text in enumerate(texts) if i % HELD_OUT != HELD_OUT - 1),
        "held_out": "".join(texts[HELD_OUT - 1 :: HELD_OUT]),
        "alphabet": alphabet,
        "about": {
            "documents": len(texts),
            "characters": len(whole),
            "sha256": hashlib.sha256(whole.encode()).hexdigest(),
            "vocabulary": len(alphabet) + 1,
        },
    }


def encode(text: str, alphabet: str) -> torch.Tensor:
    """Characters as integers, shape (length,); all that is not in the alphabet is the last one."""
    index = {c: i for i, c in enumerate(alphabet)}
    return torch.tensor([index.get(c, len(alphabet)) for c in text])


# ---- the model


def rotate(x: torch.Tensor) -> torch.Tensor:
    """Coordinates 2i and 2i + 1 of row t turned by the angle t / 10000^(2i/d); x is (..., n, d)."""
    n, d = x.shape[-2:]
    angle = torch.arange(n)[:, None] * 10_000.0 ** (-torch.arange(0, d, 2) / d)  # (n, d/2)
    cos, sin = angle.cos(), angle.sin()
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


class Attention(nn.Module):
    def __init__(self, setting: Setting) -> None:
        super().__init__()
        model = setting.heads * setting.width
        self.heads, self.rotary = setting.heads, setting.rotary
        self.project = nn.Linear(model, 3 * model, bias=False)
        self.merge = nn.Linear(model, model, bias=False)

    def qkv(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Query, key and value of every head, each (batch, heads, n, width); rotary q and k are turned already."""
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.project(x).chunk(3, dim=-1))
        return [rotate(q), rotate(k), v] if self.rotary else [q, k, v]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.scaled_dot_product_attention(*self.qkv(x), is_causal=True)
        return self.merge(y.transpose(1, 2).flatten(-2))


class Block(nn.Module):
    """x + attention(norm x), then x + mlp(norm x)."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        model = setting.heads * setting.width
        self.norms = nn.ModuleList([nn.LayerNorm(model), nn.LayerNorm(model)])
        self.attention = Attention(setting)
        self.mlp = nn.Sequential(nn.Linear(model, 4 * model), nn.GELU(), nn.Linear(4 * model, model))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norms[0](x))
        return x + self.mlp(self.norms[1](x))


class Model(nn.Module):
    def __init__(self, setting: Setting, vocabulary: int) -> None:
        super().__init__()
        model = setting.heads * setting.width
        self.embed = nn.Embedding(vocabulary, model)
        self.position = None if setting.rotary else nn.Embedding(setting.n, model)
        self.blocks = nn.ModuleList([Block(setting) for _ in range(setting.layers)])
        self.norm = nn.LayerNorm(model)
        self.predict = nn.Linear(model, vocabulary, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:  # what is added to the stream starts smaller, as there are 2 sums in each layer
                last = name.endswith(("merge.weight", "mlp.2.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * setting.layers) if last else 0.02)

    def start(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens)  # (batch, n, model)
        return x if self.position is None else x + self.position(torch.arange(tokens.shape[-1]))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Scores of the next character, (batch, n, vocabulary)."""
        x = self.start(tokens)
        for block in self.blocks:
            x = block(x)
        return self.predict(self.norm(x))

    @torch.no_grad()
    def heads(self, tokens: torch.Tensor) -> list[list[torch.Tensor]]:
        """Of each layer [query, key, value], each (batch, heads, n, width)."""
        x, found = self.start(tokens), []
        for block in self.blocks:
            found.append(block.attention.qkv(block.norms[0](x)))
            x = block(x)
        return found


# ---- training


def sequences(tokens: torch.Tensor, n: int, starts: torch.Tensor) -> torch.Tensor:
    """n + 1 characters from each start, (starts, n + 1): the last n are what the first n should predict."""
    return tokens[starts[:, None] + torch.arange(n + 1)]


def loss(model: Model, batch: torch.Tensor) -> torch.Tensor:
    """Mean surprise at the next character, in nats."""
    return F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())


@torch.no_grad()
def mean_loss(model: Model, tokens: torch.Tensor, n: int, count: int = 32) -> float:
    """The loss of ``count`` sequences spread evenly over a text."""
    starts = torch.linspace(0, len(tokens) - n - 1, count).long()
    return sum(loss(model, batch).item() for batch in sequences(tokens, n, starts).split(4)) * 4 / count


def rate(step: int, steps: int) -> float:
    """The learning rate: a straight line up, then half a cosine down to a twentieth of the peak."""
    warm = min(1.0, (step + 1) / WARM_UP)
    return PEAK * warm * (0.05 + 0.95 * (1 + math.cos(math.pi * step / steps)) / 2)


def optimiser(model: Model) -> torch.optim.Optimizer:
    """AdamW whose weight decay leaves the vectors alone: biases and the scales of the norms."""
    matrices = [weight for weight in model.parameters() if weight.dim() == 2]
    vectors = [weight for weight in model.parameters() if weight.dim() != 2]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, betas=(0.9, 0.95))


def train(name: str, path: str) -> None:
    """Train the model of that name and write its checkpoint."""
    setting, text = SETTINGS[name], corpus()
    tokens, held_out = (encode(text[part], text["alphabet"]) for part in ("train", "held_out"))
    torch.manual_seed(setting.seed)
    model = Model(setting, len(text["alphabet"]) + 1)
    adam, curve, begin = optimiser(model), [], time.perf_counter()
    for step in range(setting.steps):
        for group in adam.param_groups:
            group["lr"] = rate(step, setting.steps)
        starts = torch.randint(len(tokens) - setting.n, (setting.batch,))
        value = loss(model, sequences(tokens, setting.n, starts))
        adam.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        curve.append(value.item())
        if (step + 1) % 20 == 0:
            print(
                f"{name} step {step + 1}: {sum(curve[-20:]) / 20:.3f}, {time.perf_counter() - begin:.0f} s", flush=True
            )
    record = {
        "setting": asdict(setting),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "text": text["about"],
        "loss": {"train": mean_loss(model, tokens, setting.n), "held_out": mean_loss(model, held_out, setting.n)},
        "curve": [round(sum(curve[i : i + 50]) / 50, 3) for i in range(0, len(curve) - 49, 50)],
        "minutes": round((time.perf_counter() - begin) / 60, 1),
    }
    kept = {"alphabet": text["alphabet"], "held_out": text["held_out"]}
    torch.save({"weights": model.state_dict(), "record": record, **kept}, path)
    print(record)


def load(path: str) -> tuple[Model, torch.Tensor, dict]:
    """A trained model, the text held out from it as integers, and the record of its training."""
    saved = torch.load(path)
    model = Model(Setting(**saved["record"]["setting"]), len(saved["alphabet"]) + 1)
    model.load_state_dict(saved["weights"])
    return model, encode(saved["held_out"], saved["alphabet"]), saved["record"]


if __name__ == "__main__":
    one_thread()
    torch.set_num_threads(1)
    train(*sys.argv[1:])
