import { describe, expect, test } from "vitest";
import { readTrace, writeTrace } from "../trace/index.js";
import { tensor } from "../tensor/index.js";
import { Config } from "./config.js";
import { Gpt2 } from "./gpt2.js";
import { Llama } from "./llama.js";
import { chooser } from "./sample.js";
import { random } from "../tensor/random.js";

const llama = () =>
  new Llama(
    new Config({
      model_type: "llama",
      hidden_size: 12,
      intermediate_size: 14,
      num_hidden_layers: 2,
      num_attention_heads: 3,
      num_key_value_heads: 1,
      vocab_size: 17,
      max_position_embeddings: 32,
    }),
    { name: "small" },
  ).initialise(7);
const ids = [3, 1, 4, 1, 5, 9, 2];
const largest = (a: Float32Array, b: Float32Array): number =>
  a.reduce((m, x, i) => Math.max(m, Math.abs(x - b[i]!)), 0);

describe("edits", () => {
  test("silencing a head is deleting its columns of the output projection", () => {
    const edited = llama().forward({ inputIds: [ids] }, { edit: [{ layer: 1, head: 2, output: "zero" }] });
    const cut = llama();
    const { data } = cut.parameters()["model.layers.1.self_attn.o_proj.weight"]!; // [12, 3·4]
    for (let row = 0; row < 12; row++) data.fill(0, row * 12 + 8, row * 12 + 12);
    expect(largest(edited.logits!.data, cut.forward({ inputIds: [ids] }).logits!.data)).toBeLessThan(1e-6);
  });
  test("a factor of 1, the model's own scale and a mask of ones change nothing", () => {
    const model = llama();
    const plain = model.forward({ inputIds: [ids] }).logits!.data;
    const ones = { data: new Uint8Array(49).fill(1), shape: [7, 7] };
    for (const edit of [{ output: 1 }, { scale: 1 / Math.sqrt(4) }, { mask: ones }]) {
      const { logits } = model.forward({ inputIds: [ids] }, { edit: [{ layer: 0, head: 1, ...edit }] });
      expect(largest(logits!.data, plain)).toBeLessThan(1e-6);
    }
  });
  test("a mask is in the trace: the head sees only itself, the others as before", () => {
    const model = llama();
    const self = { data: Uint8Array.from({ length: 49 }, (_, n) => (n % 8 === 0 ? 1 : 0)), shape: [7, 7] };
    const { trace } = model.forward({ inputIds: [ids] }, { trace: true, edit: [{ layer: 0, head: 1, mask: self }] });
    const plain = model.forward({ inputIds: [ids] }, { trace: true }).trace;
    const map = trace.weights({ layer: 0, head: 1 }).data;
    for (let n = 0; n < 49; n++) expect(map[n]).toBeCloseTo(n % 8 === 0 ? 1 : 0, 6);
    expect(trace.weights({ layer: 0, head: 0 }).data).toEqual(plain.weights({ layer: 0, head: 0 }).data);
    expect(trace.info.provenance.edits).toHaveLength(1);
  });
  test("the head's own map given as weights changes nothing; another one does", () => {
    const model = llama();
    const run = model.forward({ inputIds: [ids] }, { trace: true });
    const own = run.trace.weights({ layer: 1, head: 0 });
    const same = model.forward({ inputIds: [ids] }, { edit: [{ layer: 1, head: 0, weights: own }] });
    expect(largest(same.logits!.data, run.logits!.data)).toBeLessThan(1e-5);
    const first = tensor(
      Float32Array.from({ length: 49 }, (_, n) => (n % 7 === 0 ? 1 : 0)),
      [7, 7],
    );
    const other = model.forward({ inputIds: [ids] }, { edit: [{ layer: 1, head: 0, weights: first }] });
    expect(largest(other.logits!.data, run.logits!.data)).toBeGreaterThan(1e-4);
  });
  test("a map given as weights is the map that the trace and its file show, whole and in part", () => {
    const model = llama();
    const first = tensor(
      Float32Array.from({ length: 49 }, (_, n) => (n % 7 === 0 ? 1 : 0)),
      [7, 7],
    );
    const inputs = { inputIds: [ids, ids] };
    const plain = model.forward(inputs, { trace: true }).trace;
    const { trace } = model.forward(inputs, { trace: true, edit: [{ layer: 1, head: 1, weights: first }] });
    for (const seen of [trace, readTrace(writeTrace(trace))]) {
      expect([...seen.weights({ layer: 1, head: 1, batch: 1 }).data]).toEqual([...first.data]);
      expect([...seen.weights({ layer: 1, head: 1, batch: 0, rows: [2, 4], columns: [0, 3] }).data]).toEqual([
        1, 0, 0, 1, 0, 0,
      ]);
      const whole = seen.weights({ layer: 1 }); // [2, 3, 7, 7]
      expect([...whole.data.subarray(49, 98)]).toEqual([...first.data]);
      expect(seen.weights({ layer: 1, head: 0 }).data).toEqual(plain.weights({ layer: 1, head: 0 }).data);
      expect(seen.weights({ layer: 0 }).data).toEqual(plain.weights({ layer: 0 }).data);
    }
  });
  test("mean: every token gets the head's mean, so its sum stays", () => {
    const model = llama();
    const run = model.forward({ inputIds: [ids] }, { edit: [{ layer: 1, head: 0, output: "mean" }] });
    expect(run.logits!.data.every(Number.isFinite)).toBe(true);
  });
});

