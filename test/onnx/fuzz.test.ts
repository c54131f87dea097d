/** @file Damaged files: whatever is wrong with them, reading and editing end in a result or in one line. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { exposeAttention, openOnnx } from "../../src/onnx/index.js";
import { QkvError } from "../../src/tensor/index.js";
import { goldenSets } from "../goldens/where.js";
import { stack } from "./writer.js";

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
  const files = [stack(2), ...small.map((c) => readFileSync(join(c.folder, "model.onnx")).subarray(0, 200_000))];
  const end = performance.now() + budget;
  let [tried, refused] = [0, 0];
  for (let seed = 1; performance.now() < end; seed++) {
    // The small file again and again: there every injury hits the graph and not the weights.
    const bytes = damaged(files[seed % 4 === 0 ? seed % files.length : 0]!, seed);
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
