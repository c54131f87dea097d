/** @file From an embedded binary to a running instance: decoding, the memory it imports, feature tests. */
import { LIMIT_PAGES } from "./memory.js";
import { binaries } from "./binaries.generated.js";

export type Build = "portable" | "relaxed" | "wide";

/** What an instance exports; addresses and counts are 32-bit numbers. */
export interface Exports {
  [name: string]: (...args: (number | boolean)[]) => number;
}

const compiled = new Map<string, WebAssembly.Module>();

function decode(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let n = 0; n < text.length; n++) bytes[n] = text.charCodeAt(n);
  return bytes;
}

/** Reads a LEB128 number at `at`: [value, next]. */
function leb(bytes: Uint8Array, at: number): [number, number] {
  let value = 0;
  for (let shift = 0; ; shift += 7, at++) {
    value |= (bytes[at]! & 127) << shift;
    if (bytes[at]! < 128) return [value >>> 0, at + 1];
  }
}

/**
 * Clears the "shared" flag of the one memory import, for pages that are not cross-origin isolated: a module and the memory
 * given to it must agree. Import section (2): count, then module name, field name, kind 2 = memory, flags.
 */
function unshare(bytes: Uint8Array): void {
  for (let at = 8; at < bytes.length; ) {
    const [size, body] = leb(bytes, at + 1);
    if (bytes[at] === 2) {
      let p = leb(bytes, body)[1];
      for (let part = 0; part < 2; part++) {
        const [length, next] = leb(bytes, p);
        p = next + length;
      }
      if (bytes[p] === 2) bytes[p + 1] = bytes[p + 1]! & ~2;
      return;
    }
    at = body + size;
  }
}

/** Compiles a build once a process. Synchronous: 30 KB take about a millisecond. */
export function moduleOf(build: Build, shared: boolean): WebAssembly.Module {
  const key = `${build}${shared}`;
  let module = compiled.get(key);
  if (!module) {
    const bytes = decode(binaries[build]);
    if (!shared) unshare(bytes);
    module = new WebAssembly.Module(bytes);
    compiled.set(key, module);
  }
  return module;
}

/** Shared memory in Node and in cross-origin isolated pages, else ordinary; smaller limits where 4 GB cannot be reserved. */
export function makeMemory(): { memory: WebAssembly.Memory; shared: boolean } {
  const inNode = typeof process !== "undefined" && process.versions?.node !== undefined;
  const isolated = (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === true;
  const options = [inNode || isolated, false].flatMap((shared) =>
    [LIMIT_PAGES, LIMIT_PAGES / 2, LIMIT_PAGES / 4].map((maximum) => ({ shared, maximum })),
  );
  for (const { shared, maximum } of options) {
    if (shared && typeof SharedArrayBuffer === "undefined") continue;
    try {
      return { memory: new WebAssembly.Memory({ initial: 64, maximum, shared }), shared };
    } catch {}
  }
  return { memory: new WebAssembly.Memory({ initial: 64 }), shared: false };
}

export function instantiate(build: Build, memory: WebAssembly.Memory, shared: boolean): Exports {
  return new WebAssembly.Instance(moduleOf(build, shared), { env: { memory } }).exports as unknown as Exports;
}

/** Whether this engine can run a build. */
export function validates(build: Build): boolean {
  if (typeof WebAssembly === "undefined") return false;
  const bytes = decode(binaries[build]);
  unshare(bytes);
  return WebAssembly.validate(bytes);
}
