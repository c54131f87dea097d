/** @file A table of rows, one for each id. */
import { ops } from "../kernels/current.js";
import { OptionError, type Tensor, type TensorLike } from "../tensor/index.js";
import { integers } from "./functions.js";
import { type Initialiser, normal } from "./initialise.js";
import { Module, type Part } from "./module.js";
import { Parameter } from "./parameter.js";

export interface EmbeddingOptions {
  /** How many ids there are. */
  count: number;
  /** Numbers a row. */
  width: number;
  /** Default normal with deviation 1, torch's. */
  initialiser?: Initialiser;
}

export class Embedding extends Module {
  readonly count: number;
  readonly width: number;
  /** [count, width]; also the output layer of a model that ties the two (Press & Wolf 2017, arXiv:1608.05859). */
  readonly weight: Parameter;

  constructor({ count, width, initialiser = normal(1) }: EmbeddingOptions) {
    super();
    this.count = count;
    this.width = width;
    this.weight = new Parameter([count, width], initialiser);
  }

  parts(): Record<string, Part> {
    return { weight: this.weight };
  }

  /**
   * @param ids [B][L], [L], a typed array, or anything with numbers and a shape
   * @returns […, width] with the shape of `ids` in front   @throws {OptionError} naming the first id that has no row
   */
  forward(ids: ArrayLike<number> | TensorLike | readonly (readonly number[])[]): Tensor {
    const flat = integers(ids);
    const wrong = flat.findIndex((id) => !(id >= 0 && id < this.count));
    if (wrong >= 0) {
      throw new OptionError({
        where: "Embedding",
        argument: "ids",
        got: `has ${flat[wrong]} at position ${wrong}`,
        expected: `0 … ${this.count - 1}, the rows of this table`,
      });
    }
    return ops().reshape(this.weight.rows(flat), [...shapeOf(ids, flat.length), this.width]);
  }
}

function shapeOf(ids: object, count: number): readonly number[] {
  const { shape, dims } = ids as TensorLike;
  if (shape ?? dims) return (shape ?? dims)!;
  return Array.isArray(ids) && Array.isArray(ids[0]) ? [ids.length, count / ids.length] : [count];
}
