/**
 * @file Work of the engine that the reader may stop: whether it goes on, how far it is, what went wrong. It is given up when the
 * view that asked for it goes.
 */
import { html, nothing, type ReactiveController, type ReactiveControllerHost, type TemplateResult } from "lit";
import { words } from "../state/store.js";

type Work = (options: { signal: AbortSignal; onProgress: (done: number, total: number) => void }) => Promise<void>;

export class Stoppable implements ReactiveController {
  busy = false;
  progress: { done: number; total: number } | undefined;
  #trouble = "";
  #control: AbortController | undefined;
  readonly #host: ReactiveControllerHost;
  readonly #failed: (what: string) => string;

  /** @param failed words what is said when the work ends in an error */
  constructor(host: ReactiveControllerHost, failed: (what: string) => string = (what) => what) {
    this.#host = host;
    this.#failed = failed;
    host.addController(this);
  }

  hostDisconnected(): void {
    this.#stop("left");
  }

  #stop(why: string): void {
    this.#control?.abort(new DOMException(why, "AbortError"));
  }

  /** Starts the work; what went on before is stopped. */
  async start(work: Work): Promise<void> {
    this.#stop("started anew");
    const control = new AbortController();
    this.#control = control;
    this.busy = true;
    this.progress = undefined;
    this.#trouble = "";
    this.#host.requestUpdate();
    const onProgress = (done: number, total: number): void => {
      if (this.#control !== control) return;
      this.progress = { done, total };
      this.#host.requestUpdate();
    };
    try {
      await work({ signal: control.signal, onProgress });
    } catch (error) {
      if ((error as Error).name !== "AbortError" && this.#control === control)
        this.#trouble = this.#failed(words(error));
    } finally {
      if (this.#control === control) {
        this.busy = false;
        this.#host.requestUpdate();
      }
    }
  }

  /** The button that stops it. */
  get button(): TemplateResult {
    return html`<button @click=${() => this.#stop("stopped")}>Stop</button>`;
  }

  /** How far it is. */
  bar(label: string): TemplateResult {
    const { done, total } = this.progress ?? { done: 0, total: 1 };
    return html`<progress max=${total} value=${done} aria-label=${label}></progress>`;
  }

  /** What went wrong. */
  get alarm(): TemplateResult | typeof nothing {
    return this.#trouble ? html`<p class="error" role="alert">${this.#trouble}</p>` : nothing;
  }
}
