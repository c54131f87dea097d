/**
 * @file Builds the explorer's page with vite into dist/explorer/app, then weighs it: the viewer (page, styles, font and the
 * code that comes with the first picture, the engine in its worker left out) must stay within 80 kB gzip. Beside it stands what
 * it weighs once every view of the stage was opened, each of which brings its code then; labs and chapters come on top.
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
  const logLevel = quiet ? "warn" : "info";
  await build({ configFile: join(root, "src/explorer/app/vite.config.ts"), logLevel });
  for (const mode of ["element", "sandbox"])
    await build({ configFile: join(root, "src/explorer/app/modules.config.ts"), mode, logLevel });
  const weight = weigh();
  writeFileSync(join(outDir, "weight.json"), `${JSON.stringify(weight, null, 1)}\n`);
  const kB = (n) => `${(n / 1024).toFixed(1)} kB`;
  console.log(
    `explorer: viewer ${kB(weight.viewer)} gzip of ${kB(viewerLimit)}, with every view opened ${kB(weight.viewer + weight.views)}; engine ${kB(weight.engine)}, <attention-view> ${kB(weight.element)}, loaded on demand ${kB(weight.later)}`,
  );
  if (weight.viewer > viewerLimit) {
    throw new Error(
      `the viewer weighs ${kB(weight.viewer)} gzip, more than ${kB(viewerLimit)}: ${JSON.stringify(weight.files)}`,
    );
  }
  return weight;
}

function roleOf(path, first, views) {
  if (path === "attention-view.js") return "element";
  if (first.has(path) || path.endsWith(".woff2") || /icon-[\w-]+\.svg$/.test(path)) return "viewer";
  if (views.has(path)) return "views";
  return /worker|engine|\.wasm$/.test(path) ? "engine" : "later";
}

/** Gzip bytes by role, from what the page loads at once. */
function weigh() {
  const manifest = JSON.parse(readFileSync(join(outDir, ".vite/manifest.json"), "utf8"));
  const reach = (entry, into) => {
    if (!entry || into.has(entry.file)) return into;
    into.add(entry.file);
    for (const css of entry.css ?? []) into.add(css);
    for (const name of entry.imports ?? []) reach(manifest[name], into);
    return into;
  };
  const entry = Object.values(manifest).find((e) => e.isEntry);
  const first = reach(entry, new Set(["index.html"]));
  // The page's own code comes at once; views that are opened later bring theirs then.
  for (const name of entry.dynamicImports ?? []) if (/page\.ts$/.test(name)) reach(manifest[name], first);
  const views = new Set();
  for (const [name, e] of Object.entries(manifest))
    if (/\/(views|draw)\//.test(name) && !/share-actions/.test(name)) reach(e, views);
  const files = {};
  const weight = { viewer: 0, views: 0, engine: 0, element: 0, later: 0, files };
  const walk = (folder) => {
    for (const name of readdirSync(join(outDir, folder))) {
      const path = join(folder, name);
      if (name.startsWith(".") || name === "weight.json") continue;
      if (statSync(join(outDir, path)).isDirectory()) walk(path);
      else {
        const gzip = gzipSync(readFileSync(join(outDir, path)), { level: 9 }).length;
        const role = roleOf(path, first, views);
        weight[role] += gzip;
        if (role === "viewer") files[path] = gzip;
      }
    }
  };
  walk("");
  return weight;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await buildExplorer({ quiet: false });
