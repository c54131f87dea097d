/** Continuing texts: what is generated, when it ends, and what is left behind. */
import { describe, expect, test, vi } from "vitest";
import { kernelInForce } from "../kernels/current.js";
import { tensor } from "../tensor/index.js";
import { random } from "../tensor/random.js";
import { readTokenizer } from "../text/index.js";
import type { Trace } from "../trace/index.js";
import { Config } from "./config.js";
import { Ending } from "./ending.js";
import type { GenerateOptions, Step } from "./generate.js";
import { Gpt2 } from "./gpt2.js";
import { Llama } from "./llama.js";
import type { Model } from "./model.js";
import { chooser } from "./sample.js";
import { T5 } from "./t5.js";

const small = { hidden_size: 12, intermediate_size: 14, num_hidden_layers: 2, num_attention_heads: 3, vocab_size: 17 };
const llama = (more: object = {}) => {
  const json = { model_type: "llama", ...small, num_key_value_heads: 1, max_position_embeddings: 32, ...more };
  return new Llama(new Config(json), { name: "small" }).initialise(7);
};
const models: Record<string, () => Model> = {
  "GPT-2": () => {
    const json = { model_type: "gpt2", n_embd: 12, n_head: 3, n_layer: 2, n_positions: 32, vocab_size: 17 };
    return new Gpt2(new Config(json), { name: "small" }).initialise(4);
  },
  "Llama with grouped heads": llama,
  "Mistral with a window": () => llama({ model_type: "mistral", sliding_window: 4 }),
  T5: () => {
    const json = { model_type: "t5", d_model: 12, d_kv: 4, num_heads: 3, d_ff: 14, num_layers: 2, vocab_size: 17 };
    return new T5(new Config({ ...json, decoder_start_token_id: 0, pad_token_id: 0 }), { name: "small" }).initialise(5);
  },
};
const ids = [3, 1, 4, 1, 5, 9, 2];
const largest = (a: Float32Array, b: Float32Array): number =>
  a.reduce((m, x, i) => Math.max(m, Math.abs(x - b[i]!)), a.length === b.length ? 0 : Number.NaN);

async function steps(model: Model, prompt: number[] | number[][], options: GenerateOptions): Promise<Step[]> {
  const out: Step[] = [];
  for await (const step of model.generate(prompt, options)) out.push(step);
  return out;
}
/** What each text of a batch became. */
const texts = (all: Step[], batch: number): number[][] =>
  Array.from({ length: batch }, (_, b) => all.map((s) => s.ids[b]!));

describe("generation", () => {
  test("a map and a mask given for the whole text are read row by row, with a cache as without, and stand in the trace", async () => {
    const model = llama();
    const T = ids.length + 4; // the last token is not read
    const back = Float32Array.from({ length: T * T }, (_, n) => (n % T === Math.max(0, Math.floor(n / T) - 2) ? 1 : 0));
    const given = tensor(back, [T, T]); // every token reads the one two before it
    const near = { data: back.map((_, n) => (Math.abs((n % T) - Math.floor(n / T)) < 3 ? 1 : 0)), shape: [T, T] };
    const edit = [
      { layer: 1, head: 0, weights: given },
      { layer: 0, head: 2, mask: near },
    ];
    const runs = await Promise.all(
      [true, false].map(async (cache) => {
        const steps = [];
        for await (const s of model.generate(ids, { maxNewTokens: 5, edit, cache, trace: true })) steps.push(s);
        return steps;
      }),
    );
    const [cached, plain] = runs as [(typeof runs)[0], (typeof runs)[0]];
    expect(cached.map((s) => s.id)).toEqual(plain.map((s) => s.id));
    for (const [n, step] of cached.entries()) {
      expect(largest(step.logits.data, plain[n]!.logits.data)).toBeLessThan(1e-5);
      const L = ids.length + n;
      const rows = step.trace!.weights({ layer: 1, head: 0 });
      expect([...rows.data]).toEqual(Array.from({ length: L * L }, (_, i) => back[Math.floor(i / L) * T + (i % L)]));
      for (const at of [{ layer: 0 }, { layer: 1 }]) {
        expect(largest(step.trace!.weights(at).data, plain[n]!.trace!.weights(at).data)).toBeLessThan(1e-5);
      }
    }
    expect(
      cached
        .at(-1)!
        .trace!.weights({ layer: 0, head: 2, rows: [T - 1, T], columns: [0, T - 3] })
        .data.every((p) => p === 0),
    ).toBe(true);
    const all = [...ids, ...cached.slice(0, -1).map((s) => s.id)];
    const once = model.forward({ inputIds: [all] }, { edit }).logits!.data.subarray(-17);
    expect(largest(cached.at(-1)!.logits.data, once)).toBeLessThan(1e-5);
    const short = { layer: 1, head: 0, weights: tensor(new Float32Array(49), [7, 7]) };
    await expect(async () => {
      for await (const _ of model.generate(ids, { maxNewTokens: 5, edit: [short] }));
    }).rejects.toThrow(
      "edit weights has shape [7, 7]; expected [T, T] of all tokens that will be there, at least 8, or one",
    );
  });
  test("the same seed draws the same text, another one another", async () => {
    const model = llama();
    const run = async (seed: number): Promise<number[]> => {
      const out: number[] = [];
      for await (const s of model.generate(ids, { maxNewTokens: 20, temperature: 2, seed })) out.push(s.id);
      return out;
    };
    expect(await run(1)).toEqual(await run(1));
    expect(await run(1)).not.toEqual(await run(2));
  });
  test("an aborted signal ends it with the signal's reason", async () => {
    const cancel = new AbortController();
    const run = async (): Promise<void> => {
      for await (const _ of llama().generate(ids, { maxNewTokens: 20, signal: cancel.signal }))
        cancel.abort(new Error("enough"));
    };
    await expect(run()).rejects.toThrow("enough");
  });
  test("a stop id ends a text, and an empty list switches the model's own end off", async () => {
    const model = llama();
    const seen: number[] = [];
    for await (const s of model.generate(ids, { maxNewTokens: 10 })) seen.push(s.id);
    const stopped: number[] = [];
    for await (const s of model.generate(ids, { maxNewTokens: 10, stop: [seen[2]!] })) stopped.push(s.id);
    expect(stopped).toEqual(seen.slice(0, seen.indexOf(seen[2]!) + 1));
  });
});

