/** @file `qkv onnx` and `qkv view` on real exports and on bad files. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, describe, expect, test, vi } from "vitest";
import type { Command } from "commander";
import { command as onnx } from "../../src/cli/onnx.js";
import { command as view } from "../../src/cli/view.js";
import { report } from "../../src/cli/shared/run.js";
import { intField, joined, messageField, textField } from "../../src/onnx/wire/write.js";
import { onnxCase } from "../goldens/onnx-case.js";
import { goldenSets } from "../goldens/where.js";
import { attentionNodes, attentionShapes, input, model, node, output, outsideWeight, stack, weight } from "./writer.js";

const folder = mkdtempSync(join(tmpdir(), "qkv-onnx-cli-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const golden = (name: string) => onnxCase(goldenSets("onnx-models").find((c) => c.id.endsWith(name))!);

async function run(command: Command, ...args: string[]): Promise<{ code: number; out: string; error: string }> {
  let [out, error] = ["", ""];
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation((s) => Boolean((out += String(s)))),
    vi.spyOn(process.stderr, "write").mockImplementation((s) => Boolean((error += String(s)))),
    vi.spyOn(console, "log").mockImplementation((s) => void (out += `${s}\n`)),
    vi.spyOn(console, "error").mockImplementation((s) => void (error += `${s}\n`)),
  ];
  let code = 0;
  try {
    await command.exitOverride().parseAsync(args, { from: "user" });
  } catch (e) {
    code = report(e);
  } finally {
    for (const s of spies) s.mockRestore();
  }
  return { code, out, error };
}

const feedsOf = (c: ReturnType<typeof golden>) =>
  Object.fromEntries(
    Object.entries(c.feeds).map(([name, { data, shape }]) => {
      const type = data instanceof BigInt64Array ? "int64" : "float32";
      return [name, new Tensor(type, data as BigInt64Array, [...shape!])];
    }),
  );

test.each([
  "bert-torchscript-op17-sdpa",
  "gpt2-cache-decode-torchscript-op17-eager",
  "t5-decoder-torchscript-op14-eager",
  "llama-dynamo-op23-sdpa",
])("%s: what is listed is what -o gives, and onnxruntime computes Hugging Face's maps from the copy", async (name) => {
  const c = golden(name);
  const to = join(folder, `${name}.onnx`);
  const { code, out } = await run(onnx(), c.path, "-o", to, "--json");
  expect(code).toBe(0);
  const { attentions, added } = JSON.parse(out) as { attentions: { kind: string; layer: number }[]; added: string[] };
  const prefix: Record<string, string> = {
    self: "attentions",
    cross: "cross_attentions",
    encoder: "encoder_attentions",
    decoder: "decoder_attentions",
  };
  expect(added).toEqual(attentions.map((a) => `${prefix[a.kind]}.${a.layer}`));
  const results = await (await InferenceSession.create(to, { logSeverityLevel: 4 })).run(feedsOf(c));
  for (const [map, { tol_abs }] of Object.entries(c.about.maps)) {
    if ((c.about as unknown as { rows_without_key: Record<string, []> }).rows_without_key[map]?.length) continue;
    const [, kind, layer] = map.split(".");
    const own = results[`${prefix[kind!]}.${layer}`] ?? results[`attentions.${layer}`]!;
    const worst = c.golden.tensor(map).data.reduce((n, x, i) => Math.max(n, Math.abs(x - Number(own.data[i]))), 0);
    expect(worst, map).toBeLessThanOrEqual(tol_abs);
  }
});

test("--stats gives numbers per token that are those of the maps", async () => {
  const c = golden("bert-torchscript-op14-eager");
  const to = join(folder, "stats.onnx");
  const { out } = await run(onnx(), c.path, "-o", to, "--stats", "--maps");
  expect(out).toContain(`wrote ${to} with`);
  const results = await (await InferenceSession.create(to)).run(feedsOf(c));
  const map = results["attentions.1"]!;
  const [B, H, T] = map.dims as [number, number, number];
  expect(results["attentions.1.entropy"]!.dims).toEqual([B, H, T]);
  for (let row = 0; row < B * H * T; row++) {
    const p = Array.from(map.data.slice(row * T, (row + 1) * T) as Float32Array);
    const entropy = -p.reduce((n, x) => n + (x > 0 ? x * Math.log(x) : 0), 0);
    expect(Number(results["attentions.1.entropy"]!.data[row])).toBeCloseTo(entropy, 5);
    expect(Number(results["attentions.1.first"]!.data[row])).toBeCloseTo(p[0]!, 6);
    expect(Number(results["attentions.1.diagonal"]!.data[row])).toBeCloseTo(p[row % T]!, 6);
  }
});

describe("view", () => {
  test("a text model with its tokenizer one folder up draws its map", async () => {
    const place = join(folder, "tiny");
    mkdirSync(join(place, "onnx"), { recursive: true });
    copyFileSync(golden("gpt2-torchscript-op14-eager").path, join(place, "onnx", "model.onnx"));
    const vocab = Object.fromEntries(["<unk>", "the", "cat", "sat"].map((w, i) => [w, i]));
    const tokenizer = {
      version: "1.0",
      added_tokens: [],
      pre_tokenizer: { type: "Whitespace" },
      model: {
        type: "WordPiece",
        vocab,
        unk_token: "<unk>",
        continuing_subword_prefix: "##",
        max_input_chars_per_word: 100,
      },
    };
    writeFileSync(join(place, "tokenizer.json"), JSON.stringify(tokenizer));
    const { code, out, error } = await run(view(), join(place, "onnx", "model.onnx"), "the cat sat");
    expect([code, error]).toEqual([0, ""]);
    for (const word of ["the", "cat", "sat"]) expect(out).toContain(word);
  });
  test("attention that cannot be shown, or none at all, is one line and not an empty picture", async () => {
    const cut = (scores: string, into: string): Uint8Array[] => [
      node("ScatterND", ["buffer", "places", scores], ["written"]),
      node("Softmax", ["written"], [into], { axis: -1 }),
    ];
    const ids = input("input_ids", "int64", ["batch", "n"]);
    const cases: [string, Uint8Array, RegExp][] = [
      [
        "cut",
        model([...attentionNodes("a", "x", "x", cut), ...attentionShapes, ids]),
        /none of which can be shown: its weights .* no map over all keys/,
      ],
      ["none", model([node("Identity", ["input_ids"], ["y"]), ids]), /has no attention in its graph/],
    ];
    for (const [name, bytes, says] of cases) {
      const path = join(folder, `${name}.onnx`);
      writeFileSync(path, bytes);
      const { code, out, error } = await run(view(), path, "the cat");
      expect([code, out, error.trim().split("\n").length]).toEqual([2, "", 1]);
      expect(error).toMatch(says);
    }
  });
  test("a picture model says that it wants a picture", async () => {
    const { code, error } = await run(view(), golden("vit-torchscript-op14-sdpa").path, "the cat");
    expect(code).toBe(2);
    expect(error).toMatch(/wants a picture \("pixel_values"\), which a text cannot give/);
    expect(error.trim()).not.toContain("\n");
  });
});

describe("bad files end in one line and exit code 2", () => {
  const x = [input("x", "float32", ["n"]), output("y", "float32", ["n"])];
  const whole = stack(1);
  const outside = (location: string): Uint8Array =>
    model([outsideWeight("w", [8], location), node("Add", ["x", "w"], ["y"]), ...x]);
  writeFileSync(join(folder, "far.bin"), new Uint8Array(64));
  mkdirSync(join(folder, "bad"));
  symlinkSync(join(folder, "far.bin"), join(folder, "bad", "link.bin"));
  const files: [string, Uint8Array, RegExp][] = [
    ["text", new TextEncoder().encode("hello"), /is no ONNX file/],
    ["empty", new Uint8Array(0), /is empty/],
    ["truncated", whole.subarray(0, whole.length - 9), /has \d+ bytes, but \d+ follow/],
    [
      "length of 2^63",
      Uint8Array.from([8, 8, 0x3a, ...new Array<number>(9).fill(0x80), 1]),
      /9223372036854775808 bytes/,
    ],
    [
      "cyclic",
      model([node("Add", ["x", "b"], ["a"]), node("Neg", ["a"], ["b"]), node("Neg", ["b"], ["y"]), ...x]),
      /has a cycle/,
    ],
    ["missing data", outside("nowhere.bin"), /"nowhere.bin", which is not there/],
    ["data outside", outside("../far.bin"), /outside of its folder/],
    ["data by a link", outside("link.bin"), /a link that leads out of its folder/],
    [
      "type nobody has",
      model([messageField(5, [intField(1, 1), intField(2, 99), textField(8, "w")]), ...x]),
      /element type 99, which ONNX does not have/,
    ],
    ["only a version", joined([intField(1, 8)]), /has no graph in it/],
  ];
  test.each(files)("%s", async (name, bytes, says) => {
    const path = join(folder, "bad", `${name}.onnx`);
    writeFileSync(path, bytes);
    for (const [command, ...more] of [[onnx()], [onnx(), "-o", join(folder, "out.onnx")], [view(), "a text"]] as [
      Command,
      ...string[],
    ][]) {
      const { code, out, error } = await run(command, path, ...more);
      expect(code).toBe(2);
      expect(out).toBe("");
      expect(error).toMatch(says);
      expect(error.trim().split("\n")).toHaveLength(1);
    }
  });
  test("no attention is no error: one line says so", async () => {
    const path = join(folder, "linear.onnx");
    writeFileSync(
      path,
      model([node("MatMul", ["x", "w"], ["l"]), node("Softmax", ["l"], ["y"]), weight("w", [3, 3]), ...x]),
    );
    const { code, out } = await run(onnx(), path);
    expect(code).toBe(0);
    expect(out.split("\n")[0]).toBe(
      `${path}: no attention in this graph: none of its softmaxes (1) stands between a product of two computed tensors and one with values.`,
    );
  });
});
