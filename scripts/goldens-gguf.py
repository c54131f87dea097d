"""Checkpoints and tokenizers of test/goldens/data once more as GGUF files, the way llama.cpp's converter writes them.

    pip install gguf safetensors numpy tokenizers
    python scripts/goldens-gguf.py test/goldens/data

    CASE/model.gguf            beside CASE/model: the same numbers under gguf-py's names, float32
    tokenizer/NAME/model.gguf  a tokenizer alone, to be held against encodings.json

Names of tensors and keys come from gguf-py. What the converter does to numbers (github.com/ggml-org/llama.cpp,
conversion/*.py, MIT) is written out below: 1 is added to Gemma's norms, GPT-NeoX's q, k and v are put one behind the other.
"""
import json, os, re, sys
import numpy as np
import gguf
from safetensors.numpy import load_file

data = sys.argv[1]
heads_apart = re.compile(r"attention\.query_key_value\.(weight|bias)$")


def open_case(name):
    folder = f"{data}/{name}/model"
    return json.load(open(f"{folder}/config.json")), load_file(f"{folder}/model.safetensors")


def common(w, c):
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_block_count(c["num_hidden_layers"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])


def rms(w, c):
    common(w, c)
    w.add_head_count_kv(c.get("num_key_value_heads") or c["num_attention_heads"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])


