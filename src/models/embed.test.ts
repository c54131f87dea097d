/** Pooling, as a sentence-transformers folder asks for it. */
import { expect, test } from "vitest";
import { readTokenizer } from "../text/index.js";
import { Bert } from "./bert.js";
import { Config } from "./config.js";
import type { Pooling } from "./embed.js";
import { Llama } from "./llama.js";
import { poolingBeside } from "./load/files.js";
import { T5 } from "./t5.js";

const folder = (pooling: object, more: object[] = []) =>
  poolingBeside(async (name) => {
    const step = (type: string, path: string): object => ({ type: `sentence_transformers.models.${type}`, path });
    if (name === "modules.json")
      return JSON.stringify([step("Transformer", ""), step("Pooling", "1_Pooling"), ...more]);
    return name === "1_Pooling/config.json" ? JSON.stringify(pooling) : undefined;
  }, "FOLDER");

test("each way to pool is read; what is not done here is said", async () => {
  const mode = async (name: string) => (await folder({ pooling_mode_mean_tokens: false, [name]: true }))!.mode;
  expect(await mode("pooling_mode_cls_token")).toBe("cls");
  expect(await mode("pooling_mode_max_tokens")).toBe("max");
  expect(await mode("pooling_mode_lasttoken")).toBe("last");
  expect(await mode("pooling_mode_weightedmean_tokens")).toBe("weightedMean");
  expect((await folder({ pooling_mode: "lasttoken" }))!.mode).toBe("last");
  expect((await folder({ pooling_mode: "mean" }))!.mode).toBe("mean");
  expect((await folder({ pooling_mode_mean_sqrt_len_tokens: true }))!.unsupported).toBe(
    "pools by mean_sqrt_len_tokens",
  );
  expect((await folder({ pooling_mode_cls_token: true, pooling_mode_mean_tokens: true }))!.unsupported).toBe(
    "pools by cls_token and mean_tokens at once",
  );
  const dense = { type: "sentence_transformers.models.Dense", path: "2_Dense" };
  expect((await folder({ pooling_mode_mean_tokens: true }, [dense]))!.unsupported).toBe(
    'has a step "sentence_transformers.models.Dense"',
  );
});

const small = {
  model_type: "llama",
  hidden_size: 8,
  intermediate_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  vocab_size: 3,
};
const tokenizer = readTokenizer({
  tokenizer: { model: { type: "BPE", vocab: { a: 0, b: 1, c: 2 }, merges: [] } } as never,
});
const model = (pooling?: Pooling) => new Llama(new Config(small), { name: "small", tokenizer, pooling }).initialise(1);

test("the last token, and a mean in which later tokens count more", () => {
  const m = model();
  const states = m.forward({ inputIds: [[0, 1, 2]] }).lastHiddenState.data;
  const last = m.embed(["abc", "a"], { mode: "last" }).data;
  const mean = m.embed("abc", { mode: "weightedMean" }).data;
  for (let j = 0; j < 8; j++) {
    expect(last[j]).toBeCloseTo(states[16 + j]!, 6);
    expect(mean[j]).toBeCloseTo((states[j]! + 2 * states[8 + j]! + 3 * states[16 + j]!) / 6, 6);
  }
});

test("a folder that asks for more is refused, until a pooling is named", () => {
  const m = model({ mode: "mean", normalise: false, unsupported: "pools by cls_token and mean_tokens at once" });
  expect(() => m.embed("abc")).toThrowErrorMatchingInlineSnapshot(
    `[UnavailableError: embed: small pools by cls_token and mean_tokens at once; expected one pooling: mean, weighted mean, first token, last token or maximum. Fix: name the pooling yourself, knowing that it is not the folder's: { mode: "mean" }.]`,
  );
  expect(m.embed("abc", { mode: "mean" }).shape).toEqual([1, 8]);
});

test("of an encoder–decoder the encoder's states, as a forward gives them, short texts padded", () => {
  const json = { model_type: "t5", d_model: 8, d_kv: 4, num_heads: 2, d_ff: 8, num_layers: 1, vocab_size: 3 };
  const t5 = new T5(new Config(json), { name: "small", tokenizer }).initialise(2);
  const got = t5.embed(["abcb", "b"], { mode: "last" }).data;
  for (const [b, ids] of [[0, 1, 2, 1], [1]].entries()) {
    const states = t5.forward({ inputIds: [ids], decoderInputIds: [[0]] }).encoderLastHiddenState!.data.subarray(-8);
    states.forEach((x, j) => expect(got[b * 8 + j]).toBeCloseTo(x, 6));
  }
});

test("a text longer than RoBERTa's positions is cut to them: two fewer than the table has rows, for padding", () => {
  const json = { ...small, model_type: "roberta", max_position_embeddings: 6, pad_token_id: 1, type_vocab_size: 1 };
  const roberta = new Bert(new Config(json), { name: "small", tokenizer }).initialise(3);
  const cut = roberta.embed("acacacacac").data;
  expect([...cut]).toEqual([...roberta.embed("acac").data]);
  expect([...cut]).not.toEqual([...roberta.embed("aca").data]);
});
