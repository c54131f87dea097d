/**
 * @file Which kernel a program gets, and why.
 *
 *     wide      V8's 256-bit pass over the relaxed code, Node 24+. The switch is an experimental flag of the whole
 *               process, so a library never turns it on by itself: `useKernel("wide")` or QKV_KERNEL=wide asks for it. It
 *               is used only after a self-test against the reference and only if it is faster here than `relaxed`.
 *     relaxed   fused multiply-add. The default where the engine validates it, from Node 22 on (Node 20 hides it behind a flag).
 *     portable  plain SIMD: everywhere else.
 *     reference plain loops in float64: the specification, slow.
 */
import { OptionError, UnavailableError } from "../tensor/index.js";
import type { Kernel } from "./kernel.js";
import { ReferenceKernel } from "./reference/reference-kernel.js";
import { type Build, validates } from "./wasm/load.js";
import { WasmKernel } from "./wasm/wasm-kernel.js";
import { proveWide } from "./wasm/wide.js";

export type KernelName = "reference" | Build;

export const kernelNames: readonly KernelName[] = ["reference", "portable", "relaxed", "wide"];

const made = new Map<KernelName, Kernel>();

function environment(): Record<string, string | undefined> {
  return typeof process === "undefined" ? {} : (process.env ?? {});
}

/** What a name would give here: usable, and if not, why. `wide` is really tried: about 50 ms the first time. */
export function kernelAvailable(name: KernelName): { available: boolean; why: string } {
  if (name === "reference") return { available: true, why: "plain loops, everywhere" };
  if (!validates("portable")) return { available: false, why: "this engine has no WebAssembly SIMD" };
  if (name === "portable") return { available: true, why: "plain WebAssembly SIMD" };
  if (!validates("relaxed"))
    return { available: false, why: "this engine does not validate relaxed SIMD (Node 22 and newer do)" };
  if (name === "relaxed") return { available: true, why: "relaxed SIMD with fused multiply-add" };
  return proveWide();
}

/** The kernel of that name, made once. @throws {UnavailableError} where this engine cannot run it */
export function kernelByName(name: KernelName): Kernel {
  if (!kernelNames.includes(name)) {
    throw new OptionError({
      where: "useKernel",
      argument: "name",
      got: `is ${JSON.stringify(name)}`,
      expected: kernelNames.join(", "),
    });
  }
  let kernel = made.get(name);
  if (!kernel) {
    const { available, why } = kernelAvailable(name);
    if (!available) {
      throw new UnavailableError({
        where: "useKernel",
        argument: `kernel "${name}"`,
        got: `cannot run here: ${why}`,
        fix: `use ${here()}, or leave the choice to the library`,
      });
    }
    kernel = name === "reference" ? new ReferenceKernel("float32") : new WasmKernel(name);
    made.set(name, kernel);
  }
  return kernel;
}

/** The names that would work, fastest first. */
function here(): string {
  const works = (["relaxed", "portable", "reference"] as const).filter((name) => kernelAvailable(name).available);
  return works.map((name) => `"${name}"`).join(" or ");
}

/** The kernel when nobody chose one: QKV_KERNEL, else the fastest that needs no switch. */
export function standardKernel(): Kernel {
  const asked = environment()["QKV_KERNEL"];
  if (asked) return kernelByName(asked as KernelName);
  for (const name of ["relaxed", "portable"] as const) if (kernelAvailable(name).available) return kernelByName(name);
  return kernelByName("reference");
}
