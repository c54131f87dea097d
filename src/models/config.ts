/** @file A model's config.json, read with the reader told what is missing. */
import type { Activation } from "../kernels/kernel.js";
import { FileError } from "../tensor/index.js";

export type ConfigJson = Readonly<Record<string, unknown>>;

/** Values of a config by name; several names may be given, since the architectures differ: `n_embd`, `hidden_size`. */
export class Config {
  readonly json: ConfigJson;
  readonly file: string;

  constructor(json: ConfigJson, file = "config.json") {
    this.json = json;
    this.file = file;
  }

  /** @throws {FileError} in the words of all errors about this file */
  refuse(argument: string, got: string, expected?: string, fix?: string): never {
    const name = `"${argument}" of ${this.file}`;
    throw new FileError({
      where: "loadModel",
      argument: name,
      got,
      ...(expected && { expected }),
      ...(fix && { fix }),
    });
  }

  /** Values that stand in an object of the file. */
  within(json: ConfigJson): Config {
    return new Config(json, this.file);
  }

  /** A whole number ≥ 1. */
  size(name: string, fallback?: number): number {
    const value = this.json[name] ?? fallback;
    if (typeof value === "number" && Number.isInteger(value) && value > 0) return value;
    return this.refuse(name, value === undefined ? "is missing" : `is ${JSON.stringify(value)}`, "a whole number ≥ 1");
  }

  number(name: string, fallback?: number): number {
    const value = this.json[name] ?? fallback;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    return this.refuse(name, value === undefined ? "is missing" : `is ${JSON.stringify(value)}`, "a number");
  }

  /** A number that may be absent or null. */
  maybe(name: string): number | undefined {
    const value = this.json[name];
    return value === undefined || value === null ? undefined : this.number(name);
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.json[name] ?? fallback;
    return typeof value === "boolean" ? value : this.refuse(name, `is ${JSON.stringify(value)}`, "true or false");
  }

  /** Token ids that end a text: one, several, or none. */
  ids(name: string): number[] {
    const value = this.json[name];
    if (value === undefined || value === null) return [];
    return (Array.isArray(value) ? value : [value]) as number[];
  }

  /** An activation under any of the names that checkpoints use. */
  activation(name: string, fallback?: string): Activation {
    const value = (this.json[name] ?? fallback) as string;
    return (
      activations[value] ??
      this.refuse(name, `is ${JSON.stringify(value)}`, `one of ${Object.keys(activations).join(", ")}`)
    );
  }
}

const activations: Readonly<Record<string, Activation>> = {
  relu: "relu",
  gelu: "gelu",
  gelu_python: "gelu",
  gelu_new: "geluTanh",
  gelu_pytorch_tanh: "geluTanh",
  gelu_fast: "geluTanh",
  silu: "silu",
  swish: "silu",
  tanh: "tanh",
};