def phi3(w, c, extra):
    rms(w, c)
    rope = c["rope_parameters"]
    original = rope.get("original_max_position_embeddings", c["original_max_position_embeddings"])
    w.add_rope_scaling_orig_ctx_len(original)
    w.add_rope_dimension_count(int(rope.get("partial_rotary_factor", 1.0) * c["hidden_size"]) // c["num_attention_heads"])
    w.add_rope_freq_base(rope["rope_theta"])
    w.add_sliding_window(c["sliding_window"] or 0)
    if "long_factor" in rope:
        scale = c["max_position_embeddings"] / original
        w.add_rope_scaling_attn_factors(float(np.sqrt(1 + np.log(scale) / np.log(original))))
        extra["rope_factors_long.weight"] = np.array(rope["long_factor"], np.float32)
        extra["rope_factors_short.weight"] = np.array(rope["short_factor"], np.float32)


def gemma(w, c, extra):
    rms(w, c)
    w.add_key_length(c["head_dim"])
    w.add_value_length(c["head_dim"])
    kind = c["model_type"]
    if kind == "gemma2":
        if c["attn_logit_softcapping"]: w.add_attn_logit_softcapping(c["attn_logit_softcapping"])
        if c["final_logit_softcapping"]: w.add_final_logit_softcapping(c["final_logit_softcapping"])
    if kind != "gemma": w.add_sliding_window(c["sliding_window"])
    if kind == "gemma3_text":
        full = c["rope_parameters"]["full_attention"]
        w.add_rope_freq_base(full["rope_theta"])
        if full["rope_type"] == "linear":
            w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            w.add_rope_scaling_factor(full["factor"])


def olmo2(w, c, extra):
    rms(w, c)
    w.add_rope_freq_base(c["rope_parameters"]["rope_theta"])


def gptneox(w, c, extra):
    common(w, c)
    rope = c["rope_parameters"]
    w.add_rope_dimension_count(int(rope["partial_rotary_factor"] * (c["hidden_size"] // c["num_attention_heads"])))
    w.add_parallel_residual(c["use_parallel_residual"])
    w.add_layer_norm_eps(c["layer_norm_eps"])
    if rope["rope_theta"] != 10000: w.add_rope_freq_base(rope["rope_theta"])


def bert(w, c, extra):
    common(w, c)
    w.add_layer_norm_eps(c["layer_norm_eps"])
    w.add_causal_attention(False)
    w.add_token_type_count(c["type_vocab_size"])
    w.add_pooling_type(gguf.PoolingType.MEAN)


def t5(w, c, extra):
    w.add_context_length(512)
    w.add_embedding_length(c["d_model"])
    w.add_feed_forward_length(c["d_ff"])
    w.add_block_count(c["num_layers"])
    w.add_decoder_block_count(c["num_decoder_layers"])
    w.add_head_count(c["num_heads"])
    w.add_key_length(c["d_kv"])
    w.add_value_length(c["d_kv"])
    w.add_layer_norm_eps(c["layer_norm_epsilon"])
    w.add_layer_norm_rms_eps(c["layer_norm_epsilon"])
    w.add_relative_attn_buckets_count(c["relative_attention_num_buckets"])
    w.add_decoder_start_token_id(c["decoder_start_token_id"])


def changed(name, x, c):
    if c["model_type"].startswith("gemma") and name.endswith("norm.weight"): return x + 1
    if heads_apart.search(name):
        H, d = c["num_attention_heads"], c["hidden_size"]
        parts = x.reshape(H, 3, d // H, *x.shape[1:])
        return np.concatenate([parts[:, n].reshape(d, *x.shape[1:]) for n in range(3)])
    return x


models = {
    "phi3/mini-window": (gguf.MODEL_ARCH.PHI3, phi3), "phi3/partial-tied": (gguf.MODEL_ARCH.PHI3, phi3),
    "gemma/tiny": (gguf.MODEL_ARCH.GEMMA, gemma), "gemma2/no-softcap": (gguf.MODEL_ARCH.GEMMA2, gemma),
    "olmo2/gqa": (gguf.MODEL_ARCH.OLMO2, olmo2), "gpt-neox/parallel": (gguf.MODEL_ARCH.GPTNEOX, gptneox),
    "bert/base-h12-d48": (gguf.MODEL_ARCH.BERT, bert),
    "t5/relu-tied": (gguf.MODEL_ARCH.T5, t5), "t5/v11-gated-gelu-untied": (gguf.MODEL_ARCH.T5, t5),
}
for name, (arch, describe) in models.items():
    config, tensors = open_case(name)
    path = f"{data}/{name}/model.gguf"
    w = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    extra = {}
    describe(w, config, extra)
    names = gguf.get_tensor_name_map(arch, 64)
    for n, x in tensors.items():
        bare = re.sub(r"^bert\.", "", n)
        if bare.startswith(("pooler.", "cls.")) or bare == "embeddings.position_ids": continue
        if re.match(r"(en|de)coder\.embed_tokens", n): continue
        if n == "lm_head.weight" and config.get("tie_word_embeddings"): continue
        own = names.get_name(bare, try_suffixes=(".weight", ".bias"))
        assert own, f"{name}: {n} has no name in GGUF"
        w.add_tensor(own, np.ascontiguousarray(changed(n, x, config), dtype=np.float32))
    for n, x in extra.items(): w.add_tensor(n, x)
    w.write_header_to_file(); w.write_kv_data_to_file(); w.write_tensors_to_file(); w.close()
    print(path, os.path.getsize(path))

KIND = dict(normal=1, unknown=2, control=3, user=4, byte=6)


def tokenizer(name, model, pre, write):
    source = json.load(open(f"{data}/tokenizer/{name}/tokenizer.json"))
    path = f"{data}/tokenizer/{name}/model.gguf"
    m = source["model"]
    pieces = [p for p, _ in sorted(m["vocab"].items(), key=lambda x: x[1])]
    tokens = pieces + [None] * (1 + max([len(pieces) - 1] + [t["id"] for t in source["added_tokens"]]) - len(pieces))
    kinds = [KIND["normal"]] * len(tokens)
    for t in source["added_tokens"]:
        tokens[t["id"]] = t["content"]
        kinds[t["id"]] = KIND["control"] if t["special"] else KIND["user"]
    w = gguf.GGUFWriter(path, "llama")
    w.add_tokenizer_model(model)
    w.add_tokenizer_pre(pre)
    special = lambda role, token: getattr(w, f"add_{role}_token_id")(tokens.index(token)) if token in tokens else None
    write(w, source, tokens, kinds, special)
    w.add_token_types(kinds)
    w.write_header_to_file(); w.write_kv_data_to_file(); w.write_tensors_to_file(); w.close()
    print(path, os.path.getsize(path))


def merges_of(w, source, tokens, kinds, special):
    w.add_token_list(tokens)
    w.add_token_merges([" ".join(x) if isinstance(x, list) else x for x in source["model"]["merges"]])


def around(w, source, tokens, special):
    """Which tokens the post-processor puts around a text."""
    post = source.get("post_processor") or {}
    steps = post.get("processors", [post])
    for p in steps:
        if p["type"] == "TemplateProcessing":
            ids = [x["SpecialToken"]["id"] for x in p["single"] if "SpecialToken" in x]
            first = "SpecialToken" in p["single"][0]
            last = "SpecialToken" in p["single"][-1]
            w.add_add_bos_token(first); w.add_add_eos_token(last)
            if first: special("bos", ids[0])
            if last: special("eos", ids[-1])
        if p["type"] in ("RobertaProcessing", "BertProcessing"):
            w.add_add_bos_token(True); w.add_add_eos_token(True)
            special("bos", p["cls"][0]); special("eos", p["sep"][0])


def byte_level(w, source, tokens, kinds, special):
    merges_of(w, source, tokens, kinds, special)
    around(w, source, tokens, special)


def sentencepiece(w, source, tokens, kinds, special):
    for i, t in enumerate(tokens):
        if re.fullmatch(r"<0x[0-9A-F]{2}>", t): kinds[i] = KIND["byte"]
    unknown = source["model"]["unk_token"]
    kinds[tokens.index(unknown)] = KIND["unknown"]
    rank = {"".join(x if isinstance(x, list) else x.split(" ")): n for n, x in reversed(list(enumerate(source["model"]["merges"])))}
    w.add_token_list(tokens)
    w.add_token_scores([float(-rank[t]) if t in rank else -1e6 for t in tokens])
    special("unk", unknown)
    around(w, source, tokens, special)


def wordpiece(w, source, tokens, kinds, special):
    phantom = [t if kinds[i] == KIND["control"] else t[2:] if t.startswith("##") else "\u2581" + t for i, t in enumerate(tokens)]
    w.add_token_list(phantom)
    special("unk", "[UNK]"); special("sep", "[SEP]"); special("pad", "[PAD]"); special("mask", "[MASK]")
    w.add_uint32("tokenizer.ggml.cls_token_id", tokens.index("[CLS]"))


tokenizer("gpt2-bytelevel", "gpt2", "gpt-2", byte_level)
tokenizer("llama3-split", "gpt2", "llama-bpe", byte_level)
tokenizer("roberta", "gpt2", "gpt-2", byte_level)
tokenizer("llama2-bytefallback", "llama", "default", sentencepiece)
tokenizer("bert-wordpiece", "bert", "default", wordpiece)


def sentencepieces(name, kind, options):
    """A model trained by SentencePiece itself, and what it makes of the texts of the other tokenizer cases."""
    import io, sentencepiece
    from sentencepiece import sentencepiece_model_pb2
    texts = [c["text"] for c in json.load(open(f"{data}/tokenizer/llama2-bytefallback/encodings.json")) if isinstance(c["text"], str)]
    licence = "\n".join(open(f"{data}/../../../{f}").read() for f in ("LICENSE", "README.md", "docs/models.md", "docs/masks.md") if os.path.exists(f"{data}/../../../{f}"))
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(licence.split("\n")), model_writer=trained, vocab_size=420, num_threads=1,
        minloglevel=2, **options)
    proto = sentencepiece_model_pb2.ModelProto.FromString(trained.getvalue())
    sp = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    folder = f"{data}/gguf-tokenizers/{name}"
    os.makedirs(folder, exist_ok=True)
    w = gguf.GGUFWriter(f"{folder}/model.gguf", kind)
    w.add_tokenizer_model(kind)
    w.add_tokenizer_pre("default")
    w.add_token_list([p.piece.encode() for p in proto.pieces])
    w.add_token_scores([p.score for p in proto.pieces])
    w.add_token_types([p.type for p in proto.pieces])
    w.add_add_space_prefix(proto.normalizer_spec.add_dummy_prefix)
    w.add_unk_token_id(sp.unk_id())
    w.add_eos_token_id(sp.eos_id())
    if kind == "llama":
        w.add_bos_token_id(sp.bos_id())
    else:
        w.add_remove_extra_whitespaces(proto.normalizer_spec.remove_extra_whitespaces)
        if proto.normalizer_spec.precompiled_charsmap: w.add_precompiled_charsmap(proto.normalizer_spec.precompiled_charsmap)
    w.write_header_to_file(); w.write_kv_data_to_file(); w.write_tensors_to_file(); w.close()
    texts += [" two  spaces   inside ", "  leading", "trailing  ", "ﬁne ＡＢＣ", "1234567 89", "e\u0301 é", "👩‍👩‍👧 🇫🇷", "\u00a0nbsp", "ไทย 中文 \U00020000", "a\u0000b"]
    marks = ("<s>", "</s>", "<unk>", "<pad>")
    cases = [{"text": t, "ids": sp.encode(t), "decoded": sp.decode(sp.encode(t))} for t in texts if not any(m in t for m in marks)]
    json.dump({"made_with": f"sentencepiece {sentencepiece.__version__}, gguf-py; scripts/goldens-gguf.py", "date": "2026-11-30", "licence": "trained on this repository's own texts",
               "before": [sp.bos_id()] if kind == "llama" else [], "after": [sp.eos_id()] if kind == "t5" else [], "cases": cases}, open(f"{folder}/encodings.json", "w"), indent=0)
    print(folder, os.path.getsize(f"{folder}/model.gguf"), len(cases))


sentencepieces("bpe", "llama", dict(model_type="bpe", byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True))
sentencepieces("unigram", "t5", dict(model_type="unigram", bos_id=-1, pad_id=0, eos_id=1, unk_id=2))
