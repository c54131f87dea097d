/** @file Files that lie, end early or are something else: one line each, and no more time or memory than the file is worth. */
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exposeAttention, openOnnx } from "../../src/onnx/index.js";
import { intField, joined, messageField, textField } from "../../src/onnx/wire/write.js";
import { graphAttribute, input, model, node, output, outsideWeight, stack, weight } from "./writer.js";

async function message(file: string | Uint8Array, options = {}): Promise<string> {
  try {
    await openOnnx(file, options);
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
}

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const x = [input("x", "float32", ["n"]), output("y", "float32", ["n"])];

test("text is no ONNX file", async () => {
  expect(await message(text("hello, world"))).toBe(
    "onnx: the bytes is no ONNX file. Fix: give the path of an .onnx file.",
  );
  expect(await message(text('{"model": 1}'))).toBe(
    "onnx: the bytes is no ONNX file. Fix: give the path of an .onnx file.",
  );
});

test("nothing at all is no ONNX file", async () => {
  expect(await message(new Uint8Array(0))).toBe("onnx: the bytes is empty. Fix: give the path of an .onnx file.");
});

test("a protocol-buffer message without a graph is no ONNX model", async () => {
  expect(await message(intField(1, 8))).toBe(
    "onnx: the bytes has no graph in it, so it is no ONNX model. Fix: give the path of an .onnx file.",
  );
});

test("a file that is cut short says so", async () => {
  const whole = stack(1);
  expect(await message(whole.subarray(0, whole.length - 10))).toBe(
    "onnx: the bytes says field 7 at byte 8 has 1452 bytes, but 1442 follow. Fix: the file is damaged or no ONNX file; fetch it again.",
  );
});

test("a length of 2⁶³ is an error, not an allocation", async () => {
  const lie = Uint8Array.from([0x08, 8, 0x3a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]);
  expect(await message(lie)).toBe(
    "onnx: the bytes says field 7 at byte 2 has 9223372036854775808 bytes, but 0 follow. Fix: the file is damaged or no ONNX file; fetch it again.",
  );
});

test("a number of more than ten bytes is an error", async () => {
  const endless = Uint8Array.from([0x08, ...new Array<number>(20).fill(0xff)]);
  expect(await message(endless)).toBe(
    "onnx: the bytes has a number without an end, at byte 1. Fix: the file is damaged or no ONNX file; fetch it again.",
  );
});

test("a cycle is named by one of its nodes", async () => {
  const bytes = model([
    node("Add", ["x", "b"], ["a"], {}, "first"),
    node("Neg", ["a"], ["b"]),
    node("Neg", ["b"], ["y"]),
    ...x,
  ]);
  expect(await message(bytes)).toBe(
    'onnx: the bytes has a cycle: node "first" needs its own result. Fix: export the model again.',
  );
});

test("an If ten thousand deep is refused at a fixed depth", async () => {
  // Built from the inside out; the innermost graph comes first.
  let graph: Uint8Array[] = [node("Identity", ["x"], ["y"])];
  for (let i = 0; i < 60; i++)
    graph = [node("If", ["c"], ["y"], { then_branch: graphAttribute("then_branch", graph) })];
  expect(await message(model([...graph, ...x]))).toBe(
    "onnx: the bytes has graphs inside graphs more than 32 deep. Fix: export the model without nested If or Loop.",
  );
  expect(await message(deepIf(10_000))).toBe(
    "onnx: the bytes has graphs inside graphs more than 32 deep. Fix: export the model without nested If or Loop.",
  );
});

/** Ten thousand nested graphs by their lengths alone: each level is a node, an attribute and a graph around the last. */
function deepIf(levels: number): Uint8Array {
  let size = 0;
  const heads: Uint8Array[] = [];
  const head = (field: number): void => {
    const bytes = joined([intField(field, size)]);
    bytes[0] = (field << 3) | 2;
    heads.push(bytes);
    size += bytes.length;
  };
  for (let i = 0; i < levels; i++) for (const field of [6, 5, 1]) head(field);
  head(7);
  return joined([intField(1, 8), ...heads.reverse()]);
}

test("a tensor of a type nobody has is named", async () => {
  const odd = messageField(5, [intField(1, 1), intField(2, 99), textField(8, "w")]);
  expect(await message(model([odd, ...x]))).toBe(
    'onnx: the bytes gives the tensor "w" the element type 99, which ONNX does not have. Fix: types are 1 to 26; update qkv if the file is newer.',
  );
});

test("a weight with fewer bytes than its shape needs is named", async () => {
  const short = messageField(5, [intField(1, 1000), intField(2, 1), textField(8, "w"), textField(9, "abcd")]);
  expect(await message(model([short, ...x]))).toBe(
    'onnx: the bytes has 4 bytes for the tensor "w" float32 [1000]. Fix: the file is damaged or no ONNX file; fetch it again.',
  );
});

test("a shape whose product is no number is refused", async () => {
  const huge = messageField(5, [...[2 ** 40, 2 ** 40].map((d) => intField(1, d)), intField(2, 1), textField(8, "w")]);
  expect(await message(model([huge, ...x]))).toBe(
    'onnx: the bytes gives the tensor "w" the shape [1099511627776, 1099511627776]. Fix: the file is damaged or no ONNX file; fetch it again.',
  );
});

test("a model without attention is no error: it has none, and an edit leaves it as it is", async () => {
  const plain = model([node("MatMul", ["x", "w"], ["l"]), node("Softmax", ["l"], ["y"]), weight("w", [3, 3]), ...x]);
  expect((await openOnnx(plain)).attentions).toEqual([]);
  expect(exposeAttention(plain)).toBe(plain);
});

describe("weights outside of the file", () => {
  let folder: string;
  const write = (name: string, location: string, extra = {}): string => {
    const path = join(folder, "model", `${name}.onnx`);
    writeFileSync(path, model([outsideWeight("w", [8], location, extra), node("Add", ["x", "w"], ["y"]), ...x]));
    return path;
  };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "qkv-onnx-"));
    mkdirSync(join(folder, "model"));
    writeFileSync(join(folder, "secret.bin"), new Uint8Array(64));
    writeFileSync(join(folder, "model", "short.bin"), new Uint8Array(8));
    symlinkSync(join(folder, "secret.bin"), join(folder, "model", "link.bin"));
  });
  afterAll(async () => (await import("node:fs")).rmSync(folder, { recursive: true }));

  test("a file that is not there is named", async () => {
    const path = write("missing", "nowhere.bin");
    expect(await message(path)).toBe(
      `onnx: ${path} has weights in "nowhere.bin", which is not there. Fix: put that file into ${join(folder, "model")}.`,
    );
  });
  test("a path out of the folder is refused, relative or absolute", async () => {
    for (const [i, location] of ["../secret.bin", join(folder, "secret.bin")].entries()) {
      const path = write(`outside${i}`, location);
      expect(await message(path)).toBe(
        `onnx: ${path} has weights in ${JSON.stringify(location)}, outside of its folder. Fix: put the file beside the model and export it so.`,
      );
    }
  });
  test("a symbolic link out of the folder is refused", async () => {
    const path = write("linked", "link.bin");
    expect(await message(path)).toBe(
      `onnx: ${path} has weights in "link.bin", a link that leads out of its folder. Fix: put the file itself beside the model.`,
    );
  });
  test("a file that is too short is refused", async () => {
    const path = write("short", "short.bin", { offset: "4", length: "32" });
    expect(await message(path)).toBe(
      `onnx: ${path} needs 36 bytes of "short.bin", which has 8. Fix: the file is cut short; fetch it again.`,
    );
  });
  test("an offset that is no number is refused", async () => {
    const path = write("offset", "short.bin", { offset: "-4" });
    expect(await message(path)).toBe(
      `onnx: ${path} says the weight "w" lies outside of it with offset "-4". Fix: the file is damaged or no ONNX file; fetch it again.`,
    );
  });
  test("bytes without their weights say how to hand them in", async () => {
    const bytes = model([outsideWeight("w", [8], "w.bin"), node("Add", ["x", "w"], ["y"]), ...x]);
    expect(await message(bytes)).toBe(
      'onnx: the bytes has weights in "w.bin", which was not handed in. Fix: openOnnx(bytes, { externalData: [{ path: "w.bin", data }] }), or give the path of the model.',
    );
  });
});

