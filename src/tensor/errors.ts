/**
 * @file Errors as data, worded in one place.
 *
 * Every refusal in the library is a `QkvError` whose fields say where, which argument, what came, what was needed and
 * the way out. The sentence is built here and nowhere else, so the command line, the checker and the explorer show the
 * same words:
 *
 *     attention: k has headDim 32 in [2, 8, 5, 32]; expected headDim 64, as in q [2, 8, 7, 64]. Fix: project k to 64 per head.
 */

/** What an error says, as data. `got` and `expected` are clauses: "has headDim 32 in [2, 8, 5, 32]", "headDim 64". */
export interface ErrorDetails {
  /** The public function or command that refuses: "attention", "loadModel". */
  where: string;
  /** The argument, option, tensor or file at fault: "k", "options.keyLengths". */
  argument: string;
  /** What came, as a clause after the argument: "has headDim 32 in [2, 8, 5, 32]". */
  got: string;
  /** What was needed: "headDim 64, as in q [2, 8, 7, 64]". Left out where nothing could have served. */
  expected?: string;
  /** The way out, as a command to the reader: "project k to 64 per head before splitHeads". */
  fix?: string;
}

/** The one place where the words of an error are put together. */
export function errorMessage({ where, argument, got, expected, fix }: ErrorDetails): string {
  const need = expected === undefined ? "" : `; expected ${expected}`;
  const out = fix === undefined ? "" : ` Fix: ${fix}.`;
  return `${where}: ${argument} ${got}${need}.${out}`;
}

/** Base of every error this library throws on purpose. */
export class QkvError extends Error implements ErrorDetails {
  readonly where: string;
  readonly argument: string;
  readonly got: string;
  readonly expected?: string;
  readonly fix?: string;

  constructor(details: ErrorDetails, options?: { cause?: unknown }) {
    super(errorMessage(details), options);
    this.name = new.target.name;
    this.where = details.where;
    this.argument = details.argument;
    this.got = details.got;
    if (details.expected !== undefined) this.expected = details.expected;
    if (details.fix !== undefined) this.fix = details.fix;
  }
}

/** Axes that disagree. */
export class ShapeError extends QkvError {}
/** A value outside what an option may be. */
export class OptionError extends QkvError {}
/** A file, folder or stream that does not hold what it should. */
export class FileError extends QkvError {}
/** Something optional that is not here: a peer package, a kernel build, a browser feature, the network. */
export class UnavailableError extends QkvError {}
