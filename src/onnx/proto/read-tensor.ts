/** @file A constant tensor: what it is and where, and its numbers when there are few. */
import { Cursor, type Message } from "../wire/fields.js";
import { refuse } from "../wire/refuse.js";
import type { ByteSource } from "../wire/source.js";
import { BOOL, elementTypes, type ExternalData, FLOAT, INT32, INT64, type TensorInfo } from "./model.js";

/** Shapes, axes and scales have at most a handful of numbers; anything longer is a weight and stays in the file. */
const smallTensor = 64;

/** @throws {FileError} for a type that ONNX does not have, or a shape that cannot be */
export function readTensor(source: ByteSource, message: Message): TensorInfo {
  const out: TensorInfo = { name: "", type: 0, dims: [] };
  const c = new Cursor(source, message);
  const listed: number[] = [];
  let raw: { from: number; to: number } | undefined;
  let outside = false;
  const entries = new Map<string, string>();
  while (c.next()) {
    if (c.field === 1) c.ints(out.dims);
    else if (c.field === 2) out.type = c.int();
    else if (c.field === 8) out.name = c.text();
    else if (c.field === 9 && c.wire === 2) raw = { from: c.from, to: c.to };
    else if (c.field === 4) c.floats(listed, smallTensor);
    else if (c.field === 5 || c.field === 7) c.ints(listed, smallTensor);
    else if (c.field === 13) readPair(source, c.child(), entries);
    else if (c.field === 14) outside = c.int() === 1;
  }
  const size = checkedSize(source, out, raw);
  if (outside) out.external = external(source, out.name, entries);
  else if (size <= smallTensor) out.values = values(source, out.type, size, raw, listed);
  return out;
}

function checkedSize(source: ByteSource, t: TensorInfo, raw: { from: number; to: number } | undefined): number {
  const type = elementTypes[t.type];
  if (!type) {
    refuse(
      source.name,
      `gives the tensor "${t.name}" the element type ${t.type}, which ONNX does not have`,
      `types are 1 to ${Object.keys(elementTypes).length}; update qkv if the file is newer`,
    );
  }
  const size = t.dims.reduce((n, d) => n * d, 1);
  if (t.dims.some((d) => d < 0) || !Number.isSafeInteger(size)) {
    refuse(source.name, `gives the tensor "${t.name}" the shape [${t.dims.slice(0, 8).join(", ")}]`);
  }
  if (raw && raw.to - raw.from < Math.floor(size * type.bytes)) {
    refuse(
      source.name,
      `has ${raw.to - raw.from} bytes for the tensor "${t.name}" ${type.name} [${t.dims.join(", ")}]`,
    );
  }
  return size;
}

function readPair(source: ByteSource, message: Message, into: Map<string, string>): void {
  const c = new Cursor(source, message);
  let [key, value] = ["", ""];
  while (c.next()) {
    if (c.field === 1) key = c.text();
    else if (c.field === 2) value = c.text();
  }
  into.set(key, value);
}

function external(source: ByteSource, name: string, entries: Map<string, string>): ExternalData {
  const location = entries.get("location");
  const number = (key: string): number | undefined => {
    const text = entries.get(key);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (text !== "" && Number.isSafeInteger(value) && value >= 0) return value;
    return refuse(
      source.name,
      `says the weight "${name}" lies outside of it with ${key} ${JSON.stringify(text.slice(0, 40))}`,
    );
  };
  if (!location) refuse(source.name, `says the weight "${name}" lies outside of it, but not in which file`);
  return { location, offset: number("offset") ?? 0, length: number("length") };
}

function values(
  source: ByteSource,
  type: number,
  size: number,
  raw: { from: number } | undefined,
  listed: number[],
): number[] | undefined {
  if (![FLOAT, INT32, INT64, BOOL].includes(type)) return undefined;
  if (!raw) return listed.length === size ? listed : undefined;
  const width = elementTypes[type]!.bytes;
  const b = source.read(raw.from, raw.from + size * width);
  const view = new DataView(b.buffer, b.byteOffset, b.byteLength);
  return Array.from({ length: size }, (_, i) => {
    if (type === FLOAT) return view.getFloat32(4 * i, true);
    if (type === INT32) return view.getInt32(4 * i, true);
    if (type === BOOL) return view.getUint8(i);
    return Number(view.getBigInt64(8 * i, true));
  });
}
