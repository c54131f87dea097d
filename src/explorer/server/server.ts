/**
 * @file The explorer's server: the built page, the bundled model and the models named on the command line, to this machine
 * only. It listens on a loopback address, answers only to a loopback Host (so that no other site's name can be pointed at
 * it), reads and never writes, and knows four paths: the page, `/api/start`, `/models/<n>/<file>`, and `/runtime/<file>`,
 * onnxruntime-web from where npm put it, for ONNX graphs.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { existsSync, statSync } from "node:fs";
import { OptionError, UnavailableError } from "../../tensor/index.js";
import { fileBelow, modelFile, modelFiles, sendFile } from "./files.js";
import { onnxFile, onnxFiles, runtimeFolder } from "./onnx-files.js";
import type { Served } from "../engine/early.js";
import { safetyHeaders, sandboxPolicy } from "./headers.js";

export interface ExplorerOptions {
  /** Default 0: a free port. */
  port?: number;
  /** A loopback address. Default 127.0.0.1. */
  host?: string;
  /** Model folders and trace files to hand over, beside the bundled model; shown by their own name, or the one given. */
  models?: (string | { path: string; name: string })[];
  /** The text to begin with. */
  text?: string;
  /** Where the built page is; default: beside the library. */
  app?: string;
  /** Where the bundled model is; default: the package's. */
  bundled?: string;
}

export interface ExplorerServer {
  /** The address to open, with the text and model asked for. */
  url: string;
  port: number;
  close(): Promise<void>;
}

export const isLoopback = (host: string): boolean => /^(127(\.\d{1,3}){3}|localhost|::1|\[::1\])$/i.test(host);

const here = dirname(fileURLToPath(import.meta.url));
/** The package's root, from src/explorer/server or dist/explorer/server. */
const root = join(here, "../../..");

