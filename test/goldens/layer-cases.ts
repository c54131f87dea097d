/**
 * @file Layers against torch, forward and backward, twice: in float64 on the reference kernel at float64's tolerance, and
 * in float32 on the default kernel at float32's.
 */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { gradient } from "../../src/autograd/index.js";
import { defaultKernel, withOperations } from "../../src/kernels/current.js";
import { referenceKernel } from "../../src/kernels/reference/reference-kernel.js";
import type { Module } from "../../src/nn/index.js";
import type { Tensor, TensorLike } from "../../src/tensor/index.js";
import { expectWithin, readGolden } from "./numbers.js";
import { type GoldenCase, goldenSets } from "./where.js";

/** Reads a tensor of the case in the precision of the run. */
export type Read = (name: string) => Tensor;

/** What a case is, in our terms. */
export interface LayerCase {
  layer: Module & { forward(...inputs: never[]): unknown };
  /** The layer's arguments: names of the case's tensors, or values. */
  inputs: readonly (string | undefined)[];
  options?: object;
  /** Upstream slopes by key of the result; a layer with one tensor has one. */
  dOut: Tensor | Record<string, Tensor>;
  /** Names of the expected tensors by key of the result. */
  outputs: Record<string, string>;
}

/** Compares every case of a set: outputs, slopes of inputs, slopes of weights. */
export function layerGoldens(set: string, build: (c: GoldenCase, read: Read) => LayerCase): void {
  const cases = goldenSets(set);
  test(`there are ${set} cases`, () => expect(cases.length).toBeGreaterThan(0));
  describe.each(cases.map((c) => [c.id, c] as const))("%s", (_, c) => {
    const golden = readGolden(join(c.folder, "golden.safetensors"));
    for (const precision of ["float64", "float32"] as const) {
      const read: Read = (name) => (precision === "float64" ? golden.exact(name) : golden.float32(name));
      const tolerance = (name: string): number =>
        c.about.tensors[name][precision === "float64" ? "tol_abs" : "tol_abs_f32_impl"];
      const kernel = precision === "float64" ? referenceKernel({ precision }) : defaultKernel();
      test(`${precision}: output and slopes are torch's`, () =>
        withOperations(kernel, () => {
          const { layer, inputs, options, dOut, outputs } = build(c, read);
          const names = golden.names.filter((n) => n.startsWith("param."));
          layer.load(Object.fromEntries(names.map((n) => [n.slice("param.".length), read(n)])));
          const tensors = new Map(inputs.flatMap((n) => (n === undefined ? [] : [[n, read(n)] as const])));
          const args = inputs.map((n) => (n === undefined ? undefined : tensors.get(n)));
          const got = gradient(layer, args, dOut, options);
          for (const [key, name] of Object.entries(outputs)) {
            const output = (key === "" ? got.output : got.output[key]) as Tensor;
            expectWithin(output, read(name), tolerance(name), name);
          }
          for (const name of new Set(inputs)) {
            if (name === undefined || !golden.has(`grad.${name}`)) continue;
            const uses = inputs.flatMap((n, at) => (n === name ? [got.inputs[at]!] : [])); // one tensor, several positions
            const total = uses[0]!;
            for (const other of uses.slice(1)) for (let i = 0; i < total.size; i++) total.data[i]! += other.data[i]!;
            expectWithin(total, read(`grad.${name}`), tolerance(`grad.${name}`), `grad.${name}`);
          }
          for (const name of names) {
            const slope = got.parameters[name.slice("param.".length)]!;
            expectWithin(slope, read(`grad.${name}`), tolerance(`grad.${name}`), `grad.${name}`);
          }
        }));
    }
  });
}

/** torch's masks: bytes say who may NOT attend, numbers are added to the scores. */
export function torchMask(c: GoldenCase, name: string, shape?: readonly number[]): { mask?: TensorLike; bias?: TensorLike } {
  if (!(name in c.about.tensors)) return {};
  const golden = readGolden(join(c.folder, "golden.safetensors"));
  if (c.about.tensors[name].dtype === "uint8") return { mask: mayAttend(golden.raw(name)) };
  const bias = golden.exact(name);
  return { bias: shape ? bias.reshape(shape) : bias };
}

/** torch's key_padding_mask as ours. */
export function torchPadding(c: GoldenCase, name: string): { keyPadding?: TensorLike } {
  if (!(name in c.about.tensors)) return {};
  return { keyPadding: mayAttend(readGolden(join(c.folder, "golden.safetensors")).raw(name)) };
}

function mayAttend({ data, shape }: { data: ArrayLike<number | bigint>; shape: number[] }): TensorLike {
  return { data: Uint8Array.from(data as ArrayLike<number>, (x) => (x ? 0 : 1)), shape };
}
