/**
 * @file The hub's protocol: what a repository holds, and one file of it.
 *
 *     GET  /api/models/ID/revision/REV     { sha, siblings: [{ rfilename }] }
 *     HEAD /ID/resolve/REV/FILE            x-repo-commit, etag or x-linked-etag (its checksum), x-linked-size; may redirect
 *     GET  /ID/resolve/REV/FILE            Range: bytes=N-  →  206 from there on, or 200 from the beginning
 *
 * Redirects are followed here, so that the token goes to the endpoint and to nobody else.
 */
import { FileError, UnavailableError } from "../../../tensor/index.js";
import type { Hub, HubId } from "./settings.js";

export interface RepoListing {
  commit: string;
  files: string[];
}

export interface FileFacts {
  commit: string;
  /** The hub's name of the contents: a sha256 or a git hash, without quotes. */
  etag: string;
  size: number | undefined;
}

/** No answer that says anything of what was asked for: the network or the hub itself is the matter. */
export class NoAnswer extends UnavailableError {}

/** What the repository holds at a revision. */
export async function listFiles(hub: Hub, { id, revision }: HubId): Promise<RepoListing> {
  const response = await request(hub, `${hub.endpoint}/api/models/${id}/revision/${encodeURIComponent(revision)}`);
  if (!response.ok) throw refusal(response, { id, revision });
  const text = await heard(hub, response.text()).catch((cause: Error) => {
    throw hub.signal?.aborted ? cause : noAnswer(new URL(hub.endpoint).host, reason(cause), cause);
  });
  const { sha, siblings } = parsed(text);
  const names = Array.isArray(siblings)
    ? siblings.map((s: { rfilename?: unknown } | null) => s?.rfilename)
    : [undefined];
  // The commit becomes the name of a folder.
  if (typeof sha !== "string" || !/^[\w-]+$/.test(sha) || !names.every((n) => typeof n === "string")) {
    throw new FileError({
      where: "get",
      argument: id,
      got: `has a description from ${hub.endpoint} that cannot be read`,
      expected: "{ sha, siblings }",
    });
  }
  return { commit: sha, files: names };
}

function parsed(text: string): { sha?: unknown; siblings?: unknown } {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {}; // the page of a proxy, for instance
  }
}

/** What a server says, unless it says nothing for too long. */
export async function heard<T>(hub: Hub, answer: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no byte in ${hub.timeout} s`)), 1000 * hub.timeout);
  });
  try {
    return await Promise.race([answer, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** Checksum and size of one file. */
export async function fileFacts(hub: Hub, { id, revision }: HubId, file: string): Promise<FileFacts> {
  const response = await request(hub, fileUrl(hub, id, revision, file), { method: "HEAD", stopAbroad: true });
  if (response.status >= 400) throw refusal(response, { id, revision }, file);
  const { headers } = response;
  const etag = (headers.get("x-linked-etag") ?? headers.get("etag") ?? "").replace(/^W\//, "").replaceAll('"', "");
  if (!/^\w[\w.-]*$/.test(etag)) {
    const got = `comes without a checksum from ${hub.endpoint}`;
    throw new FileError({ where: "get", argument: `${file} of ${id}`, got, expected: "an ETag header" });
  }
  const size = headers.get("x-linked-size") ?? (response.ok ? headers.get("content-length") : null);
  return {
    commit: headers.get("x-repo-commit") ?? revision,
    etag,
    size: size === null ? undefined : Number(size),
  };
}

/** The file from byte `from` on. */
export function openFile(hub: Hub, { id, revision }: HubId, file: string, from: number): Promise<Response> {
  const headers: Record<string, string> = { "accept-encoding": "identity" }; // or sizes and ranges would not be the file's
  if (from > 0) headers["range"] = `bytes=${from}-`;
  return request(hub, fileUrl(hub, id, revision, file), { headers });
}

const fileUrl = (hub: Hub, id: string, revision: string, file: string): string =>
  `${hub.endpoint}/${id}/resolve/${encodeURIComponent(revision)}/${file.split("/").map(encodeURIComponent).join("/")}`;

interface RequestOptions {
  method?: string;
  headers?: Record<string, string>;
  /** Give back the redirect to another host itself: it carries the facts that the other host does not know. */
  stopAbroad?: boolean;
}

async function request(hub: Hub, address: string, options: RequestOptions = {}): Promise<Response> {
  const { method = "GET", headers = {}, stopAbroad = false } = options;
  const home = new URL(hub.endpoint).origin;
  let url = new URL(address);
  for (let hop = 0; hop < 10; hop++) {
    const atHome = url.origin === home;
    const authorised = hub.token && atHome ? { ...headers, authorization: `Bearer ${hub.token}` } : headers;
    const silence = new AbortController();
    const init: RequestInit = {
      method,
      headers: authorised,
      redirect: "manual",
      signal: hub.signal ? AbortSignal.any([hub.signal, silence.signal]) : silence.signal,
    };
    const response = await heard(hub, hub.fetch(url, init)).catch((cause: Error) => {
      silence.abort();
      throw hub.signal?.aborted ? cause : noAnswer(url.host, reason(cause), cause);
    });
    const location = response.headers.get("location");
    if (response.status < 300 || response.status > 399 || !location) return response;
    const next = new URL(location, url);
    if (stopAbroad && next.origin !== url.origin) return response;
    await response.body?.cancel();
    url = next;
  }
  throw new FileError({ where: "get", argument: address, got: "redirects more than ten times" });
}

function noAnswer(host: string, why: string, cause?: unknown): NoAnswer {
  const fix = "look at the network and HF_ENDPOINT, or load a folder that is on this machine";
  return new NoAnswer({ where: "get", argument: host, got: `cannot be reached (${why})`, fix }, { cause });
}

function reason(error: Error): string {
  const cause = error.cause as { code?: string; message?: string } | undefined;
  return cause?.code ?? cause?.message ?? error.message;
}

/** An answer that is a refusal, in words that name the way out. The token is in none of them. */
export function refusal(response: Response, { id, revision }: HubId, file?: string): FileError | NoAnswer {
  const what = file === undefined ? id : `${file} of ${id}`;
  const { status } = response;
  if (status === 401 || status === 403) {
    return new FileError({
      where: "get",
      argument: what,
      got: `is not open to everybody (HTTP ${status})`,
      fix: `accept its terms on the hub and set HF_TOKEN to a token that may read it; or look at the name: the hub answers so for models that do not exist`,
    });
  }
  if (status === 404) {
    const got =
      file === undefined ? `is not on the hub at revision "${revision}"` : `is not there at revision "${revision}"`;
    return new FileError({ where: "get", argument: what, got, fix: "look at the name: org/name, org/name@revision" });
  }
  const got = `was answered with HTTP ${status}`;
  if (status === 429) {
    const seconds = Number(response.headers.get("retry-after"));
    const wait = seconds > 0 ? `wait ${seconds} s` : "wait some minutes";
    const fix = `${wait}: it was asked too often; whoever sets HF_TOKEN may ask more often`;
    return new NoAnswer({ where: "get", argument: what, got, fix });
  }
  if (status >= 500)
    return new NoAnswer({ where: "get", argument: what, got, fix: "try again later: the hub has a fault" });
  return new FileError({ where: "get", argument: what, got, expected: "200", fix: "look at HF_ENDPOINT" });
}
