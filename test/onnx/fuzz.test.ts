/** @file Damaged files: whatever is wrong with them, reading and editing end in a result or in one line. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { exposeAttention, openOnnx } from "../../src/onnx/index.js";
import { QkvError } from "../../src/tensor/index.js";
import { goldenSets } from "../goldens/where.js";
import { joined } from "../../src/onnx/wire/write.js";
import {
  attentionNodes,
  attentionShapes,
  graphAttribute,
  input,
  integers,
  localFunction,
  model,
  node,
  output,
  stack,
} from "./writer.js";

/** Attention in a Loop, whose result goes through a function that calls another one. */
const nested = joined([
  model(
    [
      integers("rounds", [2], []),
      node("Loop", ["rounds", "", "x"], ["h"], {
        body: graphAttribute("body", [
          input("round", "int64", []),
          input("on", "bool", []),
          input("s", "float32", [2, 3, 4]),
          ...attentionNodes("a", "s"),
          ...attentionShapes,
          node("Identity", ["on"], ["still"]),
          output("still", "bool", []),
          output("a.out", "float32", [2, 3, 4]),
        ]),
      }),
      node("local:Outer", ["h"], ["y"]),
      input("x", "float32", [2, 3, 4]),
      output("y", "float32", [2, 3, 4]),
    ],
    17,
    { local: 1 },
  ),
  localFunction("Outer", ["v"], ["w"], [node("local:Inner", ["v", "v"], ["w"])]),
  localFunction("Inner", ["a", "b"], ["c"], [node("Add", ["a", "b"], ["t"]), node("Neg", ["t"], ["c"])]),
]);

/** Marsaglia 2003, xorshift32: the same seed gives the same damage. */
function random(seed: number): (below: number) => number {
  let s = seed | 1;
  return (below) => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    return (s >>> 0) % below;
  };
}

/** One to eight injuries: a bit turned, a byte set, a stretch left out, put in twice or overwritten; or the end cut off. */
function damaged(bytes: Uint8Array, seed: number): Uint8Array {
  const pick = random(seed * 2654435761);
  let out = bytes.slice();
  for (let n = 1 + pick(8); n > 0; n--) {
    const at = pick(out.length);
    const length = Math.min(1 + pick(40), out.length - at);
    const kind = pick(6);
    if (kind === 0) out[at] = out[at]! ^ (1 << pick(8));
    else if (kind === 1) out[at] = [0, 127, 128, 255][pick(4)]!;
    else if (kind === 2) out = Uint8Array.from([...out.subarray(0, at), ...out.subarray(at + length)]);
    else if (kind === 3) out = Uint8Array.from([...out.subarray(0, at + length), ...out.subarray(at)]);
    else if (kind === 4) out.copyWithin(pick(out.length), at, at + length);
    else out = out.slice(0, Math.max(1, at));
  }
  return out;
}

/** Milliseconds for everything below: the seeds that fit are tried, in order. */
const budget = 4000;

test("a damaged file ends in a result or in an error of one line, never in a crash or a hang", async () => {
  const small = goldenSets("onnx-models")
    .filter((c) => /packed|groupquery|multihead/.test(c.id))
    .slice(0, 2);
  const files = [
    stack(2),
    nested,
    ...small.map((c) => readFileSync(join(c.folder, "model.onnx")).subarray(0, 200_000)),
  ];
  expect((await openOnnx(nested)).attentions).toHaveLength(1);
  const end = performance.now() + budget;
  let [tried, refused] = [0, 0];
  for (let seed = 1; performance.now() < end; seed++) {
    // The small files again and again: there every injury hits the graph and not the weights.
    const bytes = damaged(files[seed % 4 === 0 ? (seed / 4) % files.length : seed % 2]!, seed);
    tried++;
    for (const read of [() => openOnnx(bytes), () => exposeAttention(bytes, { statistics: true, maps: true })]) {
      try {
        await read();
      } catch (error) {
        refused++;
        expect(error, `seed ${seed}`).toBeInstanceOf(QkvError);
        expect((error as Error).message.length, `seed ${seed}`).toBeLessThan(1000);
        expect((error as Error).message, `seed ${seed}`).not.toContain("\n");
      }
    }
  }
  expect(tried).toBeGreaterThan(50);
  expect(refused).toBeGreaterThan(10); // damage is seen, and not every file of the lot was spared
});
