import { beforeAll, describe, expect, test } from "vitest";
import { loadModel } from "../../models/index.js";
import { tensor } from "../../tensor/index.js";
import { headsOf, MapRecord, QkRecord, readTrace, Trace, visibleWeights } from "../../trace/index.js";
import { badges } from "./badges.js";
import { Engine } from "./engine.js";
import { describeKinds } from "./kinds.js";
import { modelSource } from "./models.js";
import type { Edit, RunView } from "./protocol.js";
import type { RecomputeShown } from "./recompute.js";
import { syntheticTrace } from "./synthetic.js";

const text = "The whale rose and the sea rose with the whale.";
const filter = { hideSpecial: false, hideFirst: false, renormalise: false, words: false };
const engine = new Engine([
  async () => [
    modelSource({ id: "bundled", name: "Bundled", says: "", source: "bundled", runs: true }, () =>
      loadModel("bundled"),
    ),
  ],
]);
let base: RunView;
beforeAll(async () => {
  base = await engine.run({ model: "bundled", text, edits: [] });
});

const edited = (...edits: Edit[]): Promise<RunView> => engine.run({ model: "bundled", text, edits });
/** The maps of a layer, head by head. */
async function heads(run: RunView, layer: number): Promise<Float32Array[]> {
  const maps = await engine.layerMaps({ run: run.id, kind: "self", layer, filter });
  const size = maps.rows.length * maps.columns.length;
  return Array.from({ length: maps.heads }, (_, h) => maps.values.slice(h * size, (h + 1) * size));
}
const L = (): number => base.kinds[0]!.queries;

