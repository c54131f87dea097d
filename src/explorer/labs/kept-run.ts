/**
 * @file What a training in the page has given so far, and the bytes from which it goes on. It lives in the page, not in the
 * worker: whether the reader stops it, goes elsewhere or the worker dies, nothing but the steps since the last look is made
 * twice, and those to the same bits.
 */
export interface Step {
  step: number;
  steps: number;
  kept?: Uint8Array;
}

export class KeptRun<S extends Step> {
  readonly steps: S[] = [];
  #bytes: Uint8Array | undefined;
  #at = 0;

  add(step: S): void {
    const { kept, ...rest } = step;
    if (kept) {
      this.#bytes = kept;
      this.#at = step.step;
    }
    this.steps.push(rest as S);
  }

  /** The step it has reached. */
  get step(): number {
    return this.steps.at(-1)?.step ?? 0;
  }
  /** The step from which it would go on. */
  get from(): number {
    return this.#at;
  }
  get done(): boolean {
    const last = this.steps.at(-1);
    return last !== undefined && last.step === last.steps;
  }

  /** Takes back what came after the last look. @returns the bytes to go on from; none before the first look */
  rewind(): Uint8Array | undefined {
    while (this.steps.length > 0 && (!this.#bytes || this.step > this.#at)) this.steps.pop();
    return this.#bytes;
  }
}
