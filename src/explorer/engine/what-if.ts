/**
 * @file What if: a model read with some heads changed by hand. Changes become the library's own edits and listeners, so an
 * edited run is traced like any other; without changes nothing is in between and the run is the original, bit for bit.
 */
import { type AttentionListener, withListener } from "../../attention/index.js";
import { outputHeads, rowStart } from "../../kernels/layout.js";
import type { Edit as ModelEdit, Model } from "../../models/index.js";
import { tensor } from "../../tensor/index.js";
import { type AttentionRecord, MapRecord, mayAttend, Trace, visibleWeights } from "../../trace/index.js";
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
  const plain = single.flatMap((e) => asModelEdits(e, base));
  const listeners = [...single.flatMap((e) => asListener(e)), ...single.flatMap((e) => onOutputs(e, model))];
  const run = (): Trace => read({ ...options, ...(plain.length > 0 && { edit: plain }) }).trace;
  const trace = listeners.reduce((inner, l) => () => withListener(l, inner), run)();
  return withPaint(trace, single);
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
  if (edit.paint) out.push({ ...at, weights: paintedMap(record, edit) });
  if (edit.output !== undefined && !edit.rows) out.push({ ...at, output: edit.output });
  const scale = "call" in record ? (record as { call: { scale: number } }).call.scale : 1;
  if (edit.rows && edit.mask === "uniform") return [...out, { ...at, weights: evenRows(record, edit) }];
  if (edit.scaleFactor !== undefined) out.push({ ...at, scale: scale * edit.scaleFactor });
  if (edit.mask === "uniform") out.push({ ...at, scale: 0 });
  const mask = maskOf(edit, record);
  if (mask) out.push({ ...at, mask });
  return out;
}

const inRows = ({ rows }: Edit, i: number): boolean => !rows || (i >= rows[0] && i < rows[1]);

/** The head's own map with some rows spread evenly over what they may see. */
function evenRows(record: AttentionRecord, edit: One) {
  const { queries, keys } = record;
  const map = visibleWeights(record, { head: edit.head });
  for (let i = 0; i < queries; i++) {
    const row = map.subarray(i * keys, (i + 1) * keys);
    const visible = row.reduce((n, w) => n + (Number.isNaN(w) ? 0 : 1), 0);
    const even = inRows(edit, i);
    row.forEach((w, j) => { row[j] = Number.isNaN(w) ? 0 : even ? 1 / visible : w; }); // biome-ignore format: one line
  }
  return tensor(map, [queries, keys]);
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

/** The head's map with the painted cells; what a row has left is shared by its other keys in the old proportions. */
function paintedMap(record: AttentionRecord, edit: One) {
  const { queries, keys } = record;
  const map = visibleWeights(record, { head: edit.head }).map((w) => (Number.isNaN(w) ? 0 : w));
  for (const query of new Set(edit.paint!.map(([q]) => q))) {
    if (query < 0 || query >= queries) continue;
    const row = map.subarray(query * keys, (query + 1) * keys);
    const cells = new Map(
      edit
        .paint!.filter(([q, k]) => q === query && k >= 0 && k < keys)
        .map(([, k, w]) => [k, Math.min(1, Math.max(0, w))]),
    );
    const asked = [...cells.values()].reduce((a, b) => a + b, 0);
    const others = row.reduce((sum, w, j) => (cells.has(j) ? sum : sum + w), 0);
    const left = Math.max(0, 1 - asked);
    row.forEach((w, j) => { row[j] = cells.has(j) ? cells.get(j)! / Math.max(1, asked) : others > 0 ? (w / others) * left : 0; }); // biome-ignore format: one line
  }
  return tensor(map, [queries, keys]);
}

/** Painted heads show what was painted, which no q and k would give. */
function withPaint(trace: Trace, edits: One[]): Trace {
  const painted = edits.filter((e) => e.paint || (e.rows && e.mask === "uniform"));
  if (painted.length === 0) return trace;
  const records = trace.records.map((record) => {
    const own = painted.filter((e) => e.kind === record.site.kind && e.layer === record.site.layer);
    if (own.length === 0) return record;
    const whole = record.weights();
    const all = tensor(whole.data.slice(), whole.shape);
    for (const e of own)
      all.data.set((e.paint ? paintedMap : evenRows)(record, e).data, e.head * record.queries * record.keys);
    return new MapRecord(record.site, all);
  });
  const { info, hiddenStates, encoderHiddenStates, logits } = trace;
  return new Trace({
    info,
    records,
    hiddenStates: [...hiddenStates],
    encoderHiddenStates: [...encoderHiddenStates],
    logits,
  });
}
