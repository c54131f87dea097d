/**
 * @file The tensor: a shape over contiguous, row-major float32 numbers.
 *
 * A tensor owns no arithmetic. Its numbers live either in an ordinary array or in a kernel's own memory; both are
 * reached through `data`, which is always a plain typed array.
 */
import { OptionError, ShapeError } from "./errors.js";
import { sizeOf } from "./shape.js";

/** Where the numbers of a tensor live. Kernel memory may move when it grows, hence a getter and not a field. */
export interface Storage {
  readonly array: Float32Array;
}

/** Anything with numbers and a shape: our tensors, onnxruntime's and transformers.js' (`dims`). */
export interface TensorLike {
  readonly data: ArrayLike<number>;
  readonly shape?: readonly number[];
  readonly dims?: readonly number[];
}

/** A shape over contiguous, row-major float32 numbers: element [i, j, k] of [A, B, C] is `data[(i·B + j)·C + k]`. */
export class Tensor {
  readonly shape: readonly number[];
  /** @internal where the numbers are; kernels look here to avoid copies. */
  readonly storage: Storage;

  constructor(storage: Storage, shape: readonly number[]) {
    this.storage = storage;
    this.shape = shape;
  }

  /** The numbers, row-major. Not a copy. */
  get data(): Float32Array {
    return this.storage.array;
  }

  /** How many numbers: the product of the shape. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** onnxruntime's name for the shape. */
  get dims(): readonly number[] {
    return this.shape;
  }

  /** The same numbers under another shape of equal size; one axis may be −1 and is worked out. Shares the numbers. */
  reshape(shape: readonly number[]): Tensor {
    const known = shape.reduce((n, d) => (d === -1 ? n : n * d), 1);
    const full = shape.map((d) => (d === -1 ? this.size / known : d));
    if (sizeOf(full) !== this.size || full.some((d) => !Number.isInteger(d))) {
      throw new ShapeError({
        where: "reshape",
        argument: "shape",
        got: `is [${shape.join(", ")}], which cannot hold the ${this.size} numbers of [${this.shape.join(", ")}]`,
        expected: `a shape of ${this.size} numbers`,
      });
    }
    return new Tensor(this.storage, full);
  }

  toString(): string {
    const head = Array.from(this.data.subarray(0, 8), (x) => Number(x.toPrecision(6)));
    return `Tensor [${this.shape.join(", ")}] ${head.join(", ")}${this.size > 8 ? ", …" : ""}`;
  }
}

/**
 * Makes a tensor.
 * @param data numbers in row-major order; a Float32Array is used as it is (no copy), anything else is copied
 * @param shape axis lengths; default: one axis
 * @throws {ShapeError} when the shape does not hold exactly the numbers given
 * @example
 * tensor([1, 2, 3, 4, 5, 6], [2, 3]).shape  // [2, 3]
 */
export function tensor(data: ArrayLike<number>, shape: readonly number[] = [data.length]): Tensor {
  for (const d of shape) {
    if (!Number.isInteger(d) || d < 0) {
      throw new ShapeError({
        where: "tensor",
        argument: "shape",
        got: `is [${shape.join(", ")}]`,
        expected: "whole numbers ≥ 0",
      });
    }
  }
  if (sizeOf(shape) !== data.length) {
    throw new ShapeError({
      where: "tensor",
      argument: "data",
      got: `has ${data.length} numbers`,
      expected: `${sizeOf(shape)}, the product of shape [${shape.join(", ")}]`,
      fix: `give ${sizeOf(shape)} numbers or a shape whose product is ${data.length}`,
    });
  }
  const array = data instanceof Float32Array ? data : Float32Array.from(data);
  return new Tensor({ array }, [...shape]);
}

/** A tensor of zeros in ordinary memory. */
export function zeros(shape: readonly number[]): Tensor {
  return tensor(new Float32Array(sizeOf(shape)), shape);
}

/**
 * Takes whatever has numbers and a shape (ours, onnxruntime's, transformers.js') as a tensor, without copying float32.
 * @param where,argument named in the error
 */
export function asTensor(value: Tensor | TensorLike, where: string, argument: string): Tensor {
  if (value instanceof Tensor) return value;
  const shape = value?.shape ?? value?.dims;
  if (!value || !shape || !value.data || typeof value.data.length !== "number") {
    throw new OptionError({
      where,
      argument,
      got: `is ${value === null ? "null" : Array.isArray(value) ? "an array" : typeof value}`,
      expected: "a tensor, or an object { data, shape }",
      fix: `wrap it: tensor(numbers, shape)`,
    });
  }
  if (sizeOf(shape) !== value.data.length) {
    throw new ShapeError({
      where,
      argument,
      got: `has ${value.data.length} numbers`,
      expected: `${sizeOf(shape)}, the product of its shape [${shape.join(", ")}]`,
    });
  }
  return tensor(value.data, shape);
}
