/**
 * @file One weight of a layer, in the form its use asks for.
 *
 *     nothing yet ──first use──▶ numbers ──pack()──▶ packed (laid out for a kernel; bf16, f16 or int8 when asked)
 *                                   ▲                   │
 *                                   └──────tensor───────┘   from here on it can be trained again
 *
 * A model that only infers holds the packed form alone, so its peak is one model and not two. Whoever wants the numbers
 * themselves gets them: `copy()` leaves the packed form in place, `tensor` replaces it, since an optimiser must change the
 * very numbers that the next forward reads.
 */
import { type Random, random } from "../tensor/random.js";
import { kernelInForce, ops } from "../kernels/current.js";
import type { Kernel, PackedWeight, WeightFormat, WeightRows } from "../kernels/kernel.js";
import { ShapeError, show, sizeOf, Tensor, tensor } from "../tensor/index.js";
import type { Initialiser } from "./initialise.js";

/** Weights that are used before they are loaded or initialised draw from the number of weights made so far. */
let made = 0;

export class Parameter {
  readonly shape: readonly number[];
  readonly #initialiser: Initialiser;
  readonly #ordinal: number;
  #numbers: Tensor | undefined;
  #packed: { weight: PackedWeight; by: Kernel } | undefined;

  /** Costs nothing until it is used: a model that is about to be loaded allocates no random numbers. */
  constructor(shape: readonly number[], initialiser: Initialiser) {
    this.shape = shape;
    this.#initialiser = initialiser;
    this.#ordinal = made++;
  }

  /** What `linear` multiplies by: the packed form where there is one for the kernel in force, else the numbers. */
  get weight(): Tensor | PackedWeight {
    const packed = this.#packed;
    if (!packed) return this.tensor;
    const kernel = kernelInForce();
    return packed.by === kernel ? packed.weight : packed.by.unpack(packed.weight);
  }

  /** Rows of a table [V, N] → [ids.length, N]; of a packed one only these rows are unpacked. */
  rows(ids: Int32Array): Tensor {
    return this.#packed ? this.#packed.by.unpackRows(this.#packed.weight, ids) : ops().gather(this.tensor, ids);
  }

  /** The numbers, to read or to change in place. A packed form is given up for them. */
  get tensor(): Tensor {
    if (this.#packed) this.set(this.copy());
    if (!this.#numbers) this.initialise(random(this.#ordinal));
    return this.#numbers!;
  }

  /** The numbers, whatever form is held; changing them changes nothing when that form is packed. */
  copy(): Tensor {
    const packed = this.#packed;
    return packed ? packed.by.unpack(packed.weight).reshape(this.shape) : this.tensor;
  }

  /** Holds these numbers (not a copy of them) from now on. @throws {ShapeError} */
  set(value: Tensor, where = "load", name = "weight"): void {
    this.requireShape(value.shape, where, name);
    this.#drop();
    this.#numbers = value;
  }

  /** Holds a packed form made by `by`: how a quantised file gets in without ever being float32 as a whole. */
  setPacked(weight: PackedWeight, by: Kernel = kernelInForce()): void {
    if (weight.rows !== this.shape[0] || weight.columns !== sizeOf(this.shape) / weight.rows) {
      throw new ShapeError({
        where: "Parameter",
        argument: "packed weight",
        got: `is [${weight.rows}, ${weight.columns}]`,
        expected: show(this.shape),
      });
    }
    this.#drop();
    this.#packed = { weight, by };
  }

  /** Gives up the numbers for a form laid out for the kernel in force; `f32` is exact, the others round. */
  pack(format: WeightFormat = "f32"): void {
    const kernel = kernelInForce();
    if (this.#packed?.by === kernel && this.#packed.weight.format === format) return;
    const rows = this.shape[0]!;
    this.setPacked(kernel.pack(this.copy().reshape([rows, sizeOf(this.shape) / rows]), format), kernel);
  }

  /** As `set` and `pack` of a matrix whose rows are read when they are wanted. @throws {ShapeError} */
  packRows(rows: WeightRows, format: WeightFormat, where = "load", name = "weight"): void {
    this.requireShape(rows.shape, where, name);
    const kernel = kernelInForce();
    this.setPacked(kernel.pack(rows, format), kernel);
  }

  /** @internal */
  protected requireShape(shape: readonly number[], where: string, name: string): void {
    if (shape.length === this.shape.length && shape.every((d, axis) => d === this.shape[axis])) return;
    throw new ShapeError({
      where,
      argument: `"${name}"`,
      got: `has shape ${show(shape)}`,
      expected: show(this.shape),
      ...(sizeOf(shape) === sizeOf(this.shape) &&
        shape.length === 2 && { fix: "transpose it: here a weight is stored [outputs, inputs]" }),
    });
  }

  /** "none" before first use, "numbers", or the format of the packed form. */
  get form(): "none" | "numbers" | WeightFormat {
    return this.#packed?.weight.format ?? (this.#numbers ? "numbers" : "none");
  }

  /** Fills it anew, from the initialiser it was made with or from another. */
  initialise(source: Random, initialiser: Initialiser = this.#initialiser): void {
    const data = new Float32Array(sizeOf(this.shape));
    initialiser(data, this.shape, source);
    this.set(tensor(data, this.shape));
  }

  /** Holds nothing from now on; first use initialises it anew. */
  release(): void {
    this.#drop();
  }

  #drop(): void {
    if (this.#packed) this.#packed.by.free(this.#packed.weight);
    this.#packed = undefined;
    this.#numbers = undefined;
  }
}

/** Numbers in memory of their own, in the precision they came in. */
export function cloneTensor(value: Tensor): Tensor {
  return new Tensor({ array: value.data.slice() }, [...value.shape]);
}