describe("padding", () => {
  test.each([
    ["left", [[0, 0, ...ids]], [[0, 0, 1, 1, 1, 1, 1, 1, 1]], 2],
    ["right", [[...ids, 0, 0]], [[1, 1, 1, 1, 1, 1, 1, 0, 0]], 0],
  ] as const)("on the %s changes no real token", (_, inputIds, attentionMask, shift) => {
    const model = llama();
    const plain = model.forward({ inputIds: [ids] }).logits!.data;
    const padded = model.forward({ inputIds: inputIds as never, attentionMask: attentionMask as never }).logits!.data;
    expect(largest(padded.subarray(shift * 17, (shift + 7) * 17), plain)).toBeLessThan(1e-5);
  });
  test("rows of unequal length are padded by themselves", () => {
    const model = llama();
    const both = model.forward({ inputIds: [ids, [3, 1]] }).logits!.data;
    const alone = model.forward({ inputIds: [[3, 1]] }).logits!.data;
    expect(largest(both.subarray(7 * 17, 9 * 17), alone)).toBeLessThan(1e-5);
  });
});

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
  test("the trace grows a row a token and equals that of the whole text read at once", async () => {
    const model = llama();
    const all = [...ids];
    let last: Awaited<ReturnType<typeof model.forward>>["trace"] | undefined;
    for await (const step of model.generate(ids, { maxNewTokens: 5, trace: true })) {
      expect(step.trace!.record(0).queries).toBe(all.length);
      last = step.trace;
      all.push(step.id);
    }
    const whole = model.forward({ inputIds: [all.slice(0, -1)] }, { trace: true }).trace;
    for (const layer of [0, 1]) {
      expect(largest(last!.weights({ layer }).data, whole.weights({ layer }).data)).toBeLessThan(1e-6);
    }
  });
  test("a batch of unequal texts continues each as it is continued alone", async () => {
    const model = llama();
    const run = async (texts: number[][]): Promise<number[][]> => {
      const out: number[][] = texts.map(() => []);
      for await (const s of model.generate(texts, { maxNewTokens: 6 })) s.ids.forEach((id, b) => out[b]!.push(id));
      return out;
    };
    expect(await run([ids, [2, 7]])).toEqual([...(await run([ids])), ...(await run([[2, 7]]))]);
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

test("a model in half precision is near, in int8 less so, and training gives the numbers back", () => {
  const plain = llama().forward({ inputIds: [ids] }).logits!.data;
  const half = llama().pack((_, p) => (p.shape.length === 2 && p.shape[0] !== 17 ? "f16" : undefined));
  const off = largest(half.forward({ inputIds: [ids] }).logits!.data, plain);
  expect(off).toBeGreaterThan(0);
  expect(off).toBeLessThan(0.02);
  const gradients = half.loss({ inputIds: [ids], labels: [ids] }).backward();
  expect(Object.keys(gradients)).toEqual(Object.keys(half.parameters()));
});

test("GPT-2's weights keep the checkpoint's way round, packed or not", () => {
  const json = { model_type: "gpt2", n_embd: 8, n_head: 2, n_layer: 1, n_positions: 16, vocab_size: 17 };
  const model = new Gpt2(new Config(json), { name: "small" }).initialise(3);
  const before = model.forward({ inputIds: [ids] }).logits!.data;
  const weight = model.state()["transformer.h.0.mlp.c_fc.weight"]!;
  expect(weight.shape).toEqual([8, 32]);
  model.pack((name) => (/c_\w+\.weight$/.test(name) ? "f32" : undefined));
  expect(largest(model.forward({ inputIds: [ids] }).logits!.data, before)).toBeLessThan(1e-5);
  expect(model.state()["transformer.h.0.mlp.c_fc.weight"]!.data).toEqual(weight.data);
});
