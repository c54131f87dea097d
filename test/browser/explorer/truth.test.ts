// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, describe, expect, test } from "vitest";
import { type AttentionKind, attentionWeights } from "../../../src/attention/index.js";
import { syntheticTrace } from "../../../src/explorer/engine/synthetic.js";
import { openGoldenModel } from "./models.js";
import { loadModel, type Model } from "../../../src/models/index.js";
import { openOnnx } from "../../../src/onnx/index.js";
import { tensor } from "../../../src/tensor/index.js";
import { headsOf, MapRecord, QkRecord, Trace, writeTrace } from "../../../src/trace/index.js";
import { golden, root } from "../../goldens/where.js";
import { drop } from "./drop.js";
import { cannot, engine, eventually, explorer, lab, sentence } from "./open.js";

const { folders, onnx } = openGoldenModel();

/** α·‖v·W_O‖ of a head's first row, with the projection of this very attention: T5 has three of them in a layer. */
async function weighedByItsOwnProjection(page: Page, model: Model, trace: Trace, kind: AttentionKind): Promise<void> {
  const place = kind === "cross" ? "layer.1.EncDecAttention" : "layer.0.SelfAttention";
  const name = `${kind === "encoder" ? "encoder" : "decoder"}.block.0.${place}.o.weight`;
  const projection = [...model.named()].find(([n]) => n === name)![1].copy();
  const record = trace.record(0, kind) as QkRecord;
  const [Dv, inputs] = [record.values!.shape[3]!, projection.shape[1]!];
  const row = record.weights({ batch: 0, head: 0, rows: [0, 1] }).data;
  const moved = Array.from(row, (w, j) => {
    const v = record.values!.data.subarray(j * Dv, (j + 1) * Dv);
    const out = Array.from({ length: projection.shape[0]! }, (_, n) =>
      v.reduce((s, x, d) => s + x * projection.data[n * inputs + d]!, 0),
    );
    return w * Math.hypot(...out);
  });
  const total = moved.reduce((x, y) => x + y, 0);
  const shown = await engine<{ values: (number | null)[] }>(page, "valueWeighted", { kind, layer: 0, filter: {} });
  moved.forEach((x, j) => { expect(shown.values[j] ?? 0, `${kind}, key ${j}`).toBeCloseTo(x / total, 4); }); // biome-ignore format: one line
}

