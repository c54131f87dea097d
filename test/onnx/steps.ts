/** @file Maps of generation step by step, held against one pass over the whole text without a cache. */
import { type Feed, openOnnx } from "../../src/onnx/index.js";

export interface StepMap {
  data: ArrayLike<number>;
  dims: readonly number[];
}

/**
 * The largest difference between the steps' rows and those of one pass.
 * @param path a decoder with a cache; its pass gets an empty one
 * @param ids all tokens, with the last one, which nobody has read
 * @param steps per step and layer [1, H, new tokens, tokens so far]
 */
export async function worstOfSteps(path: string, ids: readonly number[], steps: readonly StepMap[][]): Promise<number> {
  const read = ids.slice(0, -1);
  const model = await openOnnx(path);
  const row = (data: number[]): Feed => ({ data, shape: [1, read.length] });
  const feeds = Object.fromEntries(
    model.inputs.map(({ name, shape }): [string, Feed] => {
      if (name === "input_ids") return [name, row(read)];
      if (name === "attention_mask") return [name, row(read.map(() => 1))];
      if (name === "position_ids") return [name, row(read.map((_, i) => i))];
      return [name, { data: new Float32Array(0), shape: [1, Number(shape![1]), 0, Number(shape![3])] }];
    }),
  );
  const { trace } = await model.run(feeds);
  let [from, worst] = [0, 0];
  for (const layers of steps) {
    const to = layers[0]!.dims[3]!;
    layers.forEach((map, layer) => {
      const want = trace.weights({ layer, rows: [from, to], columns: [0, to] });
      if (map.dims.join() !== want.shape.join()) throw new Error(`a step has shape ${map.dims}, not ${want.shape}`);
      want.data.forEach((x, i) => void (worst = Math.max(worst, Math.abs(x - map.data[i]!) || 0)));
    });
    from = to;
  }
  if (from !== read.length) throw new Error(`the steps read ${from} tokens of ${read.length}`);
  return worst;
}
