"""PyTorch on the same numbers, timed by its own clock. A line of JSON asks, a line of JSON answers.

    {"prepare": "attention", "threads": 1, "shape": [heads, queries, keys, headDim], "causal": true, "files": [q, k, v]}
    {"prepare": "backward",  … the same and the slope of the output}
    {"prepare": "window",    … the same and "window": 256}      all forms a user could write; "form" chooses one
    {"prepare": "linear",    "shape": [m, k, n], "files": [a, w]}
    {"turn": id, "milliseconds": 20, "calls": 20, "warm": 100}  -> {"times": [milliseconds, …]}   see src/cli/shared/measure.ts
    {"result": id, "file": path}  writes float32
"""
import json
import sys
import time

import torch
import torch.nn.functional as F

prepared = []


def read(path, shape):
    with open(path, "rb") as file:
        return torch.frombuffer(bytearray(file.read()), dtype=torch.float32).reshape(shape)


def attention(ask):
    heads, queries, keys, dim = ask["shape"]
    q, k, v = [read(f, (1, heads, n, dim)) for f, n in zip(ask["files"], (queries, keys, keys))]
    return lambda: F.scaled_dot_product_attention(q, k, v, is_causal=ask["causal"])


def backward(ask):
    heads, queries, keys, dim = ask["shape"]
    q, k, v, slope = [read(f, (1, heads, n, dim)) for f, n in zip(ask["files"], (queries, keys, keys, queries))]
    for x in (q, k, v):
        x.requires_grad_(True)
    out = F.scaled_dot_product_attention(q, k, v, is_causal=ask["causal"])

    def run():
        return torch.autograd.grad(out, (q, k, v), slope, retain_graph=True)[0]

    return run


def window(ask):
    heads, n, _, dim = ask["shape"]
    w = ask["window"]
    q, k, v = [read(f, (1, heads, n, dim)) for f in ask["files"]]
    if ask["form"] == "mask":  # the whole square, most of it masked
        i = torch.arange(n)
        seen = (i[None] <= i[:, None]) & (i[None] > i[:, None] - w)
        return lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
    if ask["form"] == "flex":
        return flex(q, k, v, w)
    blocks = n // w  # each block of w queries sees its own block of keys and the one before
    i, j = torch.arange(w)[:, None], torch.arange(2 * w)[None] - w
    band = (j <= i) & (j > i - w)
    first = band.clone()
    first[:, :w] = False
    mask = torch.where((torch.arange(blocks) == 0).view(blocks, 1, 1), first, band).repeat(heads, 1, 1)[:, None]

    def run():
        def pairs(x):
            x = x.view(heads, blocks, w, dim)
            before = torch.cat([x[:, :1], x[:, :-1]], 1)
            return torch.cat([before, x], 2).view(heads * blocks, 1, 2 * w, dim)

        return F.scaled_dot_product_attention(q.view(heads * blocks, 1, w, dim), pairs(k), pairs(v), attn_mask=mask)

    return run


def flex(q, k, v, w):
    """torch.compile(flex_attention) with the block table of the window: full blocks without mask, edges with it."""
    from torch.nn.attention.flex_attention import BlockMask, flex_attention

    size, n = 128, q.shape[2]
    row = torch.arange(n // size, dtype=torch.int32)[None, None]
    full = list(range(1, w // size))  # blocks before the own one that every query of the block sees whole
    edge = [0, w // size]

    def table(steps):
        columns = torch.stack([row - step for step in steps], -1)
        count = (columns >= 0).sum(-1, dtype=torch.int32)
        return count, torch.nn.functional.pad(columns.clamp(min=0), (0, n // size - len(steps)))

    mask = BlockMask.from_kv_blocks(
        *table(edge), *table(full), BLOCK_SIZE=size, mask_mod=lambda b, h, i, j: (j <= i) & (j > i - w), seq_lengths=(n, n)
    )
    run = torch.compile(flex_attention, dynamic=False)

    def call():
        with torch.no_grad():
            return run(q, k, v, block_mask=mask)

    return call


def linear(ask):
    m, k, n = ask["shape"]
    a, w = read(ask["files"][0], (m, k)), read(ask["files"][1], (n, k))
    return lambda: F.linear(a, w)


kinds = {"attention": attention, "backward": backward, "window": window, "linear": linear}


def timed(run):
    begin = time.perf_counter()
    run()
    return (time.perf_counter() - begin) * 1e3


def turn(run, limits):
    """A call that is not counted, then counted ones; a long call counts itself."""
    first = timed(run)
    if first > limits["warm"]:
        return [first]
    times = [timed(run)]
    while sum(times) < limits["milliseconds"] and len(times) < limits["calls"]:
        times.append(timed(run))
    return times


for line in sys.stdin:
    ask = json.loads(line)
    try:
        if "prepare" in ask:
            torch.set_num_threads(ask["threads"])
            prepared.append(kinds[ask["prepare"]](ask))
            answer = {"id": len(prepared) - 1, "version": torch.__version__}
        elif "turn" in ask:
            with torch.no_grad():
                answer = {"times": turn(prepared[ask["turn"]], ask)}
        else:
            with torch.no_grad(), open(ask["file"], "wb") as file:
                file.write(prepared[ask["result"]]().detach().contiguous().numpy().tobytes())
            answer = {}
    except Exception as error:
        answer = {"error": str(error).splitlines()[0]}
    print(json.dumps(answer), flush=True)
