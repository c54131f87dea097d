/**
 * @file Arrays from elsewhere as a trace: q and k (and v), or finished weights, from NPY, NPZ, JSON or safetensors.
 *
 * Names: q, k, v, weights (or attention, attentions, map), each with an optional layer number: "layers.3.q", "q_3". Shapes:
 * [L, D], [H, L, D] or [1, H, L, D]; weights [Lq, Lk], [H, Lq, Lk] or [1, H, Lq, Lk], one layer more in front is allowed.
 * JSON may say beside them: tokens, columns, causal (default: true when q and k are equally long), scale (default 1/√D).
 */
import { defaultKernel } from "../../kernels/index.js";
import { FileError, readSafetensors, type Tensor, tensor } from "../../tensor/index.js";
import {
  type AttentionRecord,
  headsOf,
  MapRecord,
  type QkCall,
  QkRecord,
  type Sequence,
  Trace,
} from "../../trace/index.js";

interface Given {
  arrays: Map<string, Tensor>;
  tokens?: string[];
  columns?: string[];
  causal?: boolean;
  scale?: number;
}

/** Whether a file may hold arrays, by its name. */
export const holdsArrays = (path: string): boolean =>
  /\.(npy|npz|json)$/.test(path) && !/config\.json$|tokenizer/.test(path);

/** @throws {FileError} for a file that is none, or names and shapes that make no attention */
export async function arraysTrace(files: { path: string; bytes: Uint8Array }[]): Promise<Trace> {
  const given: Given = { arrays: new Map() };
  for (const { path, bytes } of files) {
    const name = path
      .split("/")
      .at(-1)!
      .replace(/\.\w+$/, "");
    if (path.endsWith(".npy")) given.arrays.set(files.length === 1 ? "weights" : name, readNpy(bytes, path));
    else if (path.endsWith(".npz")) for (const [key, t] of await readNpz(bytes, path)) given.arrays.set(key, t);
    else if (path.endsWith(".safetensors")) {
      const file = readSafetensors(bytes, path);
      for (const n of file.names) given.arrays.set(n, file.tensor(n));
    } else readJson(new TextDecoder().decode(bytes), path, given);
  }
  return traceOf(given, files[0]!.path);
}

function traceOf(given: Given, path: string): Trace {
  const layers = new Map<number, { q?: Tensor; k?: Tensor; v?: Tensor; weights?: Tensor }>();
  for (const [name, t] of given.arrays) {
    const what = /(?:^|[^a-z])(q|k|v|query|key|value|weights?|attentions?|map)(?:$|[^a-z])/i
      .exec(name)?.[1]
      ?.toLowerCase();
    if (!what) continue;
    const slot = what[0] === "q" ? "q" : what[0] === "k" ? "k" : what[0] === "v" ? "v" : "weights";
    const layer = Number(/\d+/.exec(name)?.[0] ?? 0);
    // [layers, H, Lq, Lk] or [layers, 1, H, Lq, Lk] of finished maps
    const several = slot === "weights" && (t.shape.length === 5 || (t.shape.length === 4 && t.shape[0]! > 1));
    const parts = several ? splitFirst(t) : [t];
    parts.forEach((part, i) => { layers.set(layer + i, { ...layers.get(layer + i), [slot]: part }); }); // biome-ignore format: one line
  }
  const records: AttentionRecord[] = [];
  for (const [layer, parts] of [...layers].sort(([a], [b]) => a - b)) {
    if (parts.weights) records.push(new MapRecord({ kind: "self", layer }, fourAxes(parts.weights, path)));
    else if (parts.q && parts.k) records.push(recordOf(layer, parts.q, parts.k, parts.v, given, path));
  }
  if (records.length === 0) {
    throw new FileError({
      where: "explore",
      argument: path,
      got: `holds ${[...given.arrays.keys()].slice(0, 6).join(", ") || "no arrays"}`,
      expected: "arrays named q and k (and v), or weights",
      fix: "rename them: numpy.savez(file, q=q, k=k)",
    });
  }
  const { queries, keys } = records[0]!;
  if (records.some((r) => r.queries !== queries || r.keys !== keys)) {
    throw new FileError({ where: "explore", argument: path, got: "has layers of different lengths", expected: "one length for all" }); // biome-ignore format: one error
  }
  const name = (tokens: string[] | undefined, count: number): Sequence => {
    const shown = Array.from({ length: count }, (_, i) => tokens?.[i] ?? `${i}`);
    const seen = new Map<string, number>();
    const ids = shown.map((t) => { if (!seen.has(t)) seen.set(t, seen.size); return seen.get(t)!; }); // biome-ignore format: one line
    return { ids, tokens: shown };
  };
  const cross = queries !== keys;
  const moved = cross ? records.map((r) => asCross(r)) : records;
  return new Trace({
    info: {
      model: path.split("/").at(-1)!,
      architecture: "arrays",
      sequences: [name(given.tokens, queries)],
      ...(cross && { sources: [name(given.columns, keys)] }),
      provenance: {
        engine: "arrays from a file",
        ...(records[0] instanceof QkRecord && { kernel: defaultKernel().name }),
      },
    },
    records: moved,
  });
}

