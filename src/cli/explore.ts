/** @file `qkv explore [MODEL] [TEXT]`: serves the explorer to this machine until stopped. */
import { spawn } from "node:child_process";
import { Command, InvalidArgumentError } from "commander";
import { serveExplorer } from "../explorer/index.js";
import { servedModel } from "./shared/served.js";

interface Options {
  port: number;
  host: string;
  open: boolean;
}

export function command(): Command {
  return new Command("explore")
    .argument("[model]", "a model folder, a hub id, a .gguf or .onnx file, a trace file, or “bundled”", "bundled")
    .argument("[text]", "the text to begin with")
    .option("--port <number>", "the port to listen on (default: a free one)", portNumber, 0)
    .option("--host <address>", "the loopback address to listen on", "127.0.0.1")
    .option("--no-open", "print the address only")
    .addHelpText(
      "after",
      '\nExamples:\n  qkv explore\n  qkv explore ./MiniLM "the cat sat on the mat"\n  qkv explore sentence-transformers/all-MiniLM-L6-v2\n  qkv explore run.trace.safetensors --no-open\n\nThe page is served to this machine only, and nothing leaves it.',
    )
    .action(async (model: string, text: string | undefined, options: Options) => {
      const server = await serveExplorer({
        port: options.port,
        host: options.host,
        models: model === "bundled" ? [] : [await servedModel(model)],
        ...(text !== undefined && { text }),
      });
      console.log(`qkv explorer: ${server.url}`);
      console.log("Ctrl+C stops it.");
      if (options.open && process.stdout.isTTY && hasDisplay()) openBrowser(server.url);
      await stopped();
      await server.close();
    });
}

function portNumber(given: string): number {
  const n = Number(given);
  if (!Number.isInteger(n) || n < 0 || n > 65535)
    throw new InvalidArgumentError("expected a whole number from 0 to 65535.");
  return n;
}

function hasDisplay(): boolean {
  return (
    process.platform === "darwin" ||
    process.platform === "win32" ||
    Boolean(process.env["DISPLAY"] || process.env["WAYLAND_DISPLAY"])
  );
}

function openBrowser(url: string): void {
  const [program, args] =
    process.platform === "darwin"
      ? ["open", [url]]
      : process.platform === "win32"
        ? ["cmd", ["/c", "start", "", url]]
        : ["xdg-open", [url]];
  const child = spawn(program as string, args as string[], { stdio: "ignore", detached: true });
  child.on("error", () => {}); // the address is printed; a missing opener is no fault
  child.unref();
}

function stopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}