describe("choosing", () => {
  const scores = Float32Array.from([1, 3, 2, 3]);
  test("greedy takes the first of the likeliest", () => expect(chooser({})(scores, [], random(0))).toBe(1));
  test("topK keeps ties with the k-th; topP the fewest that reach p", () => {
    const draw = random(5);
    const drawn = (options: object): Set<number> =>
      new Set(Array.from({ length: 200 }, () => chooser(options)(scores, [], draw)));
    expect(drawn({ topK: 1 })).toEqual(new Set([1, 3]));
    expect(drawn({ topP: 0.3 })).toEqual(new Set([1]));
  });
  test("a repetition penalty divides what is positive and multiplies what is negative", () => {
    expect(chooser({ repetitionPenalty: 2 })(Float32Array.from([-1, 3, 2]), [1], random(0))).toBe(2);
    expect(chooser({ repetitionPenalty: 4 })(Float32Array.from([-1, -2, -9]), [0], random(0))).toBe(1);
  });
});

describe.each(Object.entries(models))("%s", (_, make) => {
  test("with a cache or without: equal scores and equal maps at every step, a row more each; and those of one pass", async () => {
    const model = make();
    const [plain, cached, untraced] = await Promise.all(
      [{ trace: true, cache: false }, { trace: true }, {}].map((o) => steps(model, ids, { maxNewTokens: 12, stop: [], ...o })),
    ) as [Step[], Step[], Step[]]; // biome-ignore format: one line
    expect(plain).toHaveLength(12);
    const kinds = model.family === "decoder" ? (["self"] as const) : (["encoder", "decoder", "cross"] as const);
    const equal = (a: Trace, b: Trace): void => {
      for (const kind of kinds) {
        for (const layer of [0, 1]) {
          expect(largest(a.weights({ kind, layer }).data, b.weights({ kind, layer }).data)).toBeLessThan(1e-6);
        }
      }
    };
    for (const [n, step] of plain.entries()) {
      for (const other of [cached[n]!, untraced[n]!]) {
        expect(other.id).toBe(step.id);
        expect(largest(other.logits.data, step.logits.data)).toBeLessThan(1e-5);
      }
      const rows = model.family === "decoder" ? ids.length + n : 1 + n;
      expect(cached[n]!.trace!.weights({ kind: kinds.at(-1)!, layer: 1 }).shape[2]).toBe(rows);
      equal(cached[n]!.trace!, step.trace!);
    }
    const read = plain.slice(0, -1).map((s) => s.id);
    const whole = model.forward(
      model.family === "decoder" ? { inputIds: [[...ids, ...read]] } : { inputIds: [ids], decoderInputIds: [[0, ...read]] },
      { trace: true },
    ); // biome-ignore format: one line
    equal(cached.at(-1)!.trace!, whole.trace);
    expect(largest(cached.at(-1)!.logits.data, whole.logits!.data.subarray(-17))).toBeLessThan(1e-5);
  });

  test("a batch of unequal texts continues each as it is continued alone, cached or not", async () => {
    const model = make();
    const batch = [ids, [2, 7], [5, 5, 5, 5, 5, 5, 5, 5, 1], [8]];
    const alone = await Promise.all(batch.map((t) => steps(model, [t], { maxNewTokens: 9, stop: [] })));
    for (const cache of [true, false]) {
      const together = await steps(model, batch, { maxNewTokens: 9, stop: [], cache });
      expect(texts(together, 4)).toEqual(alone.map((s) => s.map((x) => x.id)));
      for (const [n, { logits }] of together.entries()) {
        expect(logits.shape).toEqual([4, 17]);
        alone.forEach((one, b) =>
          expect(largest(logits.data.subarray(b * 17, (b + 1) * 17), one[n]!.logits.data)).toBeLessThan(1e-5),
        );
      }
    }
  });

  test("two at once on one model do not hear each other", async () => {
    const model = make();
    const both = [ids, [2, 7, 1, 8]].map((t) => ({ alone: steps(model, t, { maxNewTokens: 6, stop: [] }), text: t }));
    const alone = [await both[0]!.alone, await both[1]!.alone];
    const runs = both.map(({ text }) => model.generate(text, { maxNewTokens: 6, stop: [], trace: true }));
    for (let n = 0; n < 6; n++) {
      for (const [i, run] of runs.entries()) {
        const { value } = await run.next();
        expect((value as Step).id).toBe(alone[i]![n]!.id);
        expect(largest((value as Step).logits.data, alone[i]![n]!.logits.data)).toBeLessThan(1e-5);
      }
    }
    for (const run of runs) expect((await run.next()).done).toBe(true);
  });

  test("whichever way it ends, the kernel's memory is as before, and the model goes on", async () => {
    const model = make();
    const want = (await steps(model, ids, { maxNewTokens: 5 })).map((s) => s.id);
    const before = kernelInForce().bytesInUse;
    for await (const _ of model.generate(ids, { maxNewTokens: 5 })) break;
    expect(kernelInForce().bytesInUse).toBe(before);
    const cancel = new AbortController();
    const reason = { why: "no more" };
    const run = model.generate([ids, [1]], { maxNewTokens: 5, signal: cancel.signal });
    await run.next();
    expect(kernelInForce().bytesInUse).toBeGreaterThan(before);
    cancel.abort(reason);
    await expect(run.next()).rejects.toBe(reason);
    expect((await run.next()).done).toBe(true);
    expect(kernelInForce().bytesInUse).toBe(before);
    await expect(model.generate(ids, { signal: AbortSignal.abort(reason) }).next()).rejects.toBe(reason);
    expect(kernelInForce().bytesInUse).toBe(before);
    expect((await steps(model, ids, { maxNewTokens: 5 })).map((s) => s.id)).toEqual(want);
    expect(await steps(model, ids, { maxNewTokens: 0 })).toEqual([]);
  });
});

