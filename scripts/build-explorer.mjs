/**
 * @file Builds the explorer's page with vite into dist/explorer/app, then weighs it: the viewer (page, styles, font and the
 * code that comes with the first picture, the engine in its worker left out) must stay within 80 kB gzip.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const outDir = join(root, "dist/explorer/app");
/** Most the viewer may weigh, in bytes gzip. */
export const viewerLimit = 80 * 1024;

export async function buildExplorer({ quiet = true } = {}) {
  await build({ configFile: join(root, "src/explorer/app/vite.config.ts"), logLevel: quiet ? "warn" : "info" });
  for (const part of ["embed", "sandbox"]) {
    await build({ configFile: join(root, `src/explorer/${part}/vite.config.ts`), logLevel: quiet ? "warn" : "info" });
  }
  const weight = weigh();
  writeFileSync(join(outDir, "weight.json"), `${JSON.stringify(weight, null, 1)}\n`);
  const kB = (n) => `${(n / 1024).toFixed(1)} kB`;
  console.log(
    `explorer: viewer ${kB(weight.viewer)} gzip of ${kB(viewerLimit)}; engine ${kB(weight.engine)}, <attention-view> ${kB(weight.element)}, loaded on demand ${kB(weight.later)}`,
  );
  if (weight.viewer > viewerLimit) {
    throw new Error(
      `the viewer weighs ${kB(weight.viewer)} gzip, more than ${kB(viewerLimit)}: ${JSON.stringify(weight.files)}`,
    );
  }
  return weight;
}

function roleOf(path, first) {
  if (path === "attention-view.js") return "element";
  if (first.has(path) || path.endsWith(".woff2") || path === "icon.svg") return "viewer";
  return /worker|engine|\.wasm$/.test(path) ? "engine" : "later";
}

/** Gzip bytes by role, from what the page loads at once. */
function weigh() {
  const manifest = JSON.parse(readFileSync(join(outDir, ".vite/manifest.json"), "utf8"));
  const first = new Set(["index.html"]);
  const visit = (entry) => {
    if (!entry || first.has(entry.file)) return;
    first.add(entry.file);
    for (const css of entry.css ?? []) first.add(css);
    for (const name of entry.imports ?? []) visit(manifest[name]);
  };
  const entry = Object.values(manifest).find((e) => e.isEntry);
  visit(entry);
  // The page's own code comes at once; views that are opened later bring theirs then.
  for (const name of entry.dynamicImports ?? []) if (/page\.ts$/.test(name)) visit(manifest[name]);
  const files = {};
  const weight = { viewer: 0, engine: 0, element: 0, later: 0, files };
  const walk = (folder) => {
    for (const name of readdirSync(join(outDir, folder))) {
      const path = join(folder, name);
      if (name.startsWith(".") || name === "weight.json") continue;
      if (statSync(join(outDir, path)).isDirectory()) walk(path);
      else {
        const gzip = gzipSync(readFileSync(join(outDir, path)), { level: 9 }).length;
        const role = roleOf(path, first);
        weight[role] += gzip;
        if (role === "viewer") files[path] = gzip;
      }
    }
  };
  walk("");
  return weight;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await buildExplorer({ quiet: false });
