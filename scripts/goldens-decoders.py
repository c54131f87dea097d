"""Golden cases of small random decoders: what Hugging Face computes, in float64, with tolerances from its own float32.

    pip install torch transformers safetensors
    python scripts/goldens-decoders.py test/goldens/data [phi3 gemma2 …]

A case holds the checkpoint in model/, and in golden.safetensors, by group:
    nopad, rightpad, leftpad, long     input_ids, attention_mask, position_ids → logits, hidden_states.N, attentions.N
    generate, generate_leftpad         input_ids, attention_mask → sequences, step_logits (greedy, 12 steps)
    grad                               input_ids, labels → loss, d.NAME

Where it says "expected", numbers come from a float64 pass over the float32 weights; tol_abs is ten times the distance of the
float32 pass from it, at least 3e-6 of the largest number. Rows padded in front are computed each by itself without its pads:
a query that sees nothing is left out of every comparison. Generation reads the whole text again at every step; a cache must not differ.
"""
import json, os, sys, hashlib
import torch, transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoConfig

torch.set_num_threads(1)
out, only = sys.argv[1], sys.argv[2:]
tiny = dict(hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4, vocab_size=53,
            max_position_embeddings=64, pad_token_id=0, bos_token_id=None, eos_token_id=None, initializer_range=0.2)
gemma = dict(head_dim=8, num_key_value_heads=2, hidden_activation="gelu_pytorch_tanh")
local = {"full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e6}, "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}
short, long = [1.0, 1.1, 1.3], [1.0, 2.5, 6.0]