describe("the engine on the bundled model", () => {
  test("a run says what it is made of, and its probabilities are those of the logits", async () => {
    const [kind] = base.kinds;
    expect(kind).toMatchObject({ kind: "self", heads: 6, causal: true, hasScores: true, hasValues: true });
    expect(kind!.rows.map((t) => t.text).join("")).toBe(text);
    const all = await engine.predictions({ run: base.id, top: 512 });
    expect(all.at(-1)!.reduce((s, g) => s + g.probability, 0)).toBeCloseTo(1, 6);
    expect(base.next![0]).toEqual(all.at(-1)![0]);
  });

  test("every cell of every map equals e^(score − lse) of its pair, computed once more in float64", async () => {
    let worst = 0;
    for (let layer = 0; layer < 4; layer++) {
      const maps = await heads(base, layer);
      for (let head = 0; head < 6; head++) {
        for (let query = 0; query < L(); query++) {
          const row = await engine.rowScores({ run: base.id, kind: "self", layer, head, query });
          const lse = Math.log([...row.score].reduce((s, x) => s + Math.exp(x), 0));
          for (let key = 0; key <= query; key++)
            worst = Math.max(worst, Math.abs(maps[head]![query * L() + key]! - Math.exp(row.score[key]! - lse)));
          for (let key = query + 1; key < L(); key++) expect(maps[head]![query * L() + key]).toBeNaN();
        }
      }
    }
    expect(worst).toBeLessThan(1e-6);
  });

  test("silencing, painting, masking and taking it all back: the next run is the original, bit for bit", async () => {
    const before = engine.trace(base.id);
    await edited(
      { layer: 1, head: 2, output: "zero" },
      { layer: 0, head: -1, mask: "first-only" },
      { layer: 2, head: 0, paint: [[5, 1, 0.9]] },
    );
    const after = engine.trace((await edited()).id);
    expect(after.logits!.data).toEqual(before.logits!.data);
    expect(after.weights({ layer: 3 }).data).toEqual(before.weights({ layer: 3 }).data);
  });

  test("masks do what they say, to the head they are for and no other", async () => {
    const was = await heads(base, 1);
    const seen = (map: Float32Array, i: number): number[] =>
      [...map.subarray(i * L(), (i + 1) * L())].flatMap((w, j) => (w > 0 ? [j] : []));
    const self = await heads(await edited({ layer: 1, head: 3, mask: "self-only" }), 1);
    const first = await heads(await edited({ layer: 1, head: 3, mask: "first-only" }), 1);
    const even = await heads(await edited({ layer: 1, head: 3, mask: "uniform" }), 1);
    const future = await heads(await edited({ layer: 1, head: 3, mask: "none" }), 1);
    for (let i = 0; i < L(); i++) {
      expect(seen(self[3]!, i)).toEqual([i]);
      expect(seen(first[3]!, i)).toEqual([0]);
      for (let j = 0; j <= i; j++) expect(even[3]![i * L() + j]).toBeCloseTo(1 / (i + 1), 5);
      expect(seen(future[3]!, i)).toHaveLength(L());
    }
    for (const other of [self, first, even, future]) expect(other[2]).toEqual(was[2]);
  });

  test("a painted head says so: what may not be seen stays unseen, its numbers and checks tell hand from softmax", async () => {
    const [layer, head, query, key] = [2, 1, 7, 2];
    const paint = (cell: [number, number, number]): Edit => ({ layer, head, paint: [cell] });
    const run = await edited(paint([query, key, 0.8]), paint([5, 0, 0.25]));
    expect(run.kinds[0]!.hasScores).toBe(true); // q and k are still there
    const at = { run: run.id, kind: "self" as const, layer, head };
    const maps = await heads(run, layer);
    const plain = await heads(base, layer);
    for (let h = 0; h < 6; h++)
      maps[h]!.forEach((w, n) => { expect(Number.isNaN(w), `head ${h}, cell ${n}`).toBe(Number.isNaN(plain[h]![n]!)); }); // biome-ignore format: one line
    expect(maps[head]![query * L() + key]).toBeCloseTo(0.8, 6);
    expect(maps[head]![5 * L()]).toBeCloseTo(0.25, 6); // the later change left the earlier one in place
    const pair = await engine.pair({ ...at, query, key });
    expect(pair).toMatchObject({ given: true, masked: false, rank: 1 });
    expect(pair.weight).toBeCloseTo(0.8, 6);
    const original = await engine.pair({ ...at, run: base.id, query, key });
    expect(original.given).toBe(false);
    expect(Math.exp(pair.score - pair.lse)).toBeCloseTo(original.weight, 5); // layers below are untouched
    expect(await engine.pair({ ...at, head: 0, query, key })).toMatchObject({ given: false });
    const again = (await engine.lab("recompute", { ...at, query, key })) as RecomputeShown;
    expect(again).toMatchObject({ given: true, stored: pair.weight });
    expect(again.weight).toBeCloseTo(original.weight, 5);
    const found = await engine.badges({ run: run.id, kind: "self" });
    expect(found.filter((b) => !b.ok)).toEqual([]);
    expect(found.find((b) => b.id === "recomputed")!.says).toContain("one head was given by hand");
    const saved = readTrace(await engine.traceFile({ run: run.id, light: true }), "saved");
    expect(visibleWeights(saved.record(layer), { head })).toEqual(maps[head]);
  });

  test("a weight painted where nothing may be seen is shown, and fails the check", async () => {
    const run = await edited({ layer: 1, head: 3, paint: [[2, 6, 0.5]] });
    const asked = { run: run.id, kind: "self" as const, layer: 1, head: 3, query: 2 };
    expect(await engine.pair({ ...asked, key: 6 })).toMatchObject({ given: true, masked: true, weight: 0.5, score: -Infinity }); // biome-ignore format: one call
    const row = await engine.row(asked);
    expect(row[6]).toBe(0.5);
    expect(row[5]).toBeNaN();
    const masked = (await engine.badges({ run: run.id, kind: "self" })).find((b) => b.id === "masked-zero")!;
    expect(masked).toMatchObject({ ok: false });
    expect(masked.says).toContain("5.0e-1, put there by hand");
  });

  test("a painted weight is what was asked, its row still sums to 1, and the text's odds change", async () => {
    const run = await edited({ layer: 2, head: 1, paint: [[7, 2, 0.8], [7, 3, 0.1]] }); // biome-ignore format: two cells
    const map = (await heads(run, 2))[1]!;
    const row = [...map.subarray(7 * L(), 8 * L())];
    expect(row[2]).toBeCloseTo(0.8, 6);
    expect(row[3]).toBeCloseTo(0.1, 6);
    expect(row.reduce((a, w) => a + (w || 0), 0)).toBeCloseTo(1, 5);
    expect((await engine.compareNext({ run: base.id, with: run.id })).kl).toBeGreaterThan(0);
  });

  test("a sharper scale and a soft cap change the scores as the formulas say", async () => {
    const at = { kind: "self" as const, layer: 0, head: 4, query: 9, key: 3 };
    const was = await engine.pair({ run: base.id, ...at });
    const sharp = await engine.pair({ run: (await edited({ layer: 0, head: 4, scaleFactor: 2 })).id, ...at });
    const capped = await engine.pair({ run: (await edited({ layer: 0, head: 4, softcap: 1.5 })).id, ...at });
    expect(sharp.score).toBeCloseTo(2 * was.score, 4);
    expect(capped.score).toBeCloseTo(1.5 * Math.tanh(was.score / 1.5), 4);
  });

  test("a sweep finds the head whose loss changes the prediction most, and each of its numbers is that of a single edit", async () => {
    const sweep = await engine.sweep({ run: base.id, output: "zero" });
    expect(sweep).toHaveLength(24);
    const top = [...sweep].sort((a, b) => b.kl - a.kl)[0]!;
    const alone = await edited({ layer: top.layer, head: top.head, output: "zero" });
    expect((await engine.compareNext({ run: base.id, with: alone.id })).kl).toBeCloseTo(top.kl, 10);
  });

  test("the logit lens ends in the model's own prediction", async () => {
    const lens = await engine.lens({ run: base.id, top: 3 });
    expect(lens).toHaveLength(5);
    const last = lens.at(-1)!.rows.at(-1)!;
    expect(last.map((g) => g.id)).toEqual(base.next!.slice(0, 3).map((g) => g.id));
    expect(last[0]!.probability).toBeCloseTo(base.next![0]!.probability, 4);
  });

  test("value-weighted rows and merged words sum to 1", async () => {
    const weighted = await engine.valueWeighted({ run: base.id, kind: "self", layer: 2, filter });
    const merged = await engine.layerMaps({ run: base.id, kind: "self", layer: 2, filter: { ...filter, words: true } });
    expect(merged.rows.length).toBeLessThan(L());
    for (const maps of [weighted, merged]) {
      const C = maps.columns.length;
      for (let r = 0; r < maps.heads * maps.rows.length; r++) {
        expect(maps.values.subarray(r * C, (r + 1) * C).reduce((s, w) => s + (w || 0), 0)).toBeCloseTo(1, 4);
      }
    }
  });

  test("what it generates, read at once, gives the same likeliest tokens: cached rows equal uncached ones", async () => {
    const tokens: number[] = [];
    const whole = await engine.generate(
      { model: "bundled", text, tokens: 8, temperature: 0, seed: 1 },
      { onStep: (s) => tokens.push(s.id) },
    );
    const again = await engine.run({ model: "bundled", text: whole, edits: [] });
    const all = await engine.predictions({ run: again.id, top: 1 });
    const ids = again.kinds[0]!.rows.map((t) => t.id);
    if (ids.slice(L()).join() !== tokens.join()) return; // the written text was cut into other tokens: nothing to compare
    tokens.forEach((id, n) => { expect(all[L() - 1 + n]![0]!.id).toBe(id); }); // biome-ignore format: one line
  });

  test("a trace written and read again shows the same numbers", async () => {
    const other = new Engine();
    const file = await engine.traceFile({ run: base.id });
    const card = await other.openFiles([{ path: "run.safetensors", bytes: file.slice().buffer }]);
    const run = await other.run({ model: card.id, text: "", edits: [] });
    const at = { kind: "self" as const, layer: 3, filter };
    expect((await other.layerMaps({ run: run.id, ...at })).values).toEqual(
      (await engine.layerMaps({ run: base.id, ...at })).values,
    );
    await expect(
      other.run({ model: card.id, text: "", edits: [{ layer: 0, head: 0, output: "zero" }] }),
    ).rejects.toThrow("explore: a trace cannot be edited. Fix: open the model it was recorded from.");
  });

  test("no text, a closed run and a model that is not here are refused with a way out", async () => {
    await expect(engine.run({ model: "bundled", text: "", edits: [] })).rejects.toThrow(
      "explore: the text is empty. Fix: type a word or two.",
    );
    await expect(engine.layerMaps({ run: 999, kind: "self", layer: 0, filter })).rejects.toThrow(
      "explore: run 999 is closed. Fix: run the text again.",
    );
    await expect(engine.run({ model: "gone", text, edits: [] })).rejects.toThrow(
      'explore: model "gone" is not here; expected one of bundled. Fix: choose another model or drop its folder on the page.',
    );
    await expect(engine.layerMaps({ run: base.id, kind: "cross", layer: 0, filter })).rejects.toThrow(
      'explore: kind is "cross"; expected self.',
    );
  });
});

