/**
 * @file The choice as a URL hash, and back. Only what differs from the start is written, in a fixed order, so the same
 * picture has the same link: `#v=1&text=The+cat&view=map&layer=2&head=3`.
 *
 * Nothing read from a link is trusted: each field has a reader that takes what fits and drops the rest. A long text is
 * deflated (`z=`), which needs `await`.
 */
import type { Edit, Kind, Together } from "../engine/protocol.js";
import { type Camera, type Choice, longestText, startChoice } from "./choice.js";

export const linkVersion = "1";
/** Above this many characters a text travels deflated. */
const longText = 600;

type Field<T> = { write(x: T): string; read(s: string): T | undefined };

const word: Field<string> = { write: (x) => x, read: (s) => s };
const oneOf = <T extends string>(...all: T[]): Field<T> => ({ write: (x) => x, read: (s) => all.find((a) => a === s) });
const whole: Field<number> = { write: String, read: (s) => (/^-?\d{1,7}$/.test(s) ? Number(s) : undefined) };
const share: Field<number> = {
  write: String,
  read: (s) => (Number(s) >= 0 && Number(s) <= 1 ? Number(s) : undefined),
};
const flag: Field<boolean> = {
  write: (x) => (x ? "1" : "0"),
  read: (s) => (s === "1" ? true : s === "0" ? false : undefined),
};
const list: Field<number[]> = {
  write: (x) => x.join("."),
  read: (s) => {
    const all = s.split(".").map(Number);
    return all.length <= 64 && all.every((n) => Number.isInteger(n) && n >= 0) ? all : undefined;
  },
};
const cameraField: Field<Camera | null> = {
  write: (c) => (c ? [c.row, c.column, c.zoom].map((x) => Number(x.toFixed(3))).join(",") : ""),
  read: (s) => {
    const [row, column, zoom] = s.split(",").map(Number);
    return [row, column, zoom].every(Number.isFinite) && zoom! > 0
      ? { row: row!, column: column!, zoom: zoom! }
      : undefined;
  },
};
/** `mean` = all heads of the layer, `mean.0.3` = these. */
const togetherField: Field<Together | undefined> = {
  write: (x) => (x ? [x.by, ...x.heads].join(".") : ""),
  read: (s) => {
    const [by, ...heads] = s.split(".");
    const all = heads.map(Number);
    const known = (["mean", "max", "min", "entropy"] as const).find((b) => b === by);
    return known && all.length <= 256 && all.every((n) => Number.isInteger(n) && n >= 0)
      ? { by: known, heads: all }
      : undefined;
  },
};
const kinds: Field<Kind | ""> = oneOf("", "self", "encoder", "decoder", "cross");

const json = <T>(checked: (x: unknown) => T | undefined): Field<T> => ({
  write: (x) => JSON.stringify(x),
  read: (s) => {
    try {
      return checked(JSON.parse(s));
    } catch {
      return undefined;
    }
  },
});
const edits = json<Edit[]>((x) => (Array.isArray(x) && x.length < 1000 && x.every(isEdit) ? (x as Edit[]) : undefined));
const extra = json<Record<string, string>>((x) =>
  typeof x === "object" && x !== null && !Array.isArray(x) && Object.values(x).every((v) => typeof v === "string")
    ? (x as Record<string, string>)
    : undefined,
);

function isEdit(x: unknown): boolean {
  const e = x as Partial<Edit> | null;
  const outputs = e?.output === undefined || e.output === "zero" || e.output === "mean" || Number.isFinite(e.output);
  const numbers = [e?.scaleFactor, e?.softcap].every((n) => n === undefined || Number.isFinite(n));
  const paint = e?.paint === undefined || (Array.isArray(e.paint) && e.paint.every((p) => Array.isArray(p) && p.length === 3 && p.every(Number.isFinite))); // biome-ignore format: one question
  const rows =
    e?.rows === undefined || (Array.isArray(e.rows) && e.rows.length === 2 && e.rows.every(Number.isInteger));
  const patch = e?.patch === undefined || typeof e.patch === "string";
  const masks = [undefined, "none", "causal", "self-only", "first-only", "no-first", "uniform"];
  return (
    Number.isInteger(e?.layer) &&
    Number.isInteger(e?.head) &&
    outputs &&
    numbers &&
    paint &&
    rows &&
    patch &&
    masks.includes(e?.mask)
  );
}

