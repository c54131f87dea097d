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

/** No answer at all: the network, not the hub, is the matter. */
export class NoNetwork extends UnavailableError {}

/** What the repository holds at a revision. */
export async function listFiles(hub: Hub, { id, revision }: HubId): Promise<RepoListing> {
  const response = await request(hub, `${hub.endpoint}/api/models/${id}/revision/${encodeURIComponent(revision)}`);
  if (!response.ok) throw refusal(response, id, revision);
  const { sha, siblings } = (await response.json()) as { sha?: string; siblings?: { rfilename: string }[] };
  if (typeof sha !== "string" || !Array.isArray(siblings)) {
    throw new FileError({
      where: "get",
      argument: id,
      got: `has a description from ${hub.endpoint} that cannot be read`,
      expected: "{ sha, siblings }",
    });
  }
  return { commit: sha, files: siblings.map((s) => s.rfilename) };
}

/** Checksum and size of one file. */
export async function fileFacts(hub: Hub, { id, revision }: HubId, file: string): Promise<FileFacts> {
  const response = await request(hub, fileUrl(hub, id, revision, file), { method: "HEAD", stopAbroad: true });
  if (response.status >= 400) throw refusal(response, id, revision, file);
  const { headers } = response;
  const etag = (headers.get("x-linked-etag") ?? headers.get("etag") ?? "").replace(/^W\//, "").replaceAll('"', "");
  if (!/^[\w.-]+$/.test(etag)) {
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
    const init: RequestInit = {
      method,
      headers: authorised,
      redirect: "manual",
      ...(hub.signal && { signal: hub.signal }),
    };
    const response = await hub.fetch(url, init).catch((cause: Error) => {
      if (hub.signal?.aborted) throw cause;
      throw new NoNetwork(
        {
          where: "get",
          argument: url.host,
          got: `cannot be reached (${reason(cause)})`,
          fix: "look at the network and HF_ENDPOINT, or load a folder that is on this machine",
        },
        { cause },
      );
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

function reason(error: Error): string {
  const cause = error.cause as { code?: string; message?: string } | undefined;
  return cause?.code ?? cause?.message ?? error.message;
}

/** An answer that is a refusal, in words that name the way out. The token is in none of them. */
function refusal(response: Response, id: string, revision: string, file?: string): FileError {
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
  return new FileError({
    where: "get",
    argument: what,
    got: `was answered with HTTP ${status}`,
    fix: "try again later",
  });
}
