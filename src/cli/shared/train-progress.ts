/** @file A bar on standard error, notes above it; where that is no terminal a line when the work begins, and the notes. */
import { SingleBar } from "cli-progress";

export interface Progress {
  at(step: number, says: string): void;
  /** A line that stays. */
  note(says: string): void;
  end(): void;
}

export function progress(name: string, total: number): Progress {
  const shown = process.stderr.isTTY === true;
  const bar = new SingleBar({
    format: `${name.padEnd(10)} {bar} {value}/{total} · {says} · {eta_formatted} left`,
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
  });
  if (shown) bar.start(total, 0, { says: "" });
  else process.stderr.write(`${name}: ${total} steps …\n`);
  return {
    at: (step, says) => {
      if (shown) bar.update(step, { says });
    },
    note: (says) => {
      process.stderr.write(shown ? `\r\x1b[K${says}\n` : `${says}\n`);
    },
    end: () => {
      if (shown) bar.stop();
    },
  };
}