function asCross(r: AttentionRecord): AttentionRecord {
  const site = { kind: "cross" as const, layer: r.site.layer };
  return r instanceof QkRecord
    ? new QkRecord(site, r.call, r.lse, r.values)
    : new MapRecord(site, (r as MapRecord).map);
}

function recordOf(layer: number, q: Tensor, k: Tensor, v: Tensor | undefined, given: Given, path: string): QkRecord {
  const [Q, K] = [fourAxes(q, path), fourAxes(k, path)];
  const [B, H, Lq, D] = Q.shape as [number, number, number, number];
  const [Bk, Hk, Lk, Dk] = K.shape as [number, number, number, number];
  if (B !== Bk || D !== Dk || H % Hk !== 0) {
    throw new FileError({ where: "explore", argument: path, got: `has q [${Q.shape}] beside k [${K.shape}]`, expected: "equal batch and head size, and heads that are a multiple of the key heads" }); // biome-ignore format: one error
  }
  const causal = given.causal ?? Lq === Lk;
  const end = Int32Array.from({ length: Lq }, (_, i) => (causal ? Math.max(0, Math.min(Lk, i + 1 + Lk - Lq)) : Lk));
  const call: QkCall = { batch: B, heads: H, keyHeads: Hk, queries: Lq, keys: Lk, headDim: D, scale: given.scale ?? 1 / Math.sqrt(D), q: headsOf(Q), k: headsOf(K), rule: { perBatch: false, first: new Int32Array(Lq), end } }; // biome-ignore format: one call
  const one = tensor(new Float32Array(B * Hk * Lk), [B, Hk, Lk, 1]); // only the row sums are wanted
  const { lse } = defaultKernel().attention({ ...call, v: headsOf(one), valueDim: 1 });
  return new QkRecord({ kind: "self", layer }, call, tensor(lse.data.slice(), lse.shape), v && fourAxes(v, path));
}

function splitFirst(t: Tensor): Tensor[] {
  const [n, ...rest] = t.shape as [number, ...number[]];
  const size = t.size / n;
  return Array.from({ length: n }, (_, i) => tensor(t.data.slice(i * size, (i + 1) * size), rest));
}

function fourAxes(t: Tensor, path: string): Tensor {
  if (t.shape.length < 2 || t.shape.length > 4 || t.shape.some((d) => d < 1)) {
    throw new FileError({ where: "explore", argument: path, got: `has an array of shape [${t.shape}]`, expected: "2 to 4 axes, none empty" }); // biome-ignore format: one error
  }
  return tensor(t.data, [...Array<number>(4 - t.shape.length).fill(1), ...t.shape]);
}

function readJson(text: string, path: string, given: Given): void {
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw new FileError({
      where: "explore",
      argument: path,
      got: "is not JSON",
      expected: "an object with q and k, or weights",
      fix: "write the arrays with JSON.stringify or json.dump",
    });
  }
  if (Array.isArray(json)) json = { weights: json };
  for (const [name, value] of Object.entries(json ?? {})) {
    if (name === "tokens" || name === "columns") given[name] = (value as unknown[]).map(String);
    else if (name === "causal") given.causal = value === true;
    else if (name === "scale") given.scale = Number(value);
    else if (Array.isArray(value) || (typeof value === "object" && value !== null && "data" in value)) {
      const t = nested(value as never, path);
      if (t) given.arrays.set(name, t);
    }
  }
}

