"""PyTorch's own attention, asked by `qkv check` over standard input and output.

    qkv check examples/check-protocol/pytorch.py

The protocol is the one of attention.py beside this file. What PyTorch is known to do otherwise (its causal corner, NaN in a
masked value) is reported as a convention, because the answer to "hello" names it.
"""
import base64
import json
import sys

import torch
from torch.nn.functional import scaled_dot_product_attention


def tensor(t):
    kind = torch.float32 if t["dtype"] == "float32" else torch.uint8
    return torch.frombuffer(bytearray(base64.b64decode(t["data"])), dtype=kind).reshape(t["shape"])


def attention(q, k, v, options):
    for name in options:
        if name not in ("causal", "mask", "scale", "keyPadding"):
            raise ValueError(f"unknown option {name}")
    q, k, v = tensor(q), tensor(k), tensor(v)
    mask = tensor(options["mask"]).bool() if options.get("mask") else None
    if options.get("keyPadding"):
        padding = tensor(options["keyPadding"]).bool()[:, None, None, :]
        mask = padding if mask is None else mask & padding
    causal = bool(options.get("causal"))
    if causal and mask is not None:  # the function refuses both at once
        mask = mask & torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril()
        causal = False
    out = scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, scale=options.get("scale"))
    out = out.contiguous()
    return {"shape": list(out.shape), "dtype": "float32", "data": base64.b64encode(out.numpy().tobytes()).decode()}


for line in sys.stdin:
    message = json.loads(line)
    answer = {"id": message["id"]}
    try:
        if message["op"] == "hello":
            answer.update(kind="attention", runtime="pytorch")
        else:
            answer["output"] = attention(message["q"], message["k"], message["v"], message["options"])
    except Exception as error:  # the checker reports it with the options of the call
        answer["error"] = str(error)
    print(json.dumps(answer), flush=True)
