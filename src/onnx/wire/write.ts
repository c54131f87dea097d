/** @file Writing protocol-buffer fields: the little that an edit needs. */

const encoder = new TextEncoder();

/** A whole number as a varint; a negative one as its 64-bit two's complement, ten bytes. */
export function varint(value: number | bigint): Uint8Array {
  if (typeof value === "number" && value >= 0 && value < 2 ** 31) return short(value);
  let v = BigInt.asUintN(64, BigInt(value));
  const out: number[] = [];
  do {
    const b = Number(v & 127n);
    v >>= 7n;
    out.push(v === 0n ? b : b | 128);
  } while (v !== 0n);
  return Uint8Array.from(out);
}

/** Lengths and tags, which nearly all are: without the long way through BigInt. */
function short(value: number): Uint8Array {
  if (value < 128) return Uint8Array.of(value);
  const out: number[] = [];
  for (; value > 127; value >>>= 7) out.push((value & 127) | 128);
  out.push(value);
  return Uint8Array.from(out);
}

/** Parts one behind the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const p of parts) length += p.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

const tag = (field: number, wire: number): Uint8Array => varint(field * 8 + wire);

/** A field that holds a whole number. */
export function intField(field: number, value: number | bigint): Uint8Array {
  return joined([tag(field, 0), varint(value)]);
}

/** A field that holds a float32. */
export function floatField(field: number, value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setFloat32(0, value, true);
  return joined([tag(field, 5), out]);
}

/** A field that holds bytes. */
export function bytesField(field: number, bytes: Uint8Array): Uint8Array {
  return joined([tag(field, 2), varint(bytes.length), bytes]);
}

export function textField(field: number, text: string): Uint8Array {
  return bytesField(field, encoder.encode(text));
}

/** A field that holds a message made of fields. */
export function messageField(field: number, fields: readonly Uint8Array[]): Uint8Array {
  return bytesField(field, joined(fields));
}
