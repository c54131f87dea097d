/** @file What the engine reads off encoder–decoders and masked-language models. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { golden } from "../../../test/goldens/where.js";
import { loadModel, type Model } from "../../models/index.js";
import type { EfficientShown } from "./efficient.js";
import { Engine } from "./engine.js";
import type { circuitOf } from "./circuits.js";
import { lensRows } from "./lens.js";
import { lensPathOf } from "./lens-path.js";
import { modelSource } from "./models.js";
import { logProbabilities } from "./predict.js";
import type { Kind, RunView } from "./protocol.js";

const cases = (set: string): string[] => {
  const folder = golden(set);
  return folder ? readdirSync(folder).filter((n) => !n.includes(".")).map((n) => join(folder, n, "model")) : []; // biome-ignore format: one list
};
const text = "5 17 3 17 9 => 7 8 9";

/** An engine on one model, and its run of a text. */
async function opened(path: string, asked: string): Promise<{ model: Model; engine: Engine; run: RunView }> {
  const model = await loadModel(path);
  const card = { id: "m", name: "m", says: "", source: "files" as const, runs: true };
  const engine = new Engine([async () => [modelSource(card, async () => model)]]);
  return { model, engine, run: await engine.run({ model: "m", text: asked, edits: [] }) };
}

describe.skipIf(golden("t5") === undefined)("an encoder–decoder", () => {
  for (const path of cases("t5")) {
    test(`the decoder's lens ends at what the model says, and its parts add up to the logit (${path.split("/").at(-2)})`, async () => {
      const { model, engine, run } = await opened(path, text);
      const trace = engine.trace(run.id);
      const rows = lensRows(model, trace, String, 3);
      expect(rows).toHaveLength(trace.hiddenStates.length);
      const said = await engine.predictions({ run: run.id, top: 3 });
      rows.at(-1)!.rows.forEach((guesses, i) => guesses.forEach((g, n) => { expect(g.probability).toBeCloseTo(said[i]![n]!.probability, 5); })); // biome-ignore format: one line
      expect(rows[0]!.rows[0]![0]!.probability).not.toBeCloseTo(said[0]![0]!.probability, 3);
      const followed = lensPathOf(model, trace, 2, said[2]![0]!.id);
      expect(new Set(followed.heads.map((h) => h.kind))).toEqual(new Set(["decoder", "cross"]));
      const sum = followed.heads.reduce((s, h) => s + h.adds, 0) + followed.rest;
      expect(sum).toBeCloseTo(followed.logit, 3); // heads and rest come from the stream, the logit from the model
    });
  }

  test("circuits are read for each stack: the asked words and the seen ones each by their own side's norm and matrices", async () => {
    const { model, engine, run } = await opened(cases("t5")[0]!, text);
    const { config } = model;
    const at = (kind: Kind, which: "ov" | "qk") =>
      engine.lab("circuit", { run: run.id, kind, layer: 1, head: 1, which }) as Promise<ReturnType<typeof circuitOf>>;
    expect((await at("cross", "qk")).rows.map((r) => r.id)).toEqual([0, 7, 8, 9]);
    expect((await at("cross", "ov")).rows.map((r) => r.id)).toEqual([5, 17, 3, 9]);
    expect((await at("encoder", "qk")).rows.map((r) => r.id)).toEqual([5, 17, 3, 9]);
    await expect(at("encoder", "ov")).rejects.toThrow(/an encoder says no words/);
    // One score by hand: e·norm·W_Q of a decoder's word with e·norm·W_K of a source's.
    const weight = (end: string): Float32Array =>
      [...model.named()].find(([name]) => name.endsWith(end))![1].copy().data;
    const [d, D] = [config["d_model"] as number, config["d_kv"] as number];
    const normed = (id: number, end: string): number[] => {
      const e = weight("shared.weight").slice(id * d, (id + 1) * d);
      const rms = Math.sqrt(e.reduce((s, x) => s + x * x, 0) / d + (config["layer_norm_epsilon"] as number));
      return Array.from(weight(end), (w, n) => (e[n]! / rms) * w);
    };
    const side = (x: number[], end: string): number[] =>
      Array.from({ length: D }, (_, n) => x.reduce((s, y, m) => s + y * weight(end)[(D + n) * d + m]!, 0)); // head 1
    const q = side(normed(7, "decoder.block.1.layer.1.layer_norm.weight"), "decoder.block.1.layer.1.EncDecAttention.q.weight"); // biome-ignore format: one call
    const k = side(normed(7, "encoder.final_layer_norm.weight"), "decoder.block.1.layer.1.EncDecAttention.k.weight");
    const own = (await at("cross", "qk")).rows.find((r) => r.id === 7)!.own;
    expect(own).toBeCloseTo(
      q.reduce((s, x, n) => s + x * k[n]!, 0),
      3,
    );
  });

  test("rollout through both stacks equals matrices multiplied one by one; with the target's own part its rows sum to 1", async () => {
    const { engine, run } = await opened(cases("t5")[0]!, text);
    const trace = engine.trace(run.id);
    const [Ls, Lt, r] = [5, 4, 0.4];
    const mean = (kind: Kind, layer: number, rows: number, columns: number): number[][] => {
      const { heads } = trace.record(layer, kind);
      const w = trace.record(layer, kind).weights({ batch: 0 }).data;
      return Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => {
        let s = 0;
        for (let h = 0; h < heads; h++) s += w[(h * rows + i) * columns + j]! / heads;
        return s;
      })); // biome-ignore format: one map
    };
    const times = (a: number[][], b: number[][]): number[][] => a.map((row) => b[0]!.map((_, j) => row.reduce((s, x, m) => s + x * b[m]![j]!, 0))); // biome-ignore format: one product
    const mixed = (a: number[][]): number[][] => a.map((row, i) => row.map((x, j) => (1 - r) * x + (i === j ? r : 0)));
    const identity = (n: number): number[][] => Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (i === j ? 1 : 0))); // biome-ignore format: one matrix
    let source = identity(Ls);
    for (const l of trace.layers("encoder")) source = times(mixed(mean("encoder", l, Ls, Ls)), source);
    let own = identity(Lt);
    let drawn = Array.from({ length: Lt }, () => new Array<number>(Ls).fill(0));
    for (const l of trace.layers("decoder")) {
      const self = mixed(mean("decoder", l, Lt, Lt));
      [own, drawn] = [times(self, own), times(self, drawn)];
      const across = times(mean("cross", l, Lt, Ls), source);
      own = own.map((row) => row.map((x) => r * x));
      drawn = drawn.map((row, i) => row.map((x, j) => r * x + (1 - r) * across[i]![j]!));
    }
    const shown = await engine.rollout({ run: run.id, kind: "cross", fusion: "mean", residual: r, upTo: 1 });
    drawn.flat().forEach((x, n) => { expect(shown.values[n]!).toBeCloseTo(x, 5); }); // biome-ignore format: one line
    own.forEach((row, i) => {
      expect([...row, ...drawn[i]!].reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    });
    const flow = await engine.flow({ run: run.id, kind: "cross", output: 3, residual: r });
    expect(flow).toHaveLength(Ls);
    expect(Math.max(...flow)).toBeGreaterThan(0);
  });

  test("mechanisms without places lie over cross-attention, exact where they mix nothing; those with places say why not", async () => {
    const { engine, run } = await opened(cases("t5")[0]!, text);
    const asked = { run: run.id, kind: "cross", layer: 0, head: 0, size: 64 };
    const linear = (await engine.lab("efficient", { ...asked, mechanism: "performer" })) as EfficientShown;
    expect(linear.map).toHaveLength(4 * 5);
    for (let i = 0; i < 4; i++) expect(linear.exact.slice(i * 5, i * 5 + 5).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    const few = (await engine.lab("efficient", { ...asked, mechanism: "performer", size: 8 })) as EfficientShown;
    const many = (await engine.lab("efficient", { ...asked, mechanism: "performer", size: 512 })) as EfficientShown;
    expect(many.totalError).toBeLessThan(few.totalError);
    await expect(engine.lab("efficient", { ...asked, mechanism: "slidingWindow" })).rejects.toThrow(/different texts/);
  });

  test("a sweep takes out the heads of the attention that is looked at", async () => {
    const { engine, run } = await opened(cases("t5")[0]!, text);
    const cross = await engine.sweep({ run: run.id, kind: "cross", output: "zero" });
    const decoder = await engine.sweep({ run: run.id, kind: "decoder", output: "zero" });
    expect(cross.map((x) => x.kl)).not.toEqual(decoder.map((x) => x.kl));
    const alone = await engine.run({ model: "m", text, edits: [{ kind: "cross", layer: 1, head: 2, output: "zero" }] });
    const change = await engine.compareNext({ run: run.id, with: alone.id });
    expect(cross.find((x) => x.layer === 1 && x.head === 2)!.kl).toBeCloseTo(change.kl, 10);
  });
});

