/** @file Small ONNX graphs for the peers, written byte by byte: one node, float32. */
const varint = (n: number): number[] => {
  const out: number[] = [];
  for (; n > 127; n = Math.floor(n / 128)) out.push((n % 128) | 128);
  return [...out, n];
};
type Bytes = number[] | Uint8Array;
const field = (id: number, body: Bytes): Uint8Array => wide(id, Uint8Array.from(body));
const number = (id: number, n: number): Uint8Array => Uint8Array.from([...varint(id * 8), ...varint(n)]);
const text = (id: number, s: string): Uint8Array => field(id, new TextEncoder().encode(s));
const join = (...parts: Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

/** name: [axes], a string axis is free. */
type Values = Record<string, readonly (number | string)[]>;

function value(id: number, name: string, shape: readonly (number | string)[]): Uint8Array {
  const axes = shape.map((d) => field(1, typeof d === "number" ? number(1, d) : text(2, d)));
  const tensorType = join(number(1, 1), field(2, join(...axes))); // 1 = float32
  return field(id, join(text(1, name), field(2, field(1, tensorType))));
}

export interface OneNode {
  op: string;
  domain?: string;
  integers?: Record<string, number>;
  inputs: Values;
  outputs: Values;
  /** A constant operand, which runtimes lay out once. */
  constant?: { name: string; shape: readonly number[]; data: Float32Array };
}

export function oneNodeModel({ op, domain = "", integers = {}, inputs, outputs, constant }: OneNode): Uint8Array {
  const names = [...Object.keys(inputs), ...(constant ? [constant.name] : [])];
  const attributes = Object.entries(integers).map(([name, n]) =>
    field(5, join(text(1, name), number(3, n), number(20, 2))),
  );
  const node = join(
    ...names.map((name) => text(1, name)),
    ...Object.keys(outputs).map((name) => text(2, name)),
    text(4, op),
    ...attributes,
    text(7, domain),
  );
  const weights = constant && [
    head(
      5,
      [...constant.shape.map((d) => number(1, d)), number(2, 1), text(8, constant.name)],
      new Uint8Array(constant.data.buffer),
    ),
  ];
  const graph = join(
    field(1, node),
    text(2, op),
    ...(weights ?? []),
    ...Object.entries(inputs).map(([name, shape]) => value(11, name, shape)),
    ...Object.entries(outputs).map(([name, shape]) => value(12, name, shape)),
  );
  const opset = (name: string, version: number): Uint8Array => field(8, join(text(1, name), number(2, version)));
  return join(number(1, 10), wide(7, graph), opset("", 23), opset("com.microsoft", 1));
}

/** A field with a large body, without spreading it over the stack. */
const wide = (id: number, body: Uint8Array): Uint8Array =>
  join(Uint8Array.from([...varint(id * 8 + 2), ...varint(body.length)]), body);
const head = (id: number, before: Uint8Array[], raw: Uint8Array): Uint8Array => wide(id, join(...before, wide(9, raw)));
