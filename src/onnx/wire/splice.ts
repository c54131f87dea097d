/**
 * @file Editing a file without decoding it: bytes are put in or left out, and the lengths around them are made right.
 *
 *     ModelProto ─ length ─ GraphProto ─ length ─ NodeProto …
 *                  ^^^^^^ changes      ^^^^^^ changes        ^ bytes put in here
 *
 * Everything else, known or not, stays as it was, byte for byte, and is copied once.
 */
import type { Message } from "./fields.js";
import type { ByteSource } from "./source.js";
import { joined, varint } from "./write.js";

/** Takes `remove` bytes out at `at` and puts `insert` in. `inside` is the innermost message that this changes. */
export interface Edit {
  inside: Message;
  at: number;
  remove: number;
  insert: Uint8Array;
}

/** A piece of the new file: bytes of the old one, or new ones. */
export type Piece = { from: number; to: number } | Uint8Array;

const lengthOf = (p: Piece): number => (p instanceof Uint8Array ? p.length : p.to - p.from);

/** The new file as pieces, and its size. The edits must not overlap. */
export function planEdits(size: number, edits: readonly Edit[]): { pieces: Piece[]; size: number } {
  const all = [...edits, ...lengthEdits(edits)];
  // At one place what is deeper comes first: it belongs to the message that ends there.
  all.sort((a, b) => a.at - b.at || depth(b.inside) - depth(a.inside));
  const pieces: Piece[] = [];
  let at = 0;
  for (const edit of all) {
    if (edit.at > at) pieces.push({ from: at, to: edit.at });
    if (edit.insert.length > 0) pieces.push(edit.insert);
    at = Math.max(at, edit.at + edit.remove);
  }
  if (at < size) pieces.push({ from: at, to: size });
  return { pieces, size: pieces.reduce((n, p) => n + lengthOf(p), 0) };
}

function depth(message: Message): number {
  let n = 0;
  for (let m = message.parent; m; m = m.parent) n++;
  return n;
}

/** New lengths for every message around an edit, the innermost first: a longer length is itself a change. */
function lengthEdits(edits: readonly Edit[]): Edit[] {
  const growth = new Map<Message, number>();
  const grow = (m: Message, by: number): void => void growth.set(m, (growth.get(m) ?? 0) + by);
  for (const { inside, insert, remove } of edits) {
    for (let m: Message | undefined = inside; m; m = m.parent) if (!growth.has(m)) growth.set(m, 0);
    grow(inside, insert.length - remove);
  }
  const out: Edit[] = [];
  for (const message of [...growth.keys()].sort((a, b) => depth(b) - depth(a))) {
    const { parent, lengthAt, from, to } = message;
    if (!parent) continue; // the file: it has no length
    const by = growth.get(message)!;
    const insert = varint(to - from + by);
    out.push({ inside: parent, at: lengthAt, remove: from - lengthAt, insert });
    grow(parent, by + insert.length - (from - lengthAt));
  }
  return out;
}

/** Applies edits: one allocation, one copy. */
export function applyEdits(source: ByteSource, edits: readonly Edit[]): Uint8Array {
  const { pieces, size } = planEdits(source.size, edits);
  const out = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) out.set(piece, at);
    else source.copy(piece.from, piece.to, out, at);
    at += lengthOf(piece);
  }
  return out;
}

/** The new file, read without being written: ranges of the old one are asked for when they are needed. */
export function splicedSource(base: ByteSource, pieces: readonly Piece[]): ByteSource {
  const starts: number[] = [];
  let size = 0;
  for (const piece of pieces) {
    starts.push(size);
    size += lengthOf(piece);
  }
  let last = 0;
  /** The piece that holds a byte: usually the one that held the byte before. */
  const pieceAt = (at: number): number => {
    if (at < starts[last]! || at >= starts[last]! + lengthOf(pieces[last]!)) {
      let [low, high] = [0, starts.length];
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (starts[middle]! <= at) low = middle;
        else high = middle;
      }
      last = low;
    }
    return last;
  };
  const part = (i: number, from: number, to: number): Uint8Array => {
    const piece = pieces[i]!;
    const start = starts[i]!;
    return piece instanceof Uint8Array
      ? piece.subarray(from - start, to - start)
      : base.read(piece.from + from - start, piece.from + to - start);
  };
  /** Calls `take` for each piece of a range. */
  const walk = (from: number, to: number, take: (i: number, from: number, to: number) => void): void => {
    for (let at = from; at < to; ) {
      const i = pieceAt(at);
      const end = Math.min(to, starts[i]! + lengthOf(pieces[i]!));
      take(i, at, end);
      at = end;
    }
  };
  return {
    name: base.name,
    size,
    read(from, to) {
      if (from >= to) return new Uint8Array(0);
      const i = pieceAt(from);
      if (to <= starts[i]! + lengthOf(pieces[i]!)) return part(i, from, to);
      const parts: Uint8Array[] = [];
      walk(from, to, (n, a, b) => parts.push(part(n, a, b).slice()));
      return joined(parts);
    },
    copy(from, to, out, at) {
      walk(from, to, (i, a, b) => {
        const piece = pieces[i]!;
        if (piece instanceof Uint8Array) out.set(part(i, a, b), at + a - from);
        else base.copy(piece.from + a - starts[i]!, piece.from + b - starts[i]!, out, at + a - from);
      });
    },
    close: () => base.close(),
  };
}