describe.skipIf(golden("bert") === undefined)("an encoder", () => {
  test("a masked-language model's lens ends at its own guesses; a change is told at the token asked about", async () => {
    const path = cases("bert").find((p) => /mlm/.test(p))!;
    const { model, engine, run } = await opened(path, "5 17 3 17 9");
    const trace = engine.trace(run.id);
    expect(run).toMatchObject({ says: "word", hasLogits: false });
    const V = trace.logits!.shape[2]!;
    const rows = lensRows(model, trace, String, 1);
    for (let i = 0; i < 5; i++) {
      const log = logProbabilities(trace.logits!.data.subarray(i * V, (i + 1) * V));
      expect(rows.at(-1)!.rows[i]![0]!.probability).toBeCloseTo(Math.exp(Math.max(...log)), 5);
    }
    const without = await engine.run({
      model: "m",
      text: "5 17 3 17 9",
      edits: [{ layer: 0, head: 1, output: "zero" }],
    });
    const [at2, at4] = await Promise.all([2, 4].map((position) => engine.compareNext({ run: run.id, with: without.id, position }))); // biome-ignore format: two calls
    expect(at2).toMatchObject({ of: "word", position: 2 });
    expect(at2!.kl).toBeGreaterThan(0);
    expect(at2!.kl).not.toBe(at4!.kl);
  });

  test("one without a head is asked for its vectors: what moved is ‖new − old‖ / ‖old‖, nothing without a change", async () => {
    const path = cases("bert").find((p) => /base/.test(p))!;
    const { engine, run } = await opened(path, "5 17 3 17 9");
    expect(run.says).toBe("none");
    expect((await engine.compareNext({ run: run.id, with: run.id })).moved).toEqual({ tokens: [0, 0, 0, 0, 0], mean: 0, cosine: expect.closeTo(1, 12) }); // biome-ignore format: one record
    const without = await engine.run({
      model: "m",
      text: "5 17 3 17 9",
      edits: [{ layer: 0, head: 1, output: "zero" }],
    });
    const { moved } = await engine.compareNext({ run: run.id, with: without.id });
    const [a, b] = [run.id, without.id].map((id) => engine.trace(id).hiddenStates.at(-1)!);
    const d = a!.shape[2]!;
    const row = (x: typeof a, i: number): Float32Array => x!.data.subarray(i * d, (i + 1) * d);
    const length = (x: ArrayLike<number>): number => Math.hypot(...Array.from(x));
    expect(moved!.tokens[3]).toBeCloseTo(length(row(b, 3).map((x, n) => x - row(a, 3)[n]!)) / length(row(a, 3)), 6);
    const results = await engine.sweep({ run: run.id, kind: "self", output: "zero" });
    expect(results.find((x) => x.layer === 0 && x.head === 1)!.moved).toBeCloseTo(moved!.mean, 10);
  });
});