# name: (about, model_type, settings, with gradients)
cases = {
    "phi3/mini-window": ("fused projections, a window shorter than the text, one key head a query head", "phi3", dict(sliding_window=5), True),
    "phi3/longrope-gqa": ("grouped heads, longrope whose long list takes over after 12 tokens", "phi3",
        dict(num_key_value_heads=2, sliding_window=None, original_max_position_embeddings=12,
             rope_parameters={"rope_type": "longrope", "rope_theta": 1e4, "short_factor": short, "long_factor": long}), False),
    "phi3/partial-tied": ("Phi-4-mini: part of a head turns, longrope, tied embeddings", "phi3",
        dict(hidden_size=32, num_key_value_heads=2, tie_word_embeddings=True, original_max_position_embeddings=16,
             rope_parameters={"rope_type": "longrope", "rope_theta": 1e4, "partial_rotary_factor": 0.75, "short_factor": short, "long_factor": long}), False),
    "gemma/tiny": ("norms by 1 + w, scaled embedding, one key head for all", "gemma", dict(head_dim=8, num_key_value_heads=1, hidden_act="gelu_pytorch_tanh"), False),
    "gemma2/softcap": ("both softcaps, a scale of its own, every other layer sees a window", "gemma2",
        dict(**gemma, num_hidden_layers=3, query_pre_attn_scalar=12, attn_logit_softcapping=3.0, final_logit_softcapping=4.0, sliding_window=4), True),
    "gemma2/no-softcap": ("without softcaps, the scale of its heads", "gemma2",
        dict(**gemma, query_pre_attn_scalar=8, attn_logit_softcapping=None, final_logit_softcapping=None, sliding_window=64), False),
    "gemma3/two-ropes": ("norms on q and k, a base of its own in windowed layers, the others stretched", "gemma3_text",
        dict(**gemma, num_hidden_layers=3, query_pre_attn_scalar=8, sliding_window=4, rope_parameters=local,
             layer_types=["sliding_attention", "sliding_attention", "full_attention"]), True),
    "olmo2/gqa": ("norms after attention and feed-forward, norms over all heads of q and k", "olmo2", dict(num_key_value_heads=2), True),
    "gpt-neox/parallel": ("fused projection by head, a quarter of a head turns, attention and feed-forward side by side", "gpt_neox",
        dict(hidden_size=32, rope_parameters={"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.25}), True),
    "gpt-neox/sequential": ("one after the other, all of a head turns", "gpt_neox",
        dict(use_parallel_residual=False, hidden_act="gelu_new", rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 1e3, "partial_rotary_factor": 1.0}), False),
}
seed, steps = 191, 12


def rows(generator, count, length):
    return torch.randint(1, 53, (count, length), generator=generator)


def inputs_of(generator):
    """Ids, masks and the positions that Hugging Face's generate would give them."""
    def padded(lengths, width, left):
        ids, mask = torch.zeros(len(lengths), width, dtype=torch.long), torch.zeros(len(lengths), width, dtype=torch.long)
        for b, n in enumerate(lengths):
            where = slice(width - n, width) if left else slice(0, n)
            ids[b, where], mask[b, where] = rows(generator, 1, n)[0], 1
        return ids, mask
    groups = {"nopad": padded([9, 9], 9, False), "rightpad": padded([10, 6, 3], 10, False), "leftpad": padded([10, 6, 3], 10, True), "long": padded([26], 26, False)}
    return {name: (ids, mask, (mask.cumsum(1) - 1).clamp(min=0)) for name, (ids, mask) in groups.items()}


def forward(model, ids, mask, positions):
    """As Hugging Face reads the batch; where padding stands in front, every row by itself without it, put back where it stood."""
    if mask[:, 0].all():
        run = model(input_ids=ids, attention_mask=mask, position_ids=positions, output_hidden_states=True, output_attentions=True, use_cache=False)
        return {"logits": run.logits} | {f"{what}.{n}": x for what in ("hidden_states", "attentions") for n, x in enumerate(run[what])}
    parts = {}
    for b in range(len(ids)):
        real = mask[b].nonzero()[:, 0]
        run = model(input_ids=ids[b : b + 1, real], output_hidden_states=True, output_attentions=True, use_cache=False)
        at = {"logits": run.logits[0]} | {f"hidden_states.{n}": x[0] for n, x in enumerate(run.hidden_states)}
        for name, x in at.items():
            parts.setdefault(name, torch.zeros(*ids.shape, x.shape[-1], dtype=x.dtype))[b, real] = x
        for n, x in enumerate(run.attentions):
            whole = parts.setdefault(f"attentions.{n}", torch.zeros(len(ids), x.shape[1], ids.shape[1], ids.shape[1], dtype=x.dtype))
            whole[b, :, real[:, None], real] = x[0].transpose(0, 1).transpose(0, 1)
    return parts


def greedy(model, prompts, forced=None):
    """Ids and scores of each step, text by text, all read anew. A longrope looks at the longest text of a batch: positions tell it."""
    sequences, scores = [list(p) for p in prompts], [[] for _ in prompts]
    for step in range(steps):
        width = max(map(len, sequences))
        ids = torch.tensor([[0] * (width - len(s)) + s for s in sequences])
        mask = torch.tensor([[0] * (width - len(s)) + [1] * len(s) for s in sequences])
        last = model(input_ids=ids, attention_mask=mask, position_ids=(mask.cumsum(1) - 1).clamp(min=0), use_cache=False).logits[:, -1]
        for b, s in enumerate(sequences):
            scores[b].append(last[b])
            s.append(forced[b][step] if forced else int(last[b].argmax()))
    return [s[-steps:] for s in sequences], torch.stack([torch.stack(r) for r in scores])


def gradients(model, ids, labels):
    model.zero_grad()
    loss = model(input_ids=ids, labels=labels, use_cache=False).loss
    loss.backward()
    return {"loss": loss.detach().reshape(1)} | {f"d.{n}": p.grad for n, p in named(model) if p.grad is not None}


def named(model):
    """Parameters by the names of the checkpoint."""
    neox = model.config.model_type == "gpt_neox"
    return [("embed_out.weight" if neox and n == "lm_head.weight" else n, p) for n, p in model.named_parameters()]


def double():
    """From here on float32 is float64 wherever Hugging Face's code says it: softmax, norms and angles too."""
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double
    torch.set_default_dtype(torch.float64)


prepared = {}
chosen = {n: c for n, c in cases.items() if not only or n.split("/")[0] in only or n in only}
for name, (about, kind, settings, graded) in chosen.items():  # float32 first
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    config = AutoConfig.for_model(kind, **(tiny | settings))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for weight_name, p in model.named_parameters():
            if p.dim() == 1: p.add_(torch.randn(p.shape, generator=generator) * 0.2)  # norms and biases that do something
    folder = f"{out}/{name}"
    os.makedirs(folder, exist_ok=True)
    model.save_pretrained(f"{folder}/model")
    for extra in ("generation_config.json",):
        if os.path.exists(f"{folder}/model/{extra}"): os.remove(f"{folder}/model/{extra}")
    state = {n: p.detach().clone() for n, p in model.state_dict().items()}
    groups = inputs_of(generator)
    prompts = {"generate": rows(generator, 2, 5).tolist(), "generate_leftpad": [rows(generator, 1, n)[0].tolist() for n in (6, 3)]}
    grad_ids, grad_labels = rows(generator, 2, 8), None
    grad_labels = grad_ids.clone(); grad_labels[1, 5:] = -100
    with torch.no_grad():
        single = {g: forward(model, *x) for g, x in groups.items()}
        generated = {g: greedy(model, p) for g, p in prompts.items()}
        # Hugging Face's own generate, with its cache, gives the same ids
        for g, p in prompts.items():
            width = max(map(len, p))
            ids = torch.tensor([[0] * (width - len(s)) + s for s in p]); mask = torch.tensor([[0] * (width - len(s)) + [1] * len(s) for s in p])
            own = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=steps, do_sample=False, pad_token_id=0)
            if own[:, width:].tolist() != generated[g][0]: print(name, g, "generate() with its cache gives other ids", own[:, width:].tolist(), generated[g][0])
    graded32 = gradients(model, grad_ids, grad_labels) if graded else {}
    prepared[name] = (config, state, groups, prompts, grad_ids, grad_labels, single, generated, graded32)

double()
for name, (config, state, groups, prompts, grad_ids, grad_labels, single, generated, graded32) in prepared.items():
    about, kind, settings, graded = cases[name]
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").double().eval()
    model.load_state_dict({n: x.double() for n, x in state.items()})
    model.tie_weights()
    tensors, entries = {}, {}

    def put(key, value, role="input", noise=None):
        value = value.detach()
        tensors[key] = (value.to(torch.int32) if not value.is_floating_point() else value.type(torch.FloatTensor)).contiguous()
        entry = {"dtype": "int32" if not value.is_floating_point() else "float32", "shape": list(value.shape), "role": role}
        if role == "expected":
            least = 3e-6 * max(1.0, float(value.abs().max())) if value.is_floating_point() else 0
            tolerance = 0 if noise is None else max(10 * noise, least)
            entry |= {"tol_abs": float(f"{tolerance:.0e}")} | ({} if noise is None else {"noise_f32_vs_f64": float(f"{noise:.2e}")})
        entries[key] = entry

    far = lambda a, b: float((a.double() - b.double()).abs().max())
    with torch.no_grad():
        for g, (ids, mask, positions) in groups.items():
            for key, value in (("input_ids", ids), ("attention_mask", mask), ("position_ids", positions)): put(f"{g}.{key}", value)
            for key, value in forward(model, ids, mask, positions).items(): put(f"{g}.{key}", value, "expected", far(value, single[g][key]))
        gaps = []
        for g, p in prompts.items():
            ids, scores = greedy(model, p)
            assert ids == generated[g][0], f"{name} {g}: float32 and float64 choose other words; take another seed"
            two = scores.topk(2).values
            gaps.append(float(f"{float((two[..., 0] - two[..., 1]).min()):.2e}"))
            width = max(map(len, p))
            padded = torch.tensor([[0] * (width - len(s)) + s for s in p])
            put(f"{g}.input_ids", padded)
            put(f"{g}.attention_mask", torch.tensor([[0] * (width - len(s)) + [1] * len(s) for s in p]))
            put(f"{g}.sequences", torch.cat([padded, torch.tensor(ids)], 1), "expected")
            put(f"{g}.step_logits", scores, "expected", far(scores, generated[g][1]))
    if graded:
        put("grad.input_ids", grad_ids); put("grad.labels", grad_labels)
        for key, value in gradients(model, grad_ids, grad_labels).items(): put(f"grad.{key}", value, "expected", far(value, graded32[key]))
    folder = f"{out}/{name}"
    save_file(tensors, f"{folder}/golden.safetensors")
    files = {f: {"bytes": os.path.getsize(f"{folder}/{f}"), "sha256": hashlib.sha256(open(f"{folder}/{f}", "rb").read()).hexdigest()} for f in ("golden.safetensors", "model/config.json", "model/model.safetensors")}
    json.dump({"id": name, "kind": "hf-model", "about": about, "model_type": kind, "architecture": type(model).__name__, "seed": seed, "weights_dtype": "float32",
               "made_with": f"transformers {transformers.__version__}, torch {torch.__version__}, eager attention, float64; scripts/goldens-decoders.py", "date": "2026-11-30",
               "licence": "random weights, no rights", "generation_min_top2_gap": gaps, "files": files, "tensors": entries}, open(f"{folder}/case.json", "w"), indent=1)
    worst = max((e.get("noise_f32_vs_f64", 0) for e in entries.values()))
    print(name, "made; gaps", gaps, "worst noise", worst)
