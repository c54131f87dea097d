/**
 * @file From arguments to an exit code.
 *
 * 0 done · 1 the command found something wrong (`check`) · 2 it could not do what was asked. An error of ours is one line
 * on stderr without a stack; anything else is a fault of the program, says so and ends with 70.
 */
import { Command, CommanderError } from "commander";
import { QkvError } from "../../tensor/index.js";

export interface CommandTable {
  [name: string]: { says: string; load: () => Promise<{ command(): Command }> };
}

/** Ends a command with a code that is not success, after it has said what there is to say. */
export class Exit extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

/** Runs the program on `process.argv` and sets `process.exitCode`. */
export async function runProgram(
  { version, commands }: { version: string; commands: CommandTable },
  argv = process.argv,
): Promise<void> {
  // A reader that closes early (`qkv view … | head`) is no error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  try {
    const program = await build(version, commands, argv[2]);
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Only the command that is asked for is loaded: help and a typing error answer at once. */
async function build(version: string, commands: CommandTable, asked: string | undefined): Promise<Command> {
  const program = new Command("qkv")
    .description("Self-attention for TypeScript: compute it, check it, see it.")
    .version(version, "-V, --version")
    .exitOverride()
    .showSuggestionAfterError()
    .addHelpText(
      "after",
      `
Start here:
  qkv explore                                     the explorer, on the model that comes with qkv
  qkv view bundled "the cat sat on the mat"       a head's map in the terminal
  qkv <command> --help                            every option of a command`,
    );
  for (const [name, { says, load }] of Object.entries(commands)) {
    if (name === asked) program.addCommand(configured((await load()).command().name(name).description(says)));
    else program.command(name).description(says).allowUnknownOption().allowExcessArguments();
  }
  return program;
}

/** The same manners for every command and subcommand. */
function configured(command: Command): Command {
  command.exitOverride().showSuggestionAfterError().showHelpAfterError("(--help lists the options)");
  for (const sub of command.commands) configured(sub);
  return command;
}

/** Says what went wrong and gives the exit code. */
export function report(error: unknown): number {
  if (error instanceof Exit) return error.code;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // commander has already said it
  if (error instanceof QkvError) {
    console.error(error.message);
    return 2;
  }
  const known = systemError(error);
  if (known) {
    console.error(known);
    return 2;
  }
  const e = error instanceof Error ? error : new Error(String(error));
  console.error(`qkv: ${e.message}\nThis is a fault in qkv. Set QKV_DEBUG=1 to see where it happened.`);
  if (process.env["QKV_DEBUG"]) console.error(e.stack);
  return 70;
}

function systemError(error: unknown): string | undefined {
  const { code, path } = (error ?? {}) as NodeJS.ErrnoException;
  const words: Record<string, string> = {
    ENOENT: "is not there",
    EACCES: "may not be read or written",
    EISDIR: "is a folder",
    ENOTDIR: "is no folder",
    ENOSPC: "cannot be written: the disk is full",
    EADDRINUSE: "is in use",
  };
  return code && words[code] && path ? `qkv: ${path} ${words[code]}.` : undefined;
}
