"""Writes a Hugging Face folder's model as ONNX, as transformers.js wants it: FOLDER/onnx/model.onnx (float32).

    python bench/peers/export.py FOLDER encoder|decoder
"""
import os
import sys

import torch
from transformers import AutoModel, AutoModelForCausalLM, DynamicCache

folder, kind = sys.argv[1:3]
os.makedirs(f"{folder}/onnx", exist_ok=True)
out = f"{folder}/onnx/model.onnx"


class Encoder(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        seen = attention_mask[:, None, None, :].to(torch.float32)
        return self.model(input_ids, attention_mask=(1 - seen) * -1e9, token_type_ids=token_type_ids).last_hidden_state


class Decoder(torch.nn.Module):
    """Keys and values so far go in and come out."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, position_ids, *past):
        cache = DynamicCache()
        for layer in range(len(past) // 2):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        keys = torch.arange(attention_mask.shape[1])[None, None, None, :]
        seen = (keys <= position_ids[:, None, :, None]) & (attention_mask[:, None, None, :] == 1)
        bias = torch.where(seen, 0.0, -1e9)
        result = self.model(input_ids, attention_mask=bias, position_ids=position_ids, past_key_values=cache, use_cache=True)
        present = [x for layer in result.past_key_values.layers for x in (layer.keys, layer.values)]
        return (result.logits, *present)


def write(module, inputs, names, outputs, axes):
    torch.onnx.export(
        module.eval(), inputs, out, input_names=names, output_names=outputs, dynamic_axes=axes, opset_version=17, dynamo=False
    )


with torch.no_grad():
    ids = torch.ones(2, 8, dtype=torch.long)
    if kind == "encoder":
        names = ["input_ids", "attention_mask", "token_type_ids"]
        axes = {name: {0: "batch", 1: "length"} for name in [*names, "last_hidden_state"]}
        model = AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
        write(Encoder(model), (ids, ids, ids * 0), names, ["last_hidden_state"], axes)
    else:
        model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
        config = model.config
        layers = range(config.num_hidden_layers)
        size = (2, config.num_key_value_heads, 5, config.head_dim)
        past = [torch.rand(size) for _ in layers for _ in "kv"]
        parts = [f"{i}.{part}" for i in layers for part in ("key", "value")]
        names = ["input_ids", "attention_mask", "position_ids", *(f"past_key_values.{p}" for p in parts)]
        outputs = ["logits", *(f"present.{p}" for p in parts)]
        axes = {name: {0: "batch", 1: "length"} for name in ("input_ids", "position_ids", "logits")}
        axes["attention_mask"] = {0: "batch", 1: "all"}
        axes |= {f"past_key_values.{p}": {0: "batch", 2: "past"} for p in parts}
        axes |= {f"present.{p}": {0: "batch", 2: "all"} for p in parts}
        positions = torch.arange(5, 13)[None].repeat(2, 1)
        write(Decoder(model), (ids, torch.ones(2, 13, dtype=torch.long), positions, *past), names, outputs, axes)
print(out)
