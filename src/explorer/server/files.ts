/** @file Files below a folder, and never above it. */
import { createReadStream } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, relative, sep } from "node:path";
import { contentTypes } from "./headers.js";

/** The real path of a file below `folder`; undefined when it is not there or leads out of it (dots, links, devices). */
export async function fileBelow(folder: string, path: string): Promise<string | undefined> {
  let name: string;
  try {
    name = decodeURIComponent(path);
  } catch {
    return undefined;
  }
  if (name.includes("\0") || name.split(/[/\\]/).some((part) => part === "..")) return undefined;
  try {
    const base = await realpath(folder);
    const real = await realpath(join(base, name));
    const inside = real === base || real.startsWith(base + sep);
    return inside && (await stat(real)).isFile() ? real : undefined;
  } catch {
    return undefined;
  }
}

/**
 * As `fileBelow`, for a model folder: its own links may lead elsewhere (a hub cache links every file to a blob), so the
 * name is held against the listing instead.
 */
export async function modelFile(folder: string, path: string): Promise<string | undefined> {
  const listed = await modelFiles(folder);
  let name: string;
  try {
    name = decodeURIComponent(path);
  } catch {
    return undefined;
  }
  return listed.some((f) => f.path === name) ? join(folder, name) : undefined;
}

const wanted = /(\.json|\.safetensors|\.gguf|\.txt|\.model|\.jinja)$/;

/** What of a model folder is handed over: weights, configuration, tokenizer; one folder deep. */
export async function modelFiles(folder: string): Promise<{ path: string; size: number }[]> {
  const out: { path: string; size: number }[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!wanted.test(entry.name)) continue;
    const info = await stat(join(folder, entry.name)).catch(() => undefined);
    if (info?.isFile()) out.push({ path: relative(folder, join(folder, entry.name)), size: info.size });
  }
  return out.sort((a, b) => a.path.localeCompare(b.path));
}

/** Sends a file, or the part a Range header asks for. */
export async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  caching: string,
): Promise<void> {
  const { size } = await stat(path);
  const head: Record<string, string | number> = {
    "Content-Type": contentTypes[extname(path)] ?? "application/octet-stream",
    "Accept-Ranges": "bytes",
    "Cache-Control": caching,
  };
  const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? "");
  let [start, end] = [0, size - 1];
  if (range && (range[1] || range[2])) {
    start = range[1] ? Number(range[1]) : Math.max(0, size - Number(range[2]));
    end = range[1] && range[2] ? Math.min(size - 1, Number(range[2])) : size - 1;
    if (start > end || start >= size) {
      response.writeHead(416, { "Content-Range": `bytes */${size}` }).end();
      return;
    }
    head["Content-Range"] = `bytes ${start}-${end}/${size}`;
  }
  head["Content-Length"] = Math.max(0, end - start + 1);
  response.writeHead(range ? 206 : 200, head);
  if (request.method === "HEAD" || size === 0) {
    response.end();
    return;
  }
  const stream = createReadStream(path, { start, end });
  stream.on("error", () => response.destroy());
  stream.pipe(response);
}
