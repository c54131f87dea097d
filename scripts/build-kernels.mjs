/**
 * @file Compiles the kernels: prints the register tiles and argument blocks, runs AssemblyScript for each build, embeds
 * the three binaries as base64 in src/kernels/wasm/binaries.generated.ts. The output is committed, so installing compiles
 * nothing and a browser fetches nothing; a test compares it with a fresh compile.
 *
 *     node scripts/build-kernels.mjs            write
 *     node scripts/build-kernels.mjs --check    exit 1 when the committed files are stale
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createJiti } from "jiti";

const room = new URL("../src/kernels/wasm/", import.meta.url);
const jiti = createJiti(import.meta.url);
const { compileKernels } = await jiti.import(fileURLToPath(new URL("generate/compile.ts", room)));

const stale = [];
for (const [name, text] of Object.entries(await compileKernels())) {
  const file = new URL(name, room);
  let now = "";
  try {
    now = readFileSync(file, "utf8");
  } catch {}
  if (now === text) continue;
  if (process.argv.includes("--check")) stale.push(name);
  else {
    writeFileSync(file, text);
    console.log(`wrote src/kernels/wasm/${name} (${text.length} characters)`);
  }
}
if (stale.length > 0) {
  console.error(`stale: ${stale.join(", ")}. Run: node scripts/build-kernels.mjs`);
  process.exitCode = 1;
}
