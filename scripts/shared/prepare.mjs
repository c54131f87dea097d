/**
 * @file What a fresh clone lacks, put in place: packages, the build, a browser for the tests.
 * Only Node's own modules are used here, since nothing else may be installed yet.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** Runs a command in the repository; on failure the process ends with its exit code. */
export function run(command, args, { env = {}, quiet = false } = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: quiet ? ["ignore", "ignore", "inherit"] : ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
  if (result.error) throw result.error;
  return result.status ?? 1;
}

/** Node's major and minor version decide whether anything here can work; better to say so first. */
export function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(`qkv: Node ${process.versions.node} is too old; expected 20.19 or newer. Fix: install a newer Node.`);
  process.exit(2);
}

/** Installs the packages when they are missing or older than the lock file. */
export function installPackages() {
  const marker = join(root, "node_modules/.package-lock.json");
  const lock = join(root, "package-lock.json");
  if (existsSync(marker) && statSync(marker).mtimeMs >= statSync(lock).mtimeMs) return;
  if (existsSync(marker) && sameLock(marker, lock)) return;
  console.error("Installing packages (once; about half a minute) …");
  // onnxruntime-node would fetch GPU libraries at installation; the tests use its CPU build, which the package holds.
  const status = run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    env: { ONNXRUNTIME_NODE_INSTALL: "skip" },
    quiet: true,
  });
  if (status !== 0) process.exit(status);
}

/** A checkout gives files new dates; what counts is whether every locked version is the installed one. */
function sameLock(installed, locked) {
  const versions = (file) =>
    Object.entries(JSON.parse(readFileSync(file, "utf8")).packages)
      .filter(([name, p]) => name && !p.optional && !p.peer)
      .map(([name, p]) => `${name}@${p.version}`);
  const have = new Set(versions(installed));
  return versions(locked).every((v) => have.has(v));
}

/** Newest modification below the given files and folders, in ms. */
function newest(paths) {
  let time = 0;
  for (const path of paths) {
    if (!existsSync(path)) continue;
    const stat = statSync(path);
    if (stat.isDirectory()) time = Math.max(time, newest(readdirSync(path).map((n) => join(path, n))));
    else if (!path.endsWith(".test.ts")) time = Math.max(time, stat.mtimeMs);
  }
  return time;
}

/** Builds `dist` when a source is newer than the last complete build. */
export function buildIfNeeded() {
  const stamp = join(root, "dist/.built");
  const sources = ["src", "scripts", "package.json", "tsconfig.json", "tsconfig.build.json"].map((p) => join(root, p));
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= newest(sources)) return;
  console.error("Building …");
  const status = run(process.execPath, [join(root, "scripts/build.mjs")]);
  if (status !== 0) process.exit(status);
}

/** Marks the build as complete. */
export function stampBuild() {
  mkdirSync(join(root, "dist"), { recursive: true });
  writeFileSync(join(root, "dist/.built"), `${new Date().toISOString()}\n`);
}