test("a path that is not there, or a folder, says so", async () => {
  expect(await message("/nowhere/model.onnx")).toBe(
    "onnx: /nowhere/model.onnx is not there. Fix: give the path of an .onnx file.",
  );
  expect(await message(tmpdir())).toBe(`onnx: ${tmpdir()} is a folder. Fix: give the path of the .onnx file in it.`);
});

test("feeds that are missing, unknown or of another shape are named with what the graph wants", async () => {
  const opened = await openOnnx(stack(1));
  const fails = (feeds: object): Promise<unknown> => opened.run(feeds as never);
  await expect(fails({})).rejects.toThrow("run: feeds lack x; expected x float32 [batch, tokens, 4].");
  await expect(fails({ x: { data: new Float32Array(8), shape: [1, 2, 4] }, z: 1 })).rejects.toThrow(
    "run: feeds.z is no input of this graph; expected x float32 [batch, tokens, 4].",
  );
  await expect(fails({ x: { data: new Float32Array(6), shape: [1, 2, 3] } })).rejects.toThrow(
    "run: feeds.x has shape [1, 2, 3]; expected [batch, tokens, 4].",
  );
  await expect(
    opened.run({ x: { data: new Float32Array(8), shape: [1, 2, 4] } }, { kinds: ["cross"] }),
  ).rejects.toThrow('run: kinds has "cross"; expected kinds of this model: self.');
});