describe("a long prompt", () => {
  const long = Array.from({ length: 700 }, (_, i) => (i * 7 + (i % 5)) % 17);
  test.each([
    ["Llama", {}],
    ["Mistral", { model_type: "mistral", sliding_window: 5 }],
    ["dynamic positions", { rope_scaling: { rope_type: "dynamic", factor: 4 }, max_position_embeddings: 256 }],
  ])("is read in parts with the same result: %s", async (_, more) => {
    const model = llama({ max_position_embeddings: 1024, ...more });
    const [step] = await steps(model, [long, long.slice(0, 300)], { maxNewTokens: 1, trace: true });
    const run = model.forward({ inputIds: [long] }, { trace: true });
    expect(largest(step!.logits.data.subarray(0, 17), run.logits!.data.subarray(-17))).toBeLessThan(1e-5);
    const rows = { layer: 1, batch: 0, rows: [250, 270] as [number, number] };
    expect(largest(step!.trace!.weights(rows).data, run.trace.weights(rows).data)).toBeLessThan(1e-6);
    const short = model.forward({ inputIds: [long.slice(0, 300)] }).logits!.data.subarray(-17);
    if (!("rope_scaling" in more)) expect(largest(step!.logits.data.subarray(17), short)).toBeLessThan(1e-5);
  });
  test("can be cancelled while it is read", async () => {
    const { signal } = new AbortController();
    let looks = 0;
    vi.spyOn(signal, "throwIfAborted").mockImplementation(() => {
      if (++looks === 3) throw new Error("enough");
    });
    const before = kernelInForce().bytesInUse;
    await expect(steps(llama({ max_position_embeddings: 1024 }), long, { signal })).rejects.toThrow("enough");
    expect(kernelInForce().bytesInUse).toBe(before);
  });
});

