/** @file What candidates give back, in whatever form, as numbers with a shape. */

export interface Value {
  data: Float64Array;
  /** Undefined where the candidate gave bare numbers. */
  shape: number[] | undefined;
}

type Loose = Record<string, unknown>;

const isNumbers = (x: unknown): x is ArrayLike<number> =>
  ArrayBuffer.isView(x) && !(x instanceof DataView) && !(x instanceof BigInt64Array) && !(x instanceof BigUint64Array);

/**
 * Takes { data, shape | dims }, a typed array or nested arrays; of an object with several results the one named
 * `output`, `out` or, if none is, the first that holds numbers.
 * @returns undefined when nothing in it looks like a tensor
 */
export function readValue(
  raw: unknown,
  names: readonly string[] = ["output", "out", "result", "y"],
): Value | undefined {
  if (raw === null || raw === undefined) return undefined;
  if (isNumbers(raw)) return { data: Float64Array.from(raw), shape: undefined };
  if (Array.isArray(raw)) return nested(raw) ?? first(raw, names);
  if (typeof raw !== "object") return undefined;
  const it = raw as Loose;
  const data = it["data"] ?? it["values"];
  const shape = it["shape"] ?? it["dims"];
  if (data !== undefined && (isNumbers(data) || Array.isArray(data))) {
    const numbers = isNumbers(data) ? { data: Float64Array.from(data) } : nested(data as unknown[]);
    if (!numbers) return undefined;
    const axes = shape && isShape(shape) ? Array.from(shape, Number) : undefined;
    return { data: numbers.data, shape: axes };
  }
  for (const name of names) if (name in it) return readValue(it[name], names);
  return first(Object.values(it), names);
}

const isShape = (x: unknown): x is ArrayLike<number> =>
  (Array.isArray(x) || ArrayBuffer.isView(x)) && Array.from(x as ArrayLike<number>, Number).every(Number.isInteger);

function first(parts: unknown[], names: readonly string[]): Value | undefined {
  for (const part of parts) {
    if (part === null || typeof part !== "object") continue;
    const value = readValue(part, names);
    if (value) return value;
  }
  return undefined;
}

/** Nested arrays of numbers (or of typed arrays), all rows equally long. */
function nested(rows: unknown[]): Value | undefined {
  const shape: number[] = [];
  for (let x: unknown = rows; Array.isArray(x) || isNumbers(x); x = (x as ArrayLike<unknown>)[0]) {
    shape.push((x as ArrayLike<unknown>).length);
    if (isNumbers(x)) break;
  }
  const out: number[] = [];
  const walk = (x: unknown, depth: number): boolean => {
    if (depth === shape.length) {
      if (typeof x !== "number" && x !== null) return false;
      out.push(x === null ? Number.NaN : (x as number));
      return true;
    }
    if (!(Array.isArray(x) || isNumbers(x)) || x.length !== shape[depth]) return false;
    for (let n = 0; n < x.length; n++) if (!walk((x as ArrayLike<unknown>)[n], depth + 1)) return false;
    return true;
  };
  return walk(rows, 0) && out.length > 0 ? { data: Float64Array.from(out), shape } : undefined;
}