/** In the order they are written. Filters and scales are single letters to keep links short. */
const fields: { name: string; get(c: Choice): unknown; set(c: Choice, x: never): void; field: Field<never> }[] = [];
function field<T>(name: string, kind: Field<T>, get: (c: Choice) => T, set: (c: Choice, x: T) => void): void {
  fields.push({ name, get, set: set as never, field: kind as never });
}
field("page", word, (c) => c.page, (c, x) => { c.page = x; }); // biome-ignore format: a table
field("model", word, (c) => c.model, (c, x) => { c.model = x; }); // biome-ignore format: a table
field("view", word, (c) => c.view, (c, x) => { c.view = x; }); // biome-ignore format: a table
field("kind", kinds, (c) => c.kind, (c, x) => { c.kind = x; }); // biome-ignore format: a table
field("layer", whole, (c) => c.layer, (c, x) => { c.layer = x; }); // biome-ignore format: a table
field("head", whole, (c) => c.head, (c, x) => { c.head = x; }); // biome-ignore format: a table
field("heads", list, (c) => c.heads, (c, x) => { c.heads = x; }); // biome-ignore format: a table
field("q", whole, (c) => c.query, (c, x) => { c.query = x; }); // biome-ignore format: a table
field("k", whole, (c) => c.key, (c, x) => { c.key = x; }); // biome-ignore format: a table
field("hide", flag, (c) => c.filter.hideSpecial, (c, x) => { c.filter.hideSpecial = x; }); // biome-ignore format: a table
field("hide0", flag, (c) => c.filter.hideFirst, (c, x) => { c.filter.hideFirst = x; }); // biome-ignore format: a table
field("renorm", flag, (c) => c.filter.renormalise, (c, x) => { c.filter.renormalise = x; }); // biome-ignore format: a table
field("words", flag, (c) => c.filter.words, (c, x) => { c.filter.words = x; }); // biome-ignore format: a table
field("sentences", flag, (c) => c.filter.sentences ?? false, (c, x) => { c.filter.sentences = x; }); // biome-ignore format: a table
field("punct", flag, (c) => c.filter.hidePunctuation ?? false, (c, x) => { c.filter.hidePunctuation = x; }); // biome-ignore format: a table
field("together", togetherField, (c) => c.filter.together, (c, x) => { if (x) c.filter.together = x; }); // biome-ignore format: a table
field("values", flag, (c) => c.weighted, (c, x) => { c.weighted = x; }); // biome-ignore format: a table
field("least", share, (c) => c.least, (c, x) => { c.least = x; }); // biome-ignore format: a table
field("scale", oneOf("ink", "cividis", "viridis", "greys"), (c) => c.scale, (c, x) => { c.scale = x; }); // biome-ignore format: a table
field("as", oneOf("linear", "log", "rank"), (c) => c.transform, (c, x) => { c.transform = x; }); // biome-ignore format: a table
field("pool", oneOf("max", "mean"), (c) => c.pool, (c, x) => { c.pool = x; }); // biome-ignore format: a table
field("theme", oneOf("auto", "light", "dark", "contrast"), (c) => c.theme, (c, x) => { c.theme = x; }); // biome-ignore format: a table
field("at", cameraField, (c) => c.camera, (c, x) => { c.camera = x; }); // biome-ignore format: a table
field("edits", edits, (c) => c.edits, (c, x) => { c.edits = x; }); // biome-ignore format: a table
field("x", extra, (c) => c.extra, (c, x) => { c.extra = x; }); // biome-ignore format: a table

export function copyOf(choice: Choice): Choice {
  return structuredClone(choice);
}

/** The hash without "#"; a long text is left to `deflated`. */
export function writeHash(choice: Choice, textAs: { z: string } | null = null): string {
  const out = new URLSearchParams({ v: linkVersion });
  if (textAs) out.set("z", textAs.z);
  else if (choice.text !== startChoice.text) out.set("text", choice.text);
  for (const { name, get, field: kind } of fields) {
    const now = kind.write(get(choice) as never);
    if (now !== kind.write(get(startChoice) as never)) out.set(name, now);
  }
  return out.toString();
}

/** A choice from a hash; what is missing or makes no sense is as at the start. */
export function readHash(hash: string): Choice {
  const asked = new URLSearchParams(hash.replace(/^#/, ""));
  const choice = copyOf(startChoice);
  choice.text = asked.get("text")?.slice(0, longestText) ?? choice.text;
  for (const { name, set, field: kind } of fields) {
    const given = asked.get(name);
    const value = given === null ? undefined : kind.read(given);
    if (value !== undefined) set(choice, value);
  }
  return choice;
}

/** As `writeHash`, with a long text deflated. */
export async function writeLink(choice: Choice): Promise<string> {
  if (choice.text.length <= longText) return writeHash(choice);
  const bytes = await through(new TextEncoder().encode(choice.text), new CompressionStream("deflate-raw"));
  return writeHash(choice, { z: base64url(bytes) });
}

export async function readLink(hash: string): Promise<Choice> {
  const choice = readHash(hash);
  const z = new URLSearchParams(hash.replace(/^#/, "")).get("z");
  if (z === null) return choice;
  try {
    const bytes = Uint8Array.from(atob(z.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    choice.text = await inflated(bytes, longestText);
  } catch {
    // A damaged text leaves the one at the start; the rest of the link still holds.
  }
  return choice;
}

/** Text out of deflated bytes, as far as it is taken in: a small link may unfold to more than a tab holds. */
async function inflated(bytes: Uint8Array, most: number): Promise<string> {
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += value;
    if (text.length < most) continue;
    await reader.cancel();
    return text.slice(0, most);
  }
}

async function through(bytes: Uint8Array, stream: CompressionStream): Promise<Uint8Array> {
  const piped = new Blob([bytes as BlobPart])
    .stream()
    .pipeThrough(stream as unknown as ReadableWritablePair<Uint8Array, Uint8Array>);
  return new Uint8Array(await new Response(piped as unknown as BodyInit).arrayBuffer());
}

function base64url(bytes: Uint8Array): string {
  let s = "";
  for (const b of bytes) s += String.fromCharCode(b);
  return btoa(s).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
