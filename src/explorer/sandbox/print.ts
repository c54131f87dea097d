/** @file How a value that the reader's code prints is worded: matrices as columns of numbers, everything else as in a console. */

const number = (x: number): string =>
  Number.isInteger(x)
    ? String(x)
    : Number.isFinite(x)
      ? String(Number(x.toFixed(4)))
      : x > 0
        ? "∞"
        : x < 0
          ? "−∞"
          : "NaN";

interface Shaped {
  data: ArrayLike<number>;
  shape: readonly number[];
}
const isShaped = (x: unknown): x is Shaped =>
  typeof x === "object" && x !== null && ArrayBuffer.isView((x as Shaped).data) && Array.isArray((x as Shaped).shape);
const isRow = (x: unknown): x is ArrayLike<number> =>
  (Array.isArray(x) && x.length > 0 && x.every((n) => typeof n === "number")) ||
  (ArrayBuffer.isView(x) && !(x instanceof DataView));

/** Rows under each other, numbers flush right. */
function matrix(rows: readonly ArrayLike<number>[]): string {
  const cells = rows.map((r) => Array.from(r, number));
  const width = Math.max(...cells.flat().map((c) => c.length));
  return cells.map((r) => `[ ${r.map((c) => c.padStart(width)).join("  ")} ]`).join("\n");
}

function tensorText({ data, shape }: Shaped): string {
  const columns = shape.at(-1) ?? 1;
  const count = columns > 0 ? data.length / columns : 0;
  const rows = Array.from({ length: Math.min(count, 64) }, (_, i) =>
    Array.from({ length: columns }, (_, j) => data[i * columns + j]!),
  );
  return `[${shape.join(", ")}]\n${rows.length > 0 ? matrix(rows) : "(empty)"}${count > 64 ? "\n…" : ""}`;
}

/** One argument of `console.log`. */
export function printed(x: unknown, depth = 0): string {
  if (typeof x === "string") return depth === 0 ? x : JSON.stringify(x);
  if (typeof x === "number") return number(x);
  if (x instanceof Error) return `${x.name}: ${x.message}`;
  if (typeof x === "function") return `ƒ ${x.name || "(anonymous)"}`;
  if (isShaped(x)) return tensorText(x);
  if (isRow(x)) return `[ ${Array.from(x, number).join("  ")} ]`;
  if (Array.isArray(x) && x.length > 0 && x.every(isRow)) return `\n${matrix(x)}`;
  if (typeof x !== "object" || x === null) return String(x);
  if (depth > 3) return "…";
  const inner = (y: unknown): string => printed(y, depth + 1);
  if (Array.isArray(x)) return `[${x.slice(0, 100).map(inner).join(", ")}${x.length > 100 ? ", …" : ""}]`;
  if (x instanceof Map || x instanceof Set) return `${x.constructor.name}(${x.size}) ${inner([...x])}`;
  const entries = Object.entries(x).slice(0, 100);
  return `{ ${entries.map(([k, v]) => `${k}: ${inner(v)}`).join(", ")} }`;
}
