/** @file How this room refuses a file: one line, the file's name, where it went wrong, the way out. */
import { FileError } from "../../tensor/index.js";

/** What the reader calls itself in errors. */
export const where = "onnx";

/**
 * Throws the one error for a file that cannot be read.
 * @param file its name as the user gave it, or "the bytes"
 */
export function refuse(file: string, got: string, fix = "the file is damaged or no ONNX file; fetch it again"): never {
  throw new FileError({ where, argument: file, got, fix });
}