describe("badges", () => {
  const clean = syntheticTrace({
    tokens: [..."abcabcab"],
    heads: [
      ["previous", "broad"],
      ["uniform", "local"],
    ],
    headDim: 16,
  });
  const failed = async (trace: Trace): Promise<string[]> =>
    (await badges(trace, "self", describeKinds(trace)[0]!)).filter((b) => !b.ok).map((b) => b.id); // biome-ignore format: one question
  const info = clean.info;
  const map = (values: number[]): Trace =>
    new Trace({ info, records: [new MapRecord({ kind: "self", layer: 0 }, tensor(values, [1, 1, 2, 2]))] });
  const changed = (change: (r: QkRecord) => QkRecord): Trace =>
    new Trace({ info, records: clean.records.map((r, n) => (n === 0 ? change(r as QkRecord) : r)) });

  test("four clean traces raise no alarm", async () => {
    expect(await failed(clean)).toEqual([]);
    expect(await failed(engine.trace(base.id))).toEqual([]);
    expect(await failed(map([1, 0, 0.25, 0.75]))).toEqual([]);
    expect(await failed(syntheticTrace({ tokens: [..."xyzzy"], heads: [["broad"]], causal: false }))).toEqual([]);
  });

  test("planted faults are named", async () => {
    expect(await failed(map([1, 0, 0.25, 0.5]))).toContain("row-sums"); // a row of 0.75
    expect(await failed(map([0.5, 0.5, 1, 1]))).toContain("row-sums"); // softmax over the wrong axis
    expect(await failed(map([1, 0, Number.NaN, Number.NaN]))).toContain("no-nan");
    expect(
      await failed(
        changed(
          (r) =>
            new QkRecord(
              r.site,
              r.call,
              tensor(
                r.lse.data.map((x) => x + 0.1),
                r.lse.shape,
              ),
            ),
        ),
      ),
    ).toEqual(expect.arrayContaining(["row-sums", "recomputed"])); // row sums of another run
    expect(await failed(changed((r) => new QkRecord(r.site, { ...r.call, scale: 1 }, r.lse)))).toContain("row-sums"); // 1/√d forgotten after the sums
    expect(
      await failed(
        changed(
          (r) =>
            new QkRecord(
              r.site,
              { ...r.call, q: headsOf(tensor(r.call.q.tensor.data.slice().reverse(), r.call.q.tensor.shape)) },
              r.lse,
            ),
        ),
      ),
    ).toContain("recomputed"); // queries of another order
    expect(
      await failed(
        new Trace({
          info: { ...info, sequences: [{ ...info.sequences[0]!, mask: [1, 1, 1, 1, 1, 1, 0, 1] }] },
          records: [...clean.records],
        }),
      ),
    ).toContain("padding"); // a pad that is seen
    const sharp = syntheticTrace({ tokens: [..."abcdefgh"], heads: [["previous"], ["self"]], sharpness: 40 });
    expect(await failed(sharp)).toContain("saturation"); // scores as large as without 1/√d
  });
});
