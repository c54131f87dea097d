/**
 * @file A hub on this machine, for tests: the same protocol, with the faults a network has.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface LoopbackOptions {
  files: Record<string, Uint8Array>;
  /** Cut the first answers to a file's GET after so many bytes, one entry an answer. */
  cuts?: Record<string, number[]>;
  /** Serve other bytes than the checksum says. */
  damaged?: Record<string, Uint8Array>;
  /** Files that another host serves, as the hub's large files are. */
  abroad?: readonly string[];
  /** Refuse whoever does not send this token. */
  token?: string;
  /** Serve no ranges. */
  noRanges?: boolean;
  /** Answer a range from its first byte on, whatever was asked for. */
  wrongRanges?: boolean;
  /** Answers to the first requests for a file, or for "listing": a status with headers, or never one. */
  faults?: Record<string, ({ status: number; headers?: Record<string, string> } | "silence")[]>;
  /** Say nothing more after so many bytes of a file's first GET. */
  stalls?: Record<string, number>;
  /** What the listing says instead. */
  listing?: string;
  /** A name of the contents that is no checksum. */
  etags?: Record<string, string>;
}

export interface Loopback {
  endpoint: string;
  /** What was asked for: "GET /…" with its range, and whether a token came along. */
  requests: { line: string; range: string | undefined; token: string | undefined; host: string }[];
  close(): Promise<void>;
}

export const commit = "0123456789abcdef0123456789abcdef01234567";

/** git's hash of small files, sha256 of large ones, as the hub has it. */
function etagOf(name: string, bytes: Uint8Array): string {
  if (name.endsWith(".safetensors")) return createHash("sha256").update(bytes).digest("hex");
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

export async function loopbackHub(options: LoopbackOptions): Promise<Loopback> {
  const requests: Loopback["requests"] = [];
  const cuts = structuredClone(options.cuts ?? {});
  const faults = structuredClone(options.faults ?? {});
  const stalls = { ...options.stalls };
  /** Whether the next answer is a fault, and has been given. */
  const faulty = (what: string, response: ServerResponse): boolean => {
    const fault = faults[what]?.shift();
    if (fault === "silence") return true;
    if (fault) response.writeHead(fault.status, fault.headers).end();
    return fault !== undefined;
  };
  const serve = (file: string, request: IncomingMessage, response: ServerResponse): void => {
    const bytes = options.damaged?.[file] ?? options.files[file]!;
    const range = options.noRanges ? undefined : /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
    const from = range && !options.wrongRanges ? Number(range[1]) : 0;
    if (range && from >= bytes.length) {
      response.writeHead(416).end();
      return;
    }
    response.writeHead(range ? 206 : 200, {
      "content-length": bytes.length - from,
      ...(range && { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    });
    const cut = request.method === "GET" ? cuts[file]?.shift() : undefined;
    const stall = request.method === "GET" ? stalls[file] : undefined;
    if (stall !== undefined) {
      delete stalls[file];
      response.write(bytes.subarray(from, from + stall));
      return;
    }
    if (request.method === "HEAD") response.end();
    else if (cut !== undefined) {
      response.write(bytes.subarray(from, from + cut), () => response.socket?.end()); // what was sent arrives, no more
    } else response.end(bytes.subarray(from));
  };
  const note = (request: IncomingMessage, host: string): void => {
    const { range, authorization } = request.headers;
    requests.push({ line: `${request.method} ${request.url}`, range, token: authorization, host });
  };
  const far = createServer((request, response) => {
    note(request, "far");
    serve(decodeURIComponent(request.url!.slice(1)), request, response);
  });
  await listening(far);
  const near = createServer((request, response) => {
    note(request, "near");
    if (options.token && request.headers.authorization !== `Bearer ${options.token}`) {
      response.writeHead(401).end();
      return;
    }
    const url = request.url!;
    if (/^\/api\/models\/org\/(name|moved)\/revision\/(main|0123)/.test(url)) {
      if (faulty("listing", response)) return;
      if (options.listing !== undefined) {
        response.end(options.listing);
        return;
      }
      const siblings = Object.keys(options.files).map((rfilename) => ({ rfilename }));
      response.end(JSON.stringify({ id: "org/name", sha: commit, siblings }));
      return;
    }
    if (url.startsWith(`/api/models/org/name/tree/${commit}`)) {
      // How Python's huggingface_hub learns what there is.
      const tree = Object.entries(options.files).map(([path, bytes]) => ({
        type: "file",
        path,
        size: bytes.length,
        oid: etagOf("", bytes),
      }));
      response.end(JSON.stringify(tree));
      return;
    }
    const file = new RegExp(`^/org/name/resolve/${commit}/(.+)$`).exec(url);
    if (file && options.files[decodeURIComponent(file[1]!)]) {
      const name = decodeURIComponent(file[1]!);
      const bytes = options.files[name]!;
      if (faulty(`${request.method} ${name}`, response)) return;
      response.setHeader("x-repo-commit", commit);
      response.setHeader("x-linked-size", bytes.length);
      response.setHeader("x-linked-etag", `"${options.etags?.[name] ?? etagOf(name, bytes)}"`);
      if (options.abroad?.includes(name)) {
        response.writeHead(302, { location: `${address(far)}/${encodeURIComponent(name)}` }).end();
      } else serve(name, request, response);
      return;
    }
    const moved = new RegExp(`^/org/moved/resolve/${commit}/(.+)$`).exec(url);
    if (moved) response.writeHead(307, { location: `/org/name/resolve/${commit}/${moved[1]}` }).end();
    else response.writeHead(404).end();
  });
  await listening(near);
  return {
    endpoint: address(near),
    requests,
    close: async () => {
      for (const server of [near, far]) {
        server.closeAllConnections();
        await new Promise((done) => server.close(done));
      }
    },
  };
}

const listening = (server: Server): Promise<void> => new Promise((done) => server.listen(0, "127.0.0.1", done));
const address = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
