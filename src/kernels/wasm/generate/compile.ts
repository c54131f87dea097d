/** @file From AssemblyScript to the committed files: file name in src/kernels/wasm → text. Used by the script and a test. */
import { readdirSync, readFileSync } from "node:fs";
import { printCalls } from "./calls.js";
import { printTiles } from "./tiles.js";

const assembly = new URL("../assembly/", import.meta.url);

/** The builds and what they may use. All import a shared memory; the loader clears the flag where memory is not shared. */
const builds = {
  portable: ["--enable", "simd,threads", "--use", "RELAXED=0", "--use", "WIDE=0"],
  relaxed: ["--enable", "simd,threads,relaxed-simd", "--use", "RELAXED=1", "--use", "WIDE=0"],
  wide: ["--enable", "simd,threads,relaxed-simd", "--use", "RELAXED=1", "--use", "WIDE=1"],
};

const common = [
  "index.ts", "-O3", "--noAssert", "--runtime", "stub", "--importMemory", "--sharedMemory", "--initialMemory", "1",
  "--maximumMemory", "65536", "--use", "abort=", "--noExportMemory",
]; // biome-ignore format: flags and values

type Compiler = (argv: string[], io: object) => Promise<{ error: Error | null; stderr: { toString(): string } }>;

async function compile(flags: readonly string[], sources: Record<string, string>): Promise<Uint8Array> {
  const { main } = (await import("assemblyscript/asc")) as unknown as { main: Compiler };
  let binary: Uint8Array | undefined;
  const result = await main([...common, ...flags, "--outFile", "out.wasm"], {
    readFile: (name: string) => sources[name] ?? null,
    writeFile: (name: string, contents: Uint8Array) => {
      if (name.endsWith(".wasm")) binary = contents;
    },
    listFiles: () => [],
  });
  if (result.error || !binary) throw new Error(`${result.error?.message ?? "no output"}\n${result.stderr.toString()}`);
  return binary;
}

/** Every generated file of the room. */
export async function compileKernels(): Promise<Record<string, string>> {
  const printed: Record<string, string> = { "tiles.generated.ts": printTiles(), "calls.generated.ts": printCalls() };
  const sources = { ...printed };
  for (const name of readdirSync(assembly)) {
    if (!name.includes("generated") && !name.endsWith(".d.ts")) {
      sources[name] = readFileSync(new URL(name, assembly), "utf8");
    }
  }
  const lines: string[] = [];
  for (const [name, flags] of Object.entries(builds)) {
    const binary = await compile(flags, sources);
    lines.push(`  /** ${binary.length} bytes */\n  ${name}:\n    "${Buffer.from(binary).toString("base64")}",`);
  }
  return {
    ...Object.fromEntries(Object.entries(printed).map(([name, text]) => [`assembly/${name}`, text])),
    "binaries.generated.ts": `/** @file The compiled kernels, base64. Written by scripts/build-kernels.mjs; do not edit. */\nexport const binaries = {\n${lines.join("\n")}\n};\n`,
  };
}
