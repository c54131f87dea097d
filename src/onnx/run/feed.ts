/** @file Feeds as onnxruntime wants them: the element type of each graph input, from whatever numbers are given. */
import { elementTypes, type Dimension, type ValueInfo } from "../proto/model.js";
import { OptionError, ShapeError, sizeOf } from "../../tensor/index.js";
import { float32ToFloat16 } from "../../tensor/half.js";
import type { Ort, OrtTensor } from "./runtime.js";

/** What a graph input is fed with: numbers and a shape. Whole numbers may be plain ones, whatever the graph's type. */
export interface Feed {
  data: ArrayLike<number> | ArrayLike<bigint> | ArrayLike<boolean> | ArrayLike<string>;
  shape?: readonly number[];
  dims?: readonly number[];
}

/** How a shape with unknown lengths is written: "[batch_size, 2, ?, 64]". */
export function showAxes(shape: readonly Dimension[] | undefined): string {
  return shape ? `[${shape.map((d) => d ?? "?").join(", ")}]` : "any shape";
}

/**
 * Makes onnxruntime tensors of feeds.
 * @throws {OptionError} naming inputs that are missing, and those there are
 * @throws {ShapeError} naming the axis that disagrees
 */
export function toOrt(ort: Ort, inputs: readonly ValueInfo[], feeds: Record<string, Feed>): Record<string, OrtTensor> {
  const names = inputs.map((v) => v.name);
  const list = inputs.map((v) => `${v.name} ${elementTypes[v.type]?.name ?? ""} ${showAxes(v.shape)}`).join("; ");
  const missing = names.filter((name) => feeds[name] === undefined);
  if (missing.length > 0) {
    throw new OptionError({ where: "run", argument: "feeds", got: `lack ${missing.join(", ")}`, expected: list });
  }
  for (const name of Object.keys(feeds)) {
    if (!names.includes(name)) {
      throw new OptionError({
        where: "run",
        argument: `feeds.${name}`,
        got: "is no input of this graph",
        expected: list,
      });
    }
  }
  return Object.fromEntries(inputs.map((input) => [input.name, oneFeed(ort, input, feeds[input.name]!)]));
}

function oneFeed(ort: Ort, input: ValueInfo, feed: Feed): OrtTensor {
  const argument = `feeds.${input.name}`;
  const shape = feed?.shape ?? feed?.dims;
  const data = feed?.data;
  if (!shape || data === undefined || typeof data.length !== "number") {
    throw new OptionError({
      where: "run",
      argument,
      got: `is ${feed === null ? "null" : typeof feed}`,
      expected: "{ data, shape }",
    });
  }
  if (sizeOf(shape) !== data.length) {
    throw new ShapeError({
      where: "run",
      argument,
      got: `has ${data.length} numbers`,
      expected: `${sizeOf(shape)}, the product of its shape [${shape.join(", ")}]`,
    });
  }
  const wanted = input.shape;
  // One number is one number: [1] serves for [] and the other way round.
  if (wanted && data.length === 1 && wanted.every((d) => d === 1) && shape.every((d) => d === 1)) {
    return new ort.Tensor(typeName(input), converted(typeName(input), data, argument), wanted as number[]);
  }
  const disagrees =
    wanted && (wanted.length !== shape.length || wanted.some((d, i) => typeof d === "number" && d !== shape[i]));
  if (disagrees) {
    throw new ShapeError({
      where: "run",
      argument,
      got: `has shape [${shape.join(", ")}]`,
      expected: showAxes(wanted),
    });
  }
  return new ort.Tensor(typeName(input), converted(typeName(input), data, argument), shape);
}

const typeName = (input: ValueInfo): string => elementTypes[input.type]?.name ?? "float32";

const arrays: Record<string, { from(data: ArrayLike<number>): unknown; of: unknown }> = {
  float32: { from: (d) => Float32Array.from(d), of: Float32Array },
  float64: { from: (d) => Float64Array.from(d), of: Float64Array },
  float16: { from: (d) => float32ToFloat16(d), of: Uint16Array },
  int32: { from: (d) => Int32Array.from(d), of: Int32Array },
  uint32: { from: (d) => Uint32Array.from(d), of: Uint32Array },
  int16: { from: (d) => Int16Array.from(d), of: Int16Array },
  uint16: { from: (d) => Uint16Array.from(d), of: Uint16Array },
  int8: { from: (d) => Int8Array.from(d), of: Int8Array },
  uint8: { from: (d) => Uint8Array.from(d), of: Uint8Array },
  bool: { from: (d) => Uint8Array.from(d, (x) => (x ? 1 : 0)), of: Uint8Array },
  int64: { from: (d) => BigInt64Array.from(d as ArrayLike<never>, whole), of: BigInt64Array },
  uint64: { from: (d) => BigUint64Array.from(d as ArrayLike<never>, whole), of: BigUint64Array },
};

const whole = (x: number | bigint | boolean): bigint => BigInt(x);

function converted(type: string, data: Feed["data"], argument: string): unknown {
  if (type === "string") return data;
  const array = arrays[type];
  if (!array) {
    throw new OptionError({
      where: "run",
      argument,
      got: `has the element type ${type}, which JavaScript cannot feed`,
    });
  }
  if (data instanceof (array.of as new () => object)) return data;
  try {
    const bigint = typeof data[0] === "bigint" && !type.endsWith("64");
    return array.from(
      (bigint || type.startsWith("float") ? Array.from(data as ArrayLike<bigint>, Number) : data) as ArrayLike<number>,
    );
  } catch {
    throw new OptionError({
      where: "run",
      argument,
      got: "has numbers that are not whole",
      expected: `${type} numbers`,
    });
  }
}