/** Serves until `close` is called. @throws {OptionError} for a host that others could reach. */
export async function serveExplorer(options: ExplorerOptions = {}): Promise<ExplorerServer> {
  const { port = 0, host = "127.0.0.1", models = [], text } = options;
  if (!isLoopback(host)) {
    throw new OptionError({
      where: "explore",
      argument: "--host",
      got: `is ${host}, which other machines could reach`,
      expected: "a loopback address: 127.0.0.1, localhost or ::1",
      fix: "leave --host out, and reach this machine through a tunnel: ssh -L 8080:127.0.0.1:8080 HOST",
    });
  }
  const app =
    options.app ??
    [join(root, "dist/explorer/app"), join(here, "../app")].find(
      (p) => existsSync(join(p, "index.html")) && !existsSync(join(p, "main.ts")),
    );
  if (!app || !existsSync(join(app, "index.html"))) {
    throw new UnavailableError({ where: "explore", argument: "the page", got: "is not built", fix: "npm run build" });
  }
  const shared = shareable(options.bundled ?? join(root, "models/bundled"), models);
  const server = createServer((request, response) => {
    answer(request, response, app, shared).catch(() => {
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  await listening(server, port, host.replace(/^\[|\]$/g, ""));
  const { port: taken } = server.address() as AddressInfo;
  const name = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  const hash = new URLSearchParams({ v: "1" });
  if (text !== undefined) hash.set("text", text);
  if (models.length > 0) hash.set("model", shared.find((m) => m.kind !== "bundled")!.id);
  const asked = hash.size > 1 ? `#${hash}` : "";
  return {
    url: `http://${name}:${taken}/${asked}`,
    port: taken,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Shared {
  id: string;
  name: string;
  kind: "bundled" | "folder" | "trace" | "onnx";
  path: string;
}

/** Names of folders and files that say nothing of what is in them. */
const bare =
  /^(?:models?|onnx|checkpoint(?:-\d+)?|weights|output|final|best|main|(?:(?:en|de)coder_)?model\w*\.onnx)$/i;

/** The last part of a path, with the one before it where the last is bare: "all-MiniLM-L6-v2/model". */
function nameOf(path: string): string {
  const at = resolve(path);
  return bare.test(basename(at)) ? `${basename(dirname(at))}/${basename(at)}` : basename(at);
}

function shareable(bundled: string, models: NonNullable<ExplorerOptions["models"]>): Shared[] {
  const out: Shared[] = [];
  if (existsSync(bundled)) out.push({ id: "bundled", name: "Bundled GPT", kind: "bundled", path: bundled });
  models.forEach((model, n) => {
    const { path, name } = typeof model === "string" ? { path: model, name: nameOf(model) } : model;
    if (!existsSync(path)) {
      throw new OptionError({
        where: "explore",
        argument: `MODEL "${path}"`,
        got: "is not there",
        expected: "a model folder, a .gguf or .onnx file or a trace file",
        fix: "check the path; qkv get MODEL fetches one from the hub",
      });
    }
    const onnx = onnxFile(path);
    const file = statSync(path).isFile();
    out.push({
      id: `model-${n + 1}`,
      name,
      kind: onnx ? "onnx" : file && !path.endsWith(".gguf") ? "trace" : "folder",
      path: onnx ?? path,
    });
  });
  return out;
}

function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EADDRINUSE" && error.code !== "EACCES") return reject(error);
      reject(
        new OptionError({
          where: "explore",
          argument: "--port",
          got: `${port} is ${error.code === "EACCES" ? "not allowed" : "in use"}`,
          expected: "a free port",
          fix: "leave --port out: a free one is taken",
        }),
      );
    });
    server.listen(port, host, resolve);
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  app: string,
  shared: Shared[],
): Promise<void> {
  for (const [name, value] of Object.entries(safetyHeaders)) response.setHeader(name, value);
  const refuse = (status: number): void => {
    response.writeHead(status, { "Content-Type": "text/plain" }).end(`${status}\n`);
  };
  const host = (request.headers.host ?? "").replace(/:\d+$/, "");
  if (!isLoopback(host)) return refuse(403);
  if (request.method !== "GET" && request.method !== "HEAD") return refuse(405);
  const path = (request.url ?? "/").split(/[?#]/)[0]!;
  if (path === "/api/start") {
    response.writeHead(200, { "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store" });
    response.end(request.method === "HEAD" ? "" : JSON.stringify(await startAnswer(shared)));
    return;
  }
  const model = /^\/models\/([\w-]+)\/(.+)$/.exec(path);
  if (model) {
    const found = shared.find((m) => m.id === model[1]);
    const file = found && (await sharedFile(found, model[2]!));
    return file ? sendFile(request, response, file, "no-cache") : refuse(404);
  }
  const runtime = /^\/runtime\/(ort[\w.-]*\.(?:mjs|wasm))$/.exec(path);
  if (runtime) {
    const folder = runtimeFolder();
    const found = folder && (await fileBelow(folder, runtime[1]!));
    return found ? sendFile(request, response, found, "no-cache") : refuse(404);
  }
  const file = await fileBelow(app, path === "/" ? "index.html" : path.slice(1));
  if (!file) return refuse(404);
  if (/sandbox[\w-]*\.js$/.test(file)) response.setHeader("Content-Security-Policy", sandboxPolicy);
  const named = /-[\w-]{8}\.\w+$/.test(file); // a name with a hash never changes its content
  return sendFile(request, response, file, named ? "public, max-age=31536000, immutable" : "no-cache");
}

async function sharedFile(model: Shared, path: string): Promise<string | undefined> {
  if (model.kind === "onnx") return (await onnxFiles(model.path)).find((f) => basename(f) === decodeURIComponent(path));
  if (statSync(model.path).isFile()) return decodeURIComponent(path) === basename(model.path) ? model.path : undefined;
  return modelFile(model.path, path);
}

async function startAnswer(shared: Shared[]): Promise<Served> {
  const models: Served["models"] = [];
  for (const { id, name, kind, path } of shared) {
    const info = statSync(path, { throwIfNoEntry: false });
    if (!info) continue;
    if (kind === "onnx") {
      const found = (await onnxFiles(path)).map((f) => ({ path: basename(f), size: statSync(f).size }));
      models.push({ id, name, base: `/models/${id}/`, kind, files: found });
      continue;
    }
    const files = info.isFile() ? [{ path: basename(path), size: info.size }] : await modelFiles(path);
    models.push({ id, name, base: `/models/${id}/`, kind, files });
  }
  return { models };
}
