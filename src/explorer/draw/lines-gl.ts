/**
 * @file Curves by WebGL2: one instanced draw, a strip of triangles a curve, whatever their number. The same cubic, width and
 * ink as on the 2D canvas. A browser without WebGL2 or with a lost context draws them there: `draw` says false.
 */
import type { Scene } from "../scene/scene.js";
import type { Look } from "./canvas.js";
import { headStyle } from "./colour.js";

/** Pieces of a curve. */
const pieces = 24;

const vertex = `#version 300 es
layout(location = 0) in vec4 ends;   // x1, y1, x2, y2 in pixels
layout(location = 1) in vec4 ink;    // rgb, weight (negative: faded, since another token is looked at)
layout(location = 2) in vec2 dash;   // dash and gap in pixels; 0 = solid
uniform vec2 size;
out vec4 colour;
out vec2 gaps;
out float along;
void main() {
  float t = float(gl_VertexID >> 1) / ${pieces.toFixed(1)};
  float side = float(gl_VertexID & 1) - 0.5;
  float s = 1.0 - t;
  float w = ends.z - ends.x;
  float h = ends.w - ends.y;
  vec2 at = vec2(ends.x + w * (1.5 * t * s * s + 1.5 * t * t * s + t * t * t), ends.y + h * (3.0 * t * t - 2.0 * t * t * t));
  vec2 slope = vec2(w * (1.5 * s * s + 1.5 * t * t), h * 6.0 * t * s);
  vec2 normal = normalize(vec2(-slope.y, slope.x) + vec2(0.0, 1e-6));
  float weight = abs(ink.w);
  at += normal * side * (0.75 + 3.25 * weight);
  colour = vec4(ink.rgb, ink.w < 0.0 ? 0.08 : 0.12 + 0.88 * sqrt(weight));
  gaps = dash;
  along = t * length(vec2(w, h));
  gl_Position = vec4(2.0 * at.x / size.x - 1.0, 1.0 - 2.0 * at.y / size.y, 0.0, 1.0);
}`;
const fragment = `#version 300 es
precision mediump float;
in vec4 colour;
in vec2 gaps;
in float along;
out vec4 shown;
void main() {
  if (gaps.x > 0.0 && mod(along, gaps.x + gaps.y) > gaps.x) discard;
  shown = vec4(colour.rgb * colour.a, colour.a);
}`;

export class LinePainter {
  readonly canvas: HTMLCanvasElement;
  #gl: WebGL2RenderingContext | null;
  #program: WebGLProgram | null = null;
  #buffer: WebGLBuffer | null = null;
  #filled: { scene: Scene["lines"]; key: string } | undefined;

  constructor() {
    this.canvas = document.createElement("canvas");
    this.#gl = this.canvas.getContext("webgl2", {
      antialias: true,
      premultipliedAlpha: true,
      preserveDrawingBuffer: true,
    });
    this.canvas.addEventListener("webglcontextlost", (e) => {
      e.preventDefault();
      this.#program = null;
    });
  }

  #start(gl: WebGL2RenderingContext): boolean {
    if (this.#program) return true;
    if (gl.isContextLost()) return false;
    const program = gl.createProgram()!;
    for (const [type, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]] as const) {
      const shader = gl.createShader(type)!;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    } // biome-ignore format: two shaders
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return false;
    this.#program = program;
    this.#buffer = gl.createBuffer();
    this.#filled = undefined;
    gl.bindVertexArray(gl.createVertexArray());
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffer);
    for (const [place, count, from] of [[0, 4, 0], [1, 4, 4], [2, 2, 8]] as const) {
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, count, gl.FLOAT, false, 40, from * 4);
      gl.vertexAttribDivisor(place, 1);
    } // biome-ignore format: three inputs
    return true;
  }

  /** Draws a scene's lines onto a 2D canvas. @returns false when it cannot */
  draw(g: CanvasRenderingContext2D, scene: Scene, look: Look, ratio: number): boolean {
    const gl = this.#gl;
    const [W, H] = [Math.round(scene.width * ratio), Math.round(scene.height * ratio)];
    if (!gl || Math.max(W, H) > gl.getParameter(gl.MAX_RENDERBUFFER_SIZE) || !this.#start(gl)) return false;
    if (this.canvas.width !== W || this.canvas.height !== H) [this.canvas.width, this.canvas.height] = [W, H];
    this.#fill(gl, scene, look);
    gl.viewport(0, 0, W, H);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    // biome-ignore lint/correctness/useHookAtTopLevel: a call of WebGL, not of React
    gl.useProgram(this.#program);
    gl.uniform2f(gl.getUniformLocation(this.#program!, "size"), scene.width, scene.height);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 2 * (pieces + 1), scene.lines.length);
    g.drawImage(this.canvas, 0, 0, scene.width, scene.height);
    return true;
  }

  #fill(gl: WebGL2RenderingContext, { lines }: Scene, look: Look): void {
    const { cursor } = look;
    const key = `${look.mode} ${cursor?.query} ${cursor?.key} ${cursor?.head}`;
    if (this.#filled?.scene === lines && this.#filled.key === key) return;
    const styles = new Map<number, { rgb: number[]; dash: readonly number[] }>();
    const styleOf = (head: number): { rgb: number[]; dash: readonly number[] } => {
      let style = styles.get(head);
      if (!style) {
        const { colour, dash } = headStyle(head, look.mode);
        styles.set(head, (style = { rgb: rgbOf(colour), dash }));
      }
      return style;
    };
    const out = new Float32Array(lines.length * 10);
    lines.forEach((l, n) => {
      const { rgb, dash } = styleOf(l.head);
      const other =
        (cursor?.query !== undefined && cursor.query >= 0 && l.query !== cursor.query) ||
        (cursor?.key !== undefined && cursor.key >= 0 && l.key !== cursor.key);
      out.set([l.x1, l.y1, l.x2, l.y2, rgb[0]!, rgb[1]!, rgb[2]!, other ? -l.weight : l.weight, dash[0] ?? 0, dash[1] ?? 0], n * 10); // biome-ignore format: one curve
    });
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffer);
    gl.bufferData(gl.ARRAY_BUFFER, out, gl.DYNAMIC_DRAW);
    this.#filled = { scene: lines, key };
  }
}

/** Any CSS colour as numbers in 0 … 1. */
function rgbOf(colour: string): number[] {
  const g = new OffscreenCanvas(1, 1).getContext("2d")!;
  g.fillStyle = colour;
  g.fillRect(0, 0, 1, 1);
  return [...g.getImageData(0, 0, 1, 1).data.slice(0, 3)].map((x) => x / 255);
}
