"""An attention in Python that `qkv check` can ask, over standard input and output; no packages needed.

    qkv check examples/check-protocol/attention.py

One JSON object a line comes in, one goes out. A tensor is
    {"shape": [1, 2, 3, 4], "dtype": "float32", "data": "<base64 of the little-endian numbers>"}
and an answer may also give plain lists. With a framework, say which one in the answer to "hello"
({"runtime": "pytorch"}): what is known of it is then reported as a convention.
"""
import array
import base64
import json
import math
import sys


def numbers(t):
    a = array.array("f" if t["dtype"] == "float32" else "B")
    a.frombytes(base64.b64decode(t["data"]))
    return a


def attention(q, k, v, options):
    B, H, Lq, D = q["shape"]
    Hk, Lk, Dv = k["shape"][1], k["shape"][2], v["shape"][3]
    if Hk != H:
        raise ValueError("grouped heads are not supported")
    for name in options:
        if name not in ("causal", "mask", "scale", "keyPadding"):
            raise ValueError(f"unknown option {name}")
    scale = options.get("scale", 1 / math.sqrt(D))
    mask, padding = options.get("mask"), options.get("keyPadding")
    m = numbers(mask) if mask else None
    p = numbers(padding) if padding else None
    Q, K, V = numbers(q), numbers(k), numbers(v)
    out = array.array("f", bytes(4 * B * H * Lq * Dv))

    def may(b, h, i, j):
        if options.get("causal") and j > i + Lk - Lq:
            return False
        if p is not None and not p[b * Lk + j]:
            return False
        if m is None:
            return True
        n = 0
        for size, place in zip(mask["shape"], (b, h, i, j)[4 - len(mask["shape"]):]):
            n = n * size + (0 if size == 1 else place)
        return m[n] == 1

    for b in range(B):
        for h in range(H):
            for i in range(Lq):
                row = ((b * H + h) * Lq + i) * D
                seen = [j for j in range(Lk) if may(b, h, i, j)]
                if not seen:
                    continue
                keys = [((b * H + h) * Lk + j) for j in seen]
                s = [scale * sum(Q[row + d] * K[key * D + d] for d in range(D)) for key in keys]
                top = max(s)
                e = [math.exp(x - top) for x in s]
                total = sum(e)
                for w, key in zip(e, keys):
                    for d in range(Dv):
                        out[((b * H + h) * Lq + i) * Dv + d] += w / total * V[key * Dv + d]
    return {"shape": [B, H, Lq, Dv], "dtype": "float32", "data": base64.b64encode(out.tobytes()).decode()}


for line in sys.stdin:
    message = json.loads(line)
    answer = {"id": message["id"]}
    try:
        if message["op"] == "hello":
            answer["kind"] = "attention"
        else:
            answer["output"] = attention(message["q"], message["k"], message["v"], message["options"])
    except Exception as error:  # the checker reports it with the options of the call
        answer["error"] = str(error)
    print(json.dumps(answer), flush=True)
