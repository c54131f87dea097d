import { describe, expect, test } from "vitest";
import { ops, withOperations } from "../kernels/current.js";
import { referenceKernel } from "../kernels/reference/reference-kernel.js";
import { tensor, zeros } from "../tensor/index.js";
import { Embedding, EncoderBlock, Linear, LSTM, ModuleList, MultiHeadAttention } from "./index.js";

describe("names and loading", () => {
  const block = (): EncoderBlock => new EncoderBlock({ dModel: 8, heads: 2, feedForward: 12 });

  test("names are torch's, in torch's order", () => {
    expect(Array.from(block().named(), ([name]) => name)).toEqual([
      "self_attn.in_proj_weight", "self_attn.in_proj_bias", "self_attn.out_proj.weight", "self_attn.out_proj.bias",
      "linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias",
      "norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias",
    ]); // biome-ignore format: groups
    expect(Object.keys(new LSTM({ inputSize: 2, hiddenSize: 3, bidirectional: true }).parameters())[4]).toBe(
      "weight_ih_l0_reverse",
    );
    expect(Object.keys(new ModuleList([new Linear({ inputs: 2, outputs: 3 })]).parameters())).toEqual([
      "0.weight",
      "0.bias",
    ]);
  });
  test("what is loaded is given back, and training here changes nothing there", () => {
    const state = block().initialise(3).state();
    const loaded = block().load(state);
    expect(loaded.parameters()).toEqual(state);
    const before = state["norm1.weight"]!.data[0];
    loaded.parameters()["norm1.weight"]!.data[0] = 99;
    expect(state["norm1.weight"]!.data[0]).toBe(before);
  });
  test("a missing name, an unknown one and a wrong shape are said with the way out", () => {
    const { "norm1.weight": moved, ...rest } = block().state();
    expect(() => block().load(rest)).toThrowErrorMatchingInlineSnapshot(
      `[OptionError: EncoderBlock.load: "norm1.weight" is not among the 11 weights given; nearest is "norm2.weight". Fix: give every weight that parameters() lists.]`,
    );
    expect(() =>
      block().load({ ...rest, "norm1.weight": moved!, "norm3.weight": moved! }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[OptionError: EncoderBlock.load: "norm3.weight" is no weight of this layer; nearest is "norm1.weight". Fix: leave it out, or build the layer with the option that has this weight.]`,
    );
    expect(() => block().load({ ...rest, "norm1.weight": zeros([9]) })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: EncoderBlock.load: "norm1.weight" has shape [9]; expected [8].]`,
    );
    expect(() =>
      new Linear({ inputs: 2, outputs: 3 }).load({ weight: zeros([2, 3]), bias: zeros([3]) }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: Linear.load: "weight" has shape [2, 3]; expected [3, 2]. Fix: transpose it: here a weight is stored [outputs, inputs].]`,
    );
    const prefixed = Object.fromEntries(Object.entries(block().state()).map(([n, t]) => [`encoder.${n}`, t]));
    expect(() => block().load(prefixed)).toThrowErrorMatchingInlineSnapshot(
      `[OptionError: EncoderBlock.load: "self_attn.in_proj_weight" is not among the 12 weights given; nearest is "encoder.self_attn.in_proj_weight". Fix: { prefix: "encoder." }.]`,
    );
    expect(() => block().load(prefixed, { prefix: "encoder." })).not.toThrow();
  });
  test("a weight depends on the seed and its own name only", () => {
    const one = new ModuleList([new Linear({ inputs: 4, outputs: 5 })]).initialise(7).state();
    const two = new ModuleList([new Linear({ inputs: 4, outputs: 5 }), new Linear({ inputs: 4, outputs: 5 })])
      .initialise(7)
      .state();
    expect(two["0.weight"]).toEqual(one["0.weight"]);
    expect(two["1.weight"]).not.toEqual(one["0.weight"]);
  });
});

describe("packed weights", () => {
  const x = tensor(
    Float32Array.from({ length: 12 }, (_, i) => Math.sin(i)),
    [3, 4],
  );
  test("packing changes where numbers lie, not what comes out; parameters() makes them plain again", () => {
    const layer = new Linear({ inputs: 4, outputs: 5 }).initialise(1);
    const plain = layer.forward(x);
    const weights = layer.state();
    layer.pack();
    expect(layer.weight.form).toBe("f32");
    expect([...layer.forward(x).data]).toEqual([...plain.data]);
    expect(layer.state()).toEqual(weights);
    expect(layer.weight.form).toBe("f32"); // looking is not taking
    layer.parameters()["weight"]!.data.fill(0);
    expect(layer.weight.form).toBe("numbers");
    expect([...layer.forward(zeros([1, 4])).data]).toEqual([...layer.parameters()["bias"]!.data]);
  });
  test("a rounded form stays near", () => {
    const layer = new Linear({ inputs: 4, outputs: 5, bias: false }).initialise(1);
    const exact = layer.forward(x);
    layer.pack(() => "bf16");
    const rounded = layer.forward(x);
    for (const [i, y] of exact.data.entries()) expect(Math.abs(rounded.data[i]! - y)).toBeLessThan(4 * 0.5 * 2 ** -8); // 4 products, |w| ≤ ½
  });
  test("a weight packed for one kernel serves another", () => {
    const layer = new Linear({ inputs: 4, outputs: 5 }).initialise(1);
    const plain = layer.forward(x);
    layer.pack();
    const other = withOperations(referenceKernel({ precision: "float32" }), () => layer.forward(x));
    for (const [i, y] of plain.data.entries()) expect(other.data[i]).toBeCloseTo(y, 6);
  });
});

describe("bad input is refused in one line", () => {
  test.each([
    ["another width", () => new Linear({ inputs: 4, outputs: 5 }).forward(zeros([2, 3]))],
    ["an id without a row", () => new Embedding({ count: 4, width: 2 }).forward([[0, 4]])],
    ["heads that do not divide", () => new MultiHeadAttention({ dModel: 10, heads: 3 })],
    ["a query of two axes", () => new MultiHeadAttention({ dModel: 4, heads: 2 }).forward(zeros([3, 4]))],
    [
      "keys of another batch",
      () => new MultiHeadAttention({ dModel: 4, heads: 2 }).forward(zeros([2, 3, 4]), zeros([1, 3, 4])),
    ],
    ["time first", () => new LSTM({ inputSize: 3, hiddenSize: 2 }).forward(zeros([5, 3]))],
    [
      "a start of another size",
      () => new LSTM({ inputSize: 3, hiddenSize: 2 }).forward(zeros([1, 5, 3]), zeros([1, 1, 3])),
    ],
  ])("%s", (_, act) => {
    const message = ((): string => {
      try {
        act();
        return "nothing was refused";
      } catch (error) {
        return (error as Error).message;
      }
    })();
    expect(message).toMatchSnapshot();
    expect(message).not.toContain("\n");
  });
});

test("an attention of one's own takes the place of the exact one", () => {
  const calls: number[][] = [];
  const layer = new MultiHeadAttention({
    dModel: 4,
    heads: 2,
    attention: (q, _k, v) => {
      calls.push([...q.shape]);
      return ops().affine(v, 1);
    },
  });
  expect(layer.forward(zeros([2, 3, 4])).shape).toEqual([2, 3, 4]);
  expect(calls).toEqual([[2, 2, 3, 2]]);
});