describe("when a text ends", () => {
  const vocab = Object.fromEntries(
    ["<unk>", "<|end|>", "st", "op", "Ġstop", "s", "x", "opx", "ð", "Ł", "ĺ", "Ģ"].map((t, i) => [t, i]),
  );
  const tokenizer = readTokenizer({
    tokenizer: {
      added_tokens: [{ id: 1, content: "<|end|>", special: true, normalized: false }],
      decoder: { type: "ByteLevel" },
      model: { type: "BPE", vocab, merges: [], unk_token: "<unk>" },
    },
  });
  const model = { family: "decoder", hasTokenizer: true, tokenizer, endIds: [0] } as unknown as Model;
  /** The pieces given out up to the end, or all of them, and "…". */
  const until = (stop: (string | number)[] | undefined, generated: number[], prompt: number[] = [6]): string => {
    const ending = new Ending(model, prompt, stop);
    const out: string[] = [];
    for (const id of generated) {
      out.push(ending.add(id, false));
      if (ending.done) return out.join("|");
    }
    return `${out.join("|")}…`;
  };
  test.each([
    ["within one token", ["top"], [6, 4, 6], "x| stop"],
    ["across two tokens", ["stop"], [2, 3, 6], "st|op"],
    ["across three, from within one to within another", ["xstopx"], [6, 2, 7, 6], "x|st|opx"],
    ["the first of several", ["zzz", "sto", "x"], [2, 7, 6], "st|opx"],
    ["one that contains another", ["sstop", "stop"], [5, 2, 3, 6], "s|st|op"],
    ["one that begins again", ["ssst"], [5, 5, 5, 2, 6], "s|s|s|st"],
    ["a character over four tokens", ["😀"], [8, 9, 10, 11, 6], "|||😀"],
    ["a special token by its name", ["<|end|>"], [6, 1, 6], "x|"],
    ["a special token and what follows", ["<|end|>s"], [1, 2, 6], "|st"],
    ["what is not there", ["stopp"], [2, 3, 6], "st|op|x…"],
  ] as const)("%s", (_, stop, generated, said) => expect(until([...stop], [...generated])).toBe(said));
  test("a text that the prompt holds, or begins, does not end it", () => {
    expect(until(["stop"], [6, 6], [2, 3])).toBe("x|x…");
    expect(until(["stop"], [3, 6], [2])).toBe("op|x…");
  });
  test("the model's own end, several of them, or none", () => {
    expect(until(undefined, [6, 0, 6])).toBe("x|<unk>");
    expect(until(["zz", 5], [6, 5, 6])).toBe("x|s");
    expect(until([], [0, 0])).toBe("<unk>|<unk>…");
  });
  test("a character left unfinished by the end shows as �", () => {
    expect(until([3], [8, 3])).toBe("|�op");
    const ending = new Ending(model, [6], undefined);
    expect([ending.add(8, false), ending.add(9, true)]).toEqual(["", "�"]);
  });
  test("what is no list of texts and ids", () => {
    const said = (stop: unknown) => () => new Ending(model, [6], stop as never);
    expect(said("stop")).toThrow(
      'generate: stop is "stop"; expected a list of texts and ids that end a text. Fix: stop: [text].',
    );
    expect(said([""])).toThrow(
      "generate: stop has an empty text, which stands everywhere; expected a list of texts and ids that end a text. Fix: leave it out.",
    );
    expect(said([1.5])).toThrow("generate: stop has 1.5; expected a list of texts and ids that end a text.");
    expect(said([undefined])).toThrow(
      "generate: stop has undefined; expected a list of texts and ids that end a text.",
    );
  });
});

test("a config that names no pad token, or −1, pads with a row that is there", async () => {
  for (const [more, pad] of [
    [{}, 0],
    [{ pad_token_id: -1 }, 0],
    [{ pad_token_id: -1, eos_token_id: 5 }, 5],
    [{ pad_token_id: 16 }, 16],
    [{ pad_token_id: 17 }, 0],
  ] as const) {
    const model = llama(more);
    expect(model.padId).toBe(pad);
    const run = await steps(model, [ids, [2, 7]], { maxNewTokens: 3, stop: [] });
    expect(texts(run, 2)).toEqual(texts(await steps(llama(), [ids, [2, 7]], { maxNewTokens: 3, stop: [] }), 2));
  }
});

test("scores that are no numbers are an error, not a text", async () => {
  const model = llama();
  model.parameters()["model.norm.weight"]!.data.fill(Number.NaN);
  await expect(steps(model, ids, { maxNewTokens: 3 })).rejects.toThrow(
    "generate: model gives NaN as the score of token 0; expected numbers.",
  );
});
