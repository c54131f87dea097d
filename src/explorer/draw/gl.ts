/**
 * @file A WebGL2 program on a canvas. No WebGL, no graphics card and a lost context are not errors: `ok` is false, the caller
 * draws with the 2D canvas, and is told when the context is lost and when it is back. Where a processor plays the card the 2D
 * canvas is the faster one: tens of thousands of blended curves take half a second, and each frame is read back while the page waits.
 */

export interface GlSource {
  vertex: string;
  fragment: string;
  uniforms: readonly string[];
  context?: WebGLContextAttributes;
  /** Called whenever the context starts anew: what was uploaded is gone. */
  started?(gl: WebGL2RenderingContext): void;
  /** The context was lost or has come back: draw again. */
  changed(): void;
}

export class GlProgram {
  readonly canvas: HTMLCanvasElement;
  readonly gl: WebGL2RenderingContext | null;
  readonly uniforms: Record<string, WebGLUniformLocation | null> = {};
  ok = false;
  readonly #source: GlSource;

  constructor(canvas: HTMLCanvasElement, source: GlSource) {
    this.canvas = canvas;
    this.#source = source;
    this.gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true, ...source.context });
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault(); // else it is never given back
      this.ok = false;
      source.changed();
    });
    canvas.addEventListener("webglcontextrestored", () => {
      this.#start();
      source.changed();
    });
    this.#start();
  }

  #start(): void {
    const { gl } = this;
    this.ok = false;
    if (!gl || gl.isContextLost() || isSoftware(gl)) return;
    const program = gl.createProgram()!;
    for (const [type, text] of [
      [gl.VERTEX_SHADER, this.#source.vertex],
      [gl.FRAGMENT_SHADER, this.#source.fragment],
    ] as const) {
      const shader = gl.createShader(type)!;
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return;
    gl.useProgram(program); // the canvas has this one only
    for (const name of this.#source.uniforms) this.uniforms[name] = gl.getUniformLocation(program, name);
    gl.bindVertexArray(gl.createVertexArray());
    this.#source.started?.(gl);
    this.ok = true;
  }

  /** Makes the canvas so many pixels large, and clears it. */
  clear(width: number, height: number): void {
    const { canvas, gl } = this;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    gl!.viewport(0, 0, width, height);
    gl!.disable(gl!.SCISSOR_TEST);
    gl!.clearColor(0, 0, 0, 0);
    gl!.clear(gl!.COLOR_BUFFER_BIT);
  }

  /** Gives the context back at once: a browser keeps few of them, and takes the oldest away when there are more. */
  release(): void {
    this.ok = false;
    this.gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/** Whether a processor plays the graphics card: SwiftShader, llvmpipe, Windows' basic renderer. */
function isSoftware(gl: WebGL2RenderingContext): boolean {
  const names = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

/** The bound texture is read texel by texel. */
export function nearest(gl: WebGL2RenderingContext): void {
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
}
