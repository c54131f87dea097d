/**
 * @file What if: a model read with some heads changed by hand. Changes become the library's own edits and listeners, so an
 * edited run is traced like any other; without changes nothing is in between and the run is the original, bit for bit.
 */
import { type AttentionListener, withListener } from "../../attention/index.js";
import { outputHeads, rowStart } from "../../kernels/layout.js";
import type { Edit as ModelEdit, Model } from "../../models/index.js";
import { tensor } from "../../tensor/index.js";
import { type AttentionRecord, mayAttend, type Trace, visibleWeights } from "../../trace/index.js";
import type { Edit, Kind } from "./protocol.js";
import { readText } from "./reading.js";

const kept = { values: true, logits: true, hiddenStates: true };

/** Reads whatever is to be read, with these options. */
type Read = (options: { trace: typeof kept; edit?: ModelEdit[] }) => { trace: Trace };

export function runWithEdits(read: Read, model: Model, edits: Edit[]): Trace {
  const options = { trace: kept };
  if (edits.length === 0) return read(options).trace;
  const base = read(options).trace;
  const single = edits.flatMap((e) => expanded(e, base));
  const plain = [...mapsByHand(single, base), ...single.flatMap((e) => asModelEdits(e, base))];
  const listeners = [...single.flatMap((e) => asListener(e)), ...single.flatMap((e) => onOutputs(e, model))];
  const run = (): Trace => read({ ...options, ...(plain.length > 0 && { edit: plain }) }).trace;
  return listeners.reduce((inner, l) => () => withListener(l, inner), run)();
}

type One = Edit & { kind: Kind };

/** −1 stands for every layer or every head. */
function expanded(edit: Edit, trace: Trace): One[] {
  const kind = edit.kind ?? trace.kinds[0]!;
  const layers = edit.layer < 0 ? trace.layers(kind) : trace.layers(kind).filter((l) => l === edit.layer);
  return layers.flatMap((layer) => {
    const { heads } = trace.record(layer, kind);
    const all = edit.head < 0 ? [...Array(heads).keys()] : [Math.min(edit.head, heads - 1)];
    return all.map((head) => ({ ...edit, kind, layer, head }));
  });
}

function asModelEdits(edit: One, trace: Trace): ModelEdit[] {
  const record = trace.record(edit.layer, edit.kind);
  const at = { kind: edit.kind, layer: edit.layer, head: edit.head };
  const out: ModelEdit[] = [];
  if (edit.output !== undefined && !edit.rows) out.push({ ...at, output: edit.output });
  const scale = "call" in record ? (record as { call: { scale: number } }).call.scale : 1;
  if (edit.scaleFactor !== undefined) out.push({ ...at, scale: scale * edit.scaleFactor });
  if (edit.mask === "uniform" && !edit.rows) out.push({ ...at, scale: 0 });
  const mask = maskOf(edit, record);
  if (mask) out.push({ ...at, mask });
  return out;
}

const inRows = ({ rows }: Edit, i: number): boolean => !rows || (i >= rows[0] && i < rows[1]);

/**
 * Heads whose map is given outright: cells painted, rows spread evenly over what they may see. Changes of one head follow each
 * other; the trace keeps the map beside the q and k that would have made another.
 */
function mapsByHand(edits: One[], base: Trace): ModelEdit[] {
  const maps = new Map<string, { edit: One; record: AttentionRecord; map: Float32Array }>();
  for (const edit of edits) {
    const even = edit.rows && edit.mask === "uniform";
    if (!edit.paint && !even) continue;
    const name = `${edit.kind} ${edit.layer} ${edit.head}`;
    const record = base.record(edit.layer, edit.kind);
    const { map } = maps.get(name) ?? { map: visibleWeights(record, { head: edit.head }) };
    maps.set(name, { edit, record, map });
    if (even) spreadEvenly(map, record, edit);
    if (edit.paint) paintCells(map, record, edit.paint);
  }
  return [...maps.values()].map(({ edit: { kind, layer, head }, record, map }) => ({
    kind,
    layer,
    head,
    weights: tensor(map.map((w) => (Number.isNaN(w) ? 0 : w)), [record.queries, record.keys]), // biome-ignore format: one map
  }));
}

/** Some rows of a map, NaN where a pair may not attend, spread evenly over the rest. */
function spreadEvenly(map: Float32Array, { queries, keys }: AttentionRecord, edit: One): void {
  for (let i = 0; i < queries; i++) {
    if (!inRows(edit, i)) continue;
    const row = map.subarray(i * keys, (i + 1) * keys);
    const visible = row.reduce((n, w) => n + (Number.isNaN(w) ? 0 : 1), 0);
    row.forEach((w, j) => { if (!Number.isNaN(w)) row[j] = 1 / visible; }); // biome-ignore format: one line
  }
}