function nested(value: unknown[] | { data: number[]; shape: number[] }, path: string): Tensor | undefined {
  if (!Array.isArray(value)) return tensor(Float32Array.from(value.data), value.shape);
  const shape: number[] = [];
  for (let at: unknown = value; Array.isArray(at); at = at[0]) shape.push(at.length);
  const flat = (value as unknown[]).flat(Number.POSITIVE_INFINITY) as number[];
  if (flat.some((x) => typeof x !== "number" && x !== null)) return undefined;
  if (flat.length !== shape.reduce((a, b) => a * b, 1)) {
    throw new FileError({ where: "explore", argument: path, got: "has an array with rows of different lengths" });
  }
  return tensor(
    Float32Array.from(flat, (x) => x ?? Number.NaN),
    shape,
  );
}

/** NPY 1.0 to 3.0, C order, little-endian numbers. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
export function readNpy(bytes: Uint8Array, path: string): Tensor {
  const bad = (got: string): FileError =>
    new FileError({ where: "explore", argument: path, got, expected: "a .npy array of numbers in C order" });
  if (bytes.length < 12 || bytes[0] !== 0x93 || new TextDecoder().decode(bytes.subarray(1, 6)) !== "NUMPY") throw bad("is no .npy file"); // biome-ignore format: one test
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [length, start] = bytes[6] === 1 ? [view.getUint16(8, true), 10] : [view.getUint32(8, true), 12];
  if (start + length > bytes.length) throw bad("is cut short");
  const header = new TextDecoder().decode(bytes.subarray(start, start + length));
  const type = /'descr':\s*'([<|=>]?)([fiub])(\d+)'/.exec(header);
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1]?.split(",").map((s) => s.trim()).filter(Boolean).map(Number); // biome-ignore format: one list
  if (!type || !shape || type[1] === ">" || /'fortran_order':\s*True/.test(header)) throw bad(`has a header that cannot be read: ${header.trim().slice(0, 60)}`); // biome-ignore format: one test
  const width = Number(type[3]);
  const size = shape.reduce((a, b) => a * b, 1);
  if (start + length + size * width > bytes.length) throw bad("is cut short");
  const read = reader(view, type[2]!, width);
  if (!read) throw bad(`holds ${type[2]}${type[3]}`);
  const out = new Float32Array(size);
  for (let n = 0; n < size; n++) out[n] = read(start + length + n * width);
  return tensor(out, shape);
}

function reader(view: DataView, kind: string, width: number): ((at: number) => number) | undefined {
  const table: Record<string, (at: number) => number> = {
    f4: (at) => view.getFloat32(at, true),
    f8: (at) => view.getFloat64(at, true),
    f2: (at) => half(view.getUint16(at, true)),
    i1: (at) => view.getInt8(at),
    i2: (at) => view.getInt16(at, true),
    i4: (at) => view.getInt32(at, true),
    i8: (at) => Number(view.getBigInt64(at, true)),
    u1: (at) => view.getUint8(at),
    b1: (at) => view.getUint8(at),
  };
  return table[`${kind}${width}`];
}

const half = (h: number): number => {
  const [sign, e, m] = [h & 0x8000 ? -1 : 1, (h >> 10) & 31, h & 1023];
  return e === 0
    ? sign * m * 2 ** -24
    : e === 31
      ? m
        ? Number.NaN
        : sign * Number.POSITIVE_INFINITY
      : sign * (1 + m / 1024) * 2 ** (e - 15);
};

/** The arrays of a .npz: a zip whose members are stored or deflated. */
async function readNpz(bytes: Uint8Array, path: string): Promise<[string, Tensor][]> {
  const bad = (): FileError => new FileError({ where: "explore", argument: path, got: "is no .npz archive" });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw bad();
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  const out: [string, Tensor][] = [];
  for (let n = 0; n < count; n++) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== 0x02014b50) throw bad();
    const [method, packed, nameLength, extra, comment, local] = [view.getUint16(at + 10, true), view.getUint32(at + 20, true), view.getUint16(at + 28, true), view.getUint16(at + 30, true), view.getUint16(at + 32, true), view.getUint32(at + 42, true)]; // biome-ignore format: a record
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
    at += 46 + nameLength + extra + comment;
    if (!name.endsWith(".npy")) continue;
    const data = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const raw = bytes.subarray(data, data + packed);
    out.push([name.replace(/\.npy$/, ""), readNpy(method === 0 ? raw : await inflated(raw), `${path}: ${name}`)]);
  }
  return out;
}

async function inflated(raw: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([raw as BlobPart]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