describe.skipIf(cannot)("numbers and where they come from", () => {
  // An encoder–decoder as optimum lays it down: two files beside each other, of which the decoder's is named.
  const folder = mkdtempSync(join(tmpdir(), "qkv-pair-"));
  const decoderFile = join(folder, "decoder_model.onnx");
  for (const half of ["encoder", "decoder"])
    copyFileSync(join(golden(`onnx-models/t5-${half}-torchscript-op14-eager`)!, "model.onnx"), join(folder, `${half}_model.onnx`)); // biome-ignore format: one call
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const e = explorer([...Object.values(folders), onnx, decoderFile]);

  const show = async (page: Page, model: string, text: string, kind = ""): Promise<void> => {
    await page.evaluate(
      ([m, t, k]) => (globalThis as any).qkv.store.change({ model: m, text: t, kind: k, view: "map", layer: 0, head: 0, query: -1, key: -1, edits: [] }, "push"),
      [model, text, kind] as const,
    ); // biome-ignore format: one call
    await page.waitForFunction(
      ([m, t]) => {
        const run = (globalThis as any).qkv.store.run.peek();
        return run.state === "failed" || (run.state === "ready" && run.value.model.id === m && run.value.text === t);
      },
      [model, text] as const,
    );
    const failed = await page.evaluate(() => (globalThis as any).qkv.store.run.peek().message);
    expect(failed).toBeUndefined();
  };

  test("item 1: 10,000 cells asked one by one equal the engine's dense result within 1e-6", async () => {
    const page = await e.open("view=map");
    const worst = await page.evaluate(async () => {
      const { store } = (globalThis as any).qkv;
      const run = store.shown.peek();
      const [k] = run.kinds;
      const filter = { hideSpecial: false, hideFirst: false, renormalise: false, words: false };
      const dense = await Promise.all(
        k.layers.map((layer: number) => store.engine.layerMaps({ run: run.id, kind: "self", layer, filter })),
      );
      let seed = 7;
      const random = (n: number): number => {
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
        return (seed >>> 8) % n;
      };
      const cells = Array.from({ length: 10_000 }, () => [random(k.layers.length), random(k.heads), random(k.queries), random(k.keys)]); // biome-ignore format: one list
      let largest = 0;
      for (let at = 0; at < cells.length; at += 500) {
        const pairs = await Promise.all(
          cells
            .slice(at, at + 500)
            .map(([layer, head, query, key]) =>
              store.engine.lab("recompute", { run: run.id, kind: "self", layer, head, query, key }),
            ),
        );
        pairs.forEach((p, n) => {
          const [layer, head, query, key] = cells[at + n]!;
          const w = dense[layer!].values[(head! * k.queries + query!) * k.keys + key!];
          // The cell asked by itself, and e^(q·k·s + bias − lse) in float64, against the kernel's dense map.
          for (const cell of [p.stored, p.weight])
            largest = Math.max(largest, Math.abs((Number.isNaN(w) ? 0 : w) - cell));
        });
      }
      return largest;
    });
    expect(worst).toBeLessThan(1e-6);
  });

  test("item 1: the trace file holds q, k and row sums, and no map", async () => {
    const page = await e.open("view=map");
    const names = await page.evaluate(async () => {
      const { store } = (globalThis as any).qkv;
      const bytes: Uint8Array = await store.engine.traceFile({ run: store.shown.peek().id, light: true });
      const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
      return Object.keys(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))));
    });
    expect(names).toContain("layers.0.self.q");
    expect(names).toContain("layers.0.self.lse");
    expect(names.filter((n) => /weights|map/.test(n))).toEqual([]);
  });

  for (const [name, ids] of Object.entries({
    bert: "5 17 3 17 9",
    gpt2: "5 17 3 17 9",
    llama: "5 17 3 17 9",
    t5: "5 17 3 17 9 => 4 8 2",
    gguf: "5 17 3 17 9",
    distilbert: "5 17 3 9",
  })) {
    test(`item 2: ${name}, from its files, shows the maps the library computes, and every check holds`, async () => {
      const page = await e.open();
      const id = `model-${Object.keys(folders).indexOf(name) + 1}`;
      await show(page, id, ids);
      const model = await loadModel(folders[name]!);
      const numbers = (s: string): number[] => s.trim().split(" ").map(Number);
      const [source, target] = ids.split("=>");
      const inputs = { inputIds: [numbers(source!)], ...(target && { decoderInputIds: [[(model.config["decoder_start_token_id"] as number) ?? model.padId, ...numbers(target)]] }) }; // biome-ignore format: one record
      const { trace } = model.forward(inputs, { trace: { values: true } });
      const kinds = await page.locator("#kind option").allTextContents();
      expect(kinds).toEqual(trace.kinds.length > 1 ? trace.kinds : []);
      for (const kind of trace.kinds) {
        const shown = await engine<{ values: (number | null)[] }>(page, "layerMaps", { kind, layer: 0, filter: {} });
        const want = trace.weights({ layer: 0, kind, batch: 0 }).data;
        expect(shown.values.length).toBe(want.length);
        shown.values.forEach((w, n) => { expect(w ?? 0).toBeCloseTo(want[n]!, 5); }); // biome-ignore format: one line
        await page.evaluate((k) => (globalThis as any).qkv.store.change({ kind: k }), kind);
        await page.waitForSelector(".badges li");
        expect(await page.locator(".badges .bad").allTextContents(), kind).toEqual([]);
        if (kind !== "self") await weighedByItsOwnProjection(page, model, trace, kind);
        const window = { kind, layer: 0, head: 1, mechanism: "slidingWindow", size: 64 };
        if (kind !== "cross") expect((await lab<any>(page, "efficient", window)).totalError, kind).toBeLessThan(1e-5); // T5's biases too
        const block = await lab<any>(page, "block", { kind, layer: 0, token: 1 });
        expect(block.off, `${kind}, block 0`).toBe(0); // ends at the very numbers that the trace keeps
        const names = block.stages.map((x: any) => x.name).filter((x: string) => /attention/.test(x));
        expect(names).toEqual(
          kind === "decoder" || kind === "cross" ? ["attention", "cross-attention"] : ["attention"],
        );
      }
      const path = await lab<any>(page, "path", {});
      expect(path.of).toBe({ bert: "vector", distilbert: "vector" }[name] ?? "next");
      path.edges.slice(1).forEach((x: any, n: number) => { expect(x.query).toBe(path.edges[n].key); }); // biome-ignore format: a path, not a heap
      expect(path.edges.at(-1).layer).toBe(0); // of the text, or of the source
      expect(Math.abs(path.cut)).toBeGreaterThan(0);
      const { items, report } = await lab<any>(page, "checklist", {});
      expect(items.filter((x: any) => !x.ok)).toEqual([]);
      expect(items).toHaveLength(4 * trace.kinds.length);
      expect(report.ok).toBe(true);
    });
  }

  test("item 2: an ONNX export with no attention output still yields maps, equal to those of the library in Node", async () => {
    const page = await e.open();
    const id = `model-${Object.keys(folders).length + 1}`;
    await show(page, id, "5 17 3 17 9");
    const model = await openOnnx(onnx);
    expect(model.outputs.map((o) => o.name).filter((n) => /attention/.test(n))).toEqual([]);
    const feeds = Object.fromEntries(
      model.inputs.map((i) => [i.name, { data: /input_ids/.test(i.name) ? [5, 17, 3, 17, 9] : /mask/.test(i.name) ? [1, 1, 1, 1, 1] : [0, 0, 0, 0, 0], shape: [1, 5] }]), // biome-ignore format: one list
    );
    const { trace } = await model.run(feeds);
    const want = trace.weights({ layer: 0, batch: 0 }).data;
    const shown = await engine<{ values: (number | null)[] }>(page, "layerMaps", { layer: 0, filter: {} });
    expect(shown.values.length).toBe(want.length);
    shown.values.forEach((w, n) => { expect(w ?? 0).toBeCloseTo(want[n]!, 5); }); // biome-ignore format: one line
    await page.waitForSelector(".badges li");
    expect(await page.locator(".badges .bad").allTextContents()).toEqual([]);
    expect(await page.locator(".provenance").textContent()).toContain("onnxruntime-web");
  });

  test("item 2: an ONNX decoder is read with its encoder's file beside it, keeps its values, and writes on as its graph says", async () => {
    const page = await e.open();
    const pair = `model-${Object.keys(folders).length + 2}`;
    await show(page, pair, "5 17 3 17 9 => 7 8 9", "cross");
    const kinds = await page.evaluate(() => (globalThis as any).qkv.store.shown.peek().kinds.map((k: any) => [k.kind, k.queries, k.keys]) as [string, number, number][]); // biome-ignore format: one question
    expect(kinds).toEqual([["encoder", 5, 5], ["decoder", 4, 4], ["cross", 4, 5]]); // biome-ignore format: one list
    // The same two graphs by hand: the encoder's states into the decoder.
    const [encoder, decoder] = [await openOnnx(join(folder, "encoder_model.onnx")), await openOnnx(decoderFile)];
    const row = (data: number[]) => ({ data, shape: [1, data.length] });
    const feeds = { input_ids: row([5, 17, 3, 17, 9]), attention_mask: row([1, 1, 1, 1, 1]) };
    const read = await encoder.run(
      Object.fromEntries(encoder.inputs.map((i) => [i.name, feeds[i.name as "input_ids"]])),
    );
    const states = read.outputs["last_hidden_state"] ?? Object.values(read.outputs)[0]!;
    const wrote = async (ids: number[]) => decoder.run({ input_ids: row(ids), encoder_attention_mask: feeds.attention_mask, encoder_hidden_states: { data: states.data as Float32Array, shape: states.shape } }); // biome-ignore format: one call
    const want = (await wrote([0, 7, 8, 9])).trace.weights({ kind: "cross", layer: 1, batch: 0 }).data;
    const shown = await engine<{ values: number[] }>(page, "layerMaps", { kind: "cross", layer: 1, filter: {} });
    shown.values.forEach((w, n) => { expect(w).toBeCloseTo(want[n]!, 5); }); // biome-ignore format: one line
    // Written on: each id is the likeliest of the decoder's last row.
    await page.evaluate(() => (globalThis as any).qkv.store.change({ view: "timeline" }));
    await page.click("#generate");
    await eventually(() => page.locator(".story-token").count()).toBeGreaterThan(1);
    const first = await page.locator(".story-token").first().textContent();
    const { logits } = (await wrote([0, 7, 8, 9])).outputs as { logits: { data: Float32Array; shape: number[] } };
    const last = [...logits.data.slice(-logits.shape.at(-1)!)];
    expect(Number(first)).toBe(last.indexOf(Math.max(...last)));
    await eventually(() => page.locator("#generate").count()).toBe(1);
    // A graph without two stacks: its values are there, so that the efficient lab is.
    await show(page, `model-${Object.keys(folders).length + 1}`, "5 17 3 17 9");
    expect(await page.evaluate(() => (globalThis as any).qkv.store.shown.peek().kinds[0].hasValues)).toBe(true);
    const { totalError } = await lab<any>(page, "efficient", {
      layer: 0,
      head: 0,
      mechanism: "slidingWindow",
      size: 128,
    });
    expect(totalError).toBeLessThan(1e-6);
    // What a graph cannot give is said, not failed.
    for (const view of ["whatif", "lens", "circuits"]) {
      await page.evaluate((v) => (globalThis as any).qkv.store.change({ view: v }), view);
      await eventually(() => page.locator("#stage .empty").textContent()).toContain("is an ONNX graph");
    }
  });

  test("item 2: arrays from JSON, NPY, NPZ and safetensors become maps", async () => {
    const page = await e.open("view=map");
    const q = [[1, 0], [0, 2], [1, 1]]; // biome-ignore format: a matrix
    const want = [...attentionWeights(tensor(q.flat(), [3, 2]), tensor(q.flat(), [3, 2]), { causal: true }).data];
    const f32 = Float32Array.from(q.flat());
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }".padEnd(117, " ") + "\n";
    const npy = Buffer.concat([Buffer.from([0x93]), Buffer.from("NUMPY"), Buffer.from([1, 0, 118, 0]), Buffer.from(header), Buffer.from(f32.buffer)]); // biome-ignore format: a file
    const st = JSON.stringify({
      q: { dtype: "F32", shape: [3, 2], data_offsets: [0, 24] },
      k: { dtype: "F32", shape: [3, 2], data_offsets: [24, 48] },
    });
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(st.length));
    const files: Record<string, Uint8Array> = {
      "pair.json": Buffer.from(JSON.stringify({ q, k: q, tokens: ["a", "b", "c"] })),
      "pair.npz": zip({ "q.npy": npy, "k.npy": npy }),
      "pair.safetensors": Buffer.concat([length, Buffer.from(st), Buffer.from(f32.buffer), Buffer.from(f32.buffer)]),
    };
    for (const [name, bytes] of Object.entries(files)) {
      await drop(page, name, bytes);
      const shown = await engine<{ values: (number | null)[] }>(page, "layerMaps", { layer: 0, filter: {} });
      shown.values.forEach((w, n) => { expect(w ?? 0, name).toBeCloseTo(want[n]!, 6); }); // biome-ignore format: one line
    }
    await drop(page, "map.npy", Buffer.concat([npy.subarray(0, 10), Buffer.from(header.replace("(3, 2)", "(2, 3)")), Buffer.from(Float32Array.from([1, 0, 0, 0.5, 0.5, 0]).buffer)])); // biome-ignore format: one file
    const shown = await engine<{ values: (number | null)[]; kind: string }>(page, "layerMaps", { kind: "cross", layer: 0, filter: {} }); // biome-ignore format: one call
    expect(shown.values).toEqual([1, 0, 0, 0.5, 0.5, 0]);
  });

  test("item 3: no Math.random in the explorer's sources", () => {
    const found: string[] = [];
    const walk = (folder: string): void => {
      for (const f of readdirSync(folder, { withFileTypes: true })) {
        if (f.isDirectory()) walk(join(folder, f.name));
        else if (/Math\.random|crypto\.getRandomValues/.test(readFileSync(join(folder, f.name), "utf8")))
          found.push(f.name);
      }
    };
    walk(join(root, "src/explorer"));
    expect(found).toEqual([]);
  });

  test("item 3: every number of the panel is the trace's own, and recomputing derives it again", async () => {
    const page = await e.open("view=map&layer=2&head=3&q=9&k=4");
    await page.waitForSelector(".steps dd");
    const p = await engine<any>(page, "pair", { layer: 2, head: 3, query: 9, key: 4 });
    const figure = (x: number): string => x.toFixed(4).replace("-", "−");
    const shown = await page.locator(".steps").textContent();
    for (const x of [p.dot, p.scaled, p.scale, p.score, p.lse]) expect(shown).toContain(figure(x));
    const facts = await page.locator(".cell-panel").textContent();
    expect(facts).toContain("tokens 9 → 4");
    await page.getByRole("button", { name: "Recompute" }).click();
    await eventually(() => page.getByTestId("recomputed").textContent()).toMatch(
      /float64: 0\.\d+, off by (0|\d\.\de-(0?[6-9]|1\d))/,
    );
  });

  describe("item 4: check badges", () => {
    const clean = syntheticTrace({ tokens: [..."abcabcab"], heads: [["previous", "broad"], ["uniform", "local"]], headDim: 16 }); // biome-ignore format: one plan
    const { info } = clean;
    const map = (values: number[], n = Math.sqrt(values.length), mask?: number[]): Trace =>
      new Trace({
        info: { ...info, sequences: [{ ids: [...Array(n).keys()], tokens: [..."abcdefgh"].slice(0, n), ...(mask && { mask }) }] },
        records: [new MapRecord({ kind: "self", layer: 0 }, tensor(values, [1, 1, n, n]))],
      }); // biome-ignore format: one trace
    const changed = (change: (r: QkRecord) => QkRecord): Trace =>
      new Trace({ info, records: clean.records.map((r, n) => (n === 0 ? change(r as QkRecord) : r)) });
    const lse = (r: QkRecord, of: (x: number) => number) => tensor(r.lse.data.map(of), r.lse.shape);
    const faults: [what: string, badge: string, trace: () => Trace][] = [
      ["a row of 0.75", "Rows sum to 1", () => map([1, 0, 0.25, 0.5])],
      ["softmax over the wrong axis", "Rows sum to 1", () => map([0.5, 0.5, 1, 1])],
      ["NaN in a fully masked row", "No NaN", () => map([1, 0, Number.NaN, Number.NaN])],
      ["scores in place of weights", "Weights lie in 0 … 1", () => map([1.5, -0.5, 0.2, 0.8])],
      ["a padded key that is seen", "Padding unseen", () => map([0.6, 0.4, 0.5, 0.5], 2, [1, 0])],
      ["a row of nothing but padding that spends 1", "Empty rows are zeros", () => map([0.5, 0.5, 0.5, 0.5], 2, [0, 0])],
      ["a causal mask of −10 instead of −∞", "No glimpse of the future", () => map([0.999, 0.001, 0.0, 0.5, 0.499, 0.001, 0.3, 0.3, 0.4], 3)],
      ["scores without 1/√d", "Not saturated", () => syntheticTrace({ tokens: [..."abcdefgh"], heads: [["previous"], ["self"]], sharpness: 40 })],
      ["row sums of another run", "Stored row sums hold", () => changed((r) => new QkRecord(r.site, r.call, lse(r, (x) => x + 0.1)))],
      ["another scale than the sums were made with", "Stored row sums hold", () => changed((r) => new QkRecord(r.site, { ...r.call, scale: 1 }, r.lse))],
      ["queries of another order", "Stored row sums hold", () => changed((r) => new QkRecord(r.site, { ...r.call, q: headsOf(tensor(r.call.q.tensor.data.slice().reverse(), r.call.q.tensor.shape)) }, r.lse))],
      ["row sums that are not numbers", "Stored row sums hold", () => changed((r) => new QkRecord(r.site, r.call, lse(r, () => Number.NaN)))],
    ]; // biome-ignore format: a table

    let page: Page;
    const bad = async (name: string, trace: Trace): Promise<string[]> => {
      await drop(page, `${name}.safetensors`, writeTrace(trace));
      await page.waitForFunction((n) => (globalThis as any).qkv.store.shown.peek()?.model.id === `trace:${n}.safetensors`, name); // biome-ignore format: one call
      await page.waitForSelector(".badges li");
      return (await page.locator(".badges .bad span:not(.sr):not([aria-hidden])").allTextContents()).map((t) =>
        t.trim(),
      );
    };

    test("12 planted faults raise 12 badges", async () => {
      page = await e.open("view=map");
      for (const [n, [what, badge, trace]] of faults.entries()) {
        const shown = await bad(`fault-${n}`, trace());
        expect(
          shown.some((s) => s.startsWith(badge)),
          `${what}: ${shown.join(" | ")}`,
        ).toBe(true);
      }
      expect(faults).toHaveLength(12);
    });

    test("four clean traces raise none", async () => {
      page = await e.open("view=map");
      const bundled = (await loadModel("bundled")).read(sentence, { trace: { values: true, logits: true } }).trace;
      const bert = (await loadModel(folders["bert"]!)).forward({ inputIds: [[5, 17, 3]] }, { trace: true }).trace;
      const both = syntheticTrace({ tokens: [..."xyzzy"], heads: [["broad"]], causal: false });
      for (const [n, t] of [clean, bundled, bert, both].entries())
        expect(await bad(`clean-${n}`, t), `clean ${n}`).toEqual([]);
    });
  });
});

/** A zip of stored members; checksums are left 0, which readers of .npz do not ask for. */
function zip(members: Record<string, Uint8Array>): Buffer {
  const [parts, directory]: [Buffer[], Buffer[]] = [[], []];
  let at = 0;
  for (const [name, bytes] of Object.entries(members)) {
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt32LE(bytes.length, 18);
    local.writeUInt32LE(bytes.length, 22);
    local.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt32LE(bytes.length, 20);
    entry.writeUInt32LE(bytes.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(at, 42);
    parts.push(local, Buffer.from(name), Buffer.from(bytes));
    directory.push(entry, Buffer.from(name));
    at += 30 + name.length + bytes.length;
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(members).length, 8);
  end.writeUInt16LE(Object.keys(members).length, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, list, end]);
}
