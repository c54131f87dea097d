/** @file `npm run build`: the library and the command line with the TypeScript compiler, the explorer with vite. */
import { chmodSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { installPackages, requireNode, root, run, stampBuild } from "./shared/prepare.mjs";

requireNode();
installPackages();
rmSync(join(root, "dist"), { recursive: true, force: true });

const status = run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"]);
if (status !== 0) process.exit(status);
chmodSync(join(root, "dist/cli/main.js"), 0o755);

const explorer = join(root, "scripts/build-explorer.mjs");
if (existsSync(explorer)) {
  const { buildExplorer } = await import(pathToFileURL(explorer).href);
  await buildExplorer();
}
stampBuild();
