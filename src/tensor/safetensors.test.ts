import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readSafetensors, writeSafetensors } from "./safetensors.js";
import { tensor } from "./tensor.js";

/** A file from a header given as text and some bytes of data. */
function file(header: string, data = 0, length?: bigint): Uint8Array {
  const json = new TextEncoder().encode(header);
  const out = new Uint8Array(8 + json.length + data);
  new DataView(out.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  out.set(json, 8);
  return out;
}

test("what is written is read back, names, shapes, numbers and metadata", () => {
  fc.assert(
    fc.property(
      fc.array(fc.float({ noNaN: true }), { maxLength: 40 }),
      fc.string(),
      fc.string(),
      (numbers, name, text) => {
        fc.pre(name !== "__metadata__" && name !== "__proto__");
        const bytes = writeSafetensors([{ name, value: tensor(Float32Array.from(numbers)) }], { note: text });
        const back = readSafetensors(bytes);
        expect(back.names).toEqual([name]);
        expect(back.metadata["note"]).toBe(text);
        expect(back.tensor(name).shape).toEqual([numbers.length]);
        expect([...back.tensor(name).data]).toEqual(numbers.map(Math.fround));
      },
    ),
  );
});

test("half precision is widened, integers become numbers", () => {
  const bytes = writeSafetensors([
    { name: "half", value: tensor([1, -0.5, 65504]), type: "F16" },
    { name: "ids", value: { data: [7, 9], shape: [2] }, type: "I32" },
  ]);
  const back = readSafetensors(bytes);
  expect([...back.tensor("half").data]).toEqual([1, -0.5, 65504]);
  expect([...back.tensor("ids").data]).toEqual([7, 9]);
  expect(back.raw("half").data).toBeInstanceOf(Uint16Array);
});

describe("a file that lies is refused in one line", () => {
  const message = (bytes: Uint8Array): string => {
    try {
      readSafetensors(bytes, "weights.safetensors");
    } catch (error) {
      return (error as Error).message;
    }
    return "no error";
  };
  const entry = (e: object): string => JSON.stringify({ w: e });

  test("cut to nothing", () =>
    expect(message(new Uint8Array(3))).toBe(
      "safetensors: weights.safetensors has 3 bytes; expected at least 8. Fix: the file is damaged or no safetensors file; fetch it again.",
    ));
  test("a header length of 2⁶³", () =>
    expect(message(file("{}", 0, 2n ** 63n))).toBe(
      "safetensors: weights.safetensors says its header has 9223372036854775808 bytes but has 10 bytes in all; expected a header within the file. Fix: the file is damaged or no safetensors file; fetch it again.",
    ));
  test("a header that is not JSON", () =>
    expect(message(file("{nonsense"))).toBe(
      "safetensors: weights.safetensors has a header that is not JSON. Fix: the file is damaged; fetch it again.",
    ));
  test("an unknown number form", () =>
    expect(message(file(entry({ dtype: "F8", shape: [1], data_offsets: [0, 1] }), 1))).toBe(
      'safetensors: tensor "w" of weights.safetensors has dtype "F8"; expected one of F64, F32, F16, BF16, I64, U64, I32, U32, I16, U16, I8, U8, BOOL.',
    ));
  test("a shape of a terabyte over four bytes", () =>
    expect(message(file(entry({ dtype: "F32", shape: [1048576, 262144], data_offsets: [0, 4] }), 4))).toBe(
      'safetensors: tensor "w" of weights.safetensors has 4 bytes; expected 1099511627776 for F32 [1048576, 262144].',
    ));
  test("numbers that end past the file", () =>
    expect(message(file(entry({ dtype: "F32", shape: [4], data_offsets: [0, 16] }), 8))).toBe(
      'safetensors: tensor "w" of weights.safetensors ends at byte 16 of the data, which has 8 bytes. Fix: the file is cut short; fetch it again.',
    ));
  test("two tensors over the same bytes", () => {
    const one = (data_offsets: number[]): object => ({ dtype: "F32", shape: [2], data_offsets });
    expect(message(file(JSON.stringify({ v: one([0, 8]), w: one([4, 12]) }), 12))).toBe(
      'safetensors: tensor "w" of weights.safetensors begins within the bytes of "v"; expected bytes of its own. Fix: the file is damaged; fetch it again.',
    );
    expect(message(file(JSON.stringify({ v: one([8, 16]), w: one([0, 8]) }), 16))).toBe("no error");
  });
  test("a negative length", () =>
    expect(message(file(entry({ dtype: "F32", shape: [-4], data_offsets: [0, 16] }), 16))).toBe(
      'safetensors: tensor "w" of weights.safetensors has shape [-4]; expected a list of whole numbers ≥ 0.',
    ));
  test("any damaged file: an error of ours or a reading, never anything else", () => {
    const good = writeSafetensors([{ name: "a", value: tensor([1, 2, 3, 4], [2, 2]) }]);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, length) => {
        const bad = good.slice(0, length);
        if (at < bad.length) bad[at] = byte;
        expect(message(bad)).toMatch(/^(safetensors: |no error)/);
      }),
    );
  });
});