/** Cells painted into a map; what a row has left is shared by its other keys in the old proportions. */
function paintCells(map: Float32Array, { queries, keys }: AttentionRecord, paint: NonNullable<Edit["paint"]>): void {
  for (const query of new Set(paint.map(([q]) => q))) {
    if (query < 0 || query >= queries) continue;
    const row = map.subarray(query * keys, (query + 1) * keys);
    const own = paint.filter(([q, k]) => q === query && k >= 0 && k < keys);
    const cells = new Map(own.map(([, k, w]) => [k, Math.min(1, Math.max(0, w))]));
    const asked = [...cells.values()].reduce((a, b) => a + b, 0);
    const others = row.reduce((sum, w, j) => (cells.has(j) ? sum : sum + (w || 0)), 0);
    const left = Math.max(0, 1 - asked);
    row.forEach((w, j) => {
      if (cells.has(j)) row[j] = cells.get(j)! / Math.max(1, asked);
      else if (!Number.isNaN(w)) row[j] = others > 0 ? (w / others) * left : 0;
    });
  }
}

/** Masks that only take away. */
function maskOf({ mask, rows }: One, { queries, keys }: AttentionRecord) {
  const allowed: Partial<Record<NonNullable<Edit["mask"]>, (i: number, j: number) => boolean>> = {
    causal: (i, j) => j <= i + keys - queries,
    "self-only": (i, j) => j === i + keys - queries,
    "first-only": (_, j) => j === 0,
    "no-first": (i, j) => j > 0 || (i === 0 && keys === queries), // the first token keeps itself, else its row is empty
  };
  const may = mask && allowed[mask];
  if (!may) return undefined;
  const data = new Uint8Array(queries * keys);
  for (let i = 0; i < queries; i++)
    for (let j = 0; j < keys; j++) data[i * keys + j] = !inRows({ rows } as Edit, i) || may(i, j) ? 1 : 0;
  return tensor(Float32Array.from(data), [queries, keys]);
}

/** What an edit of a head cannot say: a soft cap, and seeing more than the model's rule allows. */
function asListener(edit: One): AttentionListener[] {
  if (edit.softcap === undefined && edit.mask !== "none") return [];
  return [
    {
      before: (site, call) => {
        if (site.kind !== edit.kind || site.layer !== edit.layer) return call;
        const capped = edit.softcap === undefined ? call : { ...call, softcap: edit.softcap };
        if (edit.mask !== "none") return capped;
        const { batch, heads, queries, keys } = call;
        const data = new Uint8Array(batch * heads * queries * keys);
        let n = 0;
        for (let b = 0; b < batch; b++) {
          for (let h = 0; h < heads; h++) {
            for (let i = 0; i < queries; i++) {
              for (let j = 0; j < keys; j++, n++)
                data[n] = (h === edit.head && inRows(edit, i)) || mayAttend(call, b, h, i, j) ? 1 : 0;
            }
          }
        }
        const rule = { perBatch: false, first: new Int32Array(queries), end: new Int32Array(queries).fill(keys), mask: { data, strides: [heads * queries * keys, queries * keys, keys, 1] as const } }; // biome-ignore format: one rule
        return { ...capped, rule };
      },
    },
  ];
}

/** Changes of a head's output row by row: silenced for some tokens only, or taken from the reading of another text. */
function onOutputs(edit: One, model: Model): AttentionListener[] {
  const other = edit.patch === undefined ? undefined : outputOf(model, edit, edit.patch);
  if (!other && !(edit.output !== undefined && edit.rows)) return [];
  return [
    {
      after: (site, call, result) => {
        if (site.kind !== edit.kind || site.layer !== edit.layer) return result;
        const output = tensor(result.output.data.slice(), result.output.shape);
        const heads = outputHeads(call, output);
        const rowAt = (i: number): Float32Array => {
          const start = rowStart(heads, 0, edit.head, i);
          return output.data.subarray(start, start + call.valueDim);
        };
        const mean = edit.output === "mean" ? meanOf(call.queries, call.valueDim, rowAt) : undefined;
        for (let i = 0; i < call.queries; i++) {
          if (!inRows(edit, i)) continue;
          const row = rowAt(i);
          if (other) {
            const from = i - call.queries + other.length; // texts are laid end to end
            if (from >= 0) row.set(other[from]!);
          } else if (mean) row.set(mean);
          else for (let d = 0; d < row.length; d++) row[d]! *= edit.output === "zero" ? 0 : (edit.output as number);
        }
        return { ...result, output };
      },
    },
  ];
}

function meanOf(rows: number, width: number, rowAt: (i: number) => Float32Array): Float32Array {
  const sum = new Float64Array(width);
  for (let i = 0; i < rows; i++) rowAt(i).forEach((x, d) => { sum[d]! += x / rows; }); // biome-ignore format: one line
  return Float32Array.from(sum);
}

/** A head's output for each token of another text. */
function outputOf(model: Model, edit: One, text: string): Float32Array[] {
  const rows: Float32Array[] = [];
  const listener: AttentionListener = {
    after: (site, call, result) => {
      if (site.kind === edit.kind && site.layer === edit.layer) {
        const heads = outputHeads(call, result.output);
        for (let i = 0; i < call.queries; i++) {
          const start = rowStart(heads, 0, edit.head, i);
          rows.push(result.output.data.slice(start, start + call.valueDim));
        }
      }
      return result;
    },
  };
  withListener(listener, () => readText(model, text));
  return rows;
}
