/** @file Long work that lets others speak: a worker's messages are heard between two steps. */

/** How long work may go on unheard, in ms: a stop button then answers at once. */
const UNHEARD = 50;

/** A function to await between steps; it gives way to the event loop when 50 ms have passed since it last did. */
export function breather(): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < UNHEARD) return;
    await new Promise<void>((resume) => setTimeout(resume, 0));
    last = performance.now();
  };
}
